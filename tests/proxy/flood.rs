//! B-74: whoever makes Gatehouse hash passwords slows down nobody who looks at pages.

use std::thread;
use std::time::{Duration, Instant};

use crate::behind_each_proxy;
use crate::proxy::Kind;
use crate::pulse::{Pulse, percentile};
use crate::site::{LOGIN, MANY_FILES, Site};

behind_each_proxy!(b74_a_flood_of_log_ins_is_not_felt_on_pages);

/// Client addresses that log in as fast as they are answered.
const CROWD: u8 = 16;
const SPAN: Duration = Duration::from_secs(5);

fn b74_a_flood_of_log_ins_is_not_felt_on_pages(kind: Kind) {
    // A cost that a release build takes, a queue that the crowd fills, tries without end.
    let settings = [("BCRYPT_COST", "10"), ("HASH_QUEUE", "8"), ("LIMIT_LOGIN", "1000000/1m")];
    let site = Site::start_with(kind, Vec::new(), &settings, MANY_FILES);
    let ann = site.signed_in(1, "ann@example.org");
    let quiet = Pulse::during(&site, &ann, || thread::sleep(SPAN / 2)).1;
    let before = site.gatehouse.memory().expect("running");
    let (answers, flood) = Pulse::during(&site, &ann, || {
        let one = |number: u8| {
            let (mut visitor, end) = (site.visitor(20 + number), Instant::now() + SPAN);
            let email = format!("n{number}@example.org");
            let form = [("email", email.as_str()), ("password", "a wrong harbour")];
            let mut answers = Vec::new();
            while Instant::now() < end {
                answers.push(visitor.post(LOGIN, "/sessions", &form).status);
            }
            answers
        };
        thread::scope(|scope| {
            let one = &one;
            let crowd: Vec<_> = (0..CROWD).map(|number| scope.spawn(move || one(number))).collect();
            crowd.into_iter().flat_map(|one| one.join().expect("no panic")).collect::<Vec<_>>()
        })
    });
    let memory = site.gatehouse.memory().expect("running");
    let of = |status: u16| answers.iter().filter(|it| **it == status).count();
    println!("{kind:?}: {} hashed, {} turned away with 503", of(401), of(503));
    println!("{kind:?}: quiet: {quiet}");
    println!("{kind:?}: meanwhile: {flood}");
    println!("{kind:?}: memory of Gatehouse {before:.1} MB, then {memory:.1}");
    assert_eq!(of(401) + of(503), answers.len(), "{answers:?}");
    assert!(of(401) > 0 && of(503) > 0, "the queue was full: {} and {}", of(401), of(503));
    assert!(memory - before < 32.0, "flat");
    for times in [&flood.login, &flood.profile] {
        assert!(percentile(times, 99) < Duration::from_secs(2), "{flood}");
    }
}

//! Whose address Gatehouse sees behind a proxy (D12; B-79 to B-81): the client's, whatever the client says.

use std::collections::BTreeMap;
use std::io::BufReader;

use crate::behind_each_proxy;
use crate::client::{Pairs, urlencoded};
use crate::proxy::Kind;
use crate::site::{LOGIN, MANY_FILES, PASSWORD, Site};

behind_each_proxy!(
    b80_the_session_bears_the_clients_address_whatever_headers_claim,
    b79_b81_a_spoofed_address_neither_escapes_a_limit_nor_uses_up_anothers,
    b10_b14_a_word_list_does_not_find_the_password_and_its_owner_gets_in,
);

/// What somebody might send to be somebody else.
const CLAIMS: [Pairs<'static>; 8] = [
    &[],
    &[("X-Forwarded-For", "203.0.113.9")],
    &[("X-Forwarded-For", "203.0.113.9, 127.0.0.1"), ("X-Forwarded-For", "198.51.100.7")],
    &[("X-Forwarded-For", "unknown"), ("x-forwarded-for", "[2001:db8::1%eth0]:443")],
    &[("X-Real-IP", "203.0.113.9"), ("X_Forwarded_For", "203.0.113.9")],
    &[("Forwarded", "for=203.0.113.9;proto=http;host=evil.example")],
    &[("X-Client-IP", "203.0.113.9"), ("True-Client-IP", "203.0.113.9"), ("Via", "1.1 evil")],
    &[
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Uri", "/"),
    ],
];

fn b80_the_session_bears_the_clients_address_whatever_headers_claim(kind: Kind) {
    let site = Site::start(kind);
    let ann = [("email", "ann@example.org"), ("password", PASSWORD)];
    site.visitor(1).post(LOGIN, "/users", &ann).is(200);
    let mut expected = Vec::new();
    for (last, claims) in (20..).zip(CLAIMS) {
        let answer = site.visitor(last).with(claims).post(LOGIN, "/sessions", &ann);
        answer.is(200);
        // Nor is it told that it came without https (B-83b).
        let cookies: Vec<_> = answer.all("set-cookie").collect();
        assert!(cookies.iter().all(|it| it.contains("; Secure")), "{claims:?}: {cookies:?}");
        assert!(cookies.iter().any(|it| it.starts_with("__Host-session_id=")), "{cookies:?}");
        expected.push(format!("127.0.0.{last}"));
    }
    assert_eq!(site.gatehouse.session_addresses(), expected);
}

fn b79_b81_a_spoofed_address_neither_escapes_a_limit_nor_uses_up_anothers(kind: Kind) {
    // Five times as many for an address.
    let settings = [("LIMIT_LOGIN", "2/1h, 100/1d")];
    let site = Site::start_with(kind, Vec::new(), &settings, MANY_FILES);
    let ann = [("email", "ann@example.org"), ("password", PASSWORD)];
    site.visitor(1).post(LOGIN, "/users", &ann).is(200);
    let statuses: Vec<u16> = (0..30)
        .map(|number| {
            // Each as somebody else, and every second one as Ann, who is at 127.0.0.5.
            let claimed = if number % 2 == 0 { 5 } else { 100 + number };
            let claimed = format!("127.0.0.{claimed}");
            let claims = [("X-Forwarded-For", &*claimed), ("X-Real-IP", &*claimed)];
            let email = format!("nobody{number}@example.org");
            let guess = [("email", &*email), ("password", "not that one")];
            site.visitor(66).with(&claims).post(LOGIN, "/sessions", &guess).status
        })
        .collect();
    let expected = [[401; 10].as_slice(), &[429; 20]].concat();
    assert_eq!(statuses, expected);
    site.visitor(5).post(LOGIN, "/sessions", &ann).is(200);
}

/// The limits are the default ones.
fn b10_b14_a_word_list_does_not_find_the_password_and_its_owner_gets_in(kind: Kind) {
    let site = Site::start(kind);
    let email = "ann@example.org";
    let mut ann = site.signed_in(5, email);
    ann.ask("DELETE", LOGIN, "/sessions", "").expect("an answer").is(303);
    let mut tally = BTreeMap::new();
    for round in 0..10 {
        let mut line = BufReader::new(site.visitor(66).connects(LOGIN).expect("a connection"));
        for number in 100 * round..100 * (round + 1) {
            let claimed = format!("203.0.{round}.{}", number % 100);
            let word = format!("word number {number}");
            let word = if number == 500 { PASSWORD } else { &word };
            let form = urlencoded(&[("email", email), ("password", word)]);
            let mut mallory = site.visitor(66).with(&[("X-Forwarded-For", &*claimed)]);
            let answer = mallory.ask_on(&mut line, "POST", LOGIN, "/sessions", &form);
            *tally.entry(answer.expect("an answer").status).or_insert(0) += 1;
        }
    }
    println!("{kind:?}: 1000 words, the right one at 500: {tally:?}");
    assert_eq!(tally.keys().copied().collect::<Vec<u16>>(), [401, 429]);
    assert!(tally[&401] <= 10, "{tally:?}");
    let known = [("email", email), ("password", PASSWORD)];
    ann.post(LOGIN, "/sessions", &known).is(200);
    // A stranger's browser still has to wait: it was the known device that let her in.
    site.visitor(6).post(LOGIN, "/sessions", &known).is(429);
}

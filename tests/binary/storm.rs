//! B-74: hundreds log in at one moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Answer, Connection, Visitor, urlencoded};
use crate::program::{Home, PASSWORD, Running};

const CROWD: usize = 500;
const QUEUE: usize = 16;
/// Generous: the tests run beside each other on slow machines. A page that waited for the hashing
/// would take many times as long.
const SLOWEST_PAGES: Duration = Duration::from_millis(500);
const SLOWEST_REFUSALS: Duration = Duration::from_millis(500);
/// Hundreds of requests on two cores, in a build that is not optimised; a machine that takes longer
/// for as many pages is given [`CROWD_FACTOR`] times that.
const SLOWEST_CROWD: Duration = Duration::from_secs(1);
const CROWD_FACTOR: u32 = 3;
const MOST_GROWTH_KB: u64 = 48 * 1024;

/// As many who look at a page.
fn onlookers(server: &Running) -> Vec<(Connection, String)> {
    let request =
        format!("GET /login HTTP/1.1\r\nHost: {}\r\nAccept: text/html\r\n\r\n", server.address);
    let onlooker = |_| (Connection::open(server.address).expect("it listens"), request.clone());
    (0..CROWD).map(onlooker).collect()
}

/// The first half log in by form, the others by JSON; each has its connection before they begin.
fn crowd(server: &Running) -> Vec<(Connection, String)> {
    let pair = [("email", "crowd@example.com"), ("password", PASSWORD)];
    let form = ("x-www-form-urlencoded", urlencoded(&pair));
    let json =
        ("json", serde_json::json!({ "email": pair[0].1, "password": pair[1].1 }).to_string());
    (0..CROWD)
        .map(|number| {
            let (kind, body) = if number < CROWD / 2 { &form } else { &json };
            let request = format!(
                "POST /sessions HTTP/1.1\r\nHost: {}\r\nContent-Type: application/{kind}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                server.address,
                body.len()
            );
            (Connection::open(server.address).expect("it listens"), request)
        })
        .collect()
}

/// All at once; counts those who were turned away.
fn storm(crowd: Vec<(Connection, String)>, refused: &AtomicUsize) -> Vec<(Answer, Duration)> {
    let began = Instant::now();
    thread::scope(|scope| {
        let threads: Vec<_> = crowd
            .into_iter()
            .map(|(mut connection, request)| {
                scope.spawn(move || {
                    connection.send(request.as_bytes()).expect("sent");
                    let answer = connection.read_answer().expect("everybody hears something");
                    refused.fetch_add(usize::from(answer.status == 503), Ordering::Relaxed);
                    (answer, began.elapsed())
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("answered")).collect()
    })
}

/// How long that takes.
fn timed(visitor: &mut Visitor, ask: impl FnOnce(&mut Visitor) -> Answer) -> (Answer, Duration) {
    let began = Instant::now();
    let answer = ask(visitor);
    (answer, began.elapsed())
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn b74_in_a_storm_pages_stay_quick_late_comers_hear_503_at_once_and_memory_stays_flat() {
    let home = Home::new()
        .with("ROCKET_BCRYPT_COST", "11")
        .with("ROCKET_HASH_THREADS", "1")
        .with("ROCKET_HASH_QUEUE", &QUEUE.to_string());
    let server = home.start();
    let pair = [("email", "crowd@example.com"), ("password", PASSWORD)];
    server.program().post("/users", &pair).is(200);
    let mut ann = server.logged_in("ann@example.com").keeping_alive();
    let before = server.memory();
    let refused = AtomicUsize::new(0);
    let looks = storm(onlookers(&server), &refused);
    let mut looks: Vec<Duration> = looks.into_iter().map(|(_, took)| took).collect();
    assert_eq!(refused.load(Ordering::Relaxed), 0, "pages are for everybody");
    let crowd = crowd(&server);
    let (mut pages, mut refusals, mut most) = (Vec::new(), Vec::new(), before);
    let answers = thread::scope(|scope| {
        let answers = scope.spawn(|| storm(crowd, &refused));
        while !answers.is_finished() {
            let (page, took) = timed(&mut ann, |ann| ann.get("/profile"));
            page.is(200).says("ann@example.com");
            pages.push(took);
            most = most.max(server.memory());
            // Somebody who comes while the queue is full.
            if refused.load(Ordering::Relaxed) > 0 {
                let (late, took) =
                    timed(&mut server.program(), |late| late.post("/sessions", &pair));
                if late.status == 503 {
                    refusals.push(took);
                }
            }
        }
        answers.join().expect("answered")
    });

    for (answer, _) in &answers {
        assert!([200, 503].contains(&answer.status), "{}", answer.text());
        assert_eq!(answer.status == 503, answer.header("retry-after").is_some(), "{answer:?}");
    }
    let mut late: Vec<Duration> =
        answers.iter().filter(|(answer, _)| answer.status == 503).map(|(_, took)| *took).collect();
    let turned_away = late.len();
    // The queue, and what was hashed while the crowd came.
    assert!(turned_away > CROWD / 2, "only {turned_away} turned away: the queue has no end");
    // One client address has half of it.
    assert!(turned_away <= CROWD - QUEUE / 2, "{turned_away} turned away: the queue takes nobody");
    assert!(!refusals.is_empty(), "nobody came while the queue was full");
    // Before anything is looked up for them, and though they come at one moment.
    let crowd = median(&mut late);
    let looks = median(&mut looks);
    let slowest = SLOWEST_CROWD.max(looks * CROWD_FACTOR);
    assert!(crowd < slowest, "{crowd:?}, median of {turned_away} turned away; {looks:?} of pages");
    let (page, refusal) = (median(&mut pages), median(&mut refusals));
    assert!(page < SLOWEST_PAGES, "{page:?}, median of {} pages", pages.len());
    assert!(refusal < SLOWEST_REFUSALS, "{refusal:?}, median of {} refusals", refusals.len());
    assert!(most < before + MOST_GROWTH_KB, "{before} kB grew to {most} kB");
    ann.get("/profile").is(200);
    server.logged_in("bob@example.com").get("/profile").is(200);
    assert!(server.memory() < before + MOST_GROWTH_KB);
}

//! SIGTERM once and twice, under load and at rest.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::http::Connection;
use crate::program::{Home, PASSWORD, Running, eventually};

/// Rocket's grace and what follows it, on a machine that stalls.
const GRACE: Duration = Duration::from_secs(30);

/// Sends a sign-up and does not wait for its answer.
fn send_sign_up(connection: &mut Connection, server: &Running, email: &str) {
    let body = crate::http::urlencoded(&[("email", email), ("password", PASSWORD)]);
    let request = format!(
        "POST /users HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    connection.send(request.as_bytes()).expect("sent");
}

/// Waits until a password is being hashed.
#[track_caller]
fn wait_for_hashing(server: &Running) {
    let tasks = format!("/proc/{}/task", server.id());
    let hashes = |task: &fs::DirEntry| {
        let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        let (name, fields) = stat.rsplit_once(") ").unwrap_or_default();
        // Hundredths of a second in user mode (proc(5), field 14): more than its start takes.
        let busy = fields.split(' ').nth(11).and_then(|time| time.parse::<u64>().ok());
        name.contains("(hasher-") && busy.is_some_and(|time| time >= 2)
    };
    eventually("a busy hasher", || fs::read_dir(&tasks).ok()?.flatten().find(hashes).map(drop));
}

#[test]
fn b105c_every_request_in_flight_is_finished() {
    let home = Home::new()
        // Slow enough to be caught at it, quick enough for the grace on a busy machine, where the
        // hashing threads come last.
        .with("ROCKET_BCRYPT_COST", "11")
        .with("ROCKET_HASH_THREADS", "1")
        .with("ROCKET_HASH_QUEUE", "1");
    let server = home.start();
    let mut people: Vec<(String, Connection)> = (0..3)
        .map(|n| format!("p{n}@example.com"))
        .map(|email| (email, Connection::open(server.address).expect("it listens")))
        .collect();
    let (first, rest) = people.split_at_mut(1);
    send_sign_up(&mut first[0].1, &server, &first[0].0);
    wait_for_hashing(&server);
    for (email, connection) in rest {
        send_sign_up(connection, &server, email);
    }
    // One is being hashed and one waits: when the third is turned away, both are in.
    let turned_away = eventually("one too many", || people.iter().position(|p| p.1.has_answer()));
    let (_, mut third) = people.remove(turned_away);
    let busy = third.read_answer().expect("an answer");
    assert!(busy.is(503).header("retry-after").is_some(), "{busy:?}");
    server.signal(Signal::TERM);
    for (_, connection) in &mut people {
        connection.read_answer().expect("an answer").is(200).says("user created");
    }
    let ended = server.wait(GRACE);
    ended.exits(0);
    assert!(!ended.out.contains("\"level\":\"error\""), "{ended:?}");

    // The database was closed in order: nothing is left to be recovered.
    assert!(!home.file("data/gatehouse.db-wal").exists(), "{:?}", home.listing());
    let server = home.start();
    for (email, _) in &people {
        let pair = [("email", email.as_str()), ("password", PASSWORD)];
        server.program().post("/users", &pair).is(400).says("email already registered");
    }
}

#[test]
fn b105c_a_second_signal_ends_it_at_once() {
    // Minutes of hashing, so that nothing else can be what ends it.
    let home = Home::new().with("ROCKET_BCRYPT_COST", "18");
    let server = home.start();
    let mut waiting = Connection::open(server.address).expect("it listens");
    send_sign_up(&mut waiting, &server, "ann@example.com");
    wait_for_hashing(&server);
    server.signal(Signal::TERM);
    eventually("no new connections", || Connection::open(server.address).err());
    server.signal(Signal::TERM);
    let sent = Instant::now();
    let ended = server.wait(Duration::from_secs(10));
    ended.exits(1).says("ended at once, by the second signal");
    assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
}

#[test]
fn with_nothing_to_do_it_ends_at_once() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Home::new().start();
        server.program().get("/health").is(200);
        server.signal(signal);
        server.wait(Duration::from_secs(10)).exits(0);
    }
}

#[test]
fn a_signal_in_the_moment_of_its_announcement_is_heard() {
    for _ in 0..10 {
        let server = Home::new().start();
        server.signal(Signal::TERM);
        server.wait(Duration::from_secs(30)).exits(0);
    }
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let home = Home::new();
    let server = home.start();
    let mut idle = server.program().keeping_alive();
    idle.get("/health").is(200);
    // Nor does one whose owner never says anything.
    let _silent = Connection::open(server.address).expect("it listens");
    server.signal(Signal::TERM);
    server.wait(Duration::from_secs(10)).exits(0);
    assert!(idle.try_get("/health").is_err());
    assert!(!home.file("data/gatehouse.db-wal").exists(), "{:?}", home.listing());
}

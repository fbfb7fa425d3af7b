//! Heads of requests that are too long, have too many headers, cookies or fields: refused or answered,
//! soon, and without growing.

use std::fs;
use std::time::{Duration, Instant};

use crate::http::Connection;
use crate::program::{Home, Running};

/// More than an allocator keeps to itself, less than one of these heads held for good would add up to.
const GROWTH: u64 = 16 * 1024 * 1024;
const ROUNDS: usize = 20;
/// A hundred times what the slowest of these takes on a slow machine.
const SOON: Duration = Duration::from_secs(20);

/// The program's memory, in bytes.
fn memory(server: &Running) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a figure");
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("kB");
    kib * 1024
}

/// The answer's status; none where the connection was closed before all of the head was heard.
fn status_of(server: &Running, request: &str) -> Option<u16> {
    let mut connection = Connection::open(server.address).expect("it listens");
    let sent = connection.send(request.as_bytes());
    let answer = connection.read_answer().ok();
    assert!(answer.is_some() || sent.is_err() || request.len() > 65_536, "no answer");
    answer.map(|answer| answer.status)
}

fn with_headers(server: &Running, headers: &str) -> String {
    format!("GET /login HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", server.address)
}

#[test]
fn b78e_endless_heads_are_refused_and_nothing_grows() {
    let server = Home::new().start();
    let lines: String = (0..100_000).map(|number| format!("X-{number}: y\r\n")).collect();
    let few: String = (0..200).map(|number| format!("X-{number}: y\r\n")).collect();
    let target = format!("/{}", "a".repeat(65_536));
    let heads = [
        ("one header of 1 MiB", with_headers(&server, &format!("X: {}\r\n", "x".repeat(1 << 20)))),
        ("100,000 headers", with_headers(&server, &lines)),
        ("200 headers", with_headers(&server, &few)),
        (
            "an address of 64 KiB",
            format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", server.address),
        ),
        (
            "a cookie of 1 MiB",
            with_headers(&server, &format!("Cookie: a={}\r\n", "x".repeat(1 << 20))),
        ),
    ];
    let mut before = 0;
    for round in 0..ROUNDS {
        for (what, head) in &heads {
            let status = status_of(&server, head);
            assert!(status.is_none_or(|it| [400, 414, 431].contains(&it)), "{what}: {status:?}");
        }
        server.program().get("/health").is(200);
        // The first round fills what is kept between requests.
        if round == 0 {
            before = memory(&server);
        }
    }
    let after = memory(&server);
    assert!(after < before + GROWTH, "{before} bytes, then {after}");
}

/// Texts that one hash function puts into one place would make a table of them slow; what is
/// compared or hashed with a secret key is not.
#[test]
fn b78g_many_cookies_and_fields_are_read_in_no_time() {
    let server = Home::new().start();
    let start = Instant::now();
    let twins = "session_id=x; ".repeat(10_000);
    let others: String = (0..10_000).map(|number| format!("c{number}=x; ")).collect();
    for cookies in [twins, others] {
        let status = status_of(&server, &with_headers(&server, &format!("Cookie: {cookies}\r\n")));
        assert!(matches!(status, Some(406 | 431)), "{status:?}");
    }
    // As many fields as fit, all different or all the same; Java's hash takes these for equal.
    let equal = ["Aa", "BB"];
    let name = |number: usize| (0..10).map(|bit| equal[number >> bit & 1]).collect::<String>();
    let form: String = (0..720).map(|number| format!("{}=&", name(number))).collect();
    let json: Vec<String> = (0..600).map(|number| format!("\"{}\":\"\"", name(number))).collect();
    let json = format!("{{{}}}", json.join(","));
    for (kind, body) in [
        ("application/x-www-form-urlencoded", form),
        ("application/x-www-form-urlencoded", "a&".repeat(8000)),
        ("application/json", json),
    ] {
        assert!((15_000..16_384).contains(&body.len()), "{}", body.len());
        let head = format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        let request = with_headers(&server, &head).replacen("GET /login", "POST /sessions", 1);
        assert_eq!(status_of(&server, &(request + &body)), Some(422), "{kind}");
    }
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

//! Figures for Prometheus: on a loopback port of their own, in the format, and true.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};

use gatehouse::audit::Event;

use crate::http::{Answer, Connection};
use crate::program::{Home, PASSWORD, Running, eventually};

const ANN: &str = "ann@example.com";

/// A port that nobody has at this moment.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// The program, and where its figures are.
#[track_caller]
fn with_figures(home: Home) -> (Home, Running, SocketAddr) {
    let port = free_port();
    let home = home.with("ROCKET_METRICS_PORT", &port.to_string());
    let server = home.start();
    (home, server, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[track_caller]
fn ask(address: SocketAddr, path: &str) -> Answer {
    let mut connection = Connection::open(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    connection.send(request.as_bytes()).expect("sent");
    connection.read_answer().expect("an answer")
}

/// A figure with its labels as written, and its value.
type Samples = BTreeMap<String, f64>;

#[track_caller]
fn figures(address: SocketAddr) -> Samples {
    let answer = ask(address, "/metrics");
    answer.is(200);
    let kind = answer.header("content-type").expect("a type");
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    parse(&answer.text())
}

fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    !text.is_empty() && !text.as_bytes()[0].is_ascii_digit() && text.bytes().all(plain)
}

/// The name and the labels of a sample.
#[track_caller]
fn labels(sample: &str) -> (&str, Vec<(&str, &str)>) {
    let Some((name, rest)) = sample.split_once('{') else { return (sample, Vec::new()) };
    let rest = rest.strip_suffix('}').unwrap_or_else(|| panic!("{sample}"));
    let pairs = rest.split(',').map(|pair| {
        let (label, value) = pair.split_once("=\"").unwrap_or_else(|| panic!("{sample}"));
        let value = value.strip_suffix('"').unwrap_or_else(|| panic!("{sample}"));
        assert!(is_name(label) && !value.contains(['"', '\\', '\n']), "{sample}");
        (label, value)
    });
    (name, pairs.collect())
}

/// Reads Prometheus' text format, version 0.0.4, and takes nothing but that: each family has its
/// HELP, its TYPE and then its samples, once.
#[track_caller]
fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n') && !text.contains("\n\n") && text.is_ascii(), "{text}");
    let (mut samples, mut kinds) = (Samples::new(), BTreeMap::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").unwrap_or_else(|| panic!("no HELP: {line}"));
        let (family, words) = help.split_once(' ').expect("words");
        assert!(is_name(family) && !words.is_empty(), "{line}");
        let line = lines.next().expect("a TYPE");
        let kind = line.strip_prefix(&format!("# TYPE {family} ")).expect("the family's TYPE");
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
        assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
        assert_eq!(kinds.insert(family, kind), None, "{family} twice");
        let mut own = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (sample, value) = line.rsplit_once(' ').expect("a value");
            let (name, labels) = labels(sample);
            let part = name.strip_prefix(family).unwrap_or_else(|| panic!("{name} in {family}"));
            let parts: &[&str] =
                if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(is_name(name) && parts.contains(&part), "{line}");
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(value.is_finite() && value >= 0.0, "{line}");
            assert_eq!(samples.insert(sample.to_owned(), value), None, "{sample} twice");
            own.push((part, labels, value));
        }
        assert!(!own.is_empty(), "{family} has no sample");
        if kind == "histogram" {
            check_histogram(family, &own);
        }
    }
    samples
}

/// A figure's name, its labels, its value.
type Sample<'a> = (&'a str, Vec<(&'a str, &'a str)>, f64);

/// Buckets grow, the last holds all, and the sum fits.
#[track_caller]
fn check_histogram(family: &str, own: &[Sample<'_>]) {
    let one = |part: &str| {
        let mut found = own.iter().filter(|sample| sample.0 == part);
        let value = found.next().unwrap_or_else(|| panic!("{family}{part}")).2;
        assert_eq!(found.next(), None, "{family}{part}");
        value
    };
    let bounds: Vec<(f64, f64)> = own
        .iter()
        .filter(|sample| sample.0 == "_bucket")
        .map(|(_, labels, value)| {
            assert_eq!(labels.len(), 1, "{family}");
            assert_eq!(labels[0].0, "le", "{family}");
            let bound = if labels[0].1 == "+Inf" { "inf" } else { labels[0].1 };
            (bound.parse().expect("a bound"), *value)
        })
        .collect();
    assert!(bounds.windows(2).all(|two| two[0].0 < two[1].0 && two[0].1 <= two[1].1), "{bounds:?}");
    let last = bounds.last().expect("buckets");
    assert!(last.0.is_infinite());
    assert_eq!(last.1, one("_count"), "{family}");
    // No more than the bounds allow.
    let mut least = 0.0;
    for two in bounds.windows(2) {
        least += two[0].0 * (two[1].1 - two[0].1);
    }
    assert!(one("_sum") >= least * 0.999, "{family}: {} of at least {least}", one("_sum"));
}

#[test]
fn the_figures_count_what_happened() {
    let (_home, server, address) = with_figures(Home::new());
    let zero = figures(address);
    for event in Event::all() {
        let sample = format!("gatehouse_events_total{{event=\"{}\"}}", event.name());
        assert_eq!(zero.get(&sample), Some(&0.0), "{sample}");
    }
    let mut program = server.program();
    program.post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    for _ in 0..3 {
        program.post("/sessions", &[("email", ANN), ("password", "not that one")]).is(401);
    }
    program.get("/nowhere").is(404);
    server.browser().get("/profile").is(303);
    // An answer is counted before it leaves, and one that cannot be read is an answer too.
    let mut connection = Connection::open(server.address).expect("it listens");
    let unreadable = format!("BREW / HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    connection.send(unreadable.as_bytes()).expect("sent");
    connection.read_answer().expect("an answer").is(400);

    let now = figures(address);
    let rise = |sample: &str| now[sample] - zero[sample];
    for (event, times) in [
        ("signed_up", 1.0),
        ("log_in_failed", 3.0),
        ("sign_in_needed", 1.0),
        ("input_refused", 1.0),
        ("logged_in", 0.0),
    ] {
        assert_eq!(rise(&format!("gatehouse_events_total{{event=\"{event}\"}}")), times, "{event}");
    }
    for (class, times) in [("1xx", 0.0), ("2xx", 1.0), ("3xx", 1.0), ("4xx", 5.0), ("5xx", 0.0)] {
        let sample = format!("gatehouse_answers_total{{status=\"{class}\"}}");
        assert_eq!(rise(&sample), times, "{class}");
    }
    assert_eq!(rise("gatehouse_answer_seconds_count"), 7.0);
    assert_eq!(rise("gatehouse_answer_seconds_bucket{le=\"+Inf\"}"), 7.0);
    assert!(rise("gatehouse_answer_seconds_sum") > 0.0);
    for gauge in ["gatehouse_hashes_waiting", "gatehouse_mails_waiting"] {
        assert_eq!(now[gauge], 0.0, "{gauge}");
    }
    assert_eq!(now["gatehouse_events_lost_total"], 0.0);
}

#[test]
fn mails_that_cannot_leave_are_counted() {
    let nobody = format!("smtp://127.0.0.1:{}", free_port());
    let (_home, server, address) = with_figures(Home::new().with("ROCKET_SMTP_URL", &nobody));
    server.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    server.program().post("/reset_password", &[("email", ANN)]).is(200);
    eventually("a mail that waits", || {
        (figures(address)["gatehouse_mails_waiting"] == 1.0).then_some(())
    });
}

#[test]
fn they_are_on_a_loopback_port_of_their_own() {
    let (_home, server, address) = with_figures(Home::new());
    for accept in ["application/json", "text/html"] {
        server.program().header("Accept", accept).get("/metrics").is(404);
    }
    // And the other way round: there is nothing else.
    for path in ["/", "/login", "/profile", "/health", "/metrics/", "/metrics/x", "/auth"] {
        let answer = ask(address, path);
        let found = answer.status == 200 && path == "/metrics/";
        assert!(answer.status == 404 || found, "{path}: {}", answer.text());
        assert_eq!(answer.header("server"), None);
        assert_eq!(answer.header("set-cookie"), None);
    }
    // Linux has all of 127.0.0.0/8: what listens on every address would answer here.
    let other = SocketAddr::from(([127, 0, 0, 2], address.port()));
    assert!(TcpStream::connect(other).is_err(), "it listens beyond 127.0.0.1");
    server.stop();
    assert!(TcpStream::connect(address).is_err(), "it ended with the program");
}

#[test]
fn off_by_default() {
    let server = Home::new().start();
    server.program().get("/metrics").is(404);
}

#[test]
fn b105b_a_port_that_is_taken_stops_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let ended = Home::new().with("ROCKET_METRICS_PORT", &port.to_string()).run(&[]);
    ended.exits(1).complains_in_one_line().says("(metrics_port)").says(&format!(":{port}"));
    drop(taken);
    // The service's own.
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let home = Home::new().with("ROCKET_PORT", &port);
    let ended = home.with("ROCKET_METRICS_PORT", &free_port().to_string()).run(&[]);
    ended.exits(1).complains_in_one_line().says("(address, port)");
}

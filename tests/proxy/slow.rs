//! Clients that are slow on purpose (B-78b, B-78c, B-78d): cut off in time, while others are served.

use std::io::{ErrorKind, Write};
use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use crate::behind_each_proxy;
use crate::client::{PAGES, Tls, Visitor};
use crate::patience::soon;
use crate::processes::open_many_files;
use crate::proxy::{Changes, Kind};
use crate::pulse::{Pulse, percentile};
use crate::site::{APP, LOGIN, MANY_FILES, Site};
use crate::trickle::{Trickle, log_in_head, until_cut_off};

behind_each_proxy!(
    b78b_two_thousand_slow_heads_are_cut_off_while_pages_are_served,
    b78c_slow_bodies_are_cut_off_while_pages_are_served,
    b78c_clients_that_never_read_are_cut_off,
    b78d_a_flood_of_idle_connections_ends_by_itself,
);

/// Whom the slow ones come from.
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// What a busy machine may add to a time-out.
const MORE: Duration = Duration::from_secs(5);
/// A page is served within this, whatever others do.
const SERVED: Duration = Duration::from_secs(2);

/// Some of the file's time-outs, so short that the tests take seconds.
fn hurried(kind: Kind, names: &[&str], seconds: u64) -> Changes {
    let all: &[(&str, &str)] = match kind {
        Kind::Nginx => &[
            ("client_header_timeout 10s;", "client_header_timeout"),
            ("client_body_timeout 5s;", "client_body_timeout"),
            ("send_timeout 15s;", "send_timeout"),
        ],
        Kind::Caddy => &[
            ("read_header 10s\n", "read_header"),
            ("read_body 20s\n", "read_body"),
            ("write 30s\n", "write"),
            ("idle 20s\n", "idle"),
        ],
    };
    let end = if kind == Kind::Nginx { ";" } else { "\n" };
    let chosen = all.iter().filter(|(_, name)| names.contains(name));
    chosen.map(|(old, name)| (*old, format!("{name} {seconds}s{end}"))).collect()
}

/// The pulse of a quiet second.
fn quiet(site: &Site, person: &Visitor) -> Pulse {
    Pulse::during(site, person, || thread::sleep(Duration::from_secs(1))).1
}

#[track_caller]
fn served(pulse: &Pulse) {
    for times in [&pulse.login, &pulse.profile] {
        assert!(percentile(times, 99) < SERVED, "{pulse}");
    }
}

fn b78b_two_thousand_slow_heads_are_cut_off_while_pages_are_served(kind: Kind) {
    const SECONDS: u64 = 4;
    open_many_files();
    let site = Site::start_with(
        kind,
        hurried(kind, &["client_header_timeout", "read_header", "idle"], SECONDS),
        &[],
        MANY_FILES,
    );
    let ann = site.signed_in(1, "ann@example.org");
    let quiet = quiet(&site, &ann);
    let memory = || (site.proxy.server.memory(), site.gatehouse.memory().expect("running"));
    let before = memory();
    let head = format!("GET /login HTTP/1.1\r\nHost: {LOGIN}\r\nX-Slow: ");
    let ((during, times), flood) = Pulse::during(&site, &ann, || {
        let to = site.proxy.https;
        let mut slow: Vec<Trickle> = (0..500)
            .flat_map(|_| {
                [
                    Trickle::silent(ELSEWHERE, to),
                    Trickle::handshake(ELSEWHERE, to),
                    Trickle::http1(ELSEWHERE, to, &head),
                    Trickle::http2_head(ELSEWHERE, to),
                ]
            })
            .collect();
        let all = slow.len();
        let early = slow.iter().filter(|slow| slow.cut_off.is_some()).count();
        assert_eq!((all, early), (2000, 0));
        let during = memory();
        let most = Duration::from_secs(SECONDS) + MORE;
        (during, until_cut_off(&mut slow, Duration::from_millis(500), most))
    });
    let (first, last) = (times[0], times[times.len() - 1]);
    println!("{kind:?}: 2000 slow heads, cut off after {first:.1?} to {last:.1?} of {SECONDS} s");
    println!("{kind:?}: quiet: {quiet}");
    println!("{kind:?}: meanwhile: {flood}");
    println!(
        "{kind:?}: memory of the proxy {:.1} MB, meanwhile {:.1}; of Gatehouse {:.1} and {:.1}",
        before.0, during.0, before.1, during.1
    );
    assert!(during.1 - before.1 < 10.0, "Gatehouse hears nothing of them");
    // It was the time-out, and no refusal.
    assert!(first > Duration::from_secs(SECONDS - 1), "{first:?}");
    served(&flood);
}

fn b78c_slow_bodies_are_cut_off_while_pages_are_served(kind: Kind) {
    const SECONDS: u64 = 2;
    let settings = [("BODY_TIMEOUT", "2s")];
    let site = Site::start_with(
        kind,
        hurried(kind, &["client_body_timeout", "read_body", "write"], SECONDS),
        &settings,
        MANY_FILES,
    );
    let ann = site.signed_in(1, "ann@example.org");
    let head = log_in_head();
    let slow = || {
        let to = site.proxy.https;
        let both = || [Trickle::http1(ELSEWHERE, to, &head), Trickle::http2_body(ELSEWHERE, to)];
        (0..20).flat_map(|_| both()).collect::<Vec<_>>()
    };
    let (times, flood) = Pulse::during(&site, &ann, || {
        // Slower than the time-out between two bytes, then quicker than it.
        [2_500, 120].map(|pause| {
            let most = Duration::from_secs(3 * SECONDS) + MORE;
            let times = until_cut_off(&mut slow(), Duration::from_millis(pause), most);
            times[times.len() - 1]
        })
    });
    println!("{kind:?}: a byte of a body every 2.5 s, every 0.12 s: cut off after {times:.1?}");
    println!("{kind:?}: meanwhile: {flood}");
    served(&flood);
}

fn b78c_clients_that_never_read_are_cut_off(kind: Kind) {
    const SECONDS: u64 = 1;
    let site =
        Site::start_with(kind, hurried(kind, &["send_timeout", "write"], SECONDS), &[], MANY_FILES);
    let deaf = site.signed_in(9, "ann@example.org");
    let asked = format!("{}\r\n", deaf.head("GET", APP, "/endless"));
    let mut lines: Vec<_> = (0..10).map(|_| deaf.connects_deaf(APP).expect("connects")).collect();
    for line in &lines {
        line.sock.set_nonblocking(true).expect("a socket");
    }
    let begun = Instant::now();
    let mut cut_off = Vec::new();
    // Each asks for more as long as the server takes a word, and never looks at an answer.
    while !lines.is_empty() {
        lines.retain_mut(|line| goes_on_asking(line, asked.as_bytes()));
        cut_off.resize(10 - lines.len(), begun.elapsed());
        // Caddy tries for 5 s more to say goodbye.
        let late = begun.elapsed() > Duration::from_secs(SECONDS) + 2 * MORE;
        assert!(!late, "{} still there", lines.len());
        thread::sleep(Duration::from_millis(50));
    }
    println!("{kind:?}: 10 clients that never read are gone after {cut_off:.1?} (of {SECONDS} s)");
    assert!(cut_off[0] > Duration::from_millis(500), "no one was refused at once");
    site.visitor(9).with(&[PAGES]).get(LOGIN, "/login").is(200);
}

/// Not by the stream's own `write`, which would read, too. False when the server is gone.
fn goes_on_asking(line: &mut Tls, asked: &[u8]) -> bool {
    loop {
        if !line.conn.wants_write() {
            line.conn.writer().write_all(asked).expect("room for it");
        }
        match line.conn.write_tls(&mut line.sock) {
            Ok(_) => {}
            Err(cause) => return cause.kind() == ErrorKind::WouldBlock,
        }
    }
}

fn b78d_a_flood_of_idle_connections_ends_by_itself(kind: Kind) {
    const SECONDS: u64 = 3;
    open_many_files();
    let site = Site::start_with(
        kind,
        hurried(kind, &["client_header_timeout", "read_header"], SECONDS),
        &[],
        150,
    );
    let idle: Vec<_> = (0..400).map(|_| Trickle::silent(ELSEWHERE, site.proxy.https)).collect();
    let begun = Instant::now();
    soon("a page, while they are all still there", || {
        let answer = site.visitor(1).with(&[PAGES]).ask("GET", LOGIN, "/login", "");
        answer.is_ok_and(|answer| answer.status == 200).then_some(())
    });
    let taken = begun.elapsed();
    println!("{kind:?}: {} idle, 150 files: a page after {taken:.1?} of {SECONDS} s", idle.len());
    assert!(taken > Duration::from_millis(500), "they had taken every file: {taken:?}");
}

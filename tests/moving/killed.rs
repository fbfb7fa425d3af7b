//! kill -9 in the middle of a copy or a restore: nothing has changed, and it can be run again.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::contents::{dump, many, odd, open};
use crate::process::{PATIENCE, Process};
use crate::program::Home;
use crate::rows::{integrity, select};
use crate::server::Database;

const PEOPLE: usize = 1000;
/// At these parts of the work.
const POINTS: [f64; 3] = [0.3, 0.55, 0.8];

/// The work so far: time on a processor, which does not depend on what others do there.
fn work(process: &Process) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", process.id())).ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Runs it to its end, or until it has done so much; what it has done, and whether it was killed.
fn run_until(home: &Home, arguments: &[&str], enough: Duration) -> (Duration, bool) {
    let process = Process::spawn(home.command(arguments));
    let mut done = Duration::ZERO;
    while !process.err.is_over() {
        done = work(&process).unwrap_or(done);
        if done >= enough {
            // Its end is kill -9.
            drop(process);
            return (done, true);
        }
        thread::sleep(Duration::from_micros(500));
    }
    process.wait(PATIENCE).exits(0);
    (done, false)
}

/// How much there is to do, learnt from a run to the end.
fn measure(home: &Home, arguments: &[&str]) -> Duration {
    run_until(home, arguments, Duration::MAX).0
}

/// Kills it at each of the points; after each there must be what was before, unless the last
/// commit was first. How often it was killed before that.
fn kill_at_each_point(
    home: &Home,
    arguments: &[&str],
    whole: Duration,
    is_as_before: impl Fn() -> bool,
    is_complete: impl Fn() -> bool,
) -> usize {
    for (before, point) in POINTS.into_iter().enumerate() {
        let (_, killed) = run_until(home, arguments, whole.mul_f64(point));
        if !(killed && is_as_before()) {
            assert!(is_complete(), "something, but not all of it, at {point}");
            return before;
        }
    }
    run_until(home, arguments, Duration::MAX);
    assert!(is_complete(), "run again it is complete");
    POINTS.len()
}

#[test]
fn a_copy_to_postgresql_killed_anywhere_leaves_nothing_and_can_be_run_again() {
    let (home, trial, there) = (Home::new(), Database::new(), Database::new());
    many(&home, "a.db", PEOPLE);
    let before = dump(&home.file("a.db"));
    let whole = measure(&home, &["database", "copy", "sqlite:a.db", &trial.url]);
    let (tables, complete) = (Database::new(), trial.dump());
    let nothing = [tables.dump(), {
        home.run(&["migrate"]).exits(0);
        let empty = home.run(&["database", "copy", "sqlite:data/gatehouse.db", &tables.url]);
        empty.exits(0);
        tables.dump()
    }];
    // The counters of PostgreSQL know no transactions; that a number is left out harms nobody.
    let rows = |dump: &str| dump.lines().filter(|l| !l.contains("_id_seq")).collect::<String>();
    let nothing = nothing.map(|dump| rows(&dump));
    let killed = kill_at_each_point(
        &home,
        &["database", "copy", "sqlite:a.db", &there.url],
        whole,
        || nothing.contains(&rows(&there.dump())),
        || there.dump() == complete,
    );
    assert!(killed > 0, "it was never killed in time");
    assert!(dump(&home.file("a.db")) == before, "the source is as it was");
}

#[test]
fn a_copy_to_sqlite_killed_anywhere_leaves_nothing_and_can_be_run_again() {
    let (home, here) = (Home::new(), Database::new());
    many(&home, "a.db", PEOPLE);
    home.run(&["database", "copy", "sqlite:a.db", &here.url]).exits(0);
    let (before, complete) = (here.dump(), dump(&home.file("a.db")));
    let whole = measure(&home, &["database", "copy", &here.url, "sqlite:trial.db"]);
    let people = "SELECT email AS value FROM users";
    let made = |name: &str| home.file(name).exists() && has_users(&home, name);
    let killed = kill_at_each_point(
        &home,
        &["database", "copy", &here.url, "sqlite:b.db"],
        whole,
        || !made("b.db") || select(&mut open(&home.file("b.db")), people).is_empty(),
        || dump(&home.file("b.db")) == complete,
    );
    assert!(killed > 0, "it was never killed in time");
    assert_eq!(integrity(&mut open(&home.file("b.db"))), "ok");
    assert!(here.dump() == before, "the source is as it was");
}

fn has_users(home: &Home, name: &str) -> bool {
    let users = "SELECT name AS value FROM sqlite_master WHERE name = 'users'";
    !select(&mut open(&home.file(name)), users).is_empty()
}

#[test]
fn a_restore_killed_anywhere_changes_nothing() {
    let there = Database::new();
    let (home, served) = (Home::new(), there.home());
    many(&home, "full.db", PEOPLE);
    odd(&home, "data/gatehouse.db");
    home.run(&["database", "copy", "sqlite:data/gatehouse.db", &there.url]).exits(0);
    let (before, rows) = (dump(&home.file("data/gatehouse.db")), there.dump());
    let full = home.file("full.db");
    let arguments = ["restore", full.to_str().expect("UTF-8"), "--replace"];
    // People, no session, and the event that says so.
    let people = "SELECT CAST(count(*) AS TEXT) AS value FROM users \
                  UNION ALL SELECT CAST(count(*) AS TEXT) FROM sessions \
                  UNION ALL SELECT event FROM events";
    let all = [PEOPLE.to_string(), "0".to_owned(), "restored".to_owned()];
    let whole = measure(&Home::new(), &arguments);
    let killed = kill_at_each_point(
        &home,
        &arguments,
        whole,
        || dump(&home.file("data/gatehouse.db")) == before,
        || select(&mut home.database(), people) == all,
    );
    assert!(killed > 0, "it was never killed in time");
    assert_eq!(integrity(&mut home.database()), "ok");
    let trial = Database::new();
    let whole = measure(&trial.home(), &arguments);
    let killed = kill_at_each_point(
        &served,
        &arguments,
        whole,
        || there.dump() == rows,
        || select(&mut there.connection(), people) == all,
    );
    assert!(killed > 0, "it was never killed in time");
}

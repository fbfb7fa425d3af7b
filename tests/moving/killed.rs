//! kill -9 in the middle of a copy or a restore: nothing has changed, and it can be run again.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::contents::{dump, many, odd, open};
use crate::process::{PATIENCE, Process};
use crate::program::Home;
use crate::rows::{integrity, select};
use crate::server::Database;

const PEOPLE: usize = 1000;
/// At these parts of the time that it takes.
const POINTS: [f64; 3] = [0.3, 0.55, 0.8];

/// Runs it once to its end, on another target, to learn how long it takes.
fn time(home: &Home, arguments: &[&str]) -> Duration {
    let began = Instant::now();
    home.run(arguments).exits(0);
    began.elapsed()
}

/// True when it was killed before its end.
fn kill_after(home: &Home, arguments: &[&str], span: Duration) -> bool {
    let process = Process::spawn(home.command(arguments));
    // Not a wait for something: the moment is the test's.
    thread::sleep(span);
    let pid = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("a process id");
    let _ = kill_process(pid, Signal::KILL);
    process.wait(PATIENCE).status.code().is_none()
}

#[test]
fn a_copy_killed_anywhere_leaves_nothing_and_can_be_run_again() {
    let home = Home::new();
    many(&home, "a.db", PEOPLE);
    let before = dump(&home.file("a.db"));
    let (trial, there) = (Database::new(), Database::new());
    let took = time(&home, &["database", "copy", "sqlite:a.db", &trial.url]);
    let took_back = time(&home, &["database", "copy", &trial.url, "sqlite:trial.db"]);
    let mut killed = 0;
    for point in POINTS {
        let to = ["database", "copy", "sqlite:a.db", &there.url];
        killed += u32::from(kill_after(&home, &to, took.mul_f64(point)));
        let rows = "SELECT count(*)::text AS value FROM pg_tables WHERE tablename = 'users'";
        if select(&mut there.connection(), rows) == ["1"] {
            let rows = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM sessions) \
                        + (SELECT count(*) FROM devices) AS n";
            let rows = format!("SELECT n::text AS value FROM ({rows}) AS t");
            assert_eq!(select(&mut there.connection(), &rows), ["0"], "at {point}");
        }
        let back = ["database", "copy", &trial.url, "sqlite:b.db"];
        killed += u32::from(kill_after(&home, &back, took_back.mul_f64(point)));
        if home.file("b.db").exists() {
            let found = dump(&home.file("b.db"));
            assert!(!found.contains("'u1'"), "at {point}: {found}");
        }
    }
    assert!(killed >= 3, "killed {killed} times only: the machine was in another mood");
    home.run(&["database", "copy", "sqlite:a.db", &there.url]).exits(0);
    assert_eq!(there.dump(), trial.dump());
    home.run(&["database", "copy", &trial.url, "sqlite:b.db"]).exits(0);
    assert_eq!(dump(&home.file("b.db")), before);
    assert_eq!(dump(&home.file("a.db")), before, "the source is as it was");
}

#[test]
fn a_restore_killed_anywhere_changes_nothing() {
    let there = Database::new();
    let (home, server) = (Home::new(), there.home());
    many(&home, "full.db", PEOPLE);
    odd(&home, "data/gatehouse.db");
    home.run(&["database", "copy", "sqlite:data/gatehouse.db", &there.url]).exits(0);
    let (before, rows) = (dump(&home.file("data/gatehouse.db")), there.dump());
    let full = home.file("full.db");
    let full = full.to_str().expect("UTF-8");
    let arguments = ["restore", full, "--replace"];
    let took = time(&Home::new(), &["restore", full]);
    let mut killed = 0;
    for point in [0.4, 0.7] {
        for home in [&home, &server] {
            killed += u32::from(kill_after(home, &arguments, took.mul_f64(point)));
        }
        assert_eq!(dump(&home.file("data/gatehouse.db")), before, "at {point}");
        assert_eq!(there.dump(), rows, "at {point}");
    }
    assert!(killed >= 2, "killed {killed} times only: the machine was in another mood");
    assert_eq!(integrity(&mut open(&home.file("data/gatehouse.db"))), "ok");
    home.run(&arguments).exits(0);
    server.run(&arguments).exits(0);
    let people = "SELECT CAST(count(*) AS TEXT) AS value FROM users";
    let count = [PEOPLE.to_string()];
    assert_eq!(select(&mut open(&home.file("data/gatehouse.db")), people), count);
    assert_eq!(select(&mut there.connection(), people), count);
}

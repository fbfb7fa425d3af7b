//! B-88: the server restarts, cuts connections off, becomes read-only, is locked or full.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;

use crate::nodes::{Node, home, hurried};
use crate::process::eventually;
use crate::program::{PASSWORD, Running};
use crate::server::{NAME, Postgres};

/// `database_wait` of [`hurried`], and a second more for a busy machine.
const SOON: Duration = Duration::from_secs(2 + 1);

fn pair(email: &str) -> [(&str, &str); 2] {
    [("email", email), ("password", PASSWORD)]
}

/// 503 within the bound, and nothing that needs no database is any slower for it.
#[track_caller]
pub fn is_out(node: &Running, within: Duration) {
    let began = Instant::now();
    let refused = node.program().post("/sessions", &pair("ann@example.org"));
    assert!(refused.is(503).header("retry-after").is_some(), "{refused:?}");
    assert!(began.elapsed() < within, "{:?}", began.elapsed());
    let began = Instant::now();
    node.program().get("/health").is(200);
    node.browser().get("/login").is(200);
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[test]
fn b88_connections_that_the_server_has_cut_off_cost_nobody_an_answer() {
    let server = Postgres::start(&[]);
    let node = Node::start(home(&server.url()));
    let mut ann = node.running.logged_in("ann@example.org");
    let mut cut = 0;
    for round in 0..10 {
        // All at once, so that several connections are open.
        thread::scope(|scope| {
            for _ in 0..6 {
                let mut twin = ann.twin();
                scope.spawn(move || twin.get("/profile").is(200).status);
            }
        });
        cut += server.cut_off_all();
        thread::scope(|scope| {
            for number in 0..5 {
                let (mut twin, node) = (ann.twin(), &node);
                scope.spawn(move || {
                    twin.get("/profile").is(200);
                    let email = format!("r{round}n{number}@example.org");
                    node.program().post("/users", &pair(&email)).is(200);
                });
            }
        });
    }
    ann.get("/profile").is(200);
    let shown = writeln!(
        std::io::stderr(),
        "B-88: {cut} connections cut off by pg_terminate_backend in 10 rounds: 0 of 100 requests failed"
    );
    shown.expect("standard error is open");
    assert!(cut >= 20, "only {cut} connections were cut off");
}

#[test]
fn b88_a_server_that_restarts_is_503_and_then_all_is_as_before() {
    let server = Postgres::start(&[]);
    let node = Node::start(hurried(&server.url()));
    let mut ann = node.running.logged_in("ann@example.org");
    server.stop();
    is_out(&node.running, SOON);
    ann.get("/profile").is(503);
    node.program().get("/ready").is(503);
    // Signed in is signed in: nobody takes an outage for a log-out.
    assert!(!ann.cookies.is_empty());
    for _ in 0..3 {
        is_out(&node.running, SOON);
    }
    server.start_again();
    let began = Instant::now();
    eventually("an answer", || (ann.get("/profile").status == 200).then_some(()));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(4), "{took:?}");
    node.program().post("/users", &pair("bob@example.org")).is(200);
    let log = node.running.stop().out;
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("no connection to the database, tried until"), 1, "{log}");
    assert_eq!(lines("there is a connection to the database again"), 1, "{log}");
    let shown = writeln!(
        std::io::stderr(),
        "B-88: PostgreSQL stopped and started: the first answer {:.2} s after it was up",
        took.as_secs_f32()
    );
    shown.expect("standard error is open");
}

#[test]
fn b88_a_server_that_has_become_read_only_is_503_for_writes_until_it_takes_them() {
    let server = Postgres::start(&[]);
    let node = Node::start(hurried(&server.url()));
    let mut ann = node.running.logged_in("ann@example.org");
    server.set("default_transaction_read_only", "on");
    eventually("read-only", || {
        // Counted before it is refused; whoever signed up before the server noticed would be there.
        let status = node.program().post("/sessions", &pair("nobody@example.org")).status;
        assert!(matches!(status, 401 | 503), "{status}");
        (status == 503).then_some(())
    });
    is_out(&node.running, SOON);
    ann.get("/profile").is(200);
    let mend = "SET default_transaction_read_only = off; \
                ALTER SYSTEM RESET default_transaction_read_only";
    // ALTER SYSTEM is no part of a transaction, which two statements at once would be.
    let mut conn = server.connection("postgres");
    for statement in mend.split("; ") {
        conn.batch_execute(statement).expect("mended");
    }
    conn.batch_execute("SELECT pg_reload_conf()").expect("read again");
    eventually("an answer", || {
        let status = node.program().post("/users", &pair("bob@example.org")).status;
        assert!(matches!(status, 200 | 503), "{status}");
        (status == 200).then_some(())
    });
}

#[test]
fn b88_a_table_that_another_program_holds_is_503_in_time_for_however_many_ask() {
    let server = Postgres::start(&[]);
    let node = Node::start(hurried(&server.url()));
    let ann = node.running.logged_in("ann@example.org");
    let mut other = server.connection(NAME);
    other.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").expect("held");
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..24 {
            let mut twin = ann.twin();
            scope.spawn(move || twin.get("/profile").is(503).status);
        }
    });
    let took = began.elapsed();
    // Waiting for one's turn, then for the table.
    assert!(took < Duration::from_secs(2 * 2 + 1), "{took:?}");
    is_out(&node.running, Duration::from_secs(2 * 2 + 1));
    other.batch_execute("ROLLBACK").expect("let go");
    eventually("an answer", || (ann.twin().get("/profile").status == 200).then_some(()));
    node.program().post("/users", &pair("bob@example.org")).is(200);
}

#[test]
fn b88_a_server_without_room_for_another_connection_says_what_to_do() {
    // Three are a superuser's, and the nodes are no superusers.
    let server = Postgres::start(&["max_connections = 8"]);
    server.sql("postgres", "CREATE ROLE gatehouse LOGIN");
    server.sql("postgres", "ALTER DATABASE gatehouse OWNER TO gatehouse");
    server.sql(NAME, "GRANT ALL ON SCHEMA public TO gatehouse");
    let url = server.url().replace("postgres@", "gatehouse@");
    let node = Node::start(hurried(&url).with("ROCKET_DATABASE_CONNECTIONS", "20"));
    let ann = node.running.logged_in("ann@example.org");
    for _ in 0..3 {
        thread::scope(|scope| {
            for _ in 0..16 {
                let mut twin = ann.twin();
                // There are few connections, and each serves many.
                scope.spawn(move || twin.get("/profile").is(200).status);
            }
        });
    }
    let other: Vec<_> = (0..2).map(|_| server.connection("postgres")).collect();
    drop(other);
    let log = node.running.stop().out;
    let said = "must stay below the server's max_connections";
    assert_eq!(log.lines().filter(|line| line.contains(said)).count().min(1), 1, "{log}");
}

//! B-88c: others are in the way of a deed, for a moment or for good.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::users;
use gatehouse::db::{AnyConnection, DbError};

use crate::nodes::{Node, home, hurried};
use crate::process::eventually;
use crate::program::PASSWORD;
use crate::server::{NAME, Postgres};

const ANN: [(&str, &str); 2] = [("email", "ann@example.org"), ("password", PASSWORD)];

fn log(server: &Postgres) -> String {
    fs::read_to_string(Path::new(server.path()).join("log")).expect("UTF-8")
}

/// A deed of the node waits for another program's; events may wait, too.
#[track_caller]
fn waits_for_a_lock(server: &Postgres) {
    eventually("a deed that waits", || {
        let query = "SELECT count(*) AS number FROM pg_stat_activity \
                     WHERE application_name = 'gatehouse' AND wait_event_type = 'Lock' \
                     AND query NOT LIKE '%\"events\"%'";
        (server.number(query) > 0).then_some(())
    });
}

#[test]
fn b88c_a_deed_that_another_overtook_is_done_again() {
    let server = Postgres::start(&[]);
    let node = Node::start(home(&server.url()));
    node.program().post("/users", &ANN).is(200);
    let mut other = server.connection(NAME);
    other
        .batch_execute(
            "BEGIN ISOLATION LEVEL SERIALIZABLE; \
             UPDATE users SET created_at = created_at - 1 WHERE email_key = 'ann@example.org'",
        )
        .expect("held");
    thread::scope(|scope| {
        let logs_in = scope.spawn(|| node.program().post("/sessions", &ANN));
        waits_for_a_lock(&server);
        other.batch_execute("COMMIT").expect("before ours");
        logs_in.join().expect("an answer").is(200);
    });
    assert!(log(&server).contains("could not serialize access due to concurrent update"));
    assert_eq!(server.number("SELECT count(*) AS number FROM sessions"), 1);
}

#[test]
fn b88c_a_slow_deed_that_quick_ones_overtake_again_and_again_is_done() {
    let server = Postgres::start(&[]);
    Node::start(home(&server.url())).program().post("/users", &ANN).is(200);
    let db = server.db();
    let (overtaken, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    // Everybody writes to one row, which each has read before.
    let earlier = |conn: &mut AnyConnection| -> Result<Timestamp, DbError> {
        Ok(users::table.select(users::created_at).get_result(conn)?)
    };
    let write = |conn: &mut AnyConnection, then: Timestamp| -> Result<usize, DbError> {
        let then = then - Duration::from_secs(1);
        Ok(diesel::update(users::table).set(users::created_at.eq(then)).execute(conn)?)
    };
    let tries = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let quick = |conn: &mut AnyConnection| {
                    let then = earlier(conn)?;
                    write(conn, then)
                };
                db.write_blocking(quick).expect("nobody overtakes it for long");
                overtaken.fetch_add(1, Ordering::Relaxed);
            }
        });
        let slow = db.write_blocking(|conn| {
            tries.fetch_add(1, Ordering::Relaxed);
            let (then, before) = (earlier(conn)?, overtaken.load(Ordering::Relaxed));
            let end = Instant::now() + Duration::from_millis(300);
            while overtaken.load(Ordering::Relaxed) < before + 2 && Instant::now() < end {
                thread::yield_now();
            }
            write(conn, then)
        });
        done.store(true, Ordering::Relaxed);
        slow.expect("others wait for it in the end");
    });
    assert_eq!(tries.into_inner(), 3, "two beside the others, then one by itself");
}

#[test]
fn b88c_a_deed_that_the_server_ends_for_a_deadlock_is_done_again() {
    let server = Postgres::start(&[]);
    let node = Node::start(home(&server.url()));
    node.program().post("/users", &ANN).is(200);
    let mut other = server.connection(NAME);
    // The log-in gives its try back, then waits for the row of its user; for that try we wait.
    other
        .batch_execute("SET deadlock_timeout = '1h'; BEGIN; SELECT FROM users FOR UPDATE")
        .expect("held");
    thread::scope(|scope| {
        let logs_in = scope.spawn(|| node.program().post("/sessions", &ANN));
        waits_for_a_lock(&server);
        other.batch_execute("UPDATE limits SET tries = tries; COMMIT").expect("the node gave way");
        logs_in.join().expect("an answer").is(200);
    });
    assert!(log(&server).contains("deadlock detected"), "{}", log(&server));
}

#[test]
fn b88c_a_conflict_that_never_ends_is_503_in_time() {
    let server = Postgres::start(&[]);
    let node = Node::start(hurried(&server.url()));
    node.program().post("/users", &ANN).is(200);
    for state in ["40001", "40P01"] {
        let words = if state == "40001" { "could not serialize" } else { "deadlock detected" };
        server.sql(
            NAME,
            &format!(
                "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
                 $$ BEGIN RAISE EXCEPTION '{words}' USING ERRCODE = '{state}'; END $$; \
                 CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON sessions \
                 FOR EACH ROW EXECUTE FUNCTION refuse()"
            ),
        );
        let began = Instant::now();
        let refused = node.program().post("/sessions", &ANN);
        assert!(refused.is(503).header("retry-after").is_some(), "{state}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let tries = log(&server).matches(words).count();
        assert!((4..=60).contains(&tries), "{state}: {tries}");
    }
    server.sql(NAME, "DROP TRIGGER refuse ON sessions");
    node.program().post("/sessions", &ANN).is(200);
}

//! The journal: rows are merged, wait for a busy database, and are forgotten in time.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::audit::journal::{KEPT, Row, newest};
use gatehouse::audit::{self, Event, Journal, Source};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::events;

use super::{ANN, PAIR};
use crate::app::TestApp;

const MILLISECOND: Duration = Duration::from_millis(1);

fn from(app: &TestApp, ip: &str) -> Source {
    Source { ip: ip.to_owned(), ..app.auth().journal().inside() }
}

#[track_caller]
fn rows(app: &TestApp) -> Vec<Row> {
    app.auth().journal().flush();
    let all = events::table.order(events::id).select(Row::as_select());
    all.load(&mut app.database()).expect("rows")
}

fn figure(app: &TestApp, name: &str) -> u64 {
    let text = app.auth().journal().figures().text();
    let line = text.lines().find(|line| line.starts_with(name)).expect("a figure");
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[test]
fn the_same_of_one_moment_is_one_row_that_counts() {
    let app = TestApp::new();
    app.program().post("/users", &PAIR).is(200);
    rows(&app);
    app.sql("DELETE FROM events");
    let (here, there) = (from(&app, "192.0.2.1"), from(&app, "192.0.2.2"));
    for number in 0..1000 {
        audit::record(Event::LogInFailed, None, &here);
        audit::record(Event::LogInFailed, Some(1), &here);
        audit::record(Event::LogInFailed, None, if number < 10 { &there } else { &here });
    }
    let rows = rows(&app);
    // A stalled machine may take several moments.
    assert!(rows.len() < 300, "{} rows", rows.len());
    let times = |ip: &str, user: Option<i64>| -> i64 {
        let same = rows.iter().filter(|row| row.ip == ip && row.user_id == user);
        same.map(|row| row.times).sum()
    };
    assert_eq!(times("192.0.2.1", Some(1)), 1000);
    assert_eq!(times("192.0.2.1", None), 1990);
    assert_eq!(times("192.0.2.2", None), 10);
    assert_eq!(figure(&app, "gatehouse_events_total{event=\"log_in_failed\"}"), 3000);
    assert_eq!(figure(&app, "gatehouse_events_lost_total"), 0);
}

#[test]
fn b84_a_database_that_is_busy_holds_up_nobody_and_what_is_lost_is_counted() {
    let app = TestApp::with("database_wait = \"1s\"", &[]);
    let source = from(&app, "192.0.2.1");
    let mut other = app.locked();
    let start = Instant::now();
    for number in 0..20_000 {
        // Of as many addresses: none is merged away.
        let source = Source { ip: number.to_string(), ..source.clone() };
        audit::record(Event::HostRefused, None, &source);
    }
    let spent = start.elapsed();
    other.batch_execute("ROLLBACK").expect("the lock's end");
    let kept = rows(&app).len();
    let lost = figure(&app, "gatehouse_events_lost_total");
    assert_eq!(figure(&app, "gatehouse_events_total{event=\"host_refused\"}"), 20_000);
    assert!(lost > 0, "more than the queue holds");
    assert_eq!(kept as u64 + lost, 20_000, "each is a row or counted as lost");
    assert!(spent < Duration::from_secs(20), "{spent:?}");
    audit::record(Event::LoggedOut, None, &source);
    assert!(rows(&app).iter().any(|row| row.event == "logged_out"), "it goes on");
}

#[test]
fn b110_the_event_of_somebody_who_is_gone_names_nobody() {
    let app = TestApp::new();
    app.program().post("/users", &PAIR).is(200);
    assert_eq!(rows(&app)[0].user_id, Some(1));
    app.sql("DELETE FROM users");
    // Recorded by a request that was under way.
    audit::record(Event::LoggedOut, Some(1), &from(&app, "192.0.2.1"));
    audit::record(Event::HostRefused, None, &from(&app, "192.0.2.1"));
    let rows = rows(&app);
    let names: Vec<&str> = rows.iter().map(|row| row.event.as_str()).collect();
    assert_eq!(names, ["signed_up", "logged_out", "host_refused"]);
    assert!(rows.iter().all(|row| row.user_id.is_none()), "{rows:?}");
}

fn purge(app: &TestApp, now: Timestamp) -> usize {
    app.wait(Journal::purge(&app.service.db, now)).expect("purged")
}

#[test]
fn rows_are_kept_for_90_days() {
    let app = TestApp::new();
    app.program().post("/users", &PAIR).is(200);
    audit::record(Event::HostRefused, None, &from(&app, "192.0.2.1"));
    rows(&app);
    let at = Timestamp::now();
    app.sql(&format!("UPDATE events SET at = {}", at.millis()));
    assert_eq!(KEPT, Duration::from_secs(90 * 24 * 60 * 60));
    assert_eq!(purge(&app, at + KEPT - MILLISECOND), 0);
    assert_eq!(rows(&app).len(), 2);
    assert_eq!(app.wait(app.auth().purge_events(at + KEPT)).expect("purged"), 2);
    assert_eq!(rows(&app).len(), 0);
}

#[test]
fn b78h_strangers_fill_a_million_rows_at_most_and_push_out_nobodys_history() {
    let app = TestApp::new();
    app.program().post("/users", &PAIR).is(200);
    rows(&app);
    app.sql("DELETE FROM events");
    let now = Timestamp::now();
    for (id, user) in [(1, "NULL"), (2, "1"), (3, "NULL"), (1_000_003, "NULL")] {
        app.sql(&format!(
            "INSERT INTO events (id, at, event, user_id, ip, user_agent, request_id, times) \
             VALUES ({id}, {}, 'logged_in', {user}, '', '', '', 1)",
            now.millis()
        ));
    }
    assert_eq!(purge(&app, now), 2);
    let left: Vec<i64> =
        events::table.order(events::id).select(events::id).load(&mut app.database()).expect("ids");
    assert_eq!(left, [2, 1_000_003], "the person's own row stays");
    let hers = newest(&mut app.database(), Some(1), 10).expect("rows");
    assert_eq!(hers.len(), 1);
    app.program().post("/sessions", &[("email", ANN), PAIR[1]]).is(200);
}

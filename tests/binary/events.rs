//! Security events of the running program: the line on standard output and the row say the same.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::audit::Event;
use gatehouse::audit::journal::Row;
use gatehouse::db::schema::events;
use rustix::process::Signal;
use serde_json::Value;

use crate::http::Connection;
use crate::program::{Home, PASSWORD, Running};
use crate::rows::columns;

const ANN: &str = "ann@example.com";
const WRONG: &[(&str, &str)] = &[("email", ANN), ("password", "not that one")];

/// The fields of a table of docs/events.md.
fn fields(heading: &str) -> BTreeSet<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/events.md");
    let page = fs::read_to_string(page).expect("the page of events");
    let (_, rest) = page.split_once(heading).expect("the heading");
    let rows = rest.lines().skip_while(|line| !line.starts_with("| `"));
    rows.map_while(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .map(str::to_owned)
        .collect()
}

/// Refusals of many kinds, less those that other tests of the log know.
fn refusals(server: &Running) {
    let mut ann = server.program();
    let pair = [("email", ANN), ("password", PASSWORD)];
    ann.post("/users", &pair).is(200);
    ann.post("/sessions", &pair).is(200);
    // A browser of hers is counted apart.
    let mut stranger = server.program();
    stranger.post("/sessions", WRONG).is(401);
    stranger.post("/sessions", &[("email", "nobody@example.com"), ("password", PASSWORD)]).is(401);
    stranger.post("/sessions", WRONG).is(401);
    stranger.post("/sessions", WRONG).is(429);
    for path in ["/unlock/0123", "/confirm/0123", "/invitation/0123", "/reset_password/0123"] {
        ann.get(path).is(403);
    }
    ann.get("/auth").is(401);
    let mut forger = server.program().header("Cookie", "session_id=forged");
    forger.get("/profile").is(403);
    for line in ["BREW / HTTP/1.1", "POST /sessions HTTP/1.1\r\nContent-Type: text/plain"] {
        let request = format!("{line}\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", server.address);
        let mut connection = Connection::open(server.address).expect("it listens");
        connection.send(request.as_bytes()).expect("sent");
        let status = connection.read_answer().expect("an answer").status;
        assert!([400, 415].contains(&status), "{line}: {status}");
    }
}

#[test]
fn every_event_is_a_line_and_a_row_before_an_orderly_end() {
    let home = Home::new().with("ROCKET_LIMIT_LOGIN", "2/1h");
    let server = home.start();
    refusals(&server);
    let out = server.stop().out;
    let names: BTreeSet<&str> = Event::all().map(Event::name).collect();
    let lines: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let told: Vec<&Value> = lines
        .iter()
        .filter(|line| line["event"].as_str().is_some_and(|it| names.contains(it)))
        .collect();
    let all = events::table.order(events::id).select(Row::as_select());
    let rows: Vec<Row> = all.load(&mut home.database()).expect("rows");
    let times: i64 = rows.iter().map(|row| row.times).sum();
    assert_eq!(times, i64::try_from(told.len()).expect("few"), "{rows:#?}\n{told:#?}");

    let known = fields("## The line");
    for line in &told {
        let found: BTreeSet<String> =
            line.as_object().expect("an object").keys().cloned().collect();
        let mut expected = known.clone();
        let event = line["event"].as_str().expect("a name");
        if !["logged_in", "log_in_failed"].contains(&event) {
            expected.remove("factor");
        }
        assert_eq!(found, expected, "{line}");
        let level = if line["outcome"] == "success" { "info" } else { "warn" };
        assert_eq!(line["level"], level, "{line}");
        // Merged rows bear the first one's id.
        let same = rows.iter().find(|row| {
            row.event == event && row.user_id == line["user"].as_i64() && line["ip"] == *row.ip
        });
        assert!(same.is_some(), "no row for {line}");
    }
    for event in [
        "signed_up",
        "logged_in",
        "log_in_failed",
        "tried_too_often",
        "unlock_refused",
        "confirm_refused",
        "invitation_refused",
        "reset_refused",
        "sign_in_needed",
        "session_refused",
        "input_refused",
    ] {
        assert!(told.iter().any(|line| line["event"] == event), "no {event}");
    }
    let unreadable = told.iter().filter(|line| line["event"] == "input_refused");
    for line in unreadable {
        let own = |other: &&Value| {
            other["event"] == "request" && other["request_id"] == line["request_id"]
        };
        assert_eq!(lines.iter().filter(own).count(), 1, "{line}");
    }
}

#[test]
fn the_end_waits_for_events_that_wait_for_the_database() {
    let home = Home::new();
    let server = home.start();
    let mut busy = home.locked();
    server.program().header("Sec-Fetch-Site", "cross-site").post("/sessions", WRONG).is(403);
    server.signal(Signal::TERM);
    // Much longer than an end takes that waits for nothing.
    let held = thread::spawn(move || {
        thread::sleep(Duration::from_secs(1));
        busy.batch_execute("ROLLBACK").expect("the lock's end");
    });
    server.wait(Duration::from_secs(60)).exits(0);
    held.join().expect("no panic");
    let written: Vec<String> =
        events::table.select(events::event).load(&mut home.database()).expect("rows");
    assert_eq!(written, ["cross_site_refused"]);
}

#[test]
fn the_page_of_events_names_the_row_s_columns() {
    let home = Home::new();
    home.run(&["migrate"]).exits(0);
    let mut columns: BTreeSet<String> =
        columns(&mut home.database(), "events").into_iter().collect();
    assert!(columns.remove("id"));
    assert_eq!(columns, fields("## The row"));
}

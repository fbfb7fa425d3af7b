//! `docs/export.md` names every field of the file and every column of the database.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use gatehouse::clock::Timestamp;
use gatehouse::db::AnyConnection;
use serde_json::Value;

use super::ANN;
use crate::app::TestApp;

const DOCUMENT: &str = include_str!("../../../docs/export.md");
/// Told in another form than they are stored in.
const TOLD_OTHERWISE: [&str; 2] = ["users.session_id", "limits.bucket"];

/// The cells of every row of its tables that begins with a name.
fn rows(document: &str) -> Vec<Vec<String>> {
    let lines = document.lines().filter(|line| line.starts_with("| `"));
    let cells = |line: &str| {
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', ""));
        cells.collect()
    };
    lines.map(cells).collect()
}

/// Field by field, the column it comes from.
fn fields() -> BTreeMap<String, String> {
    let (fields, _) = DOCUMENT.split_once("## What is left out").expect("the last part");
    rows(fields).into_iter().map(|cells| (cells[0].clone(), cells[2].clone())).collect()
}

fn left_out() -> BTreeSet<String> {
    let (_, rest) = DOCUMENT.split_once("## What is left out").expect("the last part");
    rows(rest).into_iter().map(|cells| cells[0].clone()).collect()
}

#[derive(QueryableByName)]
struct Cell {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

fn ask(app: &TestApp, query: &str) -> Vec<Option<String>> {
    let cells: Vec<Cell> = diesel::sql_query(query).load(&mut app.database()).expect(query);
    cells.into_iter().map(|cell| cell.value).collect()
}

/// What the first row of that table holds.
#[track_caller]
pub fn stored(app: &TestApp, table: &str, column: &str) -> Option<String> {
    let of_account = if table == "limits" { "WHERE bucket LIKE '%/account/%'" } else { "" };
    let query = format!("SELECT CAST({column} AS TEXT) AS value FROM {table} {of_account} LIMIT 1");
    ask(app, &query).into_iter().next().expect("a row")
}

fn columns(app: &TestApp) -> BTreeSet<String> {
    let all = match app.database() {
        AnyConnection::Sqlite(_) => {
            "SELECT t.name || '.' || c.name AS value FROM sqlite_master t \
             JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'"
        }
        AnyConnection::Postgres(_) => {
            "SELECT table_name || '.' || column_name AS value FROM information_schema.columns \
             WHERE table_schema = 'public'"
        }
    };
    let all = ask(app, all).into_iter().flatten();
    all.filter(|column| !column.starts_with("__diesel_schema_migrations")).collect()
}

/// The path of everything that is no list and no object, with its value.
fn leaves(at: &str, value: &Value, found: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if at.is_empty() { "" } else { "." };
                leaves(&format!("{at}{dot}{name}"), value, found);
            }
        }
        Value::Array(items) => {
            assert!(!items.is_empty(), "{at} is empty, and nothing is proven");
            items.iter().for_each(|item| leaves(&format!("{at}[]"), item, found));
        }
        leaf => drop(found.insert(at.to_owned(), leaf.clone())),
    }
}

/// Somebody about whom everything is stored that can be, each value another.
fn ann(app: &TestApp) {
    app.signed_up(ANN);
    let wrong = [("email", ANN), ("password", "not that one")];
    app.program().post("/sessions", &wrong).is(401);
    app.auth().journal().flush();
    let sealed = match app.database() {
        AnyConnection::Sqlite(_) => "x'00'",
        AnyConnection::Postgres(_) => "'\\x00'",
    };
    app.sql(&format!(
        "DELETE FROM events; DELETE FROM outbox; DELETE FROM tokens; \
         UPDATE users SET email = 'Ann@example.com', confirmed_at = 1700000001000, \
           display_name = 'Ann Ex', time_zone = 'Europe/Berlin', created_at = 1700000002000, \
           password_changed_at = 1700000003000, reset_token = 'reset token', \
           reset_asked_at = 1700000004000, reset_email = 'reset@example.com', \
           disabled_at = 1700000005000, delete_at = 1700000006000; \
         UPDATE sessions SET created_at = 1700000007000, last_seen_at = 1700000008000, \
           authenticated_at = 1700000009000, expires_at = 1700000010000, remembered = TRUE, \
           user_agent = 'a browser', ip = '192.0.2.7', failed_proofs = 3, door_key = 'a door'; \
         INSERT INTO pending_forms SELECT id, {sealed}, 1700000011000 FROM sessions; \
         UPDATE devices SET last_used_at = 1700000012000; \
         INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at) \
           VALUES ('k', 'email_change', 1, 'new@example.com', 'New@example.com', 1700000013000); \
         INSERT INTO outbox (message_id, kind, user_id, content, state, created_at, expires_at, \
           next_attempt_at, attempts, last_error, subject) \
           VALUES ('m', 'unlock', 1, {sealed}, 'waiting', 1700000014000, 1700000015000, \
           1700000016000, 5, 'no answer', 'sign-up 1'); \
         UPDATE limits SET tries = 7, started_at = 1700000017000, ends_at = 1700000018000, \
           last_at = 1700000019000; \
         INSERT INTO sign_ups (email, email_key, hashed_password, browser, token, \
           token_expires_at, created_at) VALUES ('ANN@example.com', '{ANN}', 'a hash', \
           'its cookie', 'sign-up token', 1700000020000, 1700000021000); \
         INSERT INTO events (at, event, user_id, ip, user_agent, request_id, times) \
           VALUES (1700000022000, 'logged_in', 1, '192.0.2.8', 'another browser', 'r', 9)"
    ));
}

fn exported(app: &TestApp) -> BTreeMap<String, Value> {
    let export = app.wait(app.auth().export(1, Timestamp::now())).expect("read").expect("there");
    let mut found = BTreeMap::new();
    leaves("", &serde_json::to_value(export).expect("JSON"), &mut found);
    found
}

#[test]
fn every_field_is_described_and_holds_what_its_column_holds() {
    let app = TestApp::new();
    ann(&app);
    let (exported, fields) = (exported(&app), fields());
    let (told, described): (Vec<&String>, Vec<&String>) =
        (exported.keys().collect(), fields.keys().collect());
    assert_eq!(told, described, "docs/export.md");
    for (field, column) in fields.iter().filter(|(_, column)| !column.is_empty()) {
        if TOLD_OTHERWISE.contains(&column.as_str()) {
            continue;
        }
        let (table, column) = column.split_once('.').expect("a table's column");
        let stored = stored(&app, table, column).expect(field);
        let told = match &exported[field] {
            Value::String(text) => text.clone(),
            // PostgreSQL says it in words.
            Value::Bool(true) if stored == "1" => stored.clone(),
            other => other.to_string(),
        };
        let moment = stored.parse().map(|millis| Timestamp::from_millis(millis).rfc3339());
        assert!(told == stored || moment == Ok(told.clone()), "{field}: {told}, {stored}");
    }
    assert_eq!(exported["sessions[].latest"], true);
    assert_eq!(exported["limits[].what"], "log_in");
    assert_eq!(exported["limits[].window_seconds"], 60);
}

#[test]
fn every_column_of_the_database_is_in_the_export_or_left_out_for_a_reason() {
    let app = TestApp::new();
    let left_out = left_out();
    let told: BTreeSet<String> =
        fields().into_values().filter(|column| !column.is_empty()).collect();
    let both: Vec<&String> = told.intersection(&left_out).collect();
    assert!(both.is_empty(), "told and left out: {both:?}");
    let known: BTreeSet<String> = told.union(&left_out).cloned().collect();
    assert_eq!(columns(&app), known, "docs/export.md, and src/accounts/export.rs");
    let (_, reasons) = DOCUMENT.split_once("## What is left out").expect("the last part");
    for cells in rows(reasons) {
        assert!(cells[1].len() > 10, "{}: no reason", cells[0]);
    }
}

#[test]
fn nothing_that_is_left_out_is_in_the_file() {
    let app = TestApp::new();
    ann(&app);
    let export = app.wait(app.auth().export(1, Timestamp::now())).expect("read").expect("there");
    let text = serde_json::to_string_pretty(&export).expect("JSON");
    for column in left_out() {
        let (table, column) = column.split_once('.').expect("a table's column");
        let Some(value) = stored(&app, table, column) else { continue };
        // Numbers of rows and one-letter texts are everywhere.
        let telling = value.len() > 3;
        assert!(!telling || !text.contains(&value), "{table}.{column}: {value}");
    }
}

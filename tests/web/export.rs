//! The file with all that is stored about somebody: who gets it, what is in it, and that
//! `docs/export.md` tells all of it.

mod described; // the document, the columns of the database and the fields of the file

use std::sync::Mutex;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::accounts::export::MOST_EVENTS;
use gatehouse::clock::Timestamp;
use gatehouse::db::DbError;
use gatehouse::db::schema::users;
use serde_json::Value;

use crate::app::{Answer, PASSWORD, TestApp, Visitor};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const FILE: &str = "/account/export.json";
const LONG_AGO: &str = "UPDATE sessions SET authenticated_at = authenticated_at - 660000";

#[track_caller]
fn file(visitor: &Visitor<'_>) -> (Answer, Value) {
    let answer = visitor.get(FILE);
    let content = answer.is(200).json();
    (answer, content)
}

/// A program, signed in.
#[track_caller]
fn program<'a>(app: &'a TestApp, email: &str) -> Visitor<'a> {
    let program = app.program();
    program.post("/sessions", &[("email", email), ("password", PASSWORD)]).is(200);
    program
}

#[test]
fn everybody_gets_their_file_in_one_form() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    // Saved under its own name; an answer that is no file is shown, not saved.
    let link = "<a class=\"button\" href=\"/account/export.json\">";
    ann.get("/account/export").is(200).says(link);
    for visitor in [&ann, &program(&app, ANN)] {
        let (answer, content) = file(visitor);
        let day = &Timestamp::now().rfc3339()[..10];
        let disposition = format!("attachment; filename=\"gatehouse-export-{day}.json\"");
        assert_eq!(answer.header("content-disposition"), Some(disposition.as_str()));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(
            answer.text().starts_with("{\n  \"format\": \"gatehouse-export\",\n  \"version\": 1,")
        );
        assert_eq!(content["account"]["email"], ANN);
        assert_eq!(content["events_complete"], true);
    }
    let told = program(&app, ANN).get("/account/export");
    told.is(406).says("GET /account/export.json");
}

#[test]
fn an_old_proof_must_be_given_anew_and_leads_back() {
    let app = TestApp::new();
    let (ann, script) = (app.signed_up(ANN), program(&app, ANN));
    app.sql(LONG_AGO);
    script.get(FILE).is(403).says("POST /sudo").does_not_say("format");
    let page = ann.get("/account/export");
    page.is(200).says("/sudo?next=%2Faccount%2Fexport\"").does_not_say("export.json\"");
    // The page, where the file is a click away: a download would leave the password's page standing.
    ann.get(FILE).goes_to("/sudo?next=%2Faccount%2Fexport");
    let wrong = [("password", "not that one"), ("next", "/account/export")];
    ann.post("/sudo", &wrong).is(422);
    ann.get(FILE).goes_to("/sudo?next=%2Faccount%2Fexport");
    let right = [("password", PASSWORD), ("next", "/account/export")];
    ann.post("/sudo", &right).goes_to("/account/export");
    file(&ann);
    script.post("/sudo", &[("password", PASSWORD)]).is(200);
    file(&script);
}

#[test]
fn nobody_gets_anothers() {
    let app = TestApp::new();
    app.signed_up(ANN);
    app.browser().get(FILE).goes_to("/login?next=/account/export");
    app.browser().get("/account/export").goes_to("/login?next=/account/export");
    app.program().get(FILE).is(403);
    let bob = app.signed_up(BOB);
    app.browser().post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    app.browser().post("/unlock", &[("email", ANN)]);
    app.mailbox();
    app.auth().journal().flush();
    let now = Timestamp::now().millis() + 1_000_000;
    // Bob wants Ann's address for himself.
    app.sql(&format!(
        "INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at) \
         VALUES ('k', 'email_change', 2, '{ANN}', '{ANN}', {now})"
    ));
    let (answer, content) = file(&bob);
    for list in ["mails", "limits"] {
        assert_eq!(content[list].as_array().map(Vec::len), Some(0), "{list}");
    }
    assert_eq!(content["links"][0]["email"], ANN, "it is his wish");
    assert_eq!(answer.text().matches(ANN).count(), 2, "{}", answer.text());
    let (_, content) = file(&program(&app, ANN));
    let purposes: Vec<&Value> =
        content["links"].as_array().expect("a list").iter().map(|it| &it["purpose"]).collect();
    // One more in the mail about her program, which she logged in with just now.
    assert_eq!(purposes, ["unlock", "secure_account"], "and Bob's is not hers");
}

#[test]
fn b107_the_file_opens_nothing() {
    let app = TestApp::with("confirm_email = false", &[]);
    let ann = app.signed_up(ANN);
    app.browser().post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    app.browser().post("/unlock", &[("email", ANN)]);
    let token = app.mailed_link().rsplit('/').next().expect("a token").to_owned();
    let (answer, content) = file(&ann);
    assert!(content["account"]["reset_link"]["asked_at"].is_string(), "{content}");
    let text = answer.text();
    for (what, stored) in [
        ("users", "hashed_password"),
        ("users", "session_id"),
        ("users", "reset_token"),
        ("sessions", "id"),
        ("devices", "id"),
        ("tokens", "id"),
    ] {
        let secret = described::stored(&app, what, stored).expect("a value");
        assert!(secret.len() > 20 && !text.contains(&secret), "{what}.{stored}");
    }
    for secret in [token.as_str(), PASSWORD] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn more_events_than_a_person_brings_about_are_left_out() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.auth().journal().flush();
    let row = |number: usize| format!("({number}, 'logged_in', 1, '', '', '', 1)");
    for many in [MOST_EVENTS, 1] {
        let values: Vec<String> = (1..=many).map(row).collect();
        app.sql(&format!(
            "DELETE FROM events WHERE at > {MOST_EVENTS}; \
             INSERT INTO events (at, event, user_id, ip, user_agent, request_id, times) VALUES {}",
            values.join(",")
        ));
        let (_, content) = file(&ann);
        app.auth().journal().flush();
        let events = content["events"].as_array().expect("a list");
        assert_eq!(events.len(), MOST_EVENTS);
        assert_eq!(content["events_complete"], many > 1);
    }
}

#[test]
fn a_database_that_fails_gives_no_half_of_a_file() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.sql("ALTER TABLE devices RENAME TO gone");
    let answer = ann.send_for_a_fault(rocket::http::Method::Get, FILE, &[], Vec::new());
    answer.is(500).does_not_say("format").does_not_say("gone");
    assert_eq!(answer.header("content-disposition"), None);
    app.sql("ALTER TABLE gone RENAME TO devices");
    file(&ann);
}

#[test]
fn what_is_read_together_is_of_one_moment() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let other = Mutex::new(app.database());
    let count = app.service.db.read_moment(move |conn| {
        let before: i64 = users::table.count().get_result(conn).map_err(DbError::from)?;
        other.lock().expect("not poisoned").batch_execute("UPDATE users SET display_name = 'x'")?;
        let named = users::table.filter(users::display_name.is_not_null());
        let after: i64 = named.count().get_result(conn).map_err(DbError::from)?;
        Ok::<_, DbError>((before, after))
    });
    assert_eq!(app.wait(count).expect("read"), (1, 0));
    let named = users::table.filter(users::display_name.is_not_null()).count();
    assert_eq!(named.get_result::<i64>(&mut app.database()).expect("read"), 1);
}

#[test]
fn all_that_is_forgotten_with_an_account_is_told_of_it() {
    let app = TestApp::with("limit_login = \"4/1m\"\nlimit_mail = \"9/1h\"", &[]);
    app.signed_up(ANN);
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    app.mailbox();
    // From a new browser, which a mail tells of.
    let ann = program(&app, ANN);
    ann.post("/sudo", &[("password", "not that one")]).is(422);
    app.program().post("/sessions", &[("email", ANN), ("password", "not that one")]).is(401);
    let (_, content) = file(&ann);
    let counted = content["limits"].as_array().expect("a list").iter();
    let counted: Vec<&str> = counted.filter_map(|it| it["what"].as_str()).collect();
    for what in ["mail", "tell", "log_in", "prove"] {
        assert!(counted.contains(&what), "{what}: {counted:?}");
    }
}

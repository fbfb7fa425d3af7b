//! Sudo: what is sensitive asks for the password again, once the last proof is old.

mod forms; // what waits meanwhile
mod overtaken; // by whoever ends the session

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::session::{Device, Session};
use gatehouse::accounts::sudo::{FRESH, Proof, ProveError};
use gatehouse::accounts::user::User;
use gatehouse::clock::{SKEW, Timestamp};
use gatehouse::db::schema::{pending_forms, sessions};
use rocket::http::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, Visitor, secret};
use crate::overtake::overtake;

const ANN: &str = "ann@example.com";
const WRONG: &str = "not that harbour";
const MILLISECOND: Duration = Duration::from_millis(1);

/// Ann at her laptop, signed in a while ago, and her phone.
fn ann_and_her_phone(app: &TestApp) -> (Visitor<'_>, Visitor<'_>) {
    let (laptop, phone) = (app.signed_up(ANN), log_in(app.browser()));
    time_passes(app);
    (laptop, phone)
}

#[track_caller]
fn log_in(visitor: Visitor<'_>) -> Visitor<'_> {
    visitor.post("/sessions", &[("email", ANN), ("password", PASSWORD)]);
    visitor.get("/profile").is(200);
    visitor
}

/// Eleven minutes for every proof there is.
fn time_passes(app: &TestApp) {
    app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
}

fn password(text: &str) -> [(&'static str, &str); 1] {
    [("password", text)]
}

fn waiting(app: &TestApp) -> i64 {
    pending_forms::table.count().get_result(&mut app.database()).expect("counted")
}

fn count(app: &TestApp) -> i64 {
    sessions::table.count().get_result(&mut app.database()).expect("counted")
}

fn proof((user, session): (User, Session), password: &str) -> Proof {
    let device = Device::default();
    Proof { user, session, password: secret(password), device, known_device: None }
}

#[test]
fn a_log_in_is_a_proof_for_ten_minutes() {
    let app = TestApp::new();
    let laptop = app.signed_up(ANN);
    let phone = log_in(app.browser());
    laptop.delete("/account/sessions").goes_to("/account/sessions");
    laptop.get("/profile").is(200).says("All other devices are logged out.");
    phone.get("/profile").goes_to("/login?next=/profile");

    let (_, session) = app.session(ANN);
    let proven = session.authenticated_at;
    assert!(session.is_fresh(proven) && session.is_fresh(proven + FRESH - MILLISECOND));
    assert!(!session.is_fresh(proven + FRESH), "ten minutes are over");
    // Of two machines' clocks one may be ahead; more is a clock that was wrong.
    assert!(session.is_fresh(proven - SKEW));
    assert!(!session.is_fresh(proven - SKEW - MILLISECOND));
}

#[track_caller]
fn session_of(app: &TestApp) -> (User, Session) {
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app.session(ANN)
}

#[test]
fn b52_a_proof_leads_to_paths_of_this_site_alone() {
    let app = TestApp::new();
    let (laptop, _) = ann_and_her_phone(&app);
    for bad in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]
    {
        let query = percent_encoding::utf8_percent_encode(bad, percent_encoding::NON_ALPHANUMERIC);
        laptop.get(&format!("/sudo?next={query}")).goes_to("/profile");
        laptop.post("/sudo", &[("password", PASSWORD), ("next", bad)]).goes_to("/profile");
    }
}

#[test]
fn b17_b33_a_program_gives_the_password_and_comes_again() {
    let app = TestApp::new();
    let (_, phone) = ann_and_her_phone(&app);
    let script = log_in(app.program());
    time_passes(&app);
    let told = script.delete("/account/sessions");
    told.is(403).json_is(&json!({
        "message": "confirm your password with POST /sudo, then send this again"
    }));
    assert_eq!(waiting(&app), 0, "nothing waits for a program");
    assert!(script.get("/sudo").is(406).json()["message"].to_string().contains("POST /sudo"));
    let refused = script.json(Method::Post, "/sudo", &json!({ "password": WRONG }));
    refused.is(422).json_is(&json!({
        "message": "some fields are missing or refused",
        "errors": { "password": ["This is not your password. Try again."] },
    }));
    script.delete("/account/sessions").is(403);
    phone.get("/profile").is(200);
    let proven = script.json(Method::Post, "/sudo", &json!({ "password": PASSWORD }));
    proven.is(200).json_is(&json!({ "message": "password confirmed" }));
    let ended = script.delete("/account/sessions");
    ended.is(200).json_is(&json!({ "message": "all other devices are logged out", "ended": 2 }));
    phone.get("/profile").is(303);
    script.delete("/account/sessions").is(200).says("\"ended\":0");
    for path in ["/sudo", "/account/sessions"] {
        app.program().delete(path).is(403).json_is(&json!({ "message": "Forbidden" }));
        app.browser().delete(path).goes_to("/login");
    }
}

#[test]
fn ending_the_other_sessions_is_about_ones_own_alone() {
    let app = TestApp::new();
    let bob = app.signed_up("bob@example.com");
    let (laptop, phone) = (app.signed_up(ANN), log_in(app.browser()));
    laptop.delete("/account/sessions").goes_to("/account/sessions");
    phone.get("/profile").is(303);
    bob.get("/profile").is(200);
    laptop.get("/profile").is(200);
}

#[test]
fn b17_five_wrong_passwords_end_the_session() {
    let app = TestApp::new();
    let (laptop, phone) = ann_and_her_phone(&app);
    laptop.delete("/account/sessions").goes_to("/sudo");
    for _ in 0..4 {
        laptop.post("/sudo", &password(WRONG)).is(422);
        laptop.get("/profile").is(200);
    }
    laptop.post("/sudo", &password(WRONG)).goes_to("/login");
    assert_eq!(laptop.cookie("session_id"), None);
    laptop.get("/login").says("You are logged out: the password was wrong too often.");
    assert_eq!((count(&app), waiting(&app)), (1, 0));
    phone.get("/profile").is(200);

    let script = log_in(app.program());
    for code in [422, 422, 422, 422, 403, 403] {
        script.post("/sudo", &password(WRONG)).is(code);
    }
    script.post("/sudo", &password(PASSWORD)).is(403);

    // The right one between them begins anew, under another id.
    let script = log_in(app.program());
    for text in [WRONG, WRONG, WRONG, WRONG, PASSWORD, WRONG, WRONG, WRONG, WRONG] {
        script.post("/sudo", &password(text)).is(if text == PASSWORD { 200 } else { 422 });
    }
    script.post("/sudo", &password(WRONG)).is(403);
}

/// Whatever the number of cookies somebody has: it is the account that is guessed at.

#[test]
fn b17_tries_are_limited_over_all_sessions_of_an_account() {
    let app = TestApp::with("limit_login = \"2/1h\"", &[]);
    let (laptop, phone) = ann_and_her_phone(&app);
    laptop.delete("/account/sessions").goes_to("/sudo");
    laptop.post("/sudo", &password(WRONG)).is(422);
    phone.post("/sudo", &password(WRONG)).is(422);
    let refused = laptop.post("/sudo", &password(PASSWORD));
    refused.is(429).says("href=\"&#x2F;sudo\"");
    let wait: u64 = refused.header("retry-after").expect("said").parse().expect("seconds");
    assert!((3500..=3600).contains(&wait), "{wait}");
    phone.header("Accept", "application/json");
    phone.post("/sudo", &password(PASSWORD)).is(429).says("too many tries");
    assert_eq!(waiting(&app), 1, "it waits on");
    // Nobody else is kept out, and nobody's log-in.
    log_in(app.browser());
    let bob = app.signed_up("bob@example.com");
    bob.post("/sudo", &password(PASSWORD)).goes_to("/profile");
    // Right ones are no guesses.
    for _ in 0..5 {
        bob.post("/sudo", &password(PASSWORD)).goes_to("/profile");
    }
}

#[test]
fn b33_a_proof_that_was_overtaken_proves_nothing() {
    let app = TestApp::new();
    for overtaking in [
        "UPDATE users SET hashed_password = 'another'",
        "UPDATE users SET disabled_at = 1",
        "DELETE FROM sessions",
        "DELETE FROM users",
    ] {
        app.sql("DELETE FROM users");
        let found = session_of(&app);
        let now = Timestamp::now();
        let outcome =
            overtake(&app, app.auth().sudo(proof(found, PASSWORD), None, now), overtaking);
        assert!(matches!(outcome, Err(ProveError::Overtaken)), "{overtaking}");
    }
}

#[test]
fn a_proven_session_goes_on_as_it_was() {
    let app = TestApp::new();
    let script = app.program();
    script.post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let pair = [("email", ANN), ("password", PASSWORD), ("remember", "yes")];
    script.post("/sessions", &pair).is(200);
    app.sql("UPDATE sessions SET created_at = created_at - 86400000");
    let look = || -> Vec<(i64, bool, i32)> {
        let columns = (sessions::created_at, sessions::remembered, sessions::failed_proofs);
        sessions::table
            .filter(sessions::remembered.eq(true))
            .select(columns)
            .load(&mut app.database())
            .expect("there")
    };
    let before = look();
    let answer = script.post("/sudo", &password(PASSWORD));
    answer.is(200);
    assert_eq!(look(), before, "its end does not move");
    let set = answer.all("set-cookie").into_iter().find(|set| set.starts_with("session_id="));
    assert!(set.expect("a new cookie").contains("Max-Age="), "it is remembered still");
    let user = app.wait(app.auth().find_session("none", Timestamp::now())).expect("answers");
    assert!(user.is_none());
    let newest = gatehouse::db::schema::users::session_id;
    let users = gatehouse::db::schema::users::table;
    let newest: Option<String> = users.select(newest).first(&mut app.database()).expect("there");
    assert!(newest.is_some(), "the most recent session is the same one");
}

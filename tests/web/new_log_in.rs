//! A log-in that its owner should hear of: from a new browser, or after many that failed.

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::login::LogIn;
use gatehouse::accounts::operator::Operator;
use gatehouse::accounts::session::{Beginning, Device};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{outbox, tokens};

use crate::app::{PASSWORD, TestApp, Visitor, secret};
use crate::email_change::{ANN, BOB};
use crate::mailed::token_of;

const WRONG: &str = "not that one";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[track_caller]
fn logs_in(visitor: &Visitor<'_>) {
    visitor.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
}

fn fails(app: &TestApp, times: usize) {
    for _ in 0..times {
        app.program().post("/sessions", &[("email", ANN), ("password", WRONG)]).is(401);
    }
    app.auth().journal().flush();
}

fn told(app: &TestApp) -> usize {
    app.links_to(ANN, "secure_account").len()
}

#[test]
fn a_log_in_from_a_new_browser_is_told_and_one_click_undoes_it() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    logs_in(&ann);
    assert_eq!(told(&app), 0, "her own browser");
    let thief = app.browser();
    thief.header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0");
    logs_in(&thief);
    let mails = app.mails_to(ANN);
    assert_eq!(mails.len(), 1);
    for said in [ANN, "a browser that we did not know", "127.0.0.1", "Linux", "7 days"] {
        assert!(mails[0].text.contains(said), "{said}: {}", mails[0].text);
    }
    assert!(!mails[0].text.contains("failed"), "{}", mails[0].text);
    assert!(mails[0].html.contains("new browser"));
    logs_in(&thief);
    assert_eq!(told(&app), 1, "it is known now");
    let owner = app.browser();
    owner.get(&app.link_to(ANN, "secure_account")).goes_to("/secure_account/confirm");
    owner.post("/secure_account/confirm", &[]).goes_to("/reset_password/sent");
    thief.get("/profile").goes_to("/login?next=/profile");
    assert!(app.events_of(Some(1)).contains(&"new_log_in_told".to_owned()));
}

#[test]
fn the_first_log_in_is_its_owners() {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    logs_in(&app.browser());
    assert_eq!(told(&app), 0);
    logs_in(&app.browser());
    assert_eq!(told(&app), 1);
}

#[test]
fn one_to_an_account_that_no_browser_is_known_to_any_more_is_told() {
    // It was unused for half a year, or a backup was put back; or an operator lifted a limit.
    let purged = |app: &TestApp| app.sql("DELETE FROM devices");
    let unlocked = |app: &TestApp| drop(Operator(app.auth()).unlock(ANN).expect("unlocked"));
    for forget in [&purged as &dyn Fn(&TestApp), &unlocked] {
        let app = TestApp::new();
        app.signed_up(ANN);
        forget(&app);
        logs_in(&app.browser());
        assert_eq!(told(&app), 0, "its first day");
        app.sql(&format!("UPDATE users SET created_at = {}", (Timestamp::now() - DAY).millis()));
        forget(&app);
        let thief = app.browser();
        logs_in(&thief);
        assert_eq!(told(&app), 1);
        logs_in(&thief);
        assert_eq!(told(&app), 1, "it is known now");
    }
    // A clock that was wrong once silences nothing.
    let app = TestApp::new();
    app.signed_up(ANN);
    let next_year = (Timestamp::now() + 365 * DAY).millis();
    app.sql(&format!("UPDATE users SET created_at = {next_year}; DELETE FROM devices"));
    logs_in(&app.browser());
    assert_eq!(told(&app), 1);
}

#[test]
fn a_known_browser_is_known_to_its_account_alone() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let bob = app.signed_up(BOB);
    logs_in(&bob);
    assert_eq!(told(&app), 1);
}

#[test]
fn one_after_many_that_failed_is_told() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    logs_in(&ann);
    fails(&app, 4);
    logs_in(&ann);
    app.auth().journal().flush();
    assert_eq!(told(&app), 0, "she mistyped");
    // Those before the last that went well do not count again.
    fails(&app, 4);
    logs_in(&ann);
    app.auth().journal().flush();
    assert_eq!(told(&app), 0);
    fails(&app, 5);
    logs_in(&ann);
    let mail = &app.mails_to(ANN)[0];
    assert!(mail.text.contains("5 log-ins failed"), "{}", mail.text);
    assert!(!mail.text.contains("did not know"), "{}", mail.text);
    assert_eq!(told(&app), 1);
}

#[test]
fn failures_of_another_day_are_another_story() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    fails(&app, 6);
    let yesterday = (Timestamp::now() - DAY).millis();
    app.sql(&format!("UPDATE events SET at = {yesterday}"));
    logs_in(&ann);
    assert_eq!(told(&app), 0);
}

/// Somebody at a browser of its own each time.
fn enters(app: &TestApp, user_agent: &str, now: Timestamp) {
    let device = Device { user_agent: user_agent.to_owned(), ip: "192.0.2.1".to_owned() };
    let attempt = LogIn {
        email: ANN.to_owned(),
        password: secret(PASSWORD),
        beginning: Beginning { device, ..Beginning::default() },
    };
    app.wait(app.auth().log_in(attempt, now)).expect("the right password");
}

#[test]
fn b18_few_are_told_and_they_leave_room_for_what_is_asked_for() {
    let app = TestApp::with("limit_mail = \"3/1h\"", &[]);
    app.signed_up(ANN);
    for _ in 0..5 {
        enters(&app, "", Timestamp::now());
    }
    assert_eq!(told(&app), 3);
    let links = tokens::table.count().get_result(&mut app.database());
    assert_eq!(links, Ok(3_i64), "what is held back leaves no link");
    assert!(app.events_of(Some(1)).contains(&"mail_held".to_owned()));
    // Neither silences the other.
    for _ in 0..5 {
        app.program().post("/unlock", &[("email", ANN)]).is(200);
    }
    assert_eq!(app.links_to(ANN, "unlock").len(), 3);
    let later = Timestamp::now() + Duration::from_secs(60 * 60);
    enters(&app, "", later);
    app.service.worker.deliver_due(later).expect("delivered");
    assert_eq!(told(&app), 4);
}

#[test]
fn b59_what_a_browser_says_it_is_becomes_no_link_and_no_markup() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let hostile = "see https://evil.example/now <b>or</b> evil@evil.example\u{202e}";
    enters(&app, &format!("{hostile}{}", "x".repeat(5000)), Timestamp::now());
    let mail = &app.mails_to(ANN)[0];
    for part in [&mail.text, &mail.html] {
        for raw in ["evil.example", "https://evil", "<b>or", "evil@", "\u{202e}", &"x".repeat(100)]
        {
            assert!(!part.contains(raw), "{raw}: {part}");
        }
        assert!(part.contains("an unknown program"), "{part}");
    }
}

#[test]
fn a_new_password_by_mail_makes_its_browser_a_known_one() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let elsewhere = app.browser();
    elsewhere.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    let link = app.link_to(ANN, "reset_password");
    let form = [("reset_token", token_of(&link)), ("new_password", "another harbour")];
    elsewhere.put("/reset_password", &form).goes_to("/login");
    let before = app.mailbox().len();
    elsewhere
        .post("/sessions", &[("email", ANN), ("password", "another harbour")])
        .goes_to("/profile");
    assert_eq!(app.mailbox().len(), before);
}

#[test]
fn the_classroom_hears_of_nothing() {
    let app = TestApp::with("", &[("ROCKET_PROFILE", "classroom")]);
    let ann = app.program();
    let pair = [("email", ANN), ("password", "b4l0u")];
    ann.post("/users", &pair).is(200);
    for _ in 0..3 {
        app.program().post("/sessions", &pair).is(200);
    }
    assert_eq!(outbox::table.count().get_result(&mut app.database()), Ok(0_i64));
}

#[test]
fn a_mail_that_cannot_be_kept_undoes_its_log_in() {
    let app = TestApp::new();
    app.signed_up(ANN);
    app.break_down("INSERT", "outbox", "disk I/O error");
    let thief = app.program();
    let form = crate::app::urlencoded(&[("email", ANN), ("password", PASSWORD)]).into_bytes();
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    let answer =
        thief.send_for_a_fault(rocket::http::Method::Post, "/sessions", &[kind], form.clone());
    app.mend();
    assert!(answer.status.code >= 500, "{answer:?}");
    assert_eq!(thief.cookie("session_id"), None);
    thief.send(rocket::http::Method::Post, "/sessions", &[kind], form).is(200);
}

//! B-07: who wants another address learns nothing of it; B-18: nor can they bombard it.

use diesel::prelude::*;
use gatehouse::accounts::email_change::AskError;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{outbox, tokens, users};
use rocket::http::Method::Post;
use serde_json::json;

use super::{ANN, BOB, NEW, asks};
use crate::app::{PASSWORD, TestApp};

/// As many letters as Bob's.
const FREE: &str = "max@example.com";

/// What Ann sees when she asks for `email`, before and after the worker's turn, and how many mails
/// wait or have left for her account.
fn ask_and_look(app: &TestApp, email: &str) -> (Vec<String>, i64) {
    let mut seen = Vec::new();
    for visitor in [app.browser(), app.program()] {
        visitor.post("/sessions", &[("email", ANN), ("password", PASSWORD)]);
        seen.push(visitor.post("/account/email", &[("email", email)]));
        app.service.worker.deliver_due(Timestamp::now()).expect("delivered");
        seen.push(visitor.get("/account/email/sent"));
        seen.push(visitor.get("/profile"));
        seen.push(visitor.json(Post, "/account/email", &json!({ "email": email })));
        app.service.worker.deliver_due(Timestamp::now()).expect("delivered");
    }
    let mails = outbox::table.filter(outbox::kind.eq("email_change").and(outbox::user_id.eq(1)));
    let mails = mails.count().get_result(&mut app.database()).expect("counted");
    (seen.iter().map(|answer| answer.comparable().replace(email, "EMAIL")).collect(), mails)
}

#[test]
fn b07_a_taken_address_is_answered_as_a_free_one() {
    let app = TestApp::new();
    app.signed_up(ANN);
    app.signed_up(BOB);
    for (taken, free) in [(BOB, FREE), ("BOB@Example.com", "MAX@Example.com")] {
        let (seen, mails) = ask_and_look(&app, taken);
        assert_eq!((seen, mails), ask_and_look(&app, free), "{taken}");
    }
}

#[test]
fn b07_the_owner_of_a_taken_address_hears_of_it_and_nothing_changes() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.signed_up(BOB);
    asks(&ann, "Bob@Example.com");
    let mails = app.mails_to(BOB);
    assert_eq!(mails.len(), 1);
    assert!(mails[0].text.contains("somebody wants to use your address"), "{}", mails[0].text);
    assert!(!mails[0].text.contains(ANN), "they are not told who");
    assert!(!mails[0].text.contains("email_change"), "no link that acts");
    let changes = tokens::table.filter(tokens::purpose.eq("email_change"));
    assert_eq!(changes.count().get_result(&mut app.database()), Ok(0_i64));
    let emails: Vec<String> =
        users::table.order(users::id).select(users::email).load(&mut app.database()).expect("two");
    assert_eq!(emails, [ANN, BOB]);
}

#[test]
fn b18_one_address_gets_few_mails_whoever_asks() {
    let app = TestApp::with("limit_mail = \"3/1h\"", &[]);
    let (ann, bob) = (app.signed_up(ANN), app.signed_up(BOB));
    for _ in 0..5 {
        asks(&ann, NEW);
        app.mailbox();
        asks(&bob, NEW);
        app.mailbox();
    }
    assert_eq!(app.mails_to(NEW).len(), 3);
    assert!(app.events_of(Some(1)).contains(&"mail_held".to_owned()));
}

#[test]
fn asking_too_often_has_to_wait() {
    let app = TestApp::with("limit_ask = \"4/10m\"", &[]);
    let ann = app.signed_up(ANN);
    for number in 0..4 {
        asks(&ann, &format!("{number}@new.example"));
    }
    ann.post("/account/email", &[("email", NEW)])
        .is(429)
        .says("/account/email".replace('/', "&#x2F;").as_str());
    // What is no address was never counted.
    ann.post("/account/email", &[("email", "ann")]).is(422);
    // It is the account that asks, from wherever.
    let (user, session) = app.session(ANN);
    let again =
        app.auth().ask_for_email_change(&user, &session, NEW, "192.0.2.9", Timestamp::now());
    assert!(matches!(app.wait(again), Err(AskError::Limited(_))));
}

#[test]
fn the_password_is_asked_for_and_the_form_is_carried_out_after_it() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let program = app.program();
    program.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let long_ago = Timestamp::now().millis() - 11 * 60 * 1000;
    app.sql(&format!("UPDATE sessions SET authenticated_at = {long_ago}"));
    program.post("/account/email", &[("email", NEW)]).is(403).says("POST /sudo");
    // No address: there is nothing to give the password for.
    ann.post("/account/email", &[("email", "ann")]).is(422);
    ann.post("/account/email", &[("email", NEW)]).goes_to("/sudo");
    ann.get("/sudo").is(200).says("To change your e-mail address");
    assert_eq!(app.mails_to(NEW).len(), 0);
    ann.post("/sudo", &[("password", PASSWORD)]).goes_to("/account/email/sent");
    assert_eq!(app.links_to(NEW, "email_change").len(), 1);
}

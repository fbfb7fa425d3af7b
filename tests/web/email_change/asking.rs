//! B-07: who wants another address learns nothing of it; B-18: nor can they bombard it.

use std::collections::BTreeMap;

use diesel::prelude::*;
use gatehouse::accounts::email_change::AskError;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{outbox, users};
use rocket::http::Method::Post;
use serde_json::{Value, json};

use super::{ANN, BOB, NEW, asks, confirms};
use crate::app::{PASSWORD, TestApp, Visitor};

/// As many letters as Bob's.
const FREE: &str = "max@example.com";

/// Nobody answers there.
const NO_MAIL: &str = "mail_transport = \"smtp\"\nsmtp_url = \"smtp://127.0.0.1:9\"";

/// All that Ann sees who asks for `email`, twice each from a browser and a program, before and after
/// the worker's turn: answers, her file, her history.
fn ask_and_look(settings: &str, email: &str) -> Vec<String> {
    let app = TestApp::with(settings, &[]);
    for owner in [ANN, BOB] {
        app.signed_up(owner);
    }
    // Uses up the mails that Bob's address gets, where there are few.
    app.program().post("/reset_password", &[("email", email)]).is(200);
    let mut seen = Vec::new();
    for visitor in [app.browser(), app.program()] {
        visitor.post("/sessions", &[("email", ANN), ("password", PASSWORD)]);
        for _ in 0..2 {
            seen.push(visitor.post("/account/email", &[("email", email)]).comparable());
            app.service.worker.deliver_due(Timestamp::now()).expect("tried");
            seen.push(visitor.get("/account/email/sent").comparable());
            seen.push(visitor.get("/profile").comparable());
        }
        let again = visitor.json(Post, "/account/email", &json!({ "email": email }));
        seen.push(again.comparable());
        app.service.worker.deliver_due(Timestamp::now()).expect("tried");
        app.auth().journal().flush();
        seen.push(stored(visitor.get("/account/export.json").is(200).json()));
        let told = app.program();
        told.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
        app.auth().journal().flush();
        seen.push(stored(whole_history(&told)));
    }
    let key = email.to_lowercase();
    seen.into_iter().map(|text| text.replace(email, "EMAIL").replace(&key, "KEY")).collect()
}

/// All pages of it: where one ends depends on which events came in one moment.
fn whole_history(visitor: &Visitor<'_>) -> Value {
    let (mut events, mut path) = (Vec::new(), Some("/account/history".to_owned()));
    while let Some(page) = path.map(|path| visitor.get(&path).is(200).json()) {
        events.extend(page["events"].as_array().expect("a list").iter().cloned());
        path = page["older"].as_str().map(str::to_owned);
    }
    json!({ "events": events })
}

/// What the file or the history says, but for what is another each time.
fn stored(mut told: Value) -> String {
    for_each_field(&mut told, &mut |name, value| {
        let each_time = ["message_id", "request_id", "at"].contains(&name)
            || ["_at", "_id"].iter().any(|end| name.ends_with(end));
        if each_time && !value.is_null() {
            *value = json!("another each time");
        }
    });
    // Those of one moment stand together, and a moment's end comes as it likes.
    let mut events = BTreeMap::new();
    let listed = told.get_mut("events").map(Value::take);
    for event in listed.as_ref().and_then(Value::as_array).into_iter().flatten() {
        *events.entry(event["event"].to_string()).or_insert(0) +=
            event["times"].as_i64().unwrap_or(0);
    }
    format!("{told} {events:?}")
}

fn for_each_field(value: &mut Value, deed: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                deed(name, value);
                for_each_field(value, deed);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_field(item, deed)),
        _ => {}
    }
}

#[test]
fn b07_a_taken_address_is_answered_and_remembered_as_a_free_one() {
    for settings in ["", "limit_mail = \"1/1h\"", NO_MAIL] {
        for (taken, free) in [(BOB, FREE), ("BOB@Example.com", "MAX@Example.com")] {
            let (taken, free) = (ask_and_look(settings, taken), ask_and_look(settings, free));
            for (taken, free) in taken.iter().zip(&free) {
                assert_eq!(taken, free, "{settings}");
            }
        }
    }
}

/// An address that its last owner may take back is theirs as well.
#[test]
fn b07_an_address_given_up_a_day_ago_leaves_what_a_free_one_leaves() {
    let left = |wanted: &str| {
        let app = TestApp::new();
        let (ann, bob) = (app.signed_up(ANN), app.signed_up(BOB));
        asks(&bob, NEW);
        confirms(&bob, &app.link_to(NEW, "email_change")).goes_to("/profile");
        asks(&ann, wanted);
        app.mailbox();
        stored(ann.get("/account/export.json").is(200).json()["links"].take())
            .replace(wanted, "EMAIL")
    };
    assert_eq!(left(BOB), left(FREE));
}

/// The owner hears of it, though the mail server is away and the asker turns to another address.
#[test]
fn b07_asking_for_another_address_takes_no_word_back() {
    let app = TestApp::with(NO_MAIL, &[]);
    let ann = app.signed_up(ANN);
    app.signed_up(BOB);
    asks(&ann, BOB);
    app.service.worker.deliver_due(Timestamp::now()).expect("tried");
    asks(&ann, FREE);
    let told = outbox::table.filter(outbox::kind.eq("address_wanted").and(outbox::user_id.eq(2)));
    assert_eq!(told.count().get_result(&mut app.database()), Ok(1_i64));
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
    // Held back because of others' asking, too: it is nobody's.
    assert!(!app.events_of(Some(1)).contains(&"mail_held".to_owned()));
    assert!(app.events_of(None).contains(&"mail_held".to_owned()));
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

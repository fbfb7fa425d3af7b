//! The link sent again, to a corrected address, too often, too late.

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::confirmation::{LIFETIME, LINK_LIFETIME};
use gatehouse::accounts::registration::{SignUp, SignedUp};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::sign_ups;
use rocket::http::Method::Post;
use secrecy::SecretString;
use serde_json::json;

use super::{
    ANN, NEW, ON, find, is_dead, link_to, logs_in, signs_up, stranger_with, token_of,
    with_confirmation,
};
use crate::app::{PASSWORD, TestApp, secret};
use crate::overtake::overtake;

const BOB: &str = "bob@example.com";
const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn the_newest_link_is_the_one_that_works() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    let first = link_to(&app, ANN);
    ann.get(&first).goes_to("/confirm/new");
    ann.post("/confirm/sent", &[("email", ANN)]).goes_to("/confirm/sent");
    ann.get("/confirm/sent").is(200).says("A new link is on its way.");
    // Until the new mail is written, the old one is all there is.
    app.browser().get(&first).goes_to("/confirm/new");
    let second = link_to(&app, ANN);
    assert_ne!(first, second);
    app.browser().get(&first).is(403);
    ann.post("/confirm", &[]).is(403);
    ann.get(&second).goes_to("/confirm/new");
    ann.post("/confirm", &[]).goes_to("/profile");
}

#[test]
fn a_mail_that_still_waits_is_not_sent_twice() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    for _ in 0..5 {
        ann.post("/confirm/sent", &[("email", ANN)]).goes_to("/confirm/sent");
    }
    assert_eq!(app.mailbox().len(), 1);
}

#[test]
fn b69_a_corrected_address_is_confirmed_by_its_own_mail_alone() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), "amn@example.com");
    let stray = link_to(&app, "amn@example.com");
    ann.post("/confirm/sent", &[("email", ANN)]).goes_to("/confirm/sent");
    ann.get("/confirm/sent").is(200).says(ANN).does_not_say("amn@example.com");
    // At once, not only when the new mail is written.
    ann.get(&stray).is(403);
    let link = link_to(&app, ANN);
    app.browser().get(&stray).is(403);
    ann.get(&link).goes_to("/confirm/new");
    ann.get("/confirm/new").is(200).says(ANN);
    ann.post("/confirm", &[]).goes_to("/profile");
    assert!(find(&app, ANN).is_some());
    assert!(find(&app, "amn@example.com").is_none());
    logs_in(&app, ANN, PASSWORD, 200);
}

#[test]
fn b69_a_link_that_dies_while_it_is_used_begins_nothing() {
    for death in [
        // Corrected, sent again, confirmed elsewhere.
        "UPDATE sign_ups SET email = 'bob@example.com', email_key = 'bob@example.com', token = NULL",
        "UPDATE sign_ups SET token = 'another'",
        "DELETE FROM sign_ups",
    ] {
        let app = with_confirmation();
        signs_up(app.browser(), ANN);
        let link = link_to(&app, ANN);
        let deed = app.auth().confirm(stranger_with(&link, NEW), Timestamp::now());
        assert!(is_dead(&overtake(&app, deed, death)), "{death}");
        assert!(find(&app, ANN).is_none() && find(&app, BOB).is_none(), "{death}");
    }
}

#[test]
fn b69_what_waits_in_the_outbox_follows_the_correction() {
    let app = with_confirmation();
    let ann = signs_up(app.program(), "amn@example.com");
    // Asked for twice before the worker looks.
    ann.post("/confirm/sent", &[("email", BOB)]).is(200);
    ann.post("/confirm/sent", &[("email", ANN)]).is(200);
    let mails = app.mailbox();
    assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), [ANN]);
    app.program().get(&link_to(&app, ANN)).is(200);
}

#[test]
fn an_address_that_is_none_is_refused_with_what_was_typed() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    let before = app.dump();
    let again = ann.post("/confirm/sent", &[("email", "ann at example")]);
    again.is(422).says("value=\"ann at example\"").says(ANN);
    ann.post("/confirm/sent", &[("email", "")]).is(422).says("Enter your e-mail address.");
    let told = ann.header("Accept", "application/json").post("/confirm/sent", &[]);
    assert!(told.is(422).json()["errors"]["email"].is_array());
    assert_eq!(app.dump(), before);
}

#[test]
fn nobody_else_can_have_it_sent() {
    let app = with_confirmation();
    signs_up(app.browser(), ANN);
    app.mailbox();
    let before = app.dump();
    app.browser().post("/confirm/sent", &[("email", ANN)]).goes_to("/signup");
    app.browser().get("/confirm/sent").goes_to("/signup");
    let forbidden = json!({ "message": "Forbidden" });
    app.program().json(Post, "/confirm/sent", &json!({ "email": ANN })).is(403).json_is(&forbidden);
    assert_eq!(app.dump(), before);
    assert_eq!(app.mailbox().len(), 1);
}

#[test]
fn b18_it_is_sent_as_often_as_limit_ask_allows() {
    let app = TestApp::with(&format!("{ON}\nlimit_ask = \"2/10m\""), &[]);
    let ann = signs_up(app.browser(), ANN);
    for _ in 0..2 {
        ann.post("/confirm/sent", &[("email", ANN)]).goes_to("/confirm/sent");
    }
    let before = app.dump();
    let answer = ann.post("/confirm/sent", &[("email", BOB)]);
    answer.is(429).says("Too many tries");
    let seconds: u64 = answer.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=600).contains(&seconds), "{seconds}");
    assert_eq!(app.dump(), before, "nothing was done");
}

#[test]
fn b18_a_mail_held_back_leaves_the_link_before_it_alive() {
    let app = TestApp::with(&format!("{ON}\nlimit_mail = \"3/1h, 10/1d\""), &[]);
    let ann = signs_up(app.browser(), ANN);
    let mut links = vec![link_to(&app, ANN)];
    for _ in 0..5 {
        let answer = ann.post("/confirm/sent", &[("email", ANN)]);
        // The same answer, held back or not: strangers must not learn of it.
        answer.goes_to("/confirm/sent");
        links.push(link_to(&app, ANN));
    }
    assert_eq!(app.mailbox().len(), 3);
    // A stranger's sign-ups for the address use up the same three, and void nothing.
    signs_up(app.browser(), ANN);
    assert_eq!(app.mailbox().len(), 3);
    assert_eq!(links[2], links[5]);
    ann.get(&links[5]).goes_to("/confirm/new");
    ann.post("/confirm", &[]).goes_to("/profile");
}

/// Somebody who signed up at `now`, with the mail sent at once: the browser's cookie and the link.
fn signed_up_at(app: &TestApp, now: Timestamp) -> (String, String) {
    let wish = SignUp {
        email: ANN.to_owned(),
        password: secret(PASSWORD),
        beginning: None,
        invitation: None,
        ip: "192.0.2.1".to_owned(),
    };
    let Ok(SignedUp::Pending { browser }) = app.wait(app.auth().sign_up(wish, now)) else {
        panic!("not pending")
    };
    app.service.worker.deliver_due(now).expect("delivered");
    (browser, link_to(app, ANN))
}

#[test]
fn a_link_lives_for_a_day() {
    let app = with_confirmation();
    let now = Timestamp::now();
    let (_, link) = signed_up_at(&app, now);
    let token: SecretString = secret(token_of(&link));
    for (after, alive) in [
        (Duration::ZERO, true),
        (LINK_LIFETIME - MILLISECOND, true),
        (LINK_LIFETIME, false),
        (LINK_LIFETIME + MILLISECOND, false),
        (LINK_LIFETIME * 100, false),
    ] {
        let found = app.wait(app.auth().find_confirmation(&token, now + after));
        assert_eq!(found.expect("an answer").is_some(), alive, "{after:?}");
    }
    let late = app.auth().confirm(stranger_with(&link, NEW), now + LINK_LIFETIME);
    assert!(is_dead(&app.wait(late)));
    let in_time = app.auth().confirm(stranger_with(&link, NEW), now + LINK_LIFETIME - MILLISECOND);
    assert_eq!(app.wait(in_time).expect("confirmed").email, ANN);
}

#[test]
fn a_mail_that_left_late_does_not_live_longer() {
    let app = with_confirmation();
    let now = Timestamp::now();
    let ann = signs_up(app.browser(), ANN);
    let soon = now + LINK_LIFETIME - Duration::from_secs(60);
    app.service.worker.deliver_due(soon).expect("delivered");
    let token = secret(token_of(&link_to(&app, ANN)));
    let later = soon + Duration::from_secs(120);
    assert!(app.wait(app.auth().find_confirmation(&token, soon)).expect("an answer").is_some());
    assert!(app.wait(app.auth().find_confirmation(&token, later)).expect("an answer").is_none());
    // One that could not leave in time is not sent at all.
    ann.post("/confirm/sent", &[("email", BOB)]).goes_to("/confirm/sent");
    let sent = app.service.worker.deliver_due(Timestamp::now() + LINK_LIFETIME);
    assert_eq!(sent.expect("looked"), 0);
}

#[test]
fn a_sign_up_that_nobody_confirms_is_forgotten_after_a_week() {
    let app = with_confirmation();
    let now = Timestamp::now();
    let (browser, _) = signed_up_at(&app, now);
    let rows = || sign_ups::table.count().get_result::<i64>(&mut app.database()).expect("counted");
    for (after, forgotten) in [(LIFETIME - MILLISECOND, 0), (LIFETIME, 1)] {
        let pending = app.wait(app.auth().find_pending(&browser, now + after)).expect("an answer");
        assert_eq!(pending.is_none(), forgotten == 1, "{after:?}");
        let purged = app.wait(app.auth().purge_sign_ups(now + after)).expect("purged");
        assert_eq!(purged, forgotten, "{after:?}");
    }
    assert_eq!(rows(), 0);
    // Its password, address and cookie are gone with it; the address is free.
    let raw = app.dump();
    assert!(!raw.contains("\"ann@example.com\""), "{raw}");
    signs_up(app.browser(), ANN);
    assert_eq!(rows(), 1);
}

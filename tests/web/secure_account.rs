//! One link in every mail that tells of something: it throws out whoever should not be there, and
//! undoes what they did.

mod mails; // what is mailed, and to whom
mod reserved; // an address that its last owner may take back
mod story; // a thief with a stolen cookie, and two clicks

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::mailed_token::LinkError;
use gatehouse::accounts::password::LOCKED;
use gatehouse::accounts::user::{User, UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{devices, sessions, tokens};
use rocket::http::Method::{Head, Post};
use serde_json::json;

use crate::app::{Answer, PASSWORD, TestApp, Visitor, secret};
use crate::crowd::{CROWD, PATIENT, all_at_once, wait};
use crate::email_change::{ANN, BOB, NEW, asks, changed, confirms, logs_in};
use crate::mailed::token_of;

const NEW_PASSWORD: &str = "another harbour";
const OTHER: &str = "ann@other.example";

/// Two clicks: the link, and the button of its page.
#[track_caller]
fn secures(browser: &Visitor<'_>, link: &str) -> Answer {
    browser.get(link).goes_to("/secure_account/confirm");
    browser.get("/secure_account/confirm").is(200).says("Secure my account");
    browser.post("/secure_account/confirm", &[])
}

/// A new password by the newest reset mail to that address.
#[track_caller]
fn resets(app: &TestApp, email: &str) {
    let link = app.link_to(email, "reset_password");
    let form = [("reset_token", token_of(&link)), ("new_password", NEW_PASSWORD)];
    app.program().put("/reset_password", &form).is(200);
}

fn user(app: &TestApp) -> User {
    find_user_by(&mut app.database(), UserKey::Id(1)).expect("Ann")
}

/// How many sessions, known devices and tokens Ann has.
fn left(app: &TestApp) -> [i64; 3] {
    let conn = &mut app.database();
    [
        sessions::table.filter(sessions::user_id.eq(1)).count().get_result(conn),
        devices::table.filter(devices::user_id.eq(1)).count().get_result(conn),
        tokens::table.filter(tokens::user_id.eq(1)).count().get_result(conn),
    ]
    .map(|rows| rows.expect("counted"))
}

#[test]
fn the_link_throws_everybody_out_and_starts_a_reset() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    changed(&app, &ann);
    let link = app.link_to(ANN, "secure_account");
    let owner = app.browser();
    owner.get(&link).goes_to("/secure_account/confirm");
    let page = owner.get("/secure_account/confirm");
    page.is(200).says("gets back the address it had").says(ANN).says(NEW);
    owner.post("/secure_account/confirm", &[]).goes_to("/reset_password/sent");
    let sent = owner.get("/reset_password/sent");
    sent.is(200).says(ANN).says("Everybody is logged out").does_not_say(NEW);
    assert_eq!(left(&app), [0, 0, 0]);
    ann.get("/profile").goes_to("/login?next=/profile");
    assert_eq!(user(&app).email, ANN);
    assert_eq!(user(&app).hashed_password, LOCKED);
    assert_eq!((logs_in(&app, ANN), logs_in(&app, NEW)), (401, 401), "no password opens it");
    resets(&app, ANN);
    let password = [("email", ANN), ("password", NEW_PASSWORD)];
    app.browser().post("/sessions", &password).goes_to("/profile");
    let events = app.events_of(Some(1));
    assert!(events.contains(&"account_secured".to_owned()), "{events:?}");
}

#[test]
fn a_program_secures_it_too() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let link = app.link_to(ANN, "secure_account");
    let program = app.program();
    program.get(&link).is(200).says("POST /secure_account/confirm");
    let form = json!({ "token": token_of(&link) });
    let secured = program.json(Post, "/secure_account/confirm", &form);
    let told = "everybody is logged out; choose a new password by mail";
    secured.is(200).json_is(&json!({ "email": ANN, "message": told }));
    program.json(Post, "/secure_account/confirm", &form).is(403);
    resets(&app, ANN);
}

#[test]
fn who_is_signed_in_needs_no_link_and_no_password() {
    for as_program in [false, true] {
        let app = TestApp::new();
        let ann = app.signed_up(ANN);
        let long_ago = Timestamp::now().millis() - 60 * 60 * 1000;
        app.sql(&format!("UPDATE sessions SET authenticated_at = {long_ago}"));
        ann.get("/account/secure?event=7").is(200).says(ANN).says("Back to your profile");
        if as_program {
            ann.header("Accept", "application/json").without_header("Sec-Fetch-Site");
            ann.get("/account/secure").is(406);
            ann.post("/account/secure", &[]).is(200).says(ANN);
        } else {
            ann.post("/account/secure", &[]).goes_to("/reset_password/sent");
            ann.get("/reset_password/sent").is(200).says(ANN).says("Everybody is logged out");
        }
        assert_eq!(ann.cookie("session_id"), None);
        assert_eq!(left(&app), [0, 0, 0]);
        assert_eq!(logs_in(&app, ANN), 401);
        resets(&app, ANN);
    }
    let app = TestApp::new();
    app.program().post("/account/secure", &[]).is(403);
    app.browser().get("/account/secure").goes_to("/login?next=/account/secure");
}

#[test]
fn what_was_asked_for_meanwhile_is_over() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    changed(&app, &ann);
    app.sql(&format!("UPDATE users SET delete_at = {}", Timestamp::now().millis()));
    let thief = app.program();
    for path in ["/reset_password", "/unlock"] {
        thief.post(path, &[("email", NEW)]).is(200);
    }
    let old = [app.link_to(NEW, "reset_password"), app.link_to(NEW, "unlock")];
    // One is on its way, one waits.
    asks(&ann, OTHER);
    let change = app.link_to(OTHER, "email_change");
    let link = app.link_to(ANN, "secure_account");
    asks(&ann, "ann@third.example");
    secures(&app.browser(), &link).goes_to("/reset_password/sent");
    for link in old.iter().chain([&change]) {
        app.program().get(link).is(403);
    }
    assert_eq!(app.mails_to("ann@third.example").len(), 0);
    assert_eq!(user(&app).delete_at, None);
    assert!(app.events_of(Some(1)).contains(&"deletion_called_off".to_owned()));
    resets(&app, ANN);
}

#[test]
fn a_reset_that_was_asked_for_before_and_waits_does_not_take_the_place_of_the_new_one() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let link = app.link_to(ANN, "secure_account");
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    secures(&app.browser(), &link).goes_to("/reset_password/sent");
    assert_eq!(app.links_to(ANN, "reset_password").len(), 1);
    resets(&app, ANN);
}

#[test]
fn the_links_mail_is_not_held_back() {
    let app = TestApp::with("limit_mail = \"1/1h\"", &[]);
    changed(&app, &app.signed_up(ANN));
    let link = app.link_to(ANN, "secure_account");
    // A thief uses up what strangers may cause.
    for _ in 0..3 {
        app.program().post("/unlock", &[("email", ANN)]).is(200);
    }
    secures(&app.browser(), &link).goes_to("/reset_password/sent");
    resets(&app, ANN);
}

#[test]
fn a_link_that_was_mailed_later_voids_none_that_was_mailed_before() {
    let app = TestApp::new();
    let thief = app.signed_up(ANN);
    changed(&app, &thief);
    // Long enough for another moment.
    std::thread::sleep(Duration::from_millis(2));
    asks(&thief, OTHER);
    confirms(&thief, &app.link_to(OTHER, "email_change")).goes_to("/profile");
    let (owners, thiefs) = (app.link_to(ANN, "secure_account"), app.link_to(NEW, "secure_account"));
    secures(&app.browser(), &thiefs).goes_to("/reset_password/sent");
    assert_eq!(user(&app).email, NEW);
    secures(&app.browser(), &owners).goes_to("/reset_password/sent");
    assert_eq!(user(&app).email, ANN);
    // The other way round the owner's comes first, and is the last.
    app.browser().get(&thiefs).is(403);
    assert_eq!(left(&app), [0, 0, 0]);
}

#[test]
fn a_thief_who_is_signed_in_voids_no_link_either() {
    let app = TestApp::new();
    let thief = app.signed_up(ANN);
    changed(&app, &thief);
    thief.post("/account/secure", &[]).goes_to("/reset_password/sent");
    resets(&app, NEW);
    secures(&app.browser(), &app.link_to(ANN, "secure_account")).goes_to("/reset_password/sent");
    assert_eq!((user(&app).email.as_str(), left(&app)), (ANN, [0, 0, 0]));
    resets(&app, ANN);
}

#[test]
fn an_account_that_is_disabled_is_secured_and_stays_shut() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let link = app.link_to(ANN, "secure_account");
    app.sql(&format!("UPDATE users SET disabled_at = {}", Timestamp::now().millis()));
    secures(&app.browser(), &link).goes_to("/reset_password/sent");
    assert_eq!((user(&app).email.as_str(), left(&app)), (ANN, [0, 0, 0]));
    assert_eq!(app.links_to(ANN, "reset_password").len(), 0);
}

#[test]
fn somebody_else_who_is_signed_in_stays_so() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let bob = app.signed_up(BOB);
    secures(&bob, &app.link_to(ANN, "secure_account")).goes_to("/reset_password/sent");
    bob.get("/profile").is(200).says(BOB);
}

#[test]
fn b44_opening_the_link_changes_nothing_however_often() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let link = app.link_to(ANN, "secure_account");
    let before = app.dump();
    let scanner = app.browser();
    for _ in 0..5 {
        scanner.send(Head, &link, &[], Vec::new());
        scanner.get(&link).goes_to("/secure_account/confirm");
        scanner.get("/secure_account/confirm").is(200);
        app.program().get(&link).is(200);
    }
    assert_eq!(app.dump(), before);
    secures(&app.browser(), &link).goes_to("/reset_password/sent");
    let dead = app.browser().get(&link);
    dead.is(403).says("This link no longer works").says("is kept when you log in before its day");
}

#[test]
fn b41_a_link_is_good_for_nothing_else() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let link = app.link_to(ANN, "secure_account");
    let token = token_of(&link);
    let before = app.dump();
    let program = app.program();
    for kind in ["reset_password", "unlock", "email_change", "keep_account"] {
        let code = program.get(&format!("/{kind}/{token}")).status.code;
        assert!(code == 403 || code == 404, "{kind}: {code}");
    }
    program.put("/reset_password", &[("reset_token", token), ("new_password", PASSWORD)]).is(403);
    program.post("/unlock/open", &[("unlock_token", token)]).is(403);
    program.post("/email_change/confirm", &[("token", token)]).is(403);
    assert_eq!(app.dump(), before, "nothing was consumed");
    secures(&app.browser(), &link).goes_to("/reset_password/sent");
}

#[test]
fn the_link_works_for_a_week() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let token = secret(token_of(&app.link_to(ANN, "secure_account")));
    let days = |days: u64| Timestamp::now() + Duration::from_secs(days * 24 * 60 * 60);
    let late = app.wait(app.auth().secure_by_link(&token, days(7)));
    assert!(matches!(late, Err(LinkError::Dead)));
    app.wait(app.auth().secure_by_link(&token, days(6))).expect("alive");
}

#[test]
fn of_many_that_bring_one_link_exactly_one_secures_the_account() {
    let app = TestApp::with(PATIENT, &[]);
    changed(&app, &app.signed_up(ANN));
    let token = secret(token_of(&app.link_to(ANN, "secure_account")));
    let auth = app.auth().clone();
    let outcomes = all_at_once(|_| wait(auth.secure_by_link(&token, Timestamp::now())));
    let dead = outcomes.iter().filter(|outcome| matches!(outcome, Err(LinkError::Dead))).count();
    assert_eq!(dead, CROWD - 1);
    assert_eq!(app.links_to(ANN, "reset_password").len(), 1);
}

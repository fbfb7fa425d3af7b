//! Another e-mail address: the new one confirms itself, the old one hears of it.

mod asking; // B-07, B-18: who has an account is told to nobody
mod links; // B-41, B-44, B-69: which link is good for what, and when

use gatehouse::accounts::operator::{LinkKind, Operator};
use gatehouse::clock::Timestamp;
use rocket::http::Method::Post;
use serde_json::json;

use crate::app::{Answer, PASSWORD, TestApp, Visitor, secret};
use crate::mailed::token_of;

pub const ANN: &str = "ann@example.com";
pub const NEW: &str = "ann@new.example";
pub const BOB: &str = "bob@example.com";

/// Asks for another address, at a browser whose password is fresh.
#[track_caller]
pub fn asks(browser: &Visitor<'_>, email: &str) {
    browser.post("/account/email", &[("email", email)]).goes_to("/account/email/sent");
}

/// Two clicks: the link, and the button of its page.
#[track_caller]
pub fn confirms(browser: &Visitor<'_>, link: &str) -> Answer {
    browser.get(link).goes_to("/email_change/confirm");
    browser.get("/email_change/confirm").is(200);
    browser.post("/email_change/confirm", &[])
}

/// Ann has [`NEW`] instead of [`ANN`].
#[track_caller]
pub fn changed(app: &TestApp, ann: &Visitor<'_>) {
    asks(ann, NEW);
    confirms(ann, &app.link_to(NEW, "email_change")).goes_to("/profile");
}

#[track_caller]
pub fn logs_in(app: &TestApp, email: &str) -> u16 {
    app.program().post("/sessions", &[("email", email), ("password", PASSWORD)]).status.code
}

#[test]
fn the_address_is_another_once_its_mail_says_so() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.get("/account/email").is(200).says("New e-mail address");
    asks(&ann, NEW);
    ann.get("/account/email/sent").is(200).says(NEW).says("24 hours");
    assert_eq!((logs_in(&app, ANN), logs_in(&app, NEW)), (200, 401), "nothing has changed yet");
    let mail = &app.mails_to(NEW)[0];
    assert!(mail.text.contains(ANN) && mail.text.contains("24 hours"), "{}", mail.text);
    let link = app.link_to(NEW, "email_change");
    ann.get(&link).goes_to("/email_change/confirm");
    ann.get("/email_change/confirm").is(200).says(ANN).says(NEW);
    ann.post("/email_change/confirm", &[]).goes_to("/profile");
    ann.get("/profile").is(200).says(NEW).says("new e-mail address").does_not_say(ANN);
    assert_eq!((logs_in(&app, ANN), logs_in(&app, NEW)), (401, 200));
    assert_eq!(ann.cookie("email_change_token"), None);
}

#[test]
fn a_program_changes_it_too() {
    let app = TestApp::new();
    let ann = app.program();
    ann.post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    ann.get("/account/email").is(403);
    ann.post("/account/email", &[("email", NEW)]).is(403);
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    ann.get("/account/email").is(406);
    let asked = ann.json(Post, "/account/email", &json!({ "email": NEW }));
    let told = "look into the mail of the new address";
    asked.is(200).json_is(&json!({ "email": NEW, "message": told }));
    let link = app.link_to(NEW, "email_change");
    // Whoever reads that mail may be at another program altogether.
    let other = app.program();
    other.get(&link).is(200).says("POST /email_change/confirm");
    let form = json!({ "token": token_of(&link) });
    let changed = other.json(Post, "/email_change/confirm", &form);
    changed.is(200).json_is(&json!({ "email": NEW, "message": "email changed" }));
    assert_eq!(other.cookie("session_id"), None, "nobody is signed in by it");
    ann.get("/profile").json_is(&json!({ "email": NEW }));
}

#[test]
fn who_is_not_signed_in_is_sent_to_log_in_and_not_signed_in() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    asks(&ann, NEW);
    let elsewhere = app.browser();
    confirms(&elsewhere, &app.link_to(NEW, "email_change")).goes_to("/login");
    elsewhere.get("/login").is(200).says("new e-mail address");
    assert_eq!(elsewhere.cookie("session_id"), None);
    elsewhere.get("/profile").goes_to("/login?next=/profile");
    // She did it herself, with her password: she stays signed in.
    ann.get("/profile").is(200).says(NEW);
}

#[test]
fn somebody_else_who_is_signed_in_stays_who_they_are() {
    let app = TestApp::new();
    asks(&app.signed_up(ANN), NEW);
    let bob = app.signed_up(BOB);
    confirms(&bob, &app.link_to(NEW, "email_change")).goes_to("/login");
    bob.get("/profile").is(200).says(BOB).does_not_say(NEW);
}

#[test]
fn both_addresses_hear_of_it_and_the_old_one_can_undo_it() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    changed(&app, &ann);
    let old = &app.mails_to(ANN)[0];
    for said in [ANN, NEW, "7 days", "/secure_account/"] {
        assert!(
            old.text.contains(said) && old.html.contains(&said.replace('/', "&#x2F;")),
            "{said}"
        );
    }
    assert_eq!(app.links_to(ANN, "secure_account").len(), 1);
    let new = &app.mails_to(NEW)[0];
    assert!(new.text.contains("this is the address of your Gatehouse account now"), "{}", new.text);
    assert!(!new.text.contains(ANN), "it need not know");
    assert_eq!(app.links_to(NEW, "secure_account").len(), 0);
}

#[test]
fn an_address_can_get_another_spelling() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let other = "Ann@Example.com";
    asks(&ann, other);
    confirms(&ann, &app.link_to(other, "email_change")).goes_to("/profile");
    ann.get("/profile").says(other).does_not_say(ANN);
    assert_eq!((app.mails_to(ANN).len(), app.mails_to(other).len()), (1, 1), "one mailbox");
    assert_eq!(logs_in(&app, ANN), 200);
    // Its undoing has no address to give back.
    app.browser().get(&app.link_to(ANN, "secure_account")).goes_to("/secure_account/confirm");
}

#[test]
fn the_links_that_wait_at_the_old_address_die() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let stranger = app.program();
    stranger.post("/reset_password", &[("email", ANN)]).is(200);
    stranger.post("/unlock", &[("email", ANN)]).is(200);
    let (reset, unlock) = (app.link_to(ANN, "reset_password"), app.link_to(ANN, "unlock"));
    changed(&app, &ann);
    stranger.get(&reset).is(403);
    stranger.get(&unlock).is(403);
}

#[test]
fn an_address_that_is_none_is_refused_at_its_field() {
    let app = TestApp::with("sign_up = \"example.com\"\nconfirm_email = true", &[]);
    app.wait(app.auth().register_user(ANN, &secret(PASSWORD), Timestamp::now())).expect("Ann");
    let ann = app.browser();
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    for (email, said) in [
        ("", "Enter your e-mail address."),
        ("ann", "Enter an e-mail address like name@example.org."),
        (ANN, "This is the address you have now. Enter another."),
        ("ann@elsewhere.example", "Addresses of this domain"),
    ] {
        let page = ann.post("/account/email", &[("email", email)]);
        page.is(422).says(said).says("<title>Error: ").says("href=\"#email\"");
        if !email.is_empty() {
            page.says(&format!("value=\"{email}\""));
        }
    }
    assert_eq!(app.mailbox().len(), 0);
}

/// What waits in the outbox when a link is used goes no more, and the events name who it was.
#[test]
fn the_account_remembers_what_happened() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    app.browser().get("/email_change/0123").is(403);
    let events = app.events_of(Some(1));
    assert_eq!(events, ["signed_up", "email_change_asked", "email_changed"]);
    assert!(app.events_of(None).contains(&"email_change_refused".to_owned()));
}

#[test]
fn a_disabled_account_keeps_its_address() {
    let app = TestApp::new();
    asks(&app.signed_up(ANN), NEW);
    let link = app.link_to(NEW, "email_change");
    app.sql(&format!("UPDATE users SET disabled_at = {}", Timestamp::now().millis()));
    app.browser().get(&link).is(403).says("This link no longer works");
    app.sql("UPDATE users SET disabled_at = NULL");
    assert_eq!(logs_in(&app, ANN), 200);
}

#[test]
fn a_link_to_the_address_of_before_confirms_it_and_says_so() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let link = || {
        let printed = Operator(app.auth()).link(ANN, LinkKind::Confirm, Timestamp::now());
        let link = secrecy::ExposeSecret::expose_secret(&printed.expect("a link").link).to_owned();
        link["http://127.0.0.1:8000".len()..].to_owned()
    };
    ann.get(&link()).goes_to("/email_change/confirm");
    let page = ann.get("/email_change/confirm");
    page.is(200).says("<h1>Confirm your address</h1>").says("This is my address");
    page.does_not_say("gets this one").does_not_say("Change the address");
    ann.post("/email_change/confirm", &[]).goes_to("/profile");
    ann.get("/profile")
        .says("Your e-mail address is confirmed.")
        .does_not_say("new e-mail address");
    assert_eq!(app.mailbox().len(), 0, "there is nothing to take back");
    assert_eq!(app.events_of(Some(1)), ["signed_up", "link_printed", "email_confirmed"]);
    assert_eq!(logs_in(&app, ANN), 200);
    app.sql("UPDATE users SET confirmed_at = NULL");
    let form = json!({ "token": token_of(&link()) });
    let told = app.program().json(Post, "/email_change/confirm", &form);
    told.is(200).json_is(&json!({ "email": ANN, "message": "email confirmed" }));
}

//! An account begins when the owner of its address says so.

mod again; // sent once more, to a corrected address, too late
mod deeds; // whole or not at all; mails and their links
mod pre_hijack; // B-09: what an impostor set up
mod sameness; // B-04: a new and a taken address

use diesel::prelude::*;
use gatehouse::accounts::confirmation::{ConfirmError, Confirmation, Confirmed};
use gatehouse::accounts::user::{User, UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{sessions, sign_ups, users};
use rocket::http::Method::{self, Post};
use serde_json::json;

use crate::app::{PASSWORD, TestApp, Visitor, secret};
use crate::crowd::{CROWD, PATIENT, all_at_once, wait};
use crate::overtake::overtake;

const ON: &str = "confirm_email = true";
const ANN: &str = "ann@example.com";
const NEW: &str = "another harbour";

fn with_confirmation() -> TestApp {
    TestApp::with(ON, &[])
}

/// Asks for an account, which begins with the mail.
#[track_caller]
fn signs_up<'a>(visitor: Visitor<'a>, email: &str) -> Visitor<'a> {
    let answer = visitor.post("/users", &[("email", email), ("password", PASSWORD)]);
    assert!([200, 303].contains(&answer.status.code), "{answer:?}");
    visitor
}

/// The path of the newest link mailed to `email`.
#[track_caller]
fn link_to(app: &TestApp, email: &str) -> String {
    let mails = app.mailbox();
    let own = mails.iter().filter(|mail| mail.to == email);
    let mut words = own.flat_map(|mail| mail.text.split_whitespace());
    let link = words.find_map(|word| word.split_once("/confirm/"));
    let (_, token) = link.unwrap_or_else(|| panic!("no link for {email} in {} mails", mails.len()));
    format!("/confirm/{token}")
}

fn token_of(link: &str) -> &str {
    link.rsplit('/').next().expect("a token")
}

#[track_caller]
fn find(app: &TestApp, email: &str) -> Option<User> {
    find_user_by(&mut app.database(), UserKey::Email(email)).optional().expect("an answer")
}

#[track_caller]
fn logs_in(app: &TestApp, email: &str, password: &str, code: u16) {
    app.program().post("/sessions", &[("email", email), ("password", password)]).is(code);
}

/// Somebody with a link and no cookie.
fn stranger_with(link: &str, new_password: &str) -> Confirmation {
    Confirmation {
        token: secret(token_of(link)),
        browser: None,
        new_password: Some(secret(new_password)),
        beginning: None,
        ip: "203.0.113.9".to_owned(),
    }
}

fn is_dead(outcome: &Result<Confirmed, ConfirmError>) -> bool {
    matches!(outcome, Err(ConfirmError::Dead))
}

#[test]
fn the_browser_that_signed_up_confirms_with_one_button() {
    let app = with_confirmation();
    let ann = app.browser();
    ann.post("/users", &[("email", ANN), ("password", PASSWORD)]).goes_to("/confirm/sent");
    ann.get("/confirm/sent").is(200).says(ANN).says("24 hours");
    ann.get("/profile").is(303);
    assert!(find(&app, ANN).is_none(), "no account before the button");

    ann.get(&link_to(&app, ANN)).goes_to("/confirm/new");
    ann.get("/confirm/new").is(200).says(ANN).does_not_say("type=\"password\"");
    ann.post("/confirm", &[]).goes_to("/profile");
    ann.get("/profile").is(200).says(ANN).says("Your account is ready");
    let user = find(&app, ANN).expect("an account");
    assert!(user.confirmed_at.is_some());
    for cookie in ["confirm_token", "sign_up"] {
        assert_eq!(ann.cookie(cookie), None, "{cookie} has done its work");
    }
    assert_eq!(sign_ups::table.count().get_result(&mut app.database()), Ok(0_i64));
    logs_in(&app, ANN, PASSWORD, 200);
}

#[test]
fn any_other_browser_chooses_the_password_anew() {
    let app = with_confirmation();
    signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let phone = app.browser();
    phone.get(&link).goes_to("/confirm/new");
    phone.get("/confirm/new").is(200).says(ANN).says("type=\"password\"");
    let before = app.dump();
    for (password, why) in [
        ("", "Enter a new password"),
        ("short", "Too short"),
        ("password1", "most common passwords"),
        (ANN, "your e-mail address"),
    ] {
        phone.post("/confirm", &[("new_password", password)]).is(422).says(why);
        phone.post("/confirm", &[]).is(422).says("Enter a new password");
    }
    assert_eq!(app.dump(), before, "the link is kept");
    phone.post("/confirm", &[("new_password", NEW)]).goes_to("/profile");
    phone.get("/profile").is(200).says(ANN);
    logs_in(&app, ANN, NEW, 200);
    logs_in(&app, ANN, PASSWORD, 401);
}

#[test]
fn b44_a_mail_scanner_confirms_nothing() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let before = app.dump();
    for _ in 0..5 {
        for scanner in [app.browser(), app.program()] {
            assert!([200, 303].contains(&scanner.get(&link).status.code));
            for path in [link.as_str(), "/confirm/new", "/confirm/sent", "/confirm"] {
                scanner.get(path);
                scanner.send(Method::Head, path, &[], Vec::new());
            }
        }
    }
    assert_eq!(app.dump(), before);
    ann.get(&link).goes_to("/confirm/new");
    ann.post("/confirm", &[]).goes_to("/profile");
}

#[test]
fn a_link_works_once() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let kept = app.browser();
    kept.get(&link).goes_to("/confirm/new");
    ann.get(&link).goes_to("/confirm/new");
    ann.post("/confirm", &[]).goes_to("/profile");
    let before = app.dump();
    kept.post("/confirm", &[("new_password", NEW)]).is(403).says("no longer works");
    assert_eq!(kept.cookie("confirm_token"), None, "what opens nothing is not kept");
    let body = json!({ "confirm_token": token_of(&link), "new_password": NEW });
    let forbidden = json!({ "message": "Forbidden" });
    app.program().json(Post, "/confirm", &body).is(403).json_is(&forbidden);
    for path in [link.as_str(), "/confirm/new"] {
        app.browser().get(path).is(403).says("no longer works");
        app.program().get(path).is(403).json_is(&forbidden);
    }
    app.browser().post("/confirm", &[]).is(403).says("no longer works");
    assert_eq!(app.dump(), before);
    logs_in(&app, ANN, NEW, 401);
}

#[test]
fn b45b_a_damaged_token_opens_nothing() {
    let app = with_confirmation();
    signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let token = token_of(&link);
    let before = app.dump();
    let last = if token.ends_with('0') { "1" } else { "0" };
    for damaged in [
        token[..token.len() - 1].to_owned(),
        format!("{}{last}", &token[..token.len() - 1]),
        format!("{token}0"),
        format!("{token}%00"),
        token.to_uppercase(),
        gatehouse::tokens::fingerprint(token),
    ] {
        app.browser().get(&format!("/confirm/{damaged}")).is(403);
        let body = json!({ "confirm_token": damaged, "new_password": NEW });
        app.program().json(Post, "/confirm", &body).is(403);
    }
    assert_eq!(app.dump(), before);
    app.browser().get(&link).goes_to("/confirm/new");
}

#[test]
fn b41_a_token_of_another_purpose_confirms_nothing() {
    let app = with_confirmation();
    signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let now = Timestamp::now();
    app.sql(
        "INSERT INTO users (email, email_key, hashed_password, created_at, password_changed_at) \
             VALUES ('bob@example.com', 'bob@example.com', '!', 0, 0)",
    );
    use secrecy::ExposeSecret;
    let reset = app.wait(app.auth().get_reset_password_token("bob@example.com", now));
    let reset = reset.expect("a token").expose_secret().to_owned();
    let invited = app.auth().invite("eve@example.com", now).expect("invited");
    let invitation = token_of(invited.expose_secret()).to_owned();
    let before = app.dump();
    for other in [&reset, &invitation] {
        app.program().get(&format!("/confirm/{other}")).is(403);
        let body = json!({ "confirm_token": other, "new_password": NEW });
        app.program().json(Post, "/confirm", &body).is(403);
    }
    let own = token_of(&link);
    for path in ["/reset_password", "/invitation", "/unlock"] {
        app.program().get(&format!("{path}/{own}")).is(403);
    }
    let body = json!({ "reset_token": own, "new_password": NEW });
    app.program().json(Method::Put, "/reset_password", &body).is(403);
    assert_eq!(app.dump(), before);
    app.program().get(&link).is(200);
}

#[test]
fn a_program_goes_the_whole_way() {
    let app = with_confirmation();
    let script = app.program();
    let pair = json!({ "email": ANN, "password": PASSWORD });
    let asked = script.json(Post, "/users", &pair);
    asked.is(200).json_is(&json!({ "email": ANN, "message": "look into your mail" }));
    script.json(Post, "/sessions", &pair).is(401);
    let link = link_to(&app, ANN);
    script.get(&link).is(200).json_is(&json!({ "message": "confirm with POST /confirm" }));
    let confirmed = script.json(Post, "/confirm", &json!({ "confirm_token": token_of(&link) }));
    confirmed.is(200).json_is(&json!({ "email": ANN, "message": "email confirmed" }));
    assert_eq!(script.cookie("session_id"), None, "a program asked for an account alone");
    script.get("/profile").is(403);
    script.json(Post, "/sessions", &pair).is(200);
    script.get("/profile").is(200).json_is(&json!({ "email": ANN }));

    // Another program has the link and no cookie.
    signs_up(app.program(), "bob@example.com");
    let link = link_to(&app, "bob@example.com");
    let other = app.program();
    let missing = other.json(Post, "/confirm", &json!({ "confirm_token": token_of(&link) }));
    assert!(missing.is(422).json()["errors"]["new_password"].is_array());
    let whole = json!({ "confirm_token": token_of(&link), "new_password": NEW });
    other.json(Post, "/confirm", &whole).is(200);
    logs_in(&app, "bob@example.com", NEW, 200);
    logs_in(&app, "bob@example.com", PASSWORD, 401);
}

#[test]
fn b68_of_many_that_bring_one_link_exactly_one_begins_the_account() {
    let app = TestApp::with(&format!("{ON}\n{PATIENT}"), &[]);
    signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let auth = app.auth().clone();
    let outcomes = all_at_once(|number| {
        let password = format!("harbour number {number}");
        wait(auth.confirm(stranger_with(&link, &password), Timestamp::now()))
    });
    let winners: Vec<usize> = (0..CROWD).filter(|number| outcomes[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(outcomes.iter().filter(|outcome| is_dead(outcome)).count(), CROWD - 1);
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(1));
    for number in 0..CROWD {
        let code = if number == winners[0] { 200 } else { 401 };
        logs_in(&app, ANN, &format!("harbour number {number}"), code);
    }
}

#[test]
fn b66_of_many_sign_ups_for_one_address_one_becomes_the_account() {
    let app = TestApp::with(&format!("{ON}\n{PATIENT}"), &[]);
    let links: Vec<String> = (0..CROWD)
        .map(|_| {
            signs_up(app.browser(), ANN);
            link_to(&app, ANN)
        })
        .collect();
    let auth = app.auth().clone();
    let outcomes = all_at_once(|number| {
        wait(auth.confirm(stranger_with(&links[number], NEW), Timestamp::now()))
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| is_dead(outcome)).count(), CROWD - 1);
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(1));
    assert_eq!(sign_ups::table.count().get_result(&mut app.database()), Ok(0_i64));
}

#[test]
fn an_address_that_was_taken_meanwhile_is_left_alone() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let owner = "INSERT INTO users (email, email_key, hashed_password, created_at, \
                 password_changed_at) VALUES ('Ann@example.com', 'ann@example.com', 'hers', 0, 0);";
    // Between what the request has read and what it is about to write.
    let deed = app.auth().confirm(stranger_with(&link, NEW), Timestamp::now());
    assert!(is_dead(&overtake(&app, deed, owner)));
    ann.get(&link);
    ann.post("/confirm", &[]).is(403).says("no longer works");
    assert_eq!(find(&app, ANN).expect("hers").hashed_password, "hers");
    assert_eq!(sessions::table.count().get_result(&mut app.database()), Ok(0_i64));
}

#[test]
fn before_the_button_nobody_has_that_address() {
    let app = with_confirmation();
    signs_up(app.browser(), ANN);
    link_to(&app, ANN);
    let ask = |path: &str, email: &str, password: &[(&str, &str)]| {
        let form = [&[("email", email)], password].concat();
        [app.browser(), app.program()]
            .map(|visitor| visitor.post(path, &form).comparable().replace(email, "EMAIL"))
    };
    let mails = app.mailbox().len();
    for (path, password) in
        [("/sessions", &[("password", PASSWORD)][..]), ("/reset_password", &[]), ("/unlock", &[])]
    {
        assert_eq!(ask(path, ANN, password), ask(path, "bob@example.com", password), "{path}");
    }
    assert_eq!(app.mailbox().len(), mails, "nobody is mailed");
}

#[test]
fn switched_off_a_sign_up_is_signed_in_at_once() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.get("/profile").is(200).says(ANN);
    let created = json!({ "email": "bob@example.com", "message": "user created" });
    let pair = [("email", "bob@example.com"), ("password", PASSWORD)];
    let script = app.program();
    script.post("/users", &pair).is(200).json_is(&created);
    script.post("/users", &pair).is(400).json_is(&json!({ "message": "email already registered" }));
    assert_eq!(app.mailbox().len(), 0);
    assert_eq!(sign_ups::table.count().get_result(&mut app.database()), Ok(0_i64));
    assert!(find(&app, ANN).expect("an account").confirmed_at.is_none(), "nobody has proved it");
}

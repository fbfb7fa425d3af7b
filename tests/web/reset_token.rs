//! What kills a reset token, and what does not.

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::password_reset::UpdatePasswordError;
use gatehouse::accounts::user::{UserChanges, UserKey, find_user_by, update_user};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{sessions, users};
use gatehouse::mail::outbox;
use gatehouse::tokens::fingerprint;
use rocket::http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::app::{PASSWORD, TestApp, secret};
use crate::overtake::overtake;

const ANN: &str = "ann@example.com";
const NEW: &str = "another harbour";
/// What a reset to the password in force is told.
const UNCHANGED: &str = "the password you have now";
const LIFE: Duration = Duration::from_secs(30 * 60);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

fn with_ann() -> TestApp {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

#[track_caller]
fn ask(app: &TestApp, now: Timestamp) -> SecretString {
    app.wait(app.auth().get_reset_password_token(ANN, now)).expect("a token")
}

#[track_caller]
fn is_alive(app: &TestApp, token: &SecretString, now: Timestamp) -> bool {
    app.wait(app.auth().find_reset(token, now)).expect("the database answers").is_some()
}

#[track_caller]
fn update(app: &TestApp, token: &SecretString, now: Timestamp) -> bool {
    match app.wait(app.auth().update_password(token, None, &secret(NEW), now)) {
        Ok(user) => user.email == ANN,
        Err(UpdatePasswordError::DeadToken) => false,
        Err(other) => panic!("{other}"),
    }
}

#[track_caller]
fn opens(app: &TestApp, password: &str, code: u16) {
    app.program().post("/sessions", &[("email", ANN), ("password", password)]).is(code);
}

#[test]
fn b44_a_mail_scanner_consumes_nothing() {
    let app = with_ann();
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    let link = app.mailed_link();
    let before = app.dump();
    for _ in 0..5 {
        for scanner in [app.browser(), app.program()] {
            assert!([200, 303].contains(&scanner.get(&link).status.code));
            let head = scanner.send(Method::Head, &link, &[], Vec::new());
            assert!([200, 303].contains(&head.status.code));
            scanner.get("/reset_password/new");
        }
    }
    assert_eq!(app.dump(), before);
    let ann = app.browser();
    ann.get(&link).goes_to("/reset_password/new");
    ann.put("/reset_password", &[("new_password", NEW)]).goes_to("/login");
    opens(&app, NEW, 200);
}

#[test]
fn b45a_a_token_works_once() {
    let app = with_ann();
    let token = ask(&app, Timestamp::now());
    let body = json!({ "reset_token": token.expose_secret(), "new_password": NEW });
    app.program().json(Method::Put, "/reset_password", &body).is(200);
    let link = format!("/reset_password/{}", token.expose_secret());
    app.program().get(&link).is(403);
    app.browser().get(&link).is(403).says("no longer works");
    let again = json!({ "reset_token": token.expose_secret(), "new_password": "a third password" });
    app.program()
        .json(Method::Put, "/reset_password", &again)
        .is(403)
        .json_is(&json!({ "message": "Forbidden" }));
    opens(&app, NEW, 200);
    opens(&app, "a third password", 401);
}

#[test]
fn b45a_a_token_lives_for_half_an_hour() {
    let app = with_ann();
    let asked = Timestamp::now();
    let token = ask(&app, asked);
    for (after, alive) in [
        (Duration::ZERO, true),
        (LIFE - SECOND, true),
        (LIFE - MILLISECOND, true),
        (LIFE, false),
        (LIFE + SECOND, false),
        (LIFE * 100, false),
    ] {
        assert_eq!(is_alive(&app, &token, asked + after), alive, "{after:?}");
        if !alive {
            assert!(!update(&app, &token, asked + after), "{after:?}");
            opens(&app, PASSWORD, 200);
        }
    }
    assert!(update(&app, &token, asked + LIFE - SECOND));
    opens(&app, NEW, 200);
}

#[test]
fn b45a_a_token_dies_of_a_newer_one() {
    let app = with_ann();
    let now = Timestamp::now();
    let (older, newer) = (ask(&app, now), ask(&app, now + SECOND));
    assert!(!is_alive(&app, &older, now + SECOND) && is_alive(&app, &newer, now + SECOND));
    assert!(!update(&app, &older, now + SECOND));
    assert!(update(&app, &newer, now + SECOND));
    // By mail too: two were asked for before the worker had its turn.
    let app = with_ann();
    for _ in 0..2 {
        app.program().post("/reset_password", &[("email", ANN)]).is(200);
    }
    let newest = app.mailed_link();
    let mails = app.mailbox();
    let all: Vec<&str> = mails
        .iter()
        .flat_map(|mail| mail.text.split_whitespace())
        .filter(|it| it.contains("/reset_password/"))
        .collect();
    let alive: Vec<&&str> = all
        .iter()
        .filter(|link| app.program().get(&link["http://127.0.0.1:8000".len()..]).status.code == 200)
        .collect();
    assert_eq!(alive.len(), 1, "{all:?}");
    assert!(alive[0].ends_with(&newest), "the newest wins");
}

#[test]
fn b45a_a_request_that_was_overtaken_voids_nothing() {
    let app = with_ann();
    let now = Timestamp::now();
    let newer = ask(&app, now + SECOND);
    let older = app.auth().get_reset_password_token(ANN, now);
    assert!(app.wait(older).is_err(), "a newer one was asked for");
    assert!(is_alive(&app, &newer, now + SECOND));
}

#[test]
fn b45a_a_token_dies_with_the_password_it_was_asked_for() {
    let app = with_ann();
    let now = Timestamp::now();
    let token = ask(&app, now);
    let user = find_user_by(&mut app.database(), UserKey::Email(ANN)).expect("there");
    let changes = UserChanges::new_password(user.hashed_password, now + SECOND);
    update_user(&mut app.database(), user.id, &changes).expect("changed");
    assert!(!is_alive(&app, &token, now + SECOND));
    assert!(!update(&app, &token, now + SECOND));
    // A wish from before the change is not granted after it.
    assert!(app.wait(app.auth().get_reset_password_token(ANN, now)).is_err());
}

#[test]
fn b45a_a_token_dies_when_the_address_changes() {
    let app = with_ann();
    let now = Timestamp::now();
    let token = ask(&app, now);
    app.sql("UPDATE users SET email = 'new@example.com', email_key = 'new@example.com'");
    assert!(!is_alive(&app, &token, now));
    assert!(!update(&app, &token, now));
    let body = json!({ "reset_token": token.expose_secret(), "new_password": NEW });
    app.program().json(Method::Put, "/reset_password", &body).is(403);
}

#[test]
fn b45a_a_token_overtaken_while_the_password_is_hashed_is_dead() {
    let app = with_ann();
    let now = Timestamp::now();
    for overtaking in [
        "UPDATE users SET reset_token = 'a newer one', reset_asked_at = reset_asked_at + 1",
        "UPDATE users SET reset_token = NULL, reset_asked_at = NULL, reset_email = NULL",
        "UPDATE users SET email_key = 'new@example.com'",
    ] {
        app.sql("UPDATE users SET email_key = 'ann@example.com', reset_asked_at = NULL");
        let token = ask(&app, now);
        let new = secret(NEW);
        let update = app.auth().update_password(&token, None, &new, now);
        let outcome = overtake(&app, update, overtaking);
        assert!(matches!(outcome, Err(UpdatePasswordError::DeadToken)), "{overtaking}");
        app.sql("UPDATE users SET email_key = 'ann@example.com'");
        opens(&app, PASSWORD, 200);
    }
}

#[test]
fn b45b_a_wrong_token_gets_one_answer_whatever_is_wrong_with_it() {
    let app = with_ann();
    let token = ask(&app, Timestamp::now()).expose_secret().to_owned();
    assert_eq!(token.len(), 64);
    let mut wrong = vec![
        token[..63].to_owned(),
        token[1..].to_owned(),
        token[..32].to_owned(),
        token[..1].to_owned(),
        format!("{token}0"),
        format!("{token}="),
        format!("{token}{token}"),
        format!(" {token}"),
        format!("{token}\n"),
        format!("{token}\0"),
        token.to_uppercase(),
        token.bytes().map(|byte| format!("%{byte:02x}")).collect(),
        format!("{}-{}", &token[..32], &token[32..]),
        fingerprint(&token),
        "0".repeat(64),
        "null".to_owned(),
        "é".repeat(64),
    ];
    for place in 0..token.len() {
        let mut flipped = token.clone().into_bytes();
        flipped[place] = if flipped[place] == b'0' { b'1' } else { b'0' };
        wrong.push(String::from_utf8(flipped).expect("ASCII"));
    }
    let before = app.dump();
    let mut seen: Vec<Vec<String>> = Vec::new();
    for value in &wrong {
        let path = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
        let link = format!("/reset_password/{path}");
        let form = [("reset_token", value.as_str()), ("new_password", NEW)];
        let body = json!({ "reset_token": value, "new_password": NEW });
        let told = [
            app.browser().get(&link),
            app.program().get(&link),
            app.browser().put("/reset_password", &form),
            app.program().put("/reset_password", &form),
            app.browser().json(Method::Put, "/reset_password", &body),
            app.program().json(Method::Put, "/reset_password", &body),
        ];
        let told: Vec<String> = told.iter().map(|it| it.is(403).comparable()).collect();
        if let Some(first) = seen.first() {
            assert_eq!(told, *first, "{value}");
        }
        seen.push(told);
    }
    // No token at all is as dead as a wrong one.
    let none = app.program().put("/reset_password", &[("new_password", NEW)]).is(403).comparable();
    assert_eq!(none, seen[0][3]);
    app.program()
        .json(Method::Put, "/reset_password", &json!({ "reset_token": "", "new_password": NEW }))
        .is(403);
    assert_eq!(app.dump(), before);
    app.program().get(&format!("/reset_password/{token}")).is(200);
}

#[test]
fn b45b_a_huge_token_is_refused_unread() {
    let app = with_ann();
    let huge = "a".repeat(1 << 20);
    app.program().get(&format!("/reset_password/{huge}")).is(403);
    app.browser().get(&format!("/reset_password/{huge}")).is(403).does_not_say("aaaaaaaaaa");
    for visitor in [app.browser(), app.program()] {
        visitor.put("/reset_password", &[("reset_token", &huge), ("new_password", NEW)]).is(413);
        let body = json!({ "reset_token": huge, "new_password": NEW });
        visitor.json(Method::Put, "/reset_password", &body).is(413);
    }
}

#[test]
fn b45c_a_copied_database_holds_no_token_that_works() {
    // The way out is blocked: the finished mail, link and all, waits in the outbox.
    let app = TestApp::with("mail_transport = \"files\"", &[]);
    let ann = app.signed_up(ANN);
    let folder = app.folder.path().join("outbox");
    std::fs::remove_dir(&folder).expect("empty");
    std::fs::write(&folder, "in the way").expect("written");
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    assert_eq!(app.service.worker.deliver_due(Timestamp::now()).expect("tried"), 0);
    let waiting = outbox::list(&mut app.database()).expect("rows");
    assert_eq!(waiting.len(), 1);
    let content = app.service.outbox.open(&waiting[0]).expect("our own key");
    let outbox::Content::Letter(letter) = content else { panic!("not composed") };
    let mut words = letter.text.split_whitespace();
    let link = words.find(|word| word.contains("/reset_password/")).expect("a link");
    let token = link.rsplit('/').next().expect("a token");
    assert!(is_alive(&app, &secret(token), Timestamp::now()), "it would work");
    let (dump, raw) = (app.dump(), app.raw_database());
    for text in [token, "reset_password/", &letter.subject] {
        assert!(!raw.windows(text.len()).any(|bytes| bytes == text.as_bytes()), "{text}");
    }
    assert!(!dump.contains(token));
    // What is kept opens nothing when it is brought to the door.
    let kept: Option<String> =
        users::table.select(users::reset_token).first(&mut app.database()).expect("a row");
    let session: String =
        sessions::table.select(sessions::id).first(&mut app.database()).expect("a row");
    let kept = kept.expect("an outstanding token");
    assert_eq!(kept, fingerprint(token));
    for stolen in [&kept, &session, &waiting[0].message_id] {
        app.program().get(&format!("/reset_password/{stolen}")).is(403);
        let body = json!({ "reset_token": stolen, "new_password": NEW });
        app.program().json(Method::Put, "/reset_password", &body).is(403);
    }
}

#[test]
fn b45d_a_refused_password_leaves_the_token_alive() {
    let app = with_ann();
    let token = ask(&app, Timestamp::now()).expose_secret().to_owned();
    let browser = app.browser();
    browser.get(&format!("/reset_password/{token}")).goes_to("/reset_password/new");
    let before = app.dump();
    let long = "x7".repeat(513);
    for (password, why) in [
        ("short", "Too short"),
        ("", "Enter a new password"),
        ("PassWord1", "most common passwords"),
        ("aaaaaaaaaaaa", "one character repeated"),
        ("ann@example.com", "your e-mail address"),
        ("Gatehouse1!", "the name of this site"),
        (PASSWORD, UNCHANGED),
        (long.as_str(), "at most 1024 bytes"),
    ] {
        browser
            .put("/reset_password", &[("new_password", password)])
            .is(422)
            .says(why)
            .says("id=\"new_password-error\"")
            .says("Save new password");
        assert!(browser.cookie("reset_token").is_some(), "{password}");
        let body = json!({ "reset_token": token, "new_password": password });
        let told = app.program().json(Method::Put, "/reset_password", &body);
        let errors = told.is(422).json()["errors"]["new_password"].clone();
        assert!(errors[0].as_str().is_some_and(|it| it.contains(why)), "{password}: {errors}");
        if !password.is_empty() {
            told.does_not_say(&format!("\"{password}\""));
        }
    }
    for visitor in [&browser, &app.program()] {
        visitor.put("/reset_password", &[("reset_token", &token)]).is(422);
    }
    assert_eq!(app.dump(), before, "neither the password nor the token was touched");
    browser.get("/reset_password/new").is(200);
    browser.put("/reset_password", &[("new_password", NEW)]).goes_to("/login");
    opens(&app, NEW, 200);
}

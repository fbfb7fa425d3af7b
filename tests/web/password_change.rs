//! Password change: somebody signed in gives the one so far, and a new one.

mod links;
mod races; // many changes, log-ins beside them, what overtakes one // what dies with the old password, and the mail that tells of it

use diesel::prelude::*;
use gatehouse::accounts::password_change::PasswordChange;
use gatehouse::accounts::session::{Beginning, Device};
use gatehouse::accounts::sudo::Proof;
use gatehouse::accounts::user::{User, UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{devices, sessions};
use rocket::http::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, Visitor, secret};

const ANN: &str = "ann@example.com";
const WRONG: &str = "not that harbour";
const NEW: &str = "another harbour";
const HERE: &str = "/account/password";

fn with_ann() -> TestApp {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

#[track_caller]
fn log_in<'a>(visitor: Visitor<'a>, password: &str) -> Visitor<'a> {
    visitor.post("/sessions", &[("email", ANN), ("password", password)]);
    visitor.get("/profile").is(200);
    visitor
}

fn form<'a>(current: &'a str, new: &'a str) -> [(&'static str, &'a str); 2] {
    [("current_password", current), ("new_password", new)]
}

#[track_caller]
fn opens(app: &TestApp, password: &str, code: u16) {
    app.program().post("/sessions", &[("email", ANN), ("password", password)]).is(code);
}

fn ann(app: &TestApp) -> User {
    find_user_by(&mut app.database(), UserKey::Email(ANN)).expect("there")
}

fn rows(app: &TestApp) -> (i64, i64) {
    let conn = &mut app.database();
    let sessions = sessions::table.count().get_result(conn).expect("counted");
    (sessions, devices::table.count().get_result(conn).expect("counted"))
}

/// Past the web: by a session of its own.
#[track_caller]
fn change(app: &TestApp, current: &str, new: &str) -> PasswordChange {
    let begun = app.auth().create_session(ANN, Beginning::default(), Timestamp::now());
    let id = app.wait(begun).expect("begun");
    let found = app.wait(app.auth().find_session(&id, Timestamp::now())).expect("found");
    let (user, session) = found.expect("alive");
    let (password, device) = (secret(current), Device::default());
    let proof = Proof { user, session, password, device, known_device: None };
    PasswordChange { proof, new_password: secret(new), keep_others: false }
}

#[test]
fn the_form_is_the_owners_and_a_program_is_told_what_to_put() {
    let app = with_ann();
    let page = log_in(app.browser(), PASSWORD).get(HERE);
    page.is(200).says("<h1>Change your password</h1>").says("name=\"_method\" value=\"put\"");
    page.says("autocomplete=\"current-password\"").says("autocomplete=\"new-password\"");
    page.says("value=\"ann@example.com\" autocomplete=\"username\"");
    page.says("name=\"keep_others\"").does_not_say(" checked");
    let told = log_in(app.program(), PASSWORD).get(HERE);
    assert!(told.is(406).json()["message"].to_string().contains("PUT /account/password"));
    app.browser().get(HERE).goes_to("/login?next=/account/password");
    app.browser().put(HERE, &form(PASSWORD, NEW)).goes_to("/login");
    app.program().get(HERE).is(403).json_is(&json!({ "message": "Forbidden" }));
    app.program()
        .put(HERE, &form(PASSWORD, NEW))
        .is(403)
        .json_is(&json!({ "message": "Forbidden" }));
    opens(&app, PASSWORD, 200);
}

#[test]
fn a_program_changes_its_password() {
    let app = with_ann();
    let mut current = PASSWORD.to_owned();
    for as_json in [true, false] {
        let (script, new) = (log_in(app.program(), &current), format!("{current}!"));
        let old = script.cookie("session_id").expect("signed in");
        let answer = if as_json {
            let body = json!({ "current_password": current, "new_password": new });
            script.json(Method::Put, HERE, &body)
        } else {
            script.put(HERE, &form(&current, &new))
        };
        answer.is(200).json_is(&json!({ "email": ANN, "message": "Password updated" }));
        script.get("/profile").is(200);
        // What was copied before opens nothing (ASVS 7.2.4).
        let thief = app.program();
        thief.set_cookie("session_id", &old);
        thief.get("/profile").is(403);
        opens(&app, &current, 401);
        opens(&app, &new, 200);
        current = new;
    }
}

#[test]
fn a_person_changes_their_password_by_the_form() {
    let app = with_ann();
    let laptop = log_in(app.browser(), PASSWORD);
    app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
    // As a browser sends it: POST, the method named first.
    let [current, new] = form(PASSWORD, NEW);
    laptop.post(HERE, &[("_method", "put"), current, new]).goes_to("/profile");
    let page = laptop.get("/profile");
    page.is(200).says("Your password is changed. All other devices are logged out.");
    page.says("Changed ");
    opens(&app, PASSWORD, 401);
    // The old password was a proof, too.
    laptop.delete("/account/sessions").goes_to("/account/sessions");
    assert_eq!(ann(&app).confirmed_at, None, "no mail was read");
}

#[test]
fn b31_the_other_devices_are_logged_out_and_strangers_unless_they_shall_stay() {
    let cases: [(&[(&str, &str)], bool); 4] = [
        (&[], true),
        (&[("keep_others", "no")], true),
        (&[("keep_others", "yes")], false),
        (&[("keep_others", "on")], false),
    ];
    for (choice, ended) in cases {
        let app = TestApp::new();
        let bob = app.signed_up("bob@example.com");
        let laptop = app.signed_up(ANN);
        let (phone, script) = (log_in(app.browser(), PASSWORD), log_in(app.program(), PASSWORD));
        assert_eq!(rows(&app), (4, 4));
        app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
        phone.delete("/account/sessions").goes_to("/sudo");
        let sent = [&form(PASSWORD, NEW)[..], choice].concat();
        laptop.put(HERE, &sent).goes_to("/profile");
        let (code, gone) = if ended { (303, (2, 2)) } else { (200, (4, 4)) };
        assert_eq!(rows(&app), gone, "{choice:?}");
        phone.get("/profile").is(code);
        script.get("/profile").is(if ended { 403 } else { 200 });
        let page = laptop.get("/profile");
        page.is(200).says("Your password is changed.");
        let said = page.text().contains("All other devices are logged out.");
        assert_eq!(said, ended, "{choice:?}");
        bob.get("/profile").is(200);
        // This browser is known still: it is not remembered a second time.
        log_in(laptop, NEW);
        assert_eq!(rows(&app).1, gone.1, "{choice:?}");
        // What waited in another session for the old password does not get by with it.
        if !ended {
            phone.post("/sudo", &[("password", PASSWORD)]).is(422);
        }
    }
    let app = TestApp::new();
    let (script, phone) = (log_in_anew(&app), log_in(app.browser(), PASSWORD));
    let body = json!({ "current_password": PASSWORD, "new_password": NEW, "keep_others": true });
    script.json(Method::Put, HERE, &body).is(200);
    phone.get("/profile").is(200);
}

fn log_in_anew(app: &TestApp) -> Visitor<'_> {
    let script = app.program();
    script.post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    log_in(script, PASSWORD)
}

#[test]
fn a_form_with_something_wrong_is_shown_again() {
    let app = with_ann();
    let laptop = log_in(app.browser(), PASSWORD);
    let before = app.dump();
    let again = laptop.put(HERE, &[("keep_others", "yes")]);
    again.is(422).says("Enter the password you have now.").says("Enter a new password.");
    again.says("href=\"#current_password\"").says("href=\"#new_password\"").says(" checked");
    for new in ["short", "password1", "12345678", ANN, "gatehouse1", PASSWORD] {
        let sent = [&form(PASSWORD, new)[..], &[("keep_others", "yes")]].concat();
        let again = laptop.put(HERE, &sent);
        again.is(422).says("href=\"#new_password\"").does_not_say("href=\"#current_password\"");
        again.says("<h1>Change your password</h1>").says(" checked");
        for line in again.text().lines().filter(|line| line.contains("type=\"password\"")) {
            assert!(!line.contains("value="), "{line}");
        }
    }
    laptop.put(HERE, &form(PASSWORD, PASSWORD)).is(422).says("This is the password you have now.");
    laptop.put(HERE, &form(PASSWORD, &"a".repeat(1025))).is(422).says("Too long");
    let body = json!({ "current_password": PASSWORD, "new_password": NEW, "role": "admin" });
    laptop.json(Method::Put, HERE, &body).is(422);
    let twice = [("new_password", NEW), ("new_password", NEW), ("current_password", PASSWORD)];
    laptop.put(HERE, &twice).is(422).says("sent twice");
    assert_eq!(app.dump(), before);
}

#[test]
fn in_the_classroom_any_password_but_an_empty_one_will_do() {
    let app = TestApp::with("", &[("ROCKET_PROFILE", "classroom")]);
    let script = log_in_anew(&app);
    script.put(HERE, &form(PASSWORD, PASSWORD)).is(200);
    script.put(HERE, &form(PASSWORD, "b4l0u")).is(200);
    script.put(HERE, &form("b4l0u", "")).is(422);
    script.put(HERE, &form(PASSWORD, "b4l0u")).is(422);
}

#[test]
fn b17_the_password_so_far_cannot_be_guessed_with_a_stolen_session() {
    let app = with_ann();
    let phone = log_in(app.browser(), PASSWORD);
    let thief = log_in(app.browser(), PASSWORD);
    for new in [NEW, PASSWORD, "short", NEW] {
        let told = thief.put(HERE, &form(WRONG, new));
        told.is(422).says("href=\"#current_password\"").says("This is not your password.");
        // Were the new one compared too, that would be the guess.
        told.does_not_say("href=\"#new_password\"").does_not_say("you have now.");
    }
    thief.put(HERE, &form(WRONG, NEW)).goes_to("/login");
    thief.get("/login").says("the password was wrong too often");
    thief.get("/profile").is(303);
    phone.get("/profile").is(200);
    let script = log_in(app.program(), PASSWORD);
    let long = "a".repeat(1025);
    for (current, code) in [(WRONG, 422), (&long, 422), (WRONG, 422), (WRONG, 422), (WRONG, 403)] {
        script.put(HERE, &form(current, NEW)).is(code);
    }
    script.put(HERE, &form(PASSWORD, NEW)).is(403);
    opens(&app, PASSWORD, 200);
}

#[test]
fn b17_tries_are_limited_together_with_those_at_the_other_forms() {
    let app = TestApp::with("limit_login = \"2/1h\"", &[]);
    let laptop = app.signed_up(ANN);
    laptop.put(HERE, &form(WRONG, NEW)).is(422);
    laptop.post("/sudo", &[("password", WRONG)]).is(422);
    let refused = laptop.put(HERE, &form(PASSWORD, NEW));
    refused.is(429).says("href=\"&#x2F;account&#x2F;password\"");
    assert!(refused.header("retry-after").is_some());
    opens(&app, PASSWORD, 200);
}

/// The owner must hear of it, or it does not happen.
#[test]
fn a_change_whose_notice_cannot_be_written_is_none() {
    let app = with_ann();
    let (laptop, phone) = (log_in(app.browser(), PASSWORD), log_in(app.browser(), PASSWORD));
    let before = app.dump();
    for (event, table) in [("INSERT", "outbox"), ("INSERT", "tokens"), ("INSERT", "sessions")] {
        app.break_down(event, table, "on purpose");
        let body = crate::app::urlencoded(&form(PASSWORD, NEW)).into_bytes();
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        laptop.send_for_a_fault(Method::Put, HERE, &[kind], body).is(500);
        app.mend();
        assert_eq!(app.dump(), before, "{table}");
    }
    phone.get("/profile").is(200);
    opens(&app, PASSWORD, 200);
}

#[test]
fn b18_many_changes_do_not_bury_the_mail_that_tells_of_one() {
    let app = TestApp::with("limit_ask = \"2/1h\"", &[]);
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let laptop = log_in(app.browser(), PASSWORD);
    laptop.put(HERE, &form(PASSWORD, NEW)).goes_to("/profile");
    // What is refused was never counted.
    laptop.put(HERE, &form(WRONG, PASSWORD)).is(422);
    laptop.put(HERE, &form(NEW, "short")).is(422);
    laptop.put(HERE, &form(NEW, PASSWORD)).goes_to("/profile");
    laptop.put(HERE, &form(PASSWORD, NEW)).is(429).says("href=\"&#x2F;account&#x2F;password\"");
    log_in(app.program(), PASSWORD).put(HERE, &form(PASSWORD, NEW)).is(429);
    let told = app.mails_to(ANN).into_iter().filter(|mail| mail.subject.contains("was changed"));
    assert_eq!(told.count(), 2);
    opens(&app, PASSWORD, 200);
}

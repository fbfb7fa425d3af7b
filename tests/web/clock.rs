//! B-105d: a clock that was wrong once.

use std::time::Duration;

use gatehouse::accounts::session::Beginning;
use gatehouse::clock::Timestamp;
use secrecy::SecretString;

use crate::app::{PASSWORD, TestApp, secret};

const ANN: &str = "ann@example.com";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn with_ann() -> TestApp {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

fn token(app: &TestApp, now: Timestamp) -> SecretString {
    app.wait(app.auth().get_reset_password_token(ANN, now)).expect("a token")
}

#[test]
fn b105d_moments_that_have_not_come_keep_nobody_from_a_reset() {
    for column in ["password_changed_at", "reset_asked_at"] {
        let app = with_ann();
        let ahead = (Timestamp::now() + DAY).millis();
        app.sql(&format!("UPDATE users SET {column} = {ahead}"));
        app.program().post("/reset_password", &[("email", ANN)]).is(200);
        let link = app.mailed_link();
        app.program().get(&link).is(200);
        let token = link.rsplit('/').next().expect("a token");
        let form = [("reset_token", token), ("new_password", "another harbour")];
        app.program().put("/reset_password", &form).is(200);
    }
}

#[test]
fn b105d_a_token_of_tomorrow_opens_nothing_today() {
    let app = with_ann();
    let now = Timestamp::now();
    let early = token(&app, now + DAY);
    assert!(app.wait(app.auth().find_reset(&early, now)).expect("an answer").is_none());
    let new = secret("another harbour");
    assert!(app.wait(app.auth().update_password(&early, None, &new, now)).is_err());
    // Two machines' clocks may be half a minute apart.
    let token = token(&app, now + Duration::from_secs(30));
    assert!(app.wait(app.auth().find_reset(&token, now)).expect("an answer").is_some());
    assert!(app.wait(app.auth().update_password(&token, None, &new, now)).is_ok());
}

#[test]
fn b105d_a_session_of_tomorrow_is_nobodys_today() {
    let app = with_ann();
    let now = Timestamp::now();
    for (remembered, ahead, lives) in [
        (false, DAY, false),
        (true, DAY, false),
        (true, 20 * 365 * DAY, false),
        (false, Duration::from_secs(30), true),
    ] {
        let beginning = Beginning { remembered, ..Beginning::default() };
        let begun =
            app.wait(app.auth().create_session(ANN, beginning, now + ahead)).expect("begun");
        let found = app.wait(app.auth().find_session(&begun, now)).expect("an answer");
        assert_eq!(found.is_some(), lives, "{ahead:?}");
        assert!(app.wait(app.auth().find_session(&begun, now + ahead)).expect("one").is_some());
    }
}

#[test]
fn b105d_a_mail_put_off_by_a_wrong_clock_leaves_and_one_that_waits_its_turn_waits() {
    let hour = 60 * 60 * 1000;
    for (ahead, mails) in [(hour, 0), (10 * 365 * 24 * hour, 1)] {
        let app = with_ann();
        app.program().post("/reset_password", &[("email", ANN)]).is(200);
        let later = Timestamp::now().millis() + ahead;
        app.sql(&format!("UPDATE outbox SET next_attempt_at = {later}"));
        assert_eq!(app.mailbox().len(), mails, "{ahead}");
    }
}

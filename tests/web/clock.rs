//! B-105d: a clock that was wrong once.

use std::time::Duration;

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

//! `sign_up_guard`: a field that people do not see, and how long the form was open.

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::audit::journal;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::users;
use rocket::http::Method::Post;
use serde_json::json;

use super::ANN;
use crate::app::{PASSWORD, TestApp, Visitor};

const ON: &str = "sign_up_guard = true";
const COOKIE: &str = "form_shown";
const TOO_FAST: &str = "That was too fast for us";
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];

/// What the app's own key makes of a cookie.
fn sealed(app: &TestApp, name: &'static str, value: String) -> String {
    let request = app.client.get("/").private_cookie((name, value));
    request.inner().cookies().get(name).expect("just added").value().to_owned()
}

/// A browser to which the form was shown that long ago.
fn with_form_open_for(app: &TestApp, age: Duration) -> Visitor<'_> {
    let browser = app.browser();
    let shown = (Timestamp::now() - age).millis().to_string();
    browser.set_cookie(COOKIE, &sealed(app, COOKIE, shown));
    browser
}

fn count_users(app: &TestApp) -> i64 {
    users::table.count().get_result(&mut app.database()).expect("counted")
}

#[test]
fn off_by_default_there_is_neither_field_nor_cookie() {
    let app = TestApp::new();
    let browser = app.browser();
    browser.get("/signup").is(200).does_not_say("website");
    assert_eq!(browser.cookie(COOKIE), None);
    // An earlier page's field is no reason to refuse anybody.
    let form = [&PAIR[..], &[("website", "https://example.org")]].concat();
    browser.post("/users", &form).goes_to("/profile");
}

#[test]
fn a_form_sent_at_once_is_refused_softly_and_passes_after_two_seconds() {
    let app = TestApp::with(ON, &[]);
    let browser = app.browser();
    browser.get("/signup").is(200).says("name=\"website\"");
    assert!(browser.cookie(COOKIE).is_some());
    let again = browser.post("/users", &PAIR);
    again.is(422).says(TOO_FAST).says(&format!("value=\"{ANN}\"")).does_not_say(PASSWORD);
    assert_eq!(count_users(&app), 0);
    // The rule is of real time, and so is this wait: the form's own cookie, two seconds later.
    std::thread::sleep(Duration::from_millis(2050));
    browser.post("/users", &PAIR).goes_to("/profile");
}

#[test]
fn the_forms_age_counts_from_two_seconds_to_a_day() {
    let app = TestApp::with(ON, &[]);
    let day = Duration::from_secs(24 * 60 * 60);
    let second = Duration::from_secs(1);
    for (age, passes) in [
        (Duration::ZERO, false),
        (second, false),
        (3 * second, true),
        (day - 10 * second, true),
        (day + second, false),
        (400 * day, false),
    ] {
        let browser = with_form_open_for(&app, age);
        let email = format!("user{}@example.com", age.as_secs());
        let answer = browser.post("/users", &[("email", &email), ("password", PASSWORD)]);
        if passes {
            answer.goes_to("/profile");
        } else {
            answer.is(422).says(TOO_FAST);
        }
    }
    assert_eq!(count_users(&app), 2);
}

#[test]
fn a_moment_that_has_not_come_or_was_not_sealed_by_us_is_none() {
    let app = TestApp::with(ON, &[]);
    let old = (Timestamp::now() - Duration::from_secs(60)).millis().to_string();
    let ahead = (Timestamp::now() + Duration::from_secs(60)).millis().to_string();
    let other = TestApp::with(ON, &[]);
    for value in [
        String::new(),
        old.clone(),
        sealed(&app, COOKIE, ahead),
        sealed(&app, COOKIE, "yesterday".to_owned()),
        sealed(&app, COOKIE, String::new()),
        sealed(&app, COOKIE, i64::MIN.to_string()),
        // Sealed under another name, by another server.
        sealed(&app, "notice", old.clone()),
        sealed(&other, COOKIE, old),
    ] {
        let browser = app.browser();
        browser.set_cookie(COOKIE, &value);
        browser.post("/users", &PAIR).is(422).says(TOO_FAST);
    }
    assert_eq!(count_users(&app), 0);
}

#[test]
fn a_filled_field_is_refused_however_long_it_took() {
    let app = TestApp::with(ON, &[]);
    let minute = Duration::from_secs(60);
    for filled in ["https://spam.example", " ", "x"] {
        let form = [&PAIR[..], &[("website", filled)]].concat();
        let browser = with_form_open_for(&app, minute);
        browser.post("/users", &form).is(422).says(TOO_FAST).does_not_say("spam.example");
    }
    assert_eq!(count_users(&app), 0);
    let form = [&PAIR[..], &[("website", "")]].concat();
    with_form_open_for(&app, minute).post("/users", &form).goes_to("/profile");
}

#[test]
fn a_program_without_the_form_is_refused_in_json() {
    let app = TestApp::with(ON, &[]);
    let body = json!({ "email": ANN, "password": PASSWORD });
    let told = app.program().json(Post, "/users", &body);
    let errors = told.is(422).json()["errors"].clone();
    assert!(errors["form"][0].as_str().is_some_and(|text| text.contains(TOO_FAST)), "{errors}");
    assert_eq!(count_users(&app), 0);
    app.auth().journal().flush();
    let rows = journal::newest(&mut app.database(), None, 10).expect("rows");
    assert!(rows.iter().any(|row| row.event == "sign_up_refused"), "{rows:?}");
}

#[test]
fn other_mistakes_do_not_begin_the_wait_anew() {
    let app = TestApp::with(ON, &[]);
    let browser = with_form_open_for(&app, Duration::from_secs(3));
    browser.post("/users", &[("email", ANN), ("password", "short")]).is(422).says("Too short");
    browser.post("/users", &PAIR).goes_to("/profile");
}

#[test]
fn the_field_is_hidden_from_people_of_every_kind() {
    let app = TestApp::with(ON, &[]);
    let page = app.browser().get("/signup").text();
    let (_, field) =
        page.split_once("<div class=\"unseen\" aria-hidden=\"true\">").expect("hidden");
    let (field, _) = field.split_once("</div>").expect("its end");
    for part in ["name=\"website\"", "tabindex=\"-1\"", "autocomplete=\"off\"", "<label"] {
        assert!(field.contains(part), "{part}: {field}");
    }
    assert!(!field.contains("required") && !field.contains("type=\"hidden\""), "{field}");
}

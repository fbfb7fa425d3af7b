//! Who may sign up: everybody, nobody, addresses of some domains; people and not programs.

mod guard; // the field that people do not see, and the form's age

use diesel::prelude::*;
use gatehouse::db::schema::{sign_ups, users};
use rocket::http::Method::Post;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

const ANN: &str = "ann@example.com";

#[test]
fn closed_is_closed_to_people_and_programs() {
    let app = TestApp::with("sign_up = \"closed\"", &[]);
    let pair = [("email", ANN), ("password", PASSWORD)];
    let before = app.dump();
    let browser = app.browser();
    browser.get("/signup").is(403).says("Sign-up is closed").does_not_say("<form method=\"post\"");
    let answer = browser.post("/users", &pair);
    answer.is(403).says("Sign-up is closed").does_not_say(PASSWORD);
    assert_eq!(answer.all("set-cookie"), [""; 0]);
    let closed = json!({ "message": "sign-up is closed" });
    let script = app.program();
    script.get("/signup").is(403).json_is(&closed);
    script.post("/users", &pair).is(403).json_is(&closed);
    // Nothing else is told to whoever guesses: neither the rules nor who is there.
    script.post("/users", &[("email", ANN), ("password", "short")]).is(403).json_is(&closed);
    script.json(Post, "/users", &json!({ "email": "x", "password": "y" })).is(403).json_is(&closed);
    assert_eq!(app.dump(), before);
    browser.get("/login").is(200);
}

#[test]
fn closed_still_lets_those_in_who_are_there() {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let folder = app.folder;
    drop((app.client, app.service));
    let config = TestApp::config(&folder, "sign_up = \"closed\"", &[]);
    let app = TestApp::open(folder, config);
    let ann = app.browser();
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    ann.get("/signup").goes_to("/profile");
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    app.program().get(&app.mailed_link()).is(200);
}

#[test]
fn domains_hold_in_any_spelling_and_for_nothing_below_them() {
    let settings = "sign_up = \"example.org, Bücher.example\"\nconfirm_email = true";
    let app = TestApp::with(settings, &[]);
    let sign_up = |email: &str| {
        let form = [("email", email), ("password", PASSWORD)];
        [app.browser().post("/users", &form), app.program().post("/users", &form)]
    };
    for good in [
        "ann@example.org",
        "ann@EXAMPLE.ORG",
        "ann@ｅxample.org",
        "ann@bücher.example",
        "ann@BÜCHER.example",
        "ann@bu\u{308}cher.example",
        "ann@xn--bcher-kva.example",
    ] {
        let [page, told] = sign_up(good);
        page.goes_to("/confirm/sent");
        told.is(200).json_is(&json!({ "email": good, "message": "look into your mail" }));
    }
    let count = || sign_ups::table.count().get_result::<i64>(&mut app.database()).expect("counted");
    let pending = count();
    assert_eq!(pending, 14);
    for bad in [
        "ann@example.com",
        "ann@sub.example.org",
        "ann@notexample.org",
        "ann@example.org.evil.example",
        "ann@org",
        "example.org@example.com",
        "ann@xn--bcher-lva.example",
        "ann@bucher.example",
        "ann@examp1e.org",
    ] {
        let [page, told] = sign_up(bad);
        page.is(422).says("Addresses of this domain cannot be used here.");
        let errors = told.is(422).json()["errors"]["email"].clone();
        assert_eq!(errors, json!(["Addresses of this domain cannot be used here."]), "{bad}");
    }
    // Neither can a pending sign-up move to another domain.
    let ann = app.browser();
    ann.post("/users", &[("email", "amn@example.org"), ("password", PASSWORD)]);
    let moved = ann.post("/confirm/sent", &[("email", "ann@example.com")]);
    moved.is(422).says("Addresses of this domain cannot be used here.");
    ann.post("/confirm/sent", &[("email", "ann@example.org")]).goes_to("/confirm/sent");
    assert_eq!(count(), pending + 1);
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(0_i64));
}

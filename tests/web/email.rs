//! One person, many spellings (D10).

use rocket::http::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

/// Spellings of Ann.Lee@Example.com that people take to be the same.
const SPELLINGS: [&str; 5] = [
    "Ann.Lee@Example.com",
    "ann.lee@example.com",
    "ANN.LEE@EXAMPLE.COM",
    "ａｎｎ.lee@example.com",
    "ann.lee@ｅxample.com",
];

#[test]
fn an_account_is_found_by_every_spelling_of_its_address() {
    let app = TestApp::new();
    app.signed_up(SPELLINGS[0]);
    for spelling in SPELLINGS {
        let browser = app.browser();
        browser
            .post("/sessions", &[("email", spelling), ("password", PASSWORD)])
            .goes_to("/profile");
        browser.get("/profile").is(200).says("Ann.Lee@Example.com");
        let pair = json!({ "email": spelling, "password": PASSWORD });
        let script = app.program();
        script
            .json(Method::Post, "/sessions", &pair)
            .is(200)
            .json_is(&json!({ "email": spelling, "message": "logged in" }));
        script.get("/profile").json_is(&json!({ "email": "Ann.Lee@Example.com" }));
    }
}

#[test]
fn b67_another_spelling_is_no_second_account() {
    let app = TestApp::new();
    app.signed_up(SPELLINGS[0]);
    let before = app.dump();
    for spelling in SPELLINGS {
        let pair = [("email", spelling), ("password", "some other words")];
        app.browser().post("/users", &pair).is(400).says("has an account already").says(spelling);
        let script = app.program();
        let taken = json!({ "message": "email already registered" });
        script.post("/users", &pair).is(400).json_is(&taken);
        let pair = json!({ "email": spelling, "password": "some other words" });
        script.json(Method::Post, "/users", &pair).is(400).json_is(&taken);
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn accents_may_be_typed_in_either_way() {
    let app = TestApp::new();
    app.signed_up("rene\u{301}@example.com");
    let composed = [("email", "ren\u{e9}@example.com"), ("password", PASSWORD)];
    app.browser().post("/sessions", &composed).goes_to("/profile");
    app.program().post("/users", &composed).is(400);
}

#[test]
fn a_look_alike_is_somebody_else() {
    let app = TestApp::new();
    app.signed_up("mike@example.com");
    // The dotless i, the Cyrillic а, the dotted capital I: other letters, other people.
    for twin in ["mıke@example.com", "mike@ex\u{430}mple.com", "m\u{130}ke@example.com"] {
        let pair = [("email", twin), ("password", PASSWORD)];
        app.browser().post("/sessions", &pair).is(401);
        app.program().post("/users", &pair).is(200);
        app.program().post("/users", &pair).is(400);
    }
}

#[test]
fn what_is_no_address_is_refused_at_the_field() {
    let app = TestApp::new();
    let before = app.dump();
    let long = format!("{}@example.com", "a".repeat(243));
    for email in ["ann", "ann@", "@example.com", "ann @example.com", "a@b@example.com", &long] {
        let pair = [("email", email), ("password", PASSWORD)];
        app.browser()
            .post("/users", &pair)
            .is(422)
            .says("id=\"email-error\"")
            .says("There is a problem");
        let script = app.program();
        for answer in [
            script.post("/users", &pair),
            script.json(Method::Post, "/users", &json!({ "email": email, "password": PASSWORD })),
            script.post("/reset_password", &[("email", email)]),
            script.json(Method::Post, "/reset_password", &json!({ "email": email })),
        ] {
            assert_eq!(answer.status.code, 422, "{email}");
            let errors = &answer.json()["errors"]["email"];
            assert_eq!(errors.as_array().map(Vec::len), Some(1), "{email}: {}", answer.text());
        }
    }
    assert_eq!(app.dump(), before);
}

//! The contract's rows for programs: exact objects, exact codes, whatever the body is written in.

use rocket::http::Method::{Delete, Get, Post, Put};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp, Visitor};
use crate::input::{ENCODINGS, Encoding};

use gatehouse::clock::Timestamp;

const ANN: &str = "ann@example.com";

fn pair<'a>(email: &'a str, password: &'a str) -> [(&'a str, &'a str); 2] {
    [("email", email), ("password", password)]
}

#[test]
fn the_front_page_says_bienvenue() {
    let app = TestApp::new();
    app.program().get("/").is(200).json_is(&json!({ "message": "Bienvenue" }));
}

#[test]
fn a_form_page_is_406_and_names_the_post() {
    let app = TestApp::new();
    let signed_in = app.program();
    signed_in.post("/users", &pair(ANN, PASSWORD)).is(200);
    signed_in.post("/sessions", &pair(ANN, PASSWORD)).is(200);
    for visitor in [app.program(), signed_in] {
        for (path, post) in [
            ("/signup", "POST /users"),
            ("/login", "POST /sessions"),
            ("/reset_password", "POST /reset_password"),
        ] {
            let answer = visitor.get(path);
            let body = answer.is(406).json();
            let members = body.as_object().expect("an object");
            assert!(body["message"].as_str().is_some_and(|m| m.contains(post)), "{path}: {body}");
            assert_eq!(members.len(), 1, "{path}: {body}");
        }
    }
}

#[test]
fn signing_up_answers_the_exercises_objects() {
    for encoding in ENCODINGS {
        let app = TestApp::new();
        let script = app.program();
        let sent = |fields: &[(&str, &str)]| script.send_as(encoding, Post, "/users", fields);
        let created = json!({ "email": "Ann@Example.com", "message": "user created" });
        let answer = sent(&pair("Ann@Example.com", PASSWORD));
        answer.is(200).json_is(&created);
        assert_eq!(answer.all("set-cookie"), Vec::<String>::new(), "an account, not a session");
        let taken = json!({ "message": "email already registered" });
        sent(&pair(ANN, "another good one")).is(400).json_is(&taken);
        for (fields, wrong) in [
            (&[][..], &["email", "password"][..]),
            (&[("email", "bob@example.com")], &["password"]),
            (&[("password", PASSWORD)], &["email"]),
            (&pair("", PASSWORD), &["email"]),
            (&pair("bob", PASSWORD), &["email"]),
            (&pair("bob@example.com", ""), &["password"]),
            (&pair("bob@example.com", "short"), &["password"]),
            (&pair("bob@example.com", "password1"), &["password"]),
            (&pair("bob", "short"), &["email", "password"]),
        ] {
            refuses(&sent(fields).is(422).json(), wrong);
        }
        script.post("/sessions", &pair("bob@example.com", PASSWORD)).is(401);
    }
}

/// `{"message": …, "errors": {FIELD: [SENTENCE, …], …}}` and nothing else.
#[track_caller]
pub fn refuses(body: &Value, fields: &[&str]) {
    let members: Vec<&String> = body.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["errors", "message"]);
    assert!(body["message"].as_str().is_some_and(|text| !text.is_empty()));
    let errors = body["errors"].as_object().expect("errors by field");
    assert_eq!(errors.keys().collect::<Vec<_>>(), fields);
    for sentences in errors.values() {
        let sentences = sentences.as_array().expect("sentences");
        assert!(!sentences.is_empty());
        assert!(sentences.iter().all(|s| s.as_str().is_some_and(|s| s.ends_with('.'))), "{body}");
    }
}

#[test]
fn logging_in_answers_the_exercises_objects_and_a_cookie() {
    for encoding in ENCODINGS {
        let app = TestApp::new();
        app.program().post("/users", &pair(ANN, PASSWORD)).is(200);
        let script = app.program();
        let sent = |fields: &[(&str, &str)]| script.send_as(encoding, Post, "/sessions", fields);
        let wrong = json!({ "message": "wrong email or password" });
        sent(&pair(ANN, "another harbour")).is(401).json_is(&wrong);
        sent(&pair("nobody@example.com", PASSWORD)).is(401).json_is(&wrong);
        sent(&pair("no address", PASSWORD)).is(401).json_is(&wrong);
        assert_eq!(script.cookie("session_id"), None);
        for (fields, missing) in [
            (&[][..], &["email", "password"][..]),
            (&[("email", ANN)], &["password"]),
            (&[("password", PASSWORD)], &["email"]),
            (&pair(ANN, ""), &["password"]),
        ] {
            refuses(&sent(fields).is(422).json(), missing);
        }
        let logged_in = json!({ "email": ANN, "message": "logged in" });
        sent(&pair(ANN, PASSWORD)).is(200).json_is(&logged_in);
        assert!(script.cookie("session_id").is_some());
        script.get("/profile").is(200).json_is(&json!({ "email": ANN }));
    }
}

#[test]
fn the_profile_shows_the_address_as_typed_and_answers_as_sent() {
    let app = TestApp::new();
    let script = app.program();
    script.post("/users", &pair("Ann@Example.com", PASSWORD)).is(200);
    let answer = script.post("/sessions", &pair("ANN@example.COM", PASSWORD));
    answer.is(200).json_is(&json!({ "email": "ANN@example.COM", "message": "logged in" }));
    script.get("/profile").is(200).json_is(&json!({ "email": "Ann@Example.com" }));
}

#[test]
fn logging_out_is_a_redirect_once_and_forbidden_after() {
    let app = TestApp::new();
    let script = app.program();
    let forbidden = json!({ "message": "Forbidden" });
    script.delete("/sessions").is(403).json_is(&forbidden);
    script.get("/profile").is(403).json_is(&forbidden);
    script.post("/users", &pair(ANN, PASSWORD)).is(200);
    script.post("/sessions", &pair(ANN, PASSWORD)).is(200);
    let cookie = script.cookie("session_id").expect("signed in");
    script.delete("/sessions").goes_to("/");
    assert_eq!(script.cookie("session_id"), None);
    script.set_cookie("session_id", &cookie);
    script.get("/profile").is(403).json_is(&forbidden);
    script.set_cookie("session_id", &cookie);
    script.delete("/sessions").is(403).json_is(&forbidden);
}

#[test]
fn asking_for_a_reset_is_the_same_for_every_address() {
    for encoding in ENCODINGS {
        let app = TestApp::new();
        app.program().post("/users", &pair(ANN, PASSWORD)).is(200);
        let script = app.program();
        let ask =
            |email: &str| script.send_as(encoding, Post, "/reset_password", &[("email", email)]);
        let said = |email: &str| {
            let mut body = ask(email).is(200).json();
            assert_eq!(body["email"], email);
            body["email"].take();
            body
        };
        let known = said(ANN);
        assert!(known["message"].as_str().is_some_and(|text| !text.is_empty()), "{known}");
        assert_eq!(known.as_object().map(|members| members.len()), Some(2), "{known}");
        assert_eq!(known, said("nobody@example.com"));
        refuses(&ask("no address").is(422).json(), &["email"]);
        refuses(&ask("").is(422).json(), &["email"]);
        assert_eq!(app.mailbox().len(), 1);
    }
}

fn token(app: &TestApp) -> String {
    app.program().post("/users", &pair(ANN, PASSWORD));
    let token = app.wait(app.auth().get_reset_password_token(ANN, Timestamp::now()));
    token.expect("ann has an account").expose_secret().to_owned()
}

fn put_password(script: &Visitor<'_>, encoding: Encoding, fields: &[(&str, &str)]) -> (u16, Value) {
    let answer = script.send_as(encoding, Put, "/reset_password", fields);
    (answer.status.code, answer.json())
}

#[test]
fn a_reset_token_is_good_for_one_password() {
    for encoding in ENCODINGS {
        let app = TestApp::new();
        let token = token(&app);
        let script = app.program();
        let path = format!("/reset_password/{token}");
        let alive = script.get(&path);
        assert!(alive.is(200).json()["message"].is_string());
        script.forget_cookies();
        let new = [("email", ANN), ("reset_token", &token), ("new_password", "another harbour")];
        let forbidden = (403, json!({ "message": "Forbidden" }));
        let mallory = [("email", "mallory@example.com"), new[1], new[2]];
        assert_eq!(put_password(&script, encoding, &mallory), forbidden);
        assert_eq!(put_password(&script, encoding, &new[2..]), forbidden);
        let wrong = [new[0], ("reset_token", "0123"), new[2]];
        assert_eq!(put_password(&script, encoding, &wrong), forbidden);
        let (status, body) = put_password(&script, encoding, &new[..2]);
        assert_eq!(status, 422);
        refuses(&body, &["new_password"]);
        let weak = [new[0], new[1], ("new_password", "password1")];
        let (status, body) = put_password(&script, encoding, &weak);
        assert_eq!(status, 422);
        refuses(&body, &["new_password"]);
        let updated = (200, json!({ "email": ANN, "message": "Password updated" }));
        assert_eq!(put_password(&script, encoding, &new), updated);
        assert_eq!(put_password(&script, encoding, &new), forbidden);
        script.get(&path).is(403).json_is(&json!({ "message": "Forbidden" }));
        script.post("/sessions", &pair(ANN, PASSWORD)).is(401);
        script.post("/sessions", &pair(ANN, "another harbour")).is(200);
    }
}

#[test]
fn a_reset_needs_no_email_and_answers_with_it() {
    let app = TestApp::new();
    let token = token(&app);
    let fields = [("reset_token", token.as_str()), ("new_password", "another harbour")];
    let updated = json!({ "email": ANN, "message": "Password updated" });
    app.program().put("/reset_password", &fields).is(200).json_is(&updated);
}

#[test]
fn probes_are_answered_under_any_name_to_anybody() {
    let app = TestApp::new();
    let ok = json!({ "status": "ok" });
    for visitor in [app.program(), app.browser()] {
        for host in ["127.0.0.1:8000", "10.1.2.3", "gatehouse.internal:80"] {
            for path in ["/health", "/ready"] {
                let answer = visitor.send(Get, path, &[("Host", host)], Vec::new());
                answer.is(200).json_is(&ok);
                assert_eq!(answer.all("set-cookie"), Vec::<String>::new());
            }
            if host != "127.0.0.1:8000" {
                visitor.send(Get, "/", &[("Host", host)], Vec::new()).is(421);
                visitor.send(Delete, "/health", &[("Host", host)], Vec::new()).is(405);
            }
        }
    }
}

#[test]
fn it_is_not_ready_while_a_migration_is_missing() {
    use diesel::connection::SimpleConnection;

    let app = TestApp::new();
    let forget = "DELETE FROM __diesel_schema_migrations WHERE version = '0002'";
    app.database().batch_execute(forget).expect("a table of Diesel's");
    for visitor in [app.program(), app.browser()] {
        visitor.get("/ready").is(503).json_is(&json!({ "status": "not ready" }));
        visitor.get("/health").is(200);
    }
}

#[test]
fn machines_find_what_they_look_for() {
    let app = TestApp::new();
    for visitor in [app.program(), app.browser()] {
        visitor.get("/.well-known/change-password").goes_to("/account/password");
        let robots = visitor.get("/robots.txt");
        robots.is(200).says("User-agent: *\nDisallow: /\n");
        assert_eq!(robots.header("content-type"), Some("text/plain; charset=utf-8"));
        let icon = visitor.get("/favicon.ico");
        icon.is(200).says("<svg");
        assert_eq!(icon.header("content-type"), Some("image/svg+xml"));
    }
}

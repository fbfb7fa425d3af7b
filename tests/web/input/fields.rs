//! Fields that are missing, empty, over-long, sent twice or too many; and each encoding means the same.

use gatehouse::accounts::user::{UserKey, find_user_by};
use rocket::http::Method::{self, Post, Put};
use serde_json::{Value, json};

use super::{ENCODINGS, Encoding, FORMS, is_refused, with_ann};
use crate::app::{PASSWORD, Pairs, TestApp};

const ANN: (&str, &str) = ("email", "ann@example.com");

#[test]
fn the_same_input_has_the_same_outcome_in_each_encoding() {
    let long = format!("{}@example.com", "a".repeat(300));
    let long_password = "x7".repeat(513);
    let umlauts =
        [("email", "jörg@münchen.example"), ("password", "  Übergrößen & ähnliches+%20\t ")];
    let cases: [(Method, &str, Pairs<'_>); 27] = [
        (Post, "/users", &[]),
        (Post, "/users", &[ANN]),
        (Post, "/users", &[ANN, ("password", "")]),
        (Post, "/users", &[("email", ""), ("password", "")]),
        (Post, "/users", &[ANN, ("password", "short")]),
        (Post, "/users", &[ANN, ("password", "password1")]),
        (Post, "/users", &[ANN, ("password", "ann@example.com")]),
        (Post, "/users", &[ANN, ("password", &long_password)]),
        (Post, "/users", &[("email", &long), ("password", PASSWORD)]),
        (Post, "/users", &[("email", " ann@example.com "), ("password", PASSWORD)]),
        (Post, "/users", &[ANN, ANN, ("password", PASSWORD)]),
        (Post, "/users", &[ANN, ("password", PASSWORD)]),
        (Post, "/users", &[("email", "ANN@example.com"), ("password", PASSWORD)]),
        (Post, "/users", &umlauts),
        (Post, "/sessions", &umlauts),
        (Post, "/sessions", &[umlauts[0], ("password", umlauts[1].1.trim())]),
        (Post, "/sessions", &[ANN]),
        (Post, "/sessions", &[ANN, ("password", ""), ("next", "/profile")]),
        (Post, "/sessions", &[ANN, ("password", &long_password)]),
        (Post, "/sessions", &[ANN, ("password", PASSWORD), ("password", PASSWORD)]),
        (Post, "/sessions", &[ANN, ("password", PASSWORD), ("remember", "yes"), ("next", "//x")]),
        (Post, "/reset_password", &[]),
        (Post, "/reset_password", &[("email", &long)]),
        (Post, "/reset_password", &[ANN]),
        (Put, "/reset_password", &[("reset_token", "x")]),
        (Put, "/reset_password", &[("reset_token", ""), ("new_password", PASSWORD)]),
        (Put, "/reset_password", &[("reset_token", "x"), ("new_password", "short")]),
    ];
    let outcomes = |encoding: Encoding| -> Vec<(String, u16, Value)> {
        let app = TestApp::new();
        let script = app.program();
        let outcome = |(method, path, fields): (Method, &str, Pairs<'_>)| {
            let answer = script.send_as(encoding, method, path, fields);
            let what: String = format!("{method} {path} {fields:?}").chars().take(120).collect();
            (what, answer.status.code, answer.json())
        };
        cases.map(outcome).into()
    };
    let form = outcomes(Encoding::Form);
    for encoding in [Encoding::Multipart, Encoding::Json] {
        for (expected, found) in form.iter().zip(outcomes(encoding)) {
            assert_eq!(*expected, found, "{encoding:?}");
        }
    }
}

#[test]
fn a_missing_or_empty_field_is_named_in_words() {
    let (app, before) = with_ann();
    for (method, path, fields) in FORMS {
        for (field, _) in fields {
            // A browser's reset form brings its token in a cookie, and needs no address.
            if method == Put && *field != "new_password" {
                continue;
            }
            for empty in [false, true] {
                let mut sent: Vec<_> =
                    fields.iter().filter(|(name, _)| name != field).copied().collect();
                sent.extend(empty.then_some((*field, "")));
                for encoding in ENCODINGS {
                    let what = format!("{method} {path} without {field} {encoding:?}");
                    let answer = app.program().send_as(encoding, method, path, &sent);
                    is_refused(&answer, &what);
                    assert_eq!(answer.status.code, 422, "{what}");
                    let errors = &answer.json()["errors"];
                    let said = errors[*field][0].as_str().unwrap_or_default().to_owned();
                    assert!(said.starts_with("Enter "), "{what}: {errors}");
                    assert_eq!(errors.as_object().map(|errors| errors.len()), Some(1), "{errors}");
                    let page = app.browser().send_as(encoding, method, path, &sent);
                    page.is(422).says(&said).says(&format!("id=\"{field}-error\""));
                }
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b61_a_field_sent_twice_is_refused_even_with_one_value() {
    let (app, before) = with_ann();
    for (method, path, fields) in FORMS {
        for (field, value) in fields {
            for other in [*value, "something else", ""] {
                for first in [true, false] {
                    let mut sent = fields.to_vec();
                    sent.insert(if first { 0 } else { sent.len() }, (field, other));
                    for encoding in ENCODINGS {
                        let what = format!("{method} {path} {sent:?} {encoding:?}");
                        let answer = app.program().send_as(encoding, method, path, &sent);
                        assert_eq!(answer.status.code, 422, "{what}: {}", answer.text());
                        let said = &answer.json()["errors"][*field][0];
                        assert_eq!(said, "This field was sent twice; send it once.", "{what}");
                    }
                    let page = app.browser().send_as(Encoding::Form, method, path, &sent);
                    page.is(422).says("This field was sent twice; send it once.");
                }
            }
        }
    }
    for extra in ["remember", "next"] {
        let sent = [ANN, ("password", PASSWORD), (extra, "/"), (extra, "/")];
        for encoding in ENCODINGS {
            app.program().send_as(encoding, Post, "/sessions", &sent).is(422).says(extra);
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b61_look_alike_names_are_no_fields() {
    let (app, before) = with_ann();
    for name in ["email[]", "email[0]", "email.x", "email.", "Email", " email", "user[email]"] {
        for path in ["/users", "/sessions", "/reset_password"] {
            for encoding in ENCODINGS {
                let sent = [(name, "ann@example.com"), ("password", PASSWORD)];
                let sent = if path == "/reset_password" { &sent[..1] } else { &sent[..] };
                let answer = app.program().send_as(encoding, Post, path, sent);
                assert_eq!(answer.status.code, 422, "{path} {name:?} {encoding:?}");
                assert!(answer.json()["errors"]["email"].is_array(), "{}", answer.text());
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b61_fields_come_from_the_body_alone() {
    let (app, before) = with_ann();
    let query = "?email=ann%40example.com&password=a%20quiet%20harbour";
    for path in ["/users", "/sessions"] {
        let answer = app.program().post(&format!("{path}{query}"), &[]);
        assert!(answer.is(422).json()["errors"]["email"].is_array());
        let answer = app.program().post(&format!("{path}{query}"), &[("email", "eve@example.com")]);
        assert_eq!(answer.is(422).json()["errors"].as_object().map(|errors| errors.len()), Some(1));
    }
    assert_eq!(app.dump(), before);
    // The body's address counts, whatever the query says.
    let asked = app.program().post("/reset_password?email=eve%40example.com", &[ANN]);
    assert_eq!(asked.is(200).json()["email"], "ann@example.com");
}

#[test]
fn b61_method_counts_as_first_field_of_a_posted_form_alone() {
    let (app, _) = with_ann();
    let script = app.program();
    let pair = [ANN, ("password", PASSWORD)];
    script.post("/sessions", &[pair[0], pair[1], ("_method", "delete")]).is(200);
    script.get("/profile").is(200);
    let fields = [("_method", "delete"), pair[0], pair[1]];
    script.send_as(Encoding::Multipart, Post, "/sessions", &fields).is(200);
    script
        .send_as(Encoding::Json, Post, "/sessions", &fields)
        .is(422)
        .says("There is no such field.");
    script.get("/profile").is(200);
    script.post("/sessions?_method=delete", &pair).is(200);
    script.post("/sessions", &fields).goes_to("/");
    script.get("/profile").is(403);
}

#[test]
fn b40_what_a_form_does_not_have_is_not_assigned() {
    let (app, before) = with_ann();
    let ann = find_user_by(&mut app.database(), UserKey::Id(1)).expect("ann");
    let hash = "$2b$04$GatehouseDummySalt000uGatehouseDummyHashNobodyKnows0.";
    let more = [
        ("role", "admin"),
        ("is_admin", "1"),
        ("email_verified", "true"),
        ("id", "1"),
        ("user[role]", "admin"),
        ("user_id", "1"),
        ("email_key", "eve@example.com"),
        ("hashed_password", hash),
        ("session_id", "00000000-0000-4000-8000-000000000000"),
        ("reset_token", "a token of mine"),
        ("created_at", "0"),
    ];
    for (name, value) in more {
        let body = json!({ "email": "bob@example.com", "password": PASSWORD, (name): value });
        let answer = app.program().json(Post, "/users", &body);
        let errors = &answer.is(422).json()["errors"];
        assert_eq!(*errors, json!({ name: ["There is no such field."] }), "{name}");
        let body = json!({ "email": "ann@example.com", "password": PASSWORD, (name): value });
        app.program().json(Post, "/sessions", &body).is(422);
        app.browser().json(Post, "/users", &body).is(422).says("There is no such field.");
    }
    assert_eq!(app.dump(), before);
    for (number, encoding) in [Encoding::Form, Encoding::Multipart].into_iter().enumerate() {
        let email = format!("bob{number}@example.com");
        let mut fields = vec![("email", email.as_str()), ("password", PASSWORD)];
        fields.extend(more);
        app.program().send_as(encoding, Post, "/users", &fields).is(200);
        let bob = find_user_by(&mut app.database(), UserKey::Email(&email)).expect("signed up");
        assert_eq!((bob.id, bob.email_key.as_str()), (number as i64 + 2, email.as_str()));
        assert!(bob.hashed_password != hash && bob.created_at > ann.created_at);
        assert_eq!((bob.session_id, bob.reset_token), (None, None));
        app.program().post("/sessions", &fields[..2]).is(200);
    }
    let now = find_user_by(&mut app.database(), UserKey::Id(1)).expect("ann");
    assert_eq!((now.email, now.hashed_password), (ann.email, ann.hashed_password));
}

#[test]
fn nothing_sent_at_all_is_missing_fields() {
    let app = TestApp::new();
    for path in ["/users", "/sessions", "/reset_password"] {
        for visitor in [app.program(), app.browser()] {
            visitor.send(rocket::http::Method::Post, path, &[], Vec::new()).is(422);
        }
        let answer = app.program().send(rocket::http::Method::Post, path, &[], Vec::new());
        assert!(answer.json()["errors"]["email"].is_array(), "{path}");
    }
}

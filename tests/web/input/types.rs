//! B-62: JSON that is no text where text belongs, and bodies that are no JSON object.

use rocket::http::Method::Post;
use serde_json::{Value, json};

use super::{FORMS, is_refused, object_with, with_ann};
use crate::app::PASSWORD;

#[test]
fn b62_a_field_of_another_type_is_422_and_named() {
    let (app, before) = with_ann();
    let odd = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(18_446_744_073_709_551_615_u64),
        json!([]),
        json!(["ann@example.com"]),
        json!({}),
        json!({ "$ne": "" }),
        json!({ "email": "ann@example.com" }),
        json!([[[["deep"]]]]),
    ];
    for (method, path, fields) in FORMS {
        for (field, _) in fields {
            for value in &odd {
                let body = object_with(fields, field, value);
                for visitor in [app.program(), app.browser()] {
                    let answer = visitor.json(method, path, &body);
                    let what = format!("{method} {path} {body}");
                    is_refused(&answer, &what);
                    assert_eq!(answer.status.code, 422, "{what}");
                    assert!(answer.text().contains("This field must be text."), "{what}");
                }
                let errors = app.program().json(method, path, &body).json()["errors"].take();
                assert!(errors[*field].is_array(), "{method} {path} {body}: {errors}");
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b62_what_is_no_json_object_is_400() {
    let (app, before) = with_ann();
    let deep = |depth: usize| format!("{{\"email\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    let (deep, deeper) = (deep(200), deep(7_000));
    let bom = "\u{feff}{\"email\":\"ann@example.com\",\"password\":\"a quiet harbour\"}";
    for body in [
        "",
        " ",
        "null",
        "true",
        "1",
        "\"email\"",
        "[]",
        "[{\"email\":\"ann@example.com\",\"password\":\"a quiet harbour\"}]",
        "{",
        "{}{}",
        "{\"email\"}",
        "{email:\"ann@example.com\"}",
        "{'email':'ann@example.com'}",
        "{\"email\":\"ann@example.com\",}",
        "{\"email\":1e400}",
        "{\"email\":NaN}",
        "{\"email\":Infinity}",
        "{\"email\":undefined}",
        "{\"email\":\"\\ud800\"}",
        "{\"email\":\"\\udc00\\ud800\"}",
        "{\"email\":\"\\x\"}",
        "{\"email\":\"tab\tand\nline\"}",
        "{\"email\":\"unended}",
        "/* */{}",
        bom,
        &deep,
        &deeper,
    ] {
        for (method, path, _) in FORMS {
            for visitor in [app.program(), app.browser()] {
                let start: String = body.chars().take(60).collect();
                let what = format!("{method} {path} {start}");
                let answer = visitor.send_body(method, path, "application/json", body.as_bytes());
                is_refused(&answer, &what);
                // A form without a password takes less, and is not even parsed.
                let short = path == "/reset_password" && method == rocket::http::Method::Post;
                let code = if short && body.len() > 4096 { 413 } else { 400 };
                assert_eq!(answer.status.code, code, "{what}: {}", answer.text());
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b62_utf16_is_refused() {
    let (app, before) = with_ann();
    let text = "{\"email\":\"ann@example.com\",\"password\":\"a quiet harbour\"}";
    let units: Vec<u16> = text.encode_utf16().collect();
    let bodies: [Vec<u8>; 3] = [
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        [0xfeff].iter().chain(&units).flat_map(|unit| unit.to_le_bytes()).collect(),
    ];
    for body in bodies {
        for visitor in [app.program(), app.browser()] {
            let answer = visitor.send_body(Post, "/users", "application/json", &body);
            is_refused(&answer, "UTF-16");
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b62_the_one_flag_may_be_a_json_flag() {
    let (app, _) = with_ann();
    for (remember, lasts) in
        [(json!(true), true), (json!("yes"), true), (json!(false), false), (json!("off"), false)]
    {
        let body =
            json!({ "email": "ann@example.com", "password": PASSWORD, "remember": remember });
        let answer = app.program().json(Post, "/sessions", &body);
        let cookies = answer.is(200).all("set-cookie");
        let session = cookies.iter().find(|cookie| cookie.starts_with("session_id="));
        let cookie = session.expect("a session");
        assert_eq!(cookie.contains("Max-Age="), lasts, "{remember}: {cookie}");
    }
    let other: [Value; 4] = [json!(1), json!(null), json!([true]), json!({})];
    for remember in other {
        let body =
            json!({ "email": "ann@example.com", "password": PASSWORD, "remember": remember });
        app.program().json(Post, "/sessions", &body).is(422).says("remember");
    }
}

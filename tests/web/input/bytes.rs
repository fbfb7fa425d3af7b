//! B-63: NUL and what is not UTF-8, in every field, header, cookie and path.

use rocket::http::Method::{Get, Post};

use super::{Encoding, FORMS, is_refused, multipart, with_ann};
use crate::app::{PASSWORD, TestApp, urlencoded};

/// Not UTF-8, percent-encoded: lone bytes, over-long forms of `/` and NUL, a surrogate, a cut one.
const NOT_UTF8: [&str; 8] =
    ["%ff", "%fe%ff", "%c0%af", "%c0%80", "%e0%80%af", "%ed%a0%80", "%f4%90%80%80", "%e2%82"];

fn decode(percent: &str) -> Vec<u8> {
    let bytes = percent.as_bytes().chunks(3);
    bytes
        .map(|hex| u8::from_str_radix(&String::from_utf8_lossy(&hex[1..]), 16).expect("hex"))
        .collect()
}

#[test]
fn b63_what_is_not_utf8_is_422_in_every_field() {
    let (app, before) = with_ann();
    for (method, path, fields) in FORMS {
        for (broken, _) in fields {
            let rest: Vec<_> = fields.iter().filter(|(name, _)| name != broken).copied().collect();
            for bytes in NOT_UTF8 {
                let raw = decode(bytes);
                let form = format!("{}&{broken}=some{bytes}thing", urlencoded(&rest));
                let mut form_raw = format!("{}&{broken}=", urlencoded(&rest)).into_bytes();
                form_raw.extend_from_slice(&raw);
                let mut parts: Vec<(&str, &[u8])> =
                    rest.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
                parts.push((broken, &raw));
                let json = format!("{{\"{broken}\":\"MARK\"}}").into_bytes();
                let at = json.windows(4).position(|four| four == b"MARK").expect("there");
                let json = [&json[..at], &raw, &json[at + 4..]].concat();
                for (encoding, body) in [
                    (Encoding::Form, form.into_bytes()),
                    (Encoding::Form, form_raw),
                    (Encoding::Multipart, multipart(&parts)),
                    (Encoding::Json, json),
                ] {
                    let what = format!("{method} {path} {broken}={bytes} {encoding:?}");
                    let answer =
                        app.program().send_body(method, path, &encoding.content_type(), &body);
                    is_refused(&answer, &what);
                    assert_eq!(answer.status.code, 422, "{what}: {}", answer.text());
                    answer.says("This is not valid UTF-8 text.");
                }
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b63_a_page_says_which_field_is_not_text() {
    let (app, before) = with_ann();
    let body = b"email=ann%ff%40example.com&password=x";
    let answer = app.browser().send_body(Post, "/users", &Encoding::Form.content_type(), body);
    answer.is(422).says("id=\"email-error\"").says("This is not valid UTF-8 text.");
    let name = b"em%ffail=ann%40example.com&email=a@example.com&password=a+quiet+harbour";
    let answer = app.browser().send_body(Post, "/users", &Encoding::Form.content_type(), name);
    answer.is(422).says("This is not valid UTF-8 text.");
    assert_eq!(app.dump(), before);
}

#[test]
fn b63_nul_is_refused_in_addresses_and_counts_in_passwords() {
    let app = TestApp::new();
    let script = app.program();
    let json = Encoding::Json.content_type();
    for (encoding, body) in [
        (Encoding::Form, urlencoded(&[("email", "a\0@example.com"), ("password", PASSWORD)])),
        (Encoding::Json, r#"{"email":"a\u0000@example.com","password":"a quiet harbour"}"#.into()),
    ] {
        let answer = script.send_body(Post, "/users", &encoding.content_type(), body.as_bytes());
        answer.is(422).says("An e-mail address has no spaces in it.");
        script
            .send_body(Post, "/reset_password", &encoding.content_type(), body.as_bytes())
            .is(422);
        script.send_body(Post, "/sessions", &encoding.content_type(), body.as_bytes()).is(401);
    }
    let with_nul = br#"{"email":"ann@example.com","password":"quiet\u0000harbour"}"#;
    script.send_body(Post, "/users", &json, with_nul).is(200);
    script.send_body(Post, "/sessions", &json, with_nul).is(200);
    for other in ["quiet", "quiet\0", "quiet\0harbor", "quietharbour", "quiet\u{fffd}harbour"] {
        script.post("/sessions", &[("email", "ann@example.com"), ("password", other)]).is(401);
    }
}

#[test]
fn b63_nul_in_what_else_a_form_has_is_harmless() {
    let (app, _) = with_ann();
    let pair = [("email", "ann@example.com"), ("password", PASSWORD)];
    let browser = app.browser();
    browser.post("/sessions", &[pair[0], pair[1], ("next", "/\0")]).goes_to("/profile");
    browser.post("/sessions", &[pair[0], pair[1], ("remember", "\0")]).goes_to("/profile");
    let token = [("reset_token", "\0"), ("new_password", "another harbour")];
    app.program().put("/reset_password", &token).is(403);
    let email = [("email", "ann@example.com\0"), ("reset_token", "x"), ("new_password", "y")];
    app.program().put("/reset_password", &email).is(403);
    for (bytes, code) in [("%ff", 422), ("%c0%af", 422)] {
        for field in ["next", "remember"] {
            let body = format!("{}&{field}={bytes}", urlencoded(&pair));
            let kind = Encoding::Form.content_type();
            app.program().send_body(Post, "/sessions", &kind, body.as_bytes()).is(code);
        }
    }
}

#[test]
fn b63_headers_of_any_bytes_change_no_answer() {
    let (app, _) = with_ann();
    let script = app.program();
    for value in ["\0", "a\0b", "\u{fffd}", "\u{1b}[2J", "é", "\u{202e}"] {
        for name in ["User-Agent", "Accept", "Accept-Language", "Cookie", "X-Request-Id"] {
            let answer = script.send(Get, "/", &[(name, value)], Vec::new());
            answer.is(200).json_is(&serde_json::json!({ "message": "Bienvenue" }));
            assert!(!format!("{:?}", answer.headers).contains(value), "{name}: reflected");
        }
        for name in ["Origin", "Sec-Fetch-Site"] {
            let body = Encoding::Form.body(FORMS[1].2);
            let kind = Encoding::Form.content_type();
            let extra = [(name, value), ("Content-Type", &kind)];
            script.send(Post, "/sessions", &extra, body).is(403);
        }
        script.send(Get, "/", &[("Host", value)], Vec::new()).is(421);
        let kind = Encoding::Form.content_type();
        let extra = [("User-Agent", value), ("Content-Type", kind.as_str())];
        script.send(Post, "/sessions", &extra, Encoding::Form.body(FORMS[1].2)).is(200);
    }
    let dump = script.get("/profile");
    dump.is(200);
}

#[test]
fn b63_cookies_of_any_bytes_open_nothing() {
    let (app, before) = with_ann();
    for value in ["%00", "%C3%A9", "%0d%0a", "%EF%BF%BD", "%22%3B", ""] {
        for cookie in ["session_id", "reset_token", "notice"] {
            let browser = app.browser();
            browser.set_cookie(cookie, value);
            browser.get("/profile").goes_to("/login?next=/profile");
            browser.set_cookie(cookie, value);
            browser.get("/reset_password/new").is(403);
            browser.set_cookie(cookie, value);
            browser.get("/").is(200).says("Welcome to Gatehouse").does_not_say("role=\"status\"");
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b63_paths_of_any_bytes_lead_nowhere() {
    let (app, before) = with_ann();
    for bytes in ["%00", "%ff", "%c0%af", "%ed%a0%80", "%0d%0aX-Evil:%201", "%e2%80%ae"] {
        for (path, code) in [
            (format!("/{bytes}"), 404),
            (format!("/profile{bytes}"), 404),
            (format!("/profile/{bytes}"), 404),
            (format!("/static/{bytes}"), 404),
            (format!("/static/app.css{bytes}"), 404),
            (format!("/reset_password/{bytes}"), 403),
            (format!("/reset_password/new/{bytes}"), 404),
        ] {
            for visitor in [app.program(), app.browser()] {
                let answer = visitor.get(&path);
                is_refused(&answer, &path);
                assert_eq!(answer.status.code, code, "{path}");
                assert_eq!(answer.header("x-evil"), None, "{path}");
            }
        }
        app.browser().get(&format!("/login?next={bytes}")).is(200).does_not_say("name=\"next\"");
        app.browser().get(&format!("/?{bytes}={bytes}")).is(200);
    }
    // Not even a path.
    for path in ["/é", "/a b", "/\0", "profile", "", "http://127.0.0.1:8000/", "*"] {
        for visitor in [app.program(), app.browser()] {
            is_refused(&visitor.get(path), path);
        }
    }
    assert_eq!(app.dump(), before);
}

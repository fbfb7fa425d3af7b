//! Methods and content types that are not what they say.

use rocket::http::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, Visitor, urlencoded};

const ANN: &str = "ann@example.com";
const FORM: &str = "application/x-www-form-urlencoded";

#[track_caller]
fn post_form(visitor: &Visitor<'_>, path: &str, body: &str) -> u16 {
    let kind = ("Content-Type", FORM);
    visitor.send(Method::Post, path, &[kind], body.as_bytes().to_vec()).status.code
}

#[test]
fn b49_a_form_cannot_name_a_harmless_method() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let before = app.dump();
    for (method, code) in [
        ("get", 400),
        ("GET", 400),
        ("Get", 400),
        ("head", 400),
        ("HEAD", 400),
        ("trace", 405),
        ("TRACE", 405),
        ("patch", 405),
    ] {
        for path in ["/sessions", "/users", "/reset_password"] {
            let body = format!("_method={method}&email={ANN}&password=x");
            assert_eq!(post_form(&ann, path, &body), code, "{method} {path}");
            // From another site it is refused whatever it says it is.
            ann.header("Sec-Fetch-Site", "cross-site");
            let code = post_form(&ann, path, &body);
            assert!([400, 403].contains(&code), "{method} {path}: {code}");
            ann.header("Sec-Fetch-Site", "same-origin");
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b49_put_and_delete_may_be_named_first_and_in_any_case() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    for method in ["delete", "DELETE", "Delete"] {
        ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
        assert_eq!(post_form(&ann, "/sessions", &format!("_method={method}")), 303, "{method}");
        ann.get("/profile").goes_to("/login?next=/profile");
    }
}

#[test]
fn b49_a_method_named_elsewhere_is_no_method() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let before = app.dump();
    for body in [
        "email=ann@example.com&password=wrong+password&_method=delete",
        "&_method=delete&email=ann@example.com&password=wrong+password",
        "_METHOD=delete&email=ann@example.com&password=wrong+password",
        "x_method=delete&email=ann@example.com&password=wrong+password",
        // Rocket reads no further than the longest method it knows to be sent by forms.
        "_method=options&email=ann@example.com&password=wrong+password",
        "_method=connect&email=ann@example.com&password=wrong+password",
        "_method=nonsense&email=ann@example.com&password=wrong+password",
    ] {
        // A log-in that fails, and no log-out.
        let code = post_form(&ann, "/sessions", body);
        assert!([401, 422].contains(&code), "{body}: {code}");
    }
    for header in ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "_method"] {
        let body = urlencoded(&[("email", ANN), ("password", "wrong password")]).into_bytes();
        let headers = [("Content-Type", FORM), (header, "DELETE")];
        let answer = ann.send(Method::Post, "/sessions", &headers, body);
        assert_eq!(answer.status.code, 401, "{header}");
    }
    ann.json(Method::Post, "/sessions", &json!({ "_method": "delete" })).is(422);
    let code = ann.send(Method::Post, "/sessions?_method=delete", &[], Vec::new()).status.code;
    assert_eq!(code, 422);
    assert_eq!(app.dump(), before);
    ann.get("/profile").is(200);
}

#[test]
fn b49_a_multipart_form_names_no_method() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    ann.get(&app.mailed_link()).goes_to("/reset_password/new");
    let kind = "multipart/form-data; boundary=edge";
    let part = |name: &str, value: &str| {
        format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = part("_method", "put") + &part("email", ANN) + &part("new_password", "other words");
    let body = format!("{body}--edge--\r\n").into_bytes();
    // A POST it stays: another link is asked for, the password is as it was.
    ann.send(Method::Post, "/reset_password", &[("Content-Type", kind)], body)
        .goes_to("/reset_password/sent");
    let log_in =
        |password| app.browser().post("/sessions", &[("email", ANN), ("password", password)]);
    log_in("other words").is(401);
    log_in(PASSWORD).goes_to("/profile");
}

#[test]
fn b49_looking_with_a_body_changes_nothing() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let before = app.dump();
    for method in [Method::Get, Method::Head] {
        for path in ["/sessions", "/users", "/reset_password", "/profile", "/"] {
            // No form comes by these methods, whatever its first field is called.
            for first in ["_method=delete", "%5fmethod=delete", "email=ann%40example.com"] {
                let body = format!("{first}&email={ANN}&password={PASSWORD}").into_bytes();
                let answer = ann.send(method, path, &[("Content-Type", FORM)], body);
                assert_eq!(answer.status.code, 400, "{method} {path} {first}");
            }
            let pair = json!({ "_method": "delete", "email": ANN, "password": PASSWORD });
            let kind = ("Content-Type", "application/json");
            let answer = ann.send(method, path, &[kind], pair.to_string().into_bytes());
            assert!([200, 303].contains(&answer.status.code), "{method} {path}");
        }
    }
    assert_eq!(app.dump(), before);
    // HEAD on what takes a POST alone is the GET that a reload would send.
    ann.send(Method::Head, "/sessions", &[], Vec::new()).goes_to("/login");
    app.program().send(Method::Head, "/users", &[], Vec::new()).is(405);
}

#[test]
fn b48_a_content_type_must_be_what_the_body_is() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let form = urlencoded(&[("email", "eve@example.com"), ("password", PASSWORD)]);
    let json = json!({ "email": "eve@example.com", "password": PASSWORD }).to_string();
    let multipart = "--edge\r\nContent-Disposition: form-data; name=\"email\"\r\n\r\n\
                     eve@example.com\r\n--edge--\r\n";
    let before = app.dump();
    for (kind, body, code) in [
        (Some("text/plain"), json.as_str(), 415),
        (Some("text/plain;charset=utf-8"), &json, 415),
        (Some("text/json"), &json, 415),
        (Some("application/json;charset=x"), &json, 415),
        (Some("application/json;charset=utf-16"), &json, 415),
        (Some("application/ld+json"), &json, 415),
        (Some("application/xml"), &json, 415),
        (Some("*/*"), &json, 415),
        (Some("application/x-www-form-urlencoded;foo"), &form, 415),
        (Some("application/x-www-form-urlencoded;charset=latin1"), &form, 415),
        (Some("application/x-www-form-urlencoded, application/json"), &json, 415),
        (Some("multipart/form-data"), multipart, 415),
        (Some("multipart/mixed; boundary=edge"), multipart, 415),
        (Some("nonsense"), &form, 415),
        (Some(""), &form, 415),
        (None, &form, 415),
        (None, &json, 415),
        (Some("application/json"), &form, 400),
        (Some("multipart/form-data; boundary=other"), multipart, 400),
        (Some("multipart/form-data; boundary=edge"), &form, 400),
        (Some("application/x-www-form-urlencoded"), &json, 422),
        (Some("application/x-www-form-urlencoded"), multipart, 422),
    ] {
        for visitor in [app.browser(), app.program()] {
            let headers: Vec<(&str, &str)> =
                kind.map(|kind| ("Content-Type", kind)).into_iter().collect();
            for path in ["/users", "/sessions"] {
                let answer = visitor.send(Method::Post, path, &headers, body.into());
                assert_eq!(answer.status.code, code, "{path} {kind:?} {body}: {}", answer.text());
            }
        }
        // The types that a form of another site can send are refused by where they come from.
        let visitor = app.browser();
        visitor.header("Sec-Fetch-Site", "cross-site");
        let headers: Vec<(&str, &str)> =
            kind.map(|kind| ("Content-Type", kind)).into_iter().collect();
        visitor.send(Method::Post, "/users", &headers, body.into()).is(403);
    }
    assert_eq!(app.dump(), before);
    let charset = [("Content-Type", "application/json; charset=UTF-8")];
    app.program().send(Method::Post, "/users", &charset, json.into_bytes()).is(200);
}

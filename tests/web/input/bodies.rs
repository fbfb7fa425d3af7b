//! B-48, B-75, B-76: bodies of another type, of another size, or packed.

use std::time::{Duration, Instant};

use rocket::http::Method::{Post, Put};

use super::{ENCODINGS, Encoding, FORMS, is_refused, multipart, with_ann};
use crate::app::{PASSWORD, TestApp};

#[test]
fn b48_other_content_types_are_415_and_change_nothing() {
    let (app, before) = with_ann();
    let form = Encoding::Form;
    for (method, path, fields) in FORMS {
        let (json, form) = (Encoding::Json.body(fields), form.body(fields));
        let parts = Encoding::Multipart.body(fields);
        for (kind, body) in [
            ("text/plain", &json),
            ("text/plain; charset=utf-8", &form),
            ("application/xml", &json),
            ("application/vnd.api+json", &json),
            ("text/json", &json),
            ("application/*", &json),
            ("json", &json),
            ("", &json),
            ("application/json;charset=x", &json),
            ("application/json; charset=utf-16", &json),
            ("application/json, text/plain", &json),
            ("application/x-www-form-urlencoded;foo", &form),
            ("application/x-www-form-urlencoded; charset=iso-8859-1", &form),
            ("multipart/form-data", &parts),
            ("multipart/mixed; boundary=----boundary7MA4YWxk", &parts),
            ("application/json\u{0}", &json),
        ] {
            for visitor in [app.program(), app.browser()] {
                let what = format!("{method} {path} as {kind:?}");
                let answer = visitor.send_body(method, path, kind, body);
                is_refused(&answer, &what);
                assert_eq!(answer.status.code, 415, "{what}: {}", answer.text());
            }
        }
        for visitor in [app.program(), app.browser()] {
            let answer = visitor.send(method, path, &[], json.clone());
            assert_eq!(answer.status.code, 415, "{method} {path} without a type");
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b48_a_body_that_is_not_what_it_says_is_refused() {
    let (app, before) = with_ann();
    for (method, path, fields) in FORMS {
        for says in ENCODINGS {
            for is in ENCODINGS.into_iter().filter(|is| *is != says) {
                for visitor in [app.program(), app.browser()] {
                    let body = is.body(fields);
                    let answer = visitor.send_body(method, path, &says.content_type(), &body);
                    is_refused(&answer, &format!("{method} {path}: {is:?} as {says:?}"));
                }
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn usual_spellings_of_the_three_types_pass() {
    let (app, _) = with_ann();
    let fields = [("email", "ann@example.com"), ("password", PASSWORD)];
    for (encoding, kind) in [
        (Encoding::Json, "application/json; charset=utf-8"),
        (Encoding::Json, "application/json;charset=UTF-8"),
        (Encoding::Json, "APPLICATION/JSON"),
        (Encoding::Form, "application/x-www-form-urlencoded; charset=utf-8"),
        (Encoding::Form, "Application/X-WWW-Form-Urlencoded"),
        (Encoding::Multipart, "multipart/form-data; charset=utf-8; boundary=----boundary7MA4YWxk"),
        (Encoding::Multipart, "multipart/form-data; boundary=\"----boundary7MA4YWxk\""),
    ] {
        let answer = app.program().send_body(Post, "/sessions", kind, &encoding.body(&fields));
        assert_eq!(answer.status.code, 200, "{kind}: {}", answer.text());
    }
}

#[test]
fn b76_packed_bodies_are_415() {
    let (app, before) = with_ann();
    for (method, path, fields) in FORMS {
        let body = Encoding::Form.body(fields);
        for coding in ["gzip", "br", "deflate", "x-gzip", "identity, gzip", "zstd"] {
            let extra = [
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Content-Encoding", coding),
            ];
            for visitor in [app.program(), app.browser()] {
                let answer = visitor.send(method, path, &extra, body.clone());
                is_refused(&answer, coding);
                assert_eq!(answer.status.code, 415, "{method} {path} {coding}");
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b76_big_bodies_are_413() {
    let (app, before) = with_ann();
    let long = "x".repeat(33 * 1024);
    let many = "a=1&".repeat(100_000);
    let json = format!("{{\"email\":\"{}\"}}", "x".repeat(1 << 20));
    let deep = "[".repeat(100_000);
    let parts: Vec<(&str, &[u8])> = vec![("email", b"ann@example.com"); 400];
    for (method, path, _) in FORMS {
        for (encoding, body) in [
            (Encoding::Form, format!("email={long}").into_bytes()),
            (Encoding::Form, many.clone().into_bytes()),
            (Encoding::Form, format!("{many}email=ann@example.com").into_bytes()),
            (Encoding::Json, json.clone().into_bytes()),
            (Encoding::Json, deep.clone().into_bytes()),
            (Encoding::Multipart, multipart(&[("email", long.as_bytes())])),
            (Encoding::Multipart, multipart(&parts)),
        ] {
            for visitor in [app.program(), app.browser()] {
                let kind = encoding.content_type();
                let answer = visitor.send_body(method, path, &kind, &body);
                let what = format!("{method} {path} {encoding:?}, {} bytes", body.len());
                is_refused(&answer, &what);
                assert_eq!(answer.status.code, 413, "{what}");
            }
        }
    }
    assert_eq!(app.dump(), before);
}

/// At this cost a hash takes seconds: an answer that comes at once came without one.
fn slow_hashes() -> TestApp {
    TestApp::with("", &[("ROCKET_BCRYPT_COST", "16")])
}

#[test]
fn b75_long_passwords_are_refused_without_hashing() {
    let app = slow_hashes();
    let before = app.dump();
    let start = Instant::now();
    for (length, sign_up, log_in) in
        [(1_025, 422, 401), (8 * 1024, 422, 401), (32 * 1024, 413, 413), (1 << 20, 413, 413)]
    {
        let password = "x7".repeat(length / 2) + &"x".repeat(length % 2);
        let fields = [("email", "ann@example.com"), ("password", password.as_str())];
        for encoding in ENCODINGS {
            for visitor in [app.program(), app.browser()] {
                let answer = visitor.send_as(encoding, Post, "/users", &fields);
                assert_eq!(answer.status.code, sign_up, "{length} {encoding:?}");
                let answer = visitor.send_as(encoding, Post, "/sessions", &fields);
                assert_eq!(answer.status.code, log_in, "{length} {encoding:?}");
            }
        }
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}: hashed", start.elapsed());
    assert_eq!(app.dump(), before);
}

#[test]
fn b75_an_announced_flood_is_refused_unread() {
    let (app, before) = with_ann();
    for (method, path, fields) in FORMS {
        for length in ["104857600", "18446744073709551615", "262145"] {
            let extra =
                [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", length)];
            // The body that did come would pass.
            let answer = app.program().send(method, path, &extra, Encoding::Form.body(fields));
            answer.is(413).says("too large");
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b75_a_long_new_password_leaves_the_token_alive() {
    let (app, _) = with_ann();
    let browser = app.browser();
    browser
        .post("/reset_password", &[("email", "ann@example.com")])
        .goes_to("/reset_password/sent");
    browser.get(&app.mailed_link()).goes_to("/reset_password/new");
    for (length, code) in [(1_025, 422), (32 * 1024, 413)] {
        let password = "x".repeat(length);
        browser.put("/reset_password", &[("new_password", &password)]).is(code);
    }
    browser.put("/reset_password", &[("new_password", "another harbour")]).goes_to("/login");
}

#[test]
fn the_longest_password_fits_however_it_is_written() {
    let password = "Zwölf Boxkämpfer jagen Viktor. ".repeat(31);
    let fits: String = password.chars().chain("x".repeat(1024).chars()).collect();
    let mut end = 1024;
    while !fits.is_char_boundary(end) {
        end -= 1;
    }
    let password = &fits[..end];
    let app = TestApp::new();
    let script = app.program();
    let percent: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let form = format!("email=ann%40example.com&password={percent}");
    script.send_body(Post, "/users", &Encoding::Form.content_type(), form.as_bytes()).is(200);
    let units: String = password.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
    let json = format!("{{\"email\":\"ann@example.com\",\"password\":\"{units}\"}}");
    script.send_body(Post, "/sessions", "application/json", json.as_bytes()).is(200);
    let fields = [("email", "ann@example.com"), ("password", password)];
    script.send_as(Encoding::Multipart, Post, "/sessions", &fields).is(200);
    let shorter = [fields[0], ("password", &password[..end - 1])];
    script.send_as(Encoding::Multipart, Post, "/sessions", &shorter).is(401);
}

#[test]
fn damaged_multipart_is_refused() {
    let (app, before) = with_ann();
    let kind = Encoding::Multipart.content_type();
    let whole = Encoding::Multipart.body(FORMS[0].2);
    let text = String::from_utf8(whole.clone()).expect("text");
    let nameless = text.replace("; name=\"email\"", "");
    let file = text.replace("name=\"email\"", "name=\"email\"; filename=\"e.txt\"");
    let unended = text.trim_end().trim_end_matches('-').to_owned();
    for (what, body) in [
        ("cut", whole[..whole.len() / 2].to_vec()),
        ("without an end", unended.into_bytes()),
        ("empty", Vec::new()),
        ("garbage", vec![0xff; 100]),
        ("another boundary", text.replace("----boundary7MA4YWxk", "----other").into_bytes()),
        ("without a name", nameless.into_bytes()),
        ("a file", file.into_bytes()),
    ] {
        for visitor in [app.program(), app.browser()] {
            is_refused(&visitor.send_body(Post, "/users", &kind, &body), what);
            is_refused(&visitor.send_body(Put, "/reset_password", &kind, &body), what);
        }
    }
    assert_eq!(app.dump(), before);
}

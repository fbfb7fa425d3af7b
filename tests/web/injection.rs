//! B-57: SQL where text belongs, in every field, header, cookie and path.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rocket::http::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

const ANN: &str = "ann@example.com";

const SQL: [&str; 14] = [
    "'",
    "\"",
    "\\",
    "' OR '1'='1",
    "' OR '1'='1' --",
    "\" OR \"\"=\"",
    "'; DROP TABLE users; --",
    "'); DELETE FROM sessions; --",
    "' UNION SELECT id, email, hashed_password FROM users --",
    "1; ATTACH DATABASE 'x' AS y; --",
    "%' OR email LIKE '%",
    "_nn@example.com",
    "admin'/*",
    "x' AND randomblob(1000000000) --",
];

#[test]
fn b57_sql_in_a_field_is_text() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let before = app.dump();
    for sql in SQL {
        let addresses = [sql.to_owned(), format!("{ANN}{sql}"), format!("{sql}@example.com")];
        for visitor in [app.browser(), app.program()] {
            for email in &addresses {
                let pair = json!({ "email": email, "password": PASSWORD });
                let form = [("email", email.as_str()), ("password", PASSWORD)];
                for answer in [
                    visitor.post("/sessions", &form),
                    visitor.json(Method::Post, "/sessions", &pair),
                ] {
                    assert_eq!(answer.status.code, 401, "{email}");
                }
            }
            for answer in [
                visitor.post("/sessions", &[("email", ANN), ("password", sql)]),
                visitor.post("/sessions", &[("email", ANN), ("password", sql), ("next", sql)]),
                visitor.json(Method::Post, "/sessions", &json!({ "email": ANN, "password": sql })),
            ] {
                assert_eq!(answer.status.code, 401, "{sql}");
            }
            for answer in [
                visitor.put(
                    "/reset_password",
                    &[("reset_token", sql), ("new_password", "other words")],
                ),
                visitor.json(
                    Method::Put,
                    "/reset_password",
                    &json!({ "reset_token": sql, "email": sql, "new_password": sql }),
                ),
            ] {
                assert_eq!(answer.status.code, 403, "{sql}");
            }
        }
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b57_sql_in_a_header_a_cookie_or_a_path_is_text() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let before = app.dump();
    for sql in SQL {
        let encoded = utf8_percent_encode(sql, NON_ALPHANUMERIC).to_string();
        for visitor in [app.browser(), app.program()] {
            visitor.get(&format!("/reset_password/{encoded}")).is(403);
            visitor.get(&format!("/static/{encoded}")).is(404);
            visitor.get(&format!("/{encoded}")).is(404);
            visitor.get(&format!("/login?next={encoded}"));
            for name in ["session_id", "reset_token", "notice"] {
                visitor.set_cookie(name, &encoded);
            }
            assert!([303, 403].contains(&visitor.get("/profile").status.code), "{sql}");
            visitor.get("/reset_password/new").is(403);
            for name in ["User-Agent", "X-Forwarded-For", "X-Real-IP", "Referer", "Accept-Language"]
            {
                visitor.header(name, sql);
            }
            assert!([200, 406].contains(&visitor.get("/login").status.code), "{sql}");
        }
    }
    assert_eq!(app.dump(), before);
    ann.get("/profile").is(200);
}

#[test]
fn b57_sql_in_a_browsers_name_is_stored_as_it_is() {
    let app = TestApp::new();
    app.signed_up(ANN);
    for sql in SQL {
        let browser = app.browser();
        browser.header("User-Agent", sql);
        browser.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
        let stored = format!("user_agent: {sql:?}");
        assert!(app.dump().contains(&stored), "{stored}");
        browser.delete("/sessions").goes_to("/");
    }
}

#[test]
fn b57_a_quote_in_an_address_is_nothing_special() {
    let app = TestApp::new();
    let email = "o'hara_100%@example.com";
    let form = [("email", email), ("password", PASSWORD)];
    app.program().post("/users", &form).is(200);
    // Neither `_` nor `%` stands for anything but itself.
    for other in ["o'hara-100%@example.com", "o'hara_1000@example.com"] {
        app.program().post("/sessions", &[("email", other), ("password", PASSWORD)]).is(401);
    }
    let browser = app.browser();
    browser.post("/sessions", &form).goes_to("/profile");
    browser.get("/profile").says("o&#x27;hara_100%@example.com");
    browser.post("/reset_password", &[("email", email)]).goes_to("/reset_password/sent");
    assert_eq!(app.mailbox()[0].to, email);
}

//! Traps 5 and 17: what Rocket's private cookies are by default, what its catchers forget, and whom its
//! fairings never see.

use rocket::fairing::AdHoc;
use rocket::http::{Cookie, CookieJar, Header, Status};
use rocket::{catch, catchers, get, routes};

use super::{bare, client};
use crate::app::{PASSWORD, TestApp};

const ANN: &str = "ann@example.com";

#[get("/set")]
fn set(jar: &CookieJar<'_>) -> &'static str {
    jar.add_private(("session_id", "value"));
    "set"
}

#[get("/remove")]
fn remove(jar: &CookieJar<'_>) -> &'static str {
    jar.remove_private("__Host-session_id");
    "removed"
}

/// The one cookie of an answer, as it is sent.
fn set_cookie(response: &rocket::local::blocking::LocalResponse<'_>) -> Option<String> {
    response.headers().get_one("Set-Cookie").map(str::to_owned)
}

#[test]
fn trap_5_rockets_private_cookies_are_strict_last_a_week_and_know_no_https() {
    let rocket = client(bare().mount("/", routes![set, remove]));
    let cookie = set_cookie(&rocket.get("/set").dispatch()).expect("a cookie");
    assert!(cookie.contains("SameSite=Strict") && cookie.contains("HttpOnly"), "{cookie}");
    assert!(cookie.contains("Expires=") && !cookie.contains("Secure"), "{cookie}");
    // Browsers refuse a removal of a `__Host-` cookie that is not Secure.
    let sent = rocket.get("/remove").cookie(Cookie::new("__Host-session_id", "x"));
    let removal = set_cookie(&sent.dispatch()).expect("a removal");
    assert!(!removal.contains("Secure"), "{removal}");
}

#[test]
fn trap_5_ours_are_lax_and_last_as_long_as_was_asked() {
    let base_url = "base_url = \"https://login.example.org\"";
    for (app, name, secure) in [
        (TestApp::new(), "session_id=", false),
        (TestApp::with(base_url, &[]), "__Host-session_id=", true),
    ] {
        let pair = [("email", ANN), ("password", PASSWORD), ("remember", "yes")];
        app.program().post("/users", &pair[..2]).is(200);
        let cookie = |answer: crate::app::Answer| {
            let cookies = answer.all("set-cookie");
            let mut ours = cookies.into_iter().filter(|cookie| cookie.starts_with(name));
            ours.next().expect("a session's cookie")
        };
        let browser = app.browser();
        let short = cookie(browser.post("/sessions", &pair[..2]));
        assert!(!short.contains("Expires") && !short.contains("Max-Age"), "{short}");
        let long = cookie(browser.post("/sessions", &pair));
        assert!(long.contains("Max-Age=2592000") && long.contains("Expires="), "{long}");
        let removal = cookie(browser.delete("/sessions"));
        assert!(removal.contains("Max-Age=0"), "{removal}");
        for cookie in [short, long, removal] {
            for attribute in ["SameSite=Lax", "HttpOnly", "Path=/"] {
                assert!(cookie.contains(attribute), "{attribute}: {cookie}");
            }
            assert_eq!(cookie.contains("Secure"), secure, "{cookie}");
            assert!(!cookie.contains("Domain"), "{cookie}");
        }
    }
}

#[get("/fails")]
fn fails(jar: &CookieJar<'_>) -> Status {
    jar.add(("dropped", "yes"));
    Status::Unauthorized
}

#[catch(401)]
fn caught(_: Status, request: &rocket::Request<'_>) -> &'static str {
    request.cookies().add(("kept", "yes"));
    "caught"
}

#[test]
fn trap_17_rocket_drops_a_failed_handlers_cookies_and_keeps_its_catchers() {
    let rocket = client(bare().mount("/", routes![fails]).register("/", catchers![caught]));
    let response = rocket.get("/fails").dispatch();
    let cookies: Vec<&str> = response.headers().get("Set-Cookie").collect();
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert!(cookies[0].starts_with("kept="), "{cookies:?}");
}

#[test]
fn trap_17_so_our_catcher_removes_a_stale_cookie() {
    let app = TestApp::new();
    for (visitor, browser) in [(app.browser(), true), (app.program(), false)] {
        visitor.set_cookie("session_id", "stale");
        let answer = visitor.get("/profile");
        answer.is(if browser { 303 } else { 403 });
        let removal = answer.header("set-cookie").expect("a removal");
        assert!(removal.starts_with("session_id=;") && removal.contains("Max-Age=0"), "{removal}");
        assert_eq!(visitor.cookie("session_id"), None);
    }
}

#[catch(default)]
fn silent() -> &'static str {
    ""
}

#[test]
fn trap_17_rocket_answers_an_unreadable_request_past_every_fairing() {
    let fairing = AdHoc::on_response("marks", |_, response| {
        Box::pin(async move {
            response.set_header(Header::new("X-Marked", "yes"));
        })
    });
    let rocket = client(bare().attach(fairing).register("/", catchers![silent]));
    let marked = |path: &'static str| rocket.get(path).dispatch().headers().contains("X-Marked");
    assert!(marked("/nowhere"));
    assert!(!marked("/not a path"));

    // Ours has every header there too: each answer of `TestApp` is looked over.
    let app = TestApp::new();
    app.browser().get("/not a path").is(400).says("We could not read that");
    let answer = app.program().get("/not a path");
    answer.is(400).json_is(&serde_json::json!({ "message": "the request cannot be read" }));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
}

//! B-52 to B-56: log-in leads to a listed application or stays here.

use rocket::http::Method::Post;

use super::{ANN, COOKIE, PAIR, SESSION, hidden_next, with_applications};
use crate::app::{TestApp, Visitor};
use crate::input::ENCODINGS;

/// Targets that a browser, or a careless parser, takes elsewhere.
const ELSEWHERE: [&str; 50] = [
    "https://evil.example/",
    "https://evil.example/https://app.example.org/",
    "https://evil.example?https://app.example.org/",
    "https://evil.example#app.example.org",
    "https://evil.example;app.example.org/",
    "https://evil.example\\@app.example.org/",
    "https://evil.example%2f@app.example.org/",
    "https://app.example.org@evil.example/",
    "https://app.example.org:443@evil.example/",
    "https://app.example.org%40evil.example/",
    "https://user@app.example.org/",
    "https://user:word@app.example.org/",
    "https://:word@app.example.org/",
    "https://app.example.org:8443/",
    "https://app.example.org:80/",
    "https://app.example.org:443443/",
    "https://wiki.example.org/",
    "https://wiki.example.org:443/",
    "https://sub.app.example.org/",
    "https://app.example.org.evil.example/",
    "https://app.example.orgevil.example/",
    "https://evilapp.example.org/",
    "https://example.org/",
    "https://login.example.org/profile",
    "https://app.example.org./",
    "https://app..example.org/",
    "https://app.example.org\t/",
    "https://app.example.org\t.evil.example/",
    "https://app.example.org\r\nSet-Cookie: session_id=planted",
    "https://app.example.org/\r\nSet-Cookie: session_id=planted",
    "https://app.example.org/\u{e9}",
    "https://app\u{3002}example.org/",
    "https://app\u{ff0e}example.org/",
    "https://\u{430}pp.example.org/",
    "https://app.example.org/a b",
    " https://app.example.org/",
    "https://app.example.org/ ",
    "\thttps://app.example.org/",
    "https:app.example.org/",
    "https:/app.example.org/",
    "https:\\\\app.example.org/",
    "https:/\\app.example.org/",
    "//app.example.org/",
    "\\\\app.example.org/",
    "http://app.example.org/",
    "ftp://app.example.org/",
    "javascript://app.example.org/%0aalert(1)",
    "data:text/html,https://app.example.org/",
    "blob:https://app.example.org/x",
    "https%3A%2F%2Fapp.example.org%2F",
];

/// Spellings of what is listed, and what they become.
const THERE: [(&str, &str); 9] = [
    ("https://app.example.org", "https://app.example.org/"),
    ("https://app.example.org/a/b?c=d#e", "https://app.example.org/a/b?c=d#e"),
    ("https://APP.Example.ORG/x", "https://app.example.org/x"),
    ("https://app.example.org:443/x", "https://app.example.org/x"),
    ("https://wiki.example.org:8443/x", "https://wiki.example.org:8443/x"),
    ("https://app.example.org/../../x", "https://app.example.org/x"),
    ("https://app.example.org//evil.example/", "https://app.example.org//evil.example/"),
    ("https://app.example.org/%0d%0aSet-Cookie:x", "https://app.example.org/%0d%0aSet-Cookie:x"),
    ("https:///app.example.org/x", "https://app.example.org/x"),
];

fn with_ann() -> TestApp {
    let app = with_applications();
    app.program().post("/users", &PAIR).is(200);
    app
}

fn pair_and(next: &str) -> Vec<(&str, &str)> {
    [&PAIR[..], &[("next", next)]].concat()
}

/// `next` in a link to the form, as a browser sends it.
fn by_link(visitor: &Visitor<'_>, next: &str) -> crate::app::Answer {
    let query: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
    visitor.get(&format!("/login?next={query}"))
}

#[test]
fn b52_b53_b55_b56_nothing_but_a_listed_application_is_led_to() {
    let app = with_ann();
    let long = format!("https://app.example.org/{}", "a".repeat(5000));
    for next in ELSEWHERE.into_iter().chain([long.as_str()]) {
        let signed_in = app.browser();
        let answer = signed_in.post("/sessions", &pair_and(next));
        assert_eq!(answer.status.code, 303, "{next:?}");
        assert_eq!(answer.all("location"), ["/profile"], "{next:?}");
        assert!(!answer.all("set-cookie").concat().contains("planted"), "{next:?}");
        let page = by_link(&app.browser(), next);
        assert_eq!(hidden_next(page.is(200)), None, "{next:?}");
        assert!(page.header("content-security-policy").is_some_and(ends_here), "{next:?}");
        by_link(&signed_in, next).goes_to("/profile");
        let wrong = [("email", ANN), ("password", "not that one"), ("next", next)];
        let again = app.browser().post("/sessions", &wrong);
        assert_eq!(hidden_next(again.is(401)), None, "{next:?}");
    }
}

#[test]
fn a_listed_application_is_led_to_in_its_own_spelling() {
    let app = with_ann();
    for (next, landing) in THERE {
        app.browser().post("/sessions", &pair_and(next)).goes_to(landing);
        let page = by_link(&app.browser(), next);
        assert_eq!(hidden_next(page.is(200)).as_deref(), Some(landing), "{next}");
    }
    for encoding in ENCODINGS {
        for (next, landing) in
            [("https://app.example.org/x", "https://app.example.org/x"), (ELSEWHERE[7], "/profile")]
        {
            let browser = app.browser();
            browser.send_as(encoding, Post, "/sessions", &pair_and(next)).goes_to(landing);
        }
    }
    // A program is sent nowhere.
    let body = serde_json::json!({
        "email": ANN, "password": PAIR[1].1, "next": "https://app.example.org/"
    });
    let answer = app.program().json(Post, "/sessions", &body);
    assert_eq!(answer.is(200).header("location"), None);
}

#[test]
fn b55_the_answer_sets_its_own_cookies_and_no_other() {
    let app = with_ann();
    for (next, _) in THERE {
        let answer = app.browser().post("/sessions", &pair_and(next));
        let names: Vec<String> = answer
            .all("set-cookie")
            .iter()
            .filter_map(|set| set.split('=').next().map(str::to_owned))
            .collect();
        for name in [COOKIE, SESSION, "__Host-device"] {
            assert!(names.iter().any(|set| set == name), "{next}: {names:?}");
        }
        assert_eq!(names.len(), 3, "{next}: {names:?}");
        assert_eq!(answer.all("location").len(), 1, "{next}");
    }
}

fn ends_here(policy: &str) -> bool {
    policy.contains("form-action 'self';")
}

#[test]
fn the_policy_lets_the_log_in_form_end_at_that_application_alone() {
    let app = with_ann();
    let policy = |answer: &crate::app::Answer| {
        answer.header("content-security-policy").expect("a policy").to_owned()
    };
    for (next, origin) in [
        ("https://app.example.org/page;x?y='self'", "https://app.example.org"),
        ("https://wiki.example.org:8443/", "https://wiki.example.org:8443"),
    ] {
        let wrong = [("email", ANN), ("password", "not that one"), ("next", next)];
        let missing = [("email", ANN), ("next", next)];
        for answer in [
            by_link(&app.browser(), next).is(200),
            app.browser().post("/sessions", &wrong).is(401),
            app.browser().post("/sessions", &missing).is(422),
        ] {
            let policy = policy(answer);
            assert!(policy.contains(&format!("form-action 'self' {origin};")), "{policy}");
            assert_eq!(policy.matches("https:").count(), 1, "{policy}");
        }
    }
    let ann = app.browser();
    ann.post("/sessions", &PAIR).goes_to("/profile");
    let local = by_link(&app.browser(), "/profile");
    for answer in [
        local,
        app.browser().get("/login"),
        app.browser().get("/signup?next=https://app.example.org/"),
        app.browser().get("/?next=https://app.example.org/"),
        ann.get("/profile?next=https://app.example.org/"),
        app.browser().post("/sessions", &PAIR),
        app.program().get("/login?next=https%3A%2F%2Fapp.example.org%2F"),
    ] {
        let policy = policy(&answer);
        assert!(ends_here(&policy) && !policy.contains("example.org"), "{policy}");
    }
}

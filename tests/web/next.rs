//! Where log-in leads: a path of this site, nothing else (B-52 to B-55).

use rocket::http::Method::Post;
use serde_json::json;

use crate::app::{Answer, PASSWORD, Pairs, TestApp, Visitor};
use crate::input::{ENCODINGS, Encoding};

const ANN: &str = "ann@example.com";

/// B-52: targets on another site, in the spellings that browsers and parsers disagree about.
const ELSEWHERE: [&str; 32] = [
    "https://evil.example",
    "http://evil.example/profile",
    "https:evil.example",
    "https:/evil.example",
    "HTTPS://evil.example",
    "//evil.example",
    "//evil.example/profile",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\/\\/evil.example",
    "\\\\evil.example",
    "/\\/evil.example",
    "/%5cevil.example",
    "/%2fevil.example",
    "/%09/evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    "\r//evil.example",
    "\n//evil.example",
    " //evil.example",
    " /profile",
    "/ /evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/./\\evil.example",
    "javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,x",
    "@evil.example",
    ".evil.example",
    "127.0.0.1:8000@evil.example",
];

/// B-53: encoded twice, over-long, or of other scripts.
const DISGUISED: [&str; 12] = [
    "%2f%2fevil.example",
    "/%2f%2fevil.example",
    "%252f%252fevil.example",
    "/%252f%252fevil.example",
    "/%25252f/evil.example",
    "/%255cevil.example",
    "／／evil.example",
    "/／evil.example",
    "/。evil.example",
    "/\u{202e}elpmaxe.live",
    "/\u{200b}/evil.example",
    "/%e3%80%82evil.example",
];

/// B-55: what would begin a header of its own.
const SPLITTING: [&str; 8] = [
    "/\r\nSet-Cookie: session_id=planted",
    "/%0d%0aSet-Cookie:%20session_id=planted",
    "/profile\r\n\r\n<script>alert(1)</script>",
    "/%0aLocation:%20https://evil.example",
    "/%250d%250aSet-Cookie:x=1",
    "/\u{85}Set-Cookie: x=1",
    "/\u{2028}x",
    "/\0",
];

fn every_bad() -> Vec<String> {
    let long =
        [format!("/{}", "a".repeat(10 * 1024)), format!("//evil.example/{}", "a".repeat(2000))];
    let bad = [&ELSEWHERE[..], &DISGUISED, &SPLITTING].concat();
    bad.into_iter().map(str::to_owned).chain(long).collect()
}

fn with_ann() -> TestApp {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

/// The names of the cookies that it sets, sorted.
fn cookie_names(answer: &Answer) -> Vec<String> {
    let mut names: Vec<String> = answer
        .all("set-cookie")
        .iter()
        .filter_map(|set| set.split('=').next())
        .map(str::to_owned)
        .collect();
    names.sort();
    names
}

fn pair(next: &str) -> [(&str, &str); 3] {
    [("email", ANN), ("password", PASSWORD), ("next", next)]
}

#[test]
fn b52_b53_b55_the_form_leads_to_the_profile_instead() {
    let app = with_ann();
    let browser = app.browser();
    for next in every_bad() {
        let answer = browser.post("/sessions", &pair(&next));
        assert_eq!(answer.status.code, 303, "{next:?}");
        assert_eq!(answer.all("location"), ["/profile"], "{next:?}");
        assert_eq!(cookie_names(&answer), ["device", "session_id"], "{next:?}");
        assert!(!answer.all("set-cookie").concat().contains("planted"), "{next:?}");
    }
}

#[test]
fn b52_every_encoding_is_judged_alike() {
    let app = with_ann();
    for encoding in ENCODINGS {
        for next in
            ["//evil.example", "/\\evil.example", "https://evil.example", "/%09/evil.example"]
        {
            let browser = app.browser();
            browser.send_as(encoding, Post, "/sessions", &pair(next)).goes_to("/profile");
        }
        app.browser().send_as(encoding, Post, "/sessions", &pair("/?a=b")).goes_to("/?a=b");
    }
}

#[test]
fn b52_b55_a_program_is_sent_nowhere() {
    let app = with_ann();
    for next in every_bad().iter().map(String::as_str).chain(["/profile"]) {
        let body = json!({ "email": ANN, "password": PASSWORD, "next": next });
        let answer = app.program().json(Post, "/sessions", &body);
        answer.is(200).json_is(&json!({ "email": ANN, "message": "logged in" }));
        assert_eq!(answer.header("location"), None, "{next:?}");
        assert_eq!(cookie_names(&answer), ["device", "session_id"], "{next:?}");
    }
}

/// `next` in a link to the log-in page, and on to the form, as a browser sends them.
#[track_caller]
fn by_link(browser: &Visitor<'_>, next: &str) -> Option<String> {
    let query: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let page = browser.get(&format!("/login?next={query}"));
    page.is(200);
    let text = page.text();
    let (_, field) = text.split_once("name=\"next\" value=\"")?;
    Some(field.split('"').next().expect("an end").to_owned())
}

#[test]
fn b52_b53_b55_a_link_to_the_form_carries_nothing_bad() {
    let app = with_ann();
    let browser = app.browser();
    for next in every_bad().iter().filter(|next| next.len() < 4096) {
        assert_eq!(by_link(&browser, next), None, "{next:?}");
    }
    assert_eq!(by_link(&browser, "/profile").as_deref(), Some("&#x2F;profile"));
    // Once decoded by the query it is decoded no more.
    for raw in
        ["//evil.example", "/%5cevil.example", "/%2fevil.example", "https:%2f%2fevil.example"]
    {
        let page = browser.get(&format!("/login?next={raw}"));
        page.is(200).does_not_say("evil.example");
    }
    let twice = browser.get("/login?next=/profile&next=//evil.example");
    twice.is(200).does_not_say("evil.example");
    let first = browser.get("/login?next=//evil.example&next=/profile");
    first.is(200).does_not_say("evil.example");
}

#[test]
fn a_wrong_password_forgets_neither_next_nor_its_rules() {
    let app = with_ann();
    let [email, password] = [("email", ANN), ("password", "another harbour")];
    let again = app.browser().post("/sessions", &[email, password, ("next", "/reset_password")]);
    again.is(401).says("name=\"next\" value=\"&#x2F;reset_password\"");
    for next in every_bad() {
        let again = app.browser().post("/sessions", &[email, password, ("next", &next)]);
        again.is(401).does_not_say("name=\"next\"").does_not_say("evil.example");
        let missing: Pairs<'_> = &[("email", ANN), ("next", &next)];
        let again = app.browser().send_as(Encoding::Form, Post, "/sessions", missing);
        again.is(422).does_not_say("name=\"next\"").does_not_say("evil.example");
    }
}

#[test]
fn b54_no_target_harms_whoever_follows_it() {
    let app = with_ann();
    let browser = app.browser();
    for next in
        ["/sessions", "/users", "/logout", "/account/delete", "/reset_password/new", "/static/x"]
    {
        browser.post("/sessions", &pair(next)).goes_to(next);
        let before = app.dump();
        browser.get(next);
        assert_eq!(app.dump(), before, "{next}");
        browser.get("/profile").is(200).says(ANN);
    }
}

#[test]
fn somebody_signed_in_is_sent_to_the_profile_whatever_next_says() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    for next in ["//evil.example", "https://evil.example", "/%5cevil.example"] {
        ann.get(&format!("/login?next={next}")).goes_to("/profile");
    }
}

#[test]
fn the_guard_sends_back_to_its_own_path_alone() {
    let app = TestApp::new();
    for path in ["/profile", "/profile?next=//evil.example", "//profile", "/profile/"] {
        let answer = app.browser().get(path);
        let location = answer.is(303).header("location").expect("a target").to_owned();
        let next = location.strip_prefix("/login?next=").expect("the log-in page");
        assert!(!next.contains('?') && !next.contains("evil"), "{location}");
    }
}

#[test]
fn the_way_back_keeps_its_query_and_leads_nowhere_else() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let asked = [
        ("/account/secure?event=7", "/account/secure%3Fevent%3D7"),
        ("/account/history?before=1&x=%26y", "/account/history%3Fbefore%3D1%26x%3D%2526y"),
        // B-52, B-53: what would lead elsewhere, or reads as if it did, is left out.
        ("/account/history?before=//evil.example", "/account/history"),
        ("/account/history?before=%2F%2Fevil.example", "/account/history"),
        ("/account/history?before=%0d%0aSet-Cookie:x", "/account/history"),
        ("/account/history?before=%5Cevil.example", "/account/history"),
    ];
    for (path, way) in asked {
        let ann = app.browser();
        ann.get(path).goes_to(&format!("/login?next={way}"));
        let next = percent_encoding::percent_decode_str(way).decode_utf8().expect("ASCII");
        ann.get(&format!("/login?next={way}")).is(200);
        let form = [("email", ANN), ("password", PASSWORD), ("next", &*next)];
        ann.post("/sessions", &form).goes_to(&next);
        ann.get(&next).is(200);
    }
    let long = format!("/account/history?before={}", "1".repeat(2000));
    app.browser().get(&long).goes_to("/login?next=/account/history");
}

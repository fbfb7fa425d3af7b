//! Whose headers say what the visitor wanted, and which hosts are applications.

use gatehouse::audit::journal;
use serde_json::json;

use super::{ANN, COOKIE, as_program, at_application, identity, next_in, with_applications};
use crate::app::TestApp;

/// No application of ours, whatever it looks like.
const STRANGERS: [&str; 20] = [
    "evil.example",
    "evil.example:443",
    "app.example.org.evil.example",
    "evilapp.example.org",
    "app-example.org",
    "sub.app.example.org",
    "example.org",
    "login.example.org",
    "wiki.example.org",
    "wiki.example.org:443",
    "app.example.org:8443",
    "app.example.org:80",
    "app.example.org.",
    "app.example.org@evil.example",
    "app.example.org, evil.example",
    "evil.example/app.example.org",
    "evil.example#app.example.org",
    "evil.example\\@app.example.org",
    "\u{430}pp.example.org",
    "[::1]",
];

#[test]
fn b54_a_host_that_is_not_listed_is_nobodys_application() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    app.auth().journal().flush();
    for host in STRANGERS {
        for visitor in [
            at_application(&app, &ann),
            as_program(at_application(&app, &ann)),
            at_application(&app, &app.browser()),
        ] {
            for path in ["/auth", "/auth?redirect=false"] {
                let answer = visitor.header("X-Forwarded-Host", host).get(path);
                let told = json!({ "message": "this host is not in allowed_hosts" });
                answer.is(403).json_is(&told);
                assert_eq!(identity(&answer), [], "{host}");
                assert_eq!(answer.header("location"), None, "{host}");
                assert_eq!(answer.header("x-gatehouse-login"), None, "{host}");
            }
        }
    }
    app.auth().journal().flush();
    let rows = journal::newest(&mut app.database(), None, 10_000).expect("rows");
    let refused = rows.iter().filter(|row| row.event == "door_refused");
    let times: i64 = refused.map(|row| row.times).sum();
    assert_eq!(times, 6 * i64::try_from(STRANGERS.len()).expect("few"));
}

#[test]
fn a_listed_host_counts_in_any_case_with_its_own_port() {
    let app = with_applications();
    for (host, origin) in [
        ("app.example.org", "https://app.example.org"),
        ("APP.Example.ORG", "https://app.example.org"),
        ("app.example.org:443", "https://app.example.org"),
        ("wiki.example.org:8443", "https://wiki.example.org:8443"),
    ] {
        let nobody = at_application(&app, &app.browser());
        let answer = nobody.header("X-Forwarded-Host", host).get("/auth");
        let next = next_in(answer.is(303).header("location").expect("a way"));
        assert_eq!(next, Some(format!("{origin}/page")));
    }
    // A proxy that says nothing of the host cannot be led back to.
    let nobody = app.browser();
    let answer = nobody.header("X-Forwarded-Uri", "/page").get("/auth");
    answer.goes_to("https://login.example.org/login");
}

#[test]
fn headers_of_a_peer_that_is_no_proxy_of_ours_are_not_read() {
    let settings = super::SETTINGS.replace("\"127.0.0.1\"", "\"10.0.0.0/8\"");
    let app = TestApp::with(&settings, &[]);
    let ann = app.signed_up(ANN);
    for host in ["app.example.org", "evil.example"] {
        let nobody = at_application(&app, &app.browser());
        nobody.header("X-Forwarded-Host", host).header("X-Forwarded-For", "10.0.0.1");
        nobody.get("/auth").goes_to("https://login.example.org/login");
        let answer = nobody.get("/auth?redirect=false");
        let way = answer.is(401).header("x-gatehouse-login");
        assert_eq!(way, Some("https://login.example.org/login"));
        // Who it is does not hang on them.
        let visitor = at_application(&app, &ann);
        visitor.header("X-Forwarded-Host", host).get("/auth").is(200);
    }
}

#[test]
fn without_applications_there_is_no_door() {
    let app = TestApp::with("base_url = \"https://login.example.org\"", &[]);
    let ann = app.browser();
    let pair = [("email", ANN), ("password", crate::app::PASSWORD)];
    let answer = ann.post("/users", &pair);
    assert!(!answer.goes_to("/profile").all("set-cookie").concat().contains(COOKIE));
    ann.delete("/sessions").goes_to("/");
    let next = [&pair[..], &[("next", "https://app.example.org/")]].concat();
    let answer = ann.post("/sessions", &next);
    assert!(!answer.goes_to("/profile").all("set-cookie").concat().contains(COOKIE));
    assert_eq!(ann.cookie(COOKIE), None);
    // A cookie of a time when there were some opens nothing.
    let elsewhere = with_applications();
    let other = elsewhere.signed_up(ANN);
    for owner in [&ann, &other] {
        let visitor = at_application(&app, owner);
        visitor.get("/auth").goes_to("https://login.example.org/login");
        let told = as_program(visitor).get("/auth");
        told.is(401).json_is(&json!({ "message": "log in first" }));
        assert_eq!(identity(&told), []);
    }
}

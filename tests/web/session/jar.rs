//! What a browser's jar may hold: cookies of one name, of other names, kept or not.

use rocket::http::{Cookie, Header, Method};

use super::{ANN, BOB, COOKIE, RIGHT, session_of};
use crate::app::{Answer, HOST, PASSWORD, TestApp};

/// A request with two cookies of one name, in this order, as a server reads the header.
#[track_caller]
fn profile_with_two(app: &TestApp, first: &str, second: &str) -> (u16, String) {
    let mut request = app.client.get("/profile").header(Header::new("Host", HOST));
    for value in [first, second] {
        let cookie = Cookie::parse_encoded(format!("{COOKIE}={value}")).expect("a cookie");
        request = request.cookie(cookie);
    }
    let response = request.dispatch();
    (response.status().code, response.into_string().unwrap_or_default())
}

#[test]
fn b30_two_cookies_of_one_name_are_never_mixed() {
    let app = TestApp::new();
    let ann = session_of(&app.signed_up(ANN));
    let bob = session_of(&app.signed_up(BOB));
    let nobody = (403, r#"{"message":"Forbidden"}"#.to_owned());
    let profile = |email: &str| (200, format!(r#"{{"email":"{email}"}}"#));
    for other in ["nonsense", "", &"A".repeat(4000)] {
        for (first, second) in [(ann.as_str(), other), (other, ann.as_str())] {
            let got = profile_with_two(&app, first, second);
            assert!(got == nobody || got == profile(ANN), "{got:?}");
        }
    }
    let got = profile_with_two(&app, &ann, &bob);
    assert!([profile(ANN), profile(BOB)].contains(&got), "{got:?}");
    assert_eq!(profile_with_two(&app, &ann, &ann), profile(ANN));
}

#[test]
fn b30_over_https_only_the_prefixed_cookie_counts() {
    let app = TestApp::with("base_url = \"https://login.example.org\"", &[]);
    let ann = app.signed_up(ANN);
    let cookie = ann.cookie("__Host-session_id").expect("the prefixed name");
    assert_eq!(ann.cookie(COOKIE), None);
    for name in [COOKIE, "__host-session_id", "__Secure-session_id", "__Host-session_id2"] {
        let tossed = app.browser();
        tossed.set_cookie(name, &cookie);
        tossed.get("/profile").goes_to("/login?next=/profile");
        // A tossed cookie beside the proper one does not shut anybody out.
        tossed.set_cookie("__Host-session_id", &cookie);
        tossed.get("/profile").is(200).says(ANN);
    }
    ann.delete("/sessions").goes_to("/");
    assert_eq!(
        ann.cookie("__Host-session_id"),
        None,
        "removed with the attributes it was set with"
    );
}

#[test]
fn a_browser_is_kept_signed_in_only_when_asked_to() {
    let app = TestApp::new();
    app.program().post("/users", RIGHT).is(200);
    let set_by = |answer: &Answer| {
        let cookies = answer.all("set-cookie");
        cookies.into_iter().find(|cookie| cookie.starts_with("session_id=")).expect("set")
    };
    for ticked in ["yes", "on", "1", "true"] {
        let form = [("email", ANN), ("password", PASSWORD), ("remember", ticked)];
        let cookie = set_by(app.browser().post("/sessions", &form).goes_to("/profile"));
        assert!(cookie.contains("Max-Age=2592000"), "30 days: {cookie}");
        assert!(cookie.contains("Expires="), "{cookie}");
    }
    for unticked in ["", "no", "off", "0", "false"] {
        let form = [("email", ANN), ("password", PASSWORD), ("remember", unticked)];
        let cookie = set_by(app.browser().post("/sessions", &form).goes_to("/profile"));
        assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "{cookie}");
    }
    for remember in [true, false] {
        let pair = serde_json::json!({ "email": ANN, "password": PASSWORD, "remember": remember });
        let cookie = set_by(app.program().json(Method::Post, "/sessions", &pair).is(200));
        assert_eq!(cookie.contains("Max-Age"), remember, "{cookie}");
        assert_eq!(cookie.contains("Expires"), remember, "{cookie}");
    }
    let cookie = set_by(app.browser().post("/sessions", RIGHT).goes_to("/profile"));
    assert!(!cookie.contains("Max-Age") && !cookie.contains("Expires"), "{cookie}");
}

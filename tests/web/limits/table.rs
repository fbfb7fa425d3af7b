//! Who reads the limits: whoever proves something, and nobody who is signed in. Without them nobody
//! is let in (ASVS 16.5.3).

use rocket::http::Method::{self, Delete, Get, Post};

use super::{ANN, WAYS, Way, defaults, with_ann};
use crate::app::{PASSWORD, TestApp, urlencoded};

const DOOR: &str =
    "base_url = \"https://login.example.org\"\nallowed_hosts = [\"app.example.org\"]\n";

const GONE: &str = "ALTER TABLE limits RENAME TO mislaid";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn send(
    app: &TestApp,
    way: Way,
    device: Option<&str>,
    method: Method,
    path: &str,
    form: &[(&str, &str)],
) -> crate::app::Answer {
    let visitor = way.visitor(app);
    if let Some(device) = device {
        visitor.set_cookie("__Host-device", device);
    }
    visitor.send_for_a_fault(method, path, &[FORM], urlencoded(form).into_bytes())
}

#[test]
fn pages_for_those_who_are_signed_in_never_touch_the_limits() {
    let app = with_ann(&format!("{DOOR}{}", defaults()));
    let (browser, program) = (app.browser(), app.program());
    for visitor in [&browser, &program] {
        visitor.post("/sessions", &[("email", ANN), ("password", PASSWORD)]);
    }
    app.sql(GONE);
    for (visitor, way) in [(&browser, Way::Form), (&program, Way::Json)] {
        for _ in 0..3 {
            visitor.get("/profile").is(200).says(ANN);
            let door = visitor.get("/auth");
            assert_eq!(door.is(200).header("remote-email"), Some(ANN), "{way:?}");
            visitor.get("/").is(200);
            visitor.get("/health").is(200);
        }
        visitor.delete("/sessions").goes_to("/");
        visitor.get("/auth");
        assert_eq!(visitor.get("/profile").status.code, if way == Way::Form { 303 } else { 403 });
    }
    // Nor do pages that prove nothing.
    for path in ["/", "/login", "/signup", "/reset_password", "/unlock/sent", "/unlock/open"] {
        let status = app.browser().get(path).status.code;
        assert!(status < 500, "{path}: {status}");
    }
}

#[test]
fn without_the_limits_nobody_gets_in_and_nothing_is_written() {
    let app = with_ann(&format!("{DOOR}{}", defaults()));
    let ann = app.browser();
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    let device = ann.cookie("__Host-device").expect("a known device");
    app.sql(GONE);
    let before = app.dump();
    let (new, token) = ("bob@example.com", "0".repeat(64));
    let right = [("email", ANN), ("password", PASSWORD)];
    let wrong = [("email", ANN), ("password", "some wrong words")];
    for way in WAYS {
        for (device, method, path, form) in [
            (None, Post, "/sessions", &right[..]),
            (None, Post, "/sessions", &wrong),
            (Some(device.as_str()), Post, "/sessions", &right),
            (None, Post, "/users", &[("email", new), ("password", PASSWORD)]),
            (None, Post, "/reset_password", &[("email", ANN)]),
            (None, Post, "/unlock", &[("email", ANN)]),
            (None, Post, "/unlock/open", &[("unlock_token", token.as_str())]),
            (None, Get, &format!("/unlock/{token}"), &[]),
            (None, Get, &format!("/reset_password/{token}"), &[]),
        ] {
            let answer = send(&app, way, device, method, path, form);
            assert_eq!(answer.status.code, 500, "{way:?} {path}: {}", answer.text());
            assert_eq!(answer.all("set-cookie"), [""; 0], "{path}");
            answer.does_not_say("limits").does_not_say("SQL").does_not_say("no such table");
            assert!(answer.header("x-request-id").is_some());
        }
    }
    assert_eq!(app.dump(), before);
    app.sql("ALTER TABLE mislaid RENAME TO limits");
    for way in WAYS {
        let answer = send(&app, way, None, Post, "/sessions", &right);
        assert_eq!(answer.status.code, way.welcome());
    }
    ann.send(Delete, "/sessions", &[], vec![]).goes_to("/");
}

/// A limit that cannot be written must not let a try pass uncounted.
#[test]
fn a_try_that_cannot_be_counted_is_not_made() {
    let app = with_ann(&format!("{DOOR}{}", defaults()));
    for moment in ["INSERT", "UPDATE"] {
        app.break_down(moment, "limits", "database or disk is full");
        let before = app.dump();
        for way in WAYS {
            let right = [("email", ANN), ("password", PASSWORD)];
            let answer = send(&app, way, None, Post, "/sessions", &right);
            assert!(answer.status.code >= 500, "{moment}: {}", answer.text());
            let asked = send(&app, way, None, Post, "/reset_password", &[("email", ANN)]);
            assert!(asked.status.code >= 500, "{moment}: {}", asked.text());
        }
        assert_eq!(app.dump(), before);
        app.mend();
        // Rows for the second round to change.
        send(&app, Way::Json, None, Post, "/reset_password", &[("email", ANN)]).is(200);
        let wrong = [("email", ANN), ("password", "some wrong words")];
        send(&app, Way::Json, None, Post, "/sessions", &wrong).is(401);
    }
}

//! D5: the door, walked route by route. What another site makes a browser send changes nothing.

use std::collections::BTreeSet;

use gatehouse::clock::Timestamp;
use rocket::http::Method;
use secrecy::ExposeSecret;
use serde_json::{Map, Value};

use crate::app::{Answer, PASSWORD, TestApp, Visitor, urlencoded};

const ANN: &str = "ann@example.com";
const OWN: &str = "http://127.0.0.1:8000";

/// The contract's routes that change something.
const CONTRACT: [(Method, &str); 5] = [
    (Method::Post, "/users"),
    (Method::Post, "/sessions"),
    (Method::Delete, "/sessions"),
    (Method::Post, "/reset_password"),
    (Method::Put, "/reset_password"),
];

type Headers = Vec<(&'static str, &'static str)>;

/// A request that would change something.
struct Deed {
    method: Method,
    path: String,
    fields: Vec<(&'static str, String)>,
}

impl Deed {
    fn form(&self) -> Vec<u8> {
        let pairs: Vec<(&str, &str)> =
            self.fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        urlencoded(&pairs).into_bytes()
    }

    fn json(&self) -> Vec<u8> {
        let object: Map<String, Value> = self
            .fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect();
        Value::from(object).to_string().into_bytes()
    }

    /// As a form and as JSON, for a person and for a program.
    #[track_caller]
    fn send(&self, visitor: &Visitor<'_>, headers: &[(&str, &str)], dress: Dress) -> Answer {
        let Dress { kind, accept } = dress;
        let body = if kind == JSON { self.json() } else { self.form() };
        let mut all = vec![("Content-Type", kind), ("Accept", accept)];
        all.extend_from_slice(headers);
        visitor.send(self.method, &self.path, &all, body)
    }
}

#[derive(Clone, Copy)]
struct Dress {
    kind: &'static str,
    accept: &'static str,
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const DRESSES: [Dress; 4] = [
    Dress { kind: FORM, accept: "text/html" },
    Dress { kind: JSON, accept: "text/html" },
    Dress { kind: FORM, accept: JSON },
    Dress { kind: JSON, accept: JSON },
];

/// What a good request of each route says. A new route that changes things needs its line here.
#[track_caller]
fn fields(method: Method, path: &str, token: &str) -> Vec<(&'static str, String)> {
    let pair = |email: &str| vec![("email", email.to_owned()), ("password", PASSWORD.to_owned())];
    match (method, path) {
        (Method::Post, "/users") => pair("eve@example.com"),
        (Method::Post, "/sessions") => pair(ANN),
        (Method::Delete, "/sessions") => Vec::new(),
        (Method::Post, "/reset_password") => vec![("email", ANN.to_owned())],
        (Method::Put, "/reset_password") => vec![
            ("reset_token", token.to_owned()),
            ("new_password", "a password of another site".to_owned()),
        ],
        (Method::Post, "/unlock" | "/confirm/sent") => vec![("email", ANN.to_owned())],
        (Method::Post, "/unlock/open") => vec![("unlock_token", token.to_owned())],
        (Method::Post, "/confirm") => vec![("confirm_token", token.to_owned())],
        (Method::Post, "/sudo") => vec![("password", PASSWORD.to_owned())],
        (Method::Delete, "/sudo" | "/account/sessions") => Vec::new(),
        (Method::Put, "/account/password") => vec![
            ("current_password", PASSWORD.to_owned()),
            ("new_password", "a password of another site".to_owned()),
        ],
        _ => panic!("{method} {path}: what would a good request be?"),
    }
}

/// Every mounted route whose method may change something, those for unknown paths included.
#[track_caller]
fn deeds(app: &TestApp, token: &str) -> Vec<Deed> {
    let mut own = BTreeSet::new();
    let mut deeds = Vec::new();
    for route in app.client.rocket().routes() {
        let method = route.method;
        if matches!(method, Method::Get | Method::Head | Method::Options) {
            continue;
        }
        let path = route.uri.path();
        if path == "/<path..>" {
            let path = "/nowhere/at/all".to_owned();
            deeds.push(Deed { method, path, fields: Vec::new() });
        } else {
            own.insert(format!("{method} {path}"));
            let fields = fields(method, path, token);
            deeds.push(Deed { method, path: path.to_owned(), fields });
        }
    }
    for (method, path) in CONTRACT {
        assert!(own.contains(&format!("{method} {path}")), "{method} {path} is not mounted");
    }
    assert!(own.len() >= CONTRACT.len(), "walked {} routes", own.len());
    // PUT, POST, DELETE, TRACE, CONNECT, PATCH of any other path.
    assert_eq!(deeds.len() - own.len(), 6, "the routes for everything else");
    deeds
}

/// A browser with a live session and a live reset token in its cookie.
fn signed_in(app: &TestApp) -> (Visitor<'_>, String) {
    let ann = app.signed_up(ANN);
    let asked = app.auth().get_reset_password_token(ANN, Timestamp::now());
    let token = app.wait(asked).expect("a token").expose_secret().to_owned();
    ann.get(&format!("/reset_password/{token}")).goes_to("/reset_password/new");
    // Takes the notice of the sign-up off.
    ann.get("/profile").is(200);
    assert!(ann.cookie("session_id").is_some() && ann.cookie("reset_token").is_some());
    ann.without_header("Sec-Fetch-Site");
    (ann, token)
}

#[track_caller]
fn all_are_refused(app: &TestApp, hostile: &[Headers]) {
    let (ann, token) = signed_in(app);
    let before = app.dump();
    for deed in deeds(app, &token) {
        for headers in hostile {
            for dress in DRESSES {
                let answer = deed.send(&ann, headers, dress);
                let case = format!("{} {} {headers:?} {}", deed.method, deed.path, dress.kind);
                assert_eq!(answer.status.code, 403, "{case}: {}", answer.text());
                assert_eq!(answer.all("set-cookie"), [""; 0], "{case}");
                if dress.accept == JSON {
                    assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#, "{case}");
                }
            }
        }
        assert_eq!(app.dump(), before, "{} {}", deed.method, deed.path);
    }
    ann.get("/profile").is(200);
}

#[test]
fn b46_b49_no_route_does_what_another_site_asks() {
    let app = TestApp::new();
    let by_site: [Headers; 8] = [
        vec![("Sec-Fetch-Site", "cross-site")],
        vec![("Sec-Fetch-Site", "same-site")],
        vec![("Sec-Fetch-Site", "")],
        vec![("Sec-Fetch-Site", "same-origin, cross-site")],
        vec![("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
        vec![("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "none")],
        // The newer header is the one that counts.
        vec![("Sec-Fetch-Site", "cross-site"), ("Origin", OWN)],
        vec![("Sec-Fetch-Site", "cross-site"), ("Referer", "http://127.0.0.1:8000/login")],
    ];
    all_are_refused(&app, &by_site);
}

#[test]
fn b49_no_route_takes_a_foreign_origin() {
    let app = TestApp::new();
    let foreign = [
        "null",
        "",
        "http://evil.example",
        "http://127.0.0.1",
        "http://127.0.0.1:8001",
        "http://127.0.0.1:80000",
        "http://127.0.0.1:8000.evil.example",
        "http://127.0.0.1.evil.example:8000",
        "http://sub.127.0.0.1:8000",
        "https://127.0.0.1:8000",
        "ftp://127.0.0.1:8000",
        "http://ann@127.0.0.1:8000",
        "http://:secret@127.0.0.1:8000",
        "http://127.0.0.1:8000@evil.example",
        "http://127.0.0.1:8000/path",
        "http://127.0.0.1:8000?query",
        "http://127.0.0.1:8000#fragment",
        "http://127.0.0.1:8000 http://evil.example",
        "127.0.0.1:8000",
        "//127.0.0.1:8000",
        "*",
    ];
    let mut by_origin: Vec<Headers> =
        foreign.iter().map(|origin| vec![("Origin", *origin)]).collect();
    by_origin.push(vec![("Origin", OWN), ("Origin", "http://evil.example")]);
    all_are_refused(&app, &by_origin);
}

#[test]
fn b49_over_https_only_the_own_origin_counts() {
    let app = TestApp::with("base_url = \"https://login.example.org\"", &[]);
    let visitor = app.browser();
    visitor.without_header("Sec-Fetch-Site");
    let before = app.dump();
    for origin in [
        "null",
        "http://login.example.org",
        "https://login.example.org:8443",
        "https://sub.login.example.org",
        "https://example.org",
        "https://login.example.org.evil.example",
        "https://evil-login.example.org",
        "https://login.example.org@evil.example",
        "https://localhost",
        "https://127.0.0.1",
    ] {
        let body = urlencoded(&[("email", ANN), ("password", PASSWORD)]).into_bytes();
        let headers = [("Content-Type", FORM), ("Origin", origin)];
        let answer = visitor.send(Method::Post, "/users", &headers, body);
        assert_eq!(answer.status.code, 403, "{origin}");
    }
    assert_eq!(app.dump(), before);
    visitor.header("Origin", "https://login.example.org");
    visitor.post("/users", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
}

#[test]
fn b46_the_same_requests_from_this_site_work() {
    let kind: [Headers; 5] = [
        vec![("Sec-Fetch-Site", "same-origin")],
        vec![("Sec-Fetch-Site", "none")],
        vec![("Sec-Fetch-Site", "same-origin"), ("Origin", "null")],
        vec![("Origin", OWN)],
        Vec::new(),
    ];
    for (number, headers) in kind.iter().enumerate() {
        let app = TestApp::new();
        let (ann, token) = signed_in(&app);
        let dress = DRESSES[number % DRESSES.len()];
        // Logging out and setting a new password end the session: they come last.
        for (method, path) in [
            (Method::Post, "/users"),
            (Method::Post, "/sessions"),
            (Method::Post, "/reset_password"),
            (Method::Delete, "/sessions"),
            (Method::Put, "/reset_password"),
        ] {
            let before = app.dump();
            let deed = Deed { method, path: path.to_owned(), fields: fields(method, path, &token) };
            let answer = deed.send(&ann, headers, dress);
            let case = format!("{method} {path} {headers:?}");
            assert!([200, 303].contains(&answer.status.code), "{case}: {}", answer.text());
            assert_ne!(app.dump(), before, "{case}");
        }
    }
}

#[test]
fn b47_nobody_is_signed_in_or_out_by_another_site() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let eve = [("email", "eve@example.com"), ("password", PASSWORD)];
    app.program().post("/users", &eve).is(200);
    let before = app.dump();
    // A browser that brings no cookie yet: nothing must be put into it.
    let fresh = app.browser();
    for from in ["cross-site", "same-site"] {
        fresh.header("Sec-Fetch-Site", from);
        fresh.post("/sessions", &eve).is(403);
        fresh.post("/users", &[("email", "x@example.com"), ("password", PASSWORD)]).is(403);
        assert_eq!(fresh.cookie("session_id"), None);
        ann.header("Sec-Fetch-Site", from);
        ann.post("/sessions", &eve).is(403);
        ann.delete("/sessions").is(403);
        ann.post("/sessions", &[("_method", "delete")]).is(403);
    }
    assert_eq!(app.dump(), before);
    ann.get("/profile").is(200).says(ANN);
}

#[test]
fn b46_links_from_other_sites_still_work() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let before = app.dump();
    ann.header("Sec-Fetch-Site", "cross-site").header("Origin", "http://evil.example");
    for path in ["/", "/profile", "/reset_password", "/health"] {
        let answer = ann.get(path);
        assert_eq!(answer.status.code, 200, "{path}");
        assert_eq!(ann.send(Method::Head, path, &[], Vec::new()).status.code, 200, "{path}");
    }
    assert_eq!(app.dump(), before, "looking changes nothing");
}

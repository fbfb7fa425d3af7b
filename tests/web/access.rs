//! The matrix of routes and who may ask (ASVS 8.1.1, 8.2.1): `docs/access.toml`, walked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use rocket::figment::providers::{Format, Toml};
use rocket::http::Method;
use serde::Deserialize;

use crate::app::{Answer, TestApp, Visitor};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

#[derive(Deserialize)]
struct Access {
    route: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    /// `METHOD /path`.
    route: String,
    who: Who,
    #[serde(default)]
    form: String,
    /// Where nobody's browser goes, if not to log in.
    browser: Option<String>,
    own: Option<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum Who {
    Anybody,
    Link,
    Door,
    Owner,
    Proven,
}

impl Entry {
    fn method(&self) -> Method {
        self.route.split_once(' ').expect("a method").0.parse().expect("a method")
    }

    /// As mounted.
    fn pattern(&self) -> &str {
        self.route.split_once(' ').expect("a path").1
    }

    fn path(&self, app: &TestApp) -> String {
        if self.pattern() == "/static/<name>" {
            let page = app.browser().get("/").text().replace("&#x2F;", "/");
            let (_, rest) = page.split_once("href=\"/static/").expect("a stylesheet");
            return format!("/static/{}", rest.split_once('"').expect("its end").0);
        }
        self.pattern().replace("<token>", TOKEN).replace("<id>", &TOKEN[..32])
    }

    /// A good request.
    #[track_caller]
    fn asked_by(&self, visitor: &Visitor<'_>, path: &str) -> Answer {
        if self.method() == Method::Get {
            return visitor.get(path);
        }
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        let body = self.form.replace(' ', "+").into_bytes();
        visitor.send(self.method(), path, &[kind], body)
    }
}

fn access() -> Vec<Entry> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/access.toml");
    let text = std::fs::read_to_string(file).expect("docs/access.toml");
    Toml::from_str::<Access>(&text).expect("docs/access.toml").route
}

fn app() -> TestApp {
    TestApp::new()
}

/// Signed in by a program, which has no page to take a notice off.
fn program<'a>(app: &'a TestApp, email: &str) -> Visitor<'a> {
    let password = crate::app::PASSWORD;
    let visitor = app.program();
    visitor.post("/users", &[("email", email), ("password", password)]).is(200);
    visitor.post("/sessions", &[("email", email), ("password", password)]).is(200);
    visitor
}

/// The last proof of everybody is eleven minutes old.
fn grow_stale(app: &TestApp) {
    app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
}

#[test]
fn every_route_has_its_line_in_the_matrix() {
    let app = app();
    let mounted: BTreeSet<String> = app
        .client
        .rocket()
        .routes()
        .filter(|route| !route.uri.path().contains("<path..>"))
        .map(|route| format!("{} {}", route.method, route.uri.path()))
        .filter(|route| !route.contains("/dev/"))
        .collect();
    let listed: BTreeSet<String> = access().into_iter().map(|entry| entry.route).collect();
    assert_eq!(mounted, listed);
    assert_eq!(access().len(), listed.len(), "each once");
}

/// What a program without authority hears.
#[track_caller]
fn is_refused(entry: &Entry, answer: &Answer) {
    match entry.who {
        Who::Anybody => assert_ne!(answer.status.code, 403, "{}: {}", entry.route, answer.text()),
        Who::Door => assert_eq!(answer.status.code, 401, "{}", entry.route),
        Who::Link | Who::Owner | Who::Proven => {
            assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#, "{}", entry.route);
            assert_eq!(answer.status.code, 403, "{}", entry.route);
        }
    }
}

#[test]
fn nobody_gets_what_is_for_owners_and_for_those_with_a_link() {
    let app = app();
    program(&app, ANN);
    for entry in access() {
        let (path, before) = (entry.path(&app), app.dump());
        is_refused(&entry, &entry.asked_by(&app.program(), &path));
        if matches!(entry.who, Who::Owner | Who::Proven) {
            let answer = entry.asked_by(&app.browser(), &path);
            let way = match (&entry.browser, entry.method()) {
                (Some(way), _) => way.clone(),
                (None, Method::Get) => {
                    // To the page of a file.
                    format!("/login?next={}", path.strip_suffix(".json").unwrap_or(&path))
                }
                (None, _) => "/login".to_owned(),
            };
            answer.goes_to(&way);
        }
        if entry.who != Who::Anybody {
            assert_eq!(app.dump(), before, "{}", entry.route);
        }
    }
}

#[test]
fn whoever_was_kept_out_is_nobody() {
    let app = app();
    let ann = program(&app, ANN);
    let cookie = ann.cookie("session_id").expect("signed in");
    // Past the service: the row of her session is still there.
    app.sql("UPDATE users SET disabled_at = 1");
    for entry in access().iter().filter(|entry| entry.who != Who::Anybody) {
        let kept_out = app.program();
        kept_out.set_cookie("session_id", &cookie);
        is_refused(entry, &entry.asked_by(&kept_out, &entry.path(&app)));
    }
    app.sql("UPDATE users SET disabled_at = NULL");
    ann.get("/profile").is(200);
}

#[test]
fn b33_an_old_proof_opens_what_needs_none_and_nothing_else() {
    for entry in access().iter().filter(|it| matches!(it.who, Who::Owner | Who::Proven)) {
        let app = app();
        let ann = program(&app, ANN);
        grow_stale(&app);
        let before = app.dump();
        let path = entry.path(&app);
        let answer = entry.asked_by(&ann, &path);
        let asked = answer.text().contains("confirm your password with POST /sudo, then");
        assert_eq!(asked, entry.who == Who::Proven, "{}: {}", entry.route, answer.text());
        if entry.who == Who::Proven {
            answer.is(403);
            assert_eq!(app.dump(), before, "{}", entry.route);
            // A browser is asked for the password, and what it sent is not done meanwhile.
            let browser = app.browser();
            browser.set_cookie("session_id", &ann.cookie("session_id").expect("signed in"));
            let answer = entry.asked_by(&browser, &path);
            assert!(answer.header("location").is_some_and(|to| to.starts_with("/sudo")));
            let (rows, waiting) = (app.dump(), "pending_forms");
            assert_eq!(without(&rows, waiting), without(&before, waiting), "{}", entry.route);
        }
    }
}

/// A dump less the lines about one table.
fn without(dump: &str, table: &str) -> Vec<String> {
    dump.lines().filter(|line| !line.starts_with(table)).map(str::to_owned).collect()
}

#[test]
fn a_fresh_proof_opens_everything_of_ones_own() {
    for entry in access().iter().filter(|it| matches!(it.who, Who::Owner | Who::Proven)) {
        let app = app();
        let ann = program(&app, ANN);
        let answer = entry.asked_by(&ann, &entry.path(&app));
        // Another's, or nobody's: not there. A wrong password: refused as a field.
        let expected: &[u16] = match (&entry.own, entry.route.as_str()) {
            (Some(_), _) => &[404],
            (None, "POST /sudo" | "PUT /account/password") => &[422],
            (None, _) => &[200, 303, 406],
        };
        let text = answer.text();
        assert!(
            expected.contains(&answer.status.code),
            "{} {}: {text}",
            entry.route,
            answer.status
        );
    }
}

#[test]
fn b39_what_is_anothers_is_as_if_it_were_not_there() {
    let app = app();
    let (ann, bob) = (program(&app, ANN), program(&app, BOB));
    let sessions = bob.get("/account/sessions").json();
    let bobs: Vec<String> = sessions["sessions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|session| session["id"].as_str().expect("an id").to_owned())
        .collect();
    assert!(!bobs.is_empty());
    let ids = BTreeMap::from([("DELETE /account/sessions/<id>", bobs)]);
    let before = app.dump();
    for entry in access().iter().filter(|entry| entry.own.is_some()) {
        let known = ids.get(entry.route.as_str()).unwrap_or_else(|| {
            panic!("{}: what would another's be? Add it to this test", entry.route)
        });
        let unknown = entry.asked_by(&ann, &entry.path(&app));
        unknown.is(404);
        for id in known {
            let answer = entry.asked_by(&ann, &entry.pattern().replace("<id>", id));
            assert_eq!(answer.comparable(), unknown.comparable(), "{}", entry.route);
        }
    }
    assert_eq!(app.dump(), before);
    bob.get("/profile").is(200);
}

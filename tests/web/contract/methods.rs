//! What each path takes: any other method is 405 with `Allow`, and a HEAD is a GET without a body.

use std::collections::BTreeSet;

use rocket::http::Method::{self, *};

use crate::app::{TestApp, Visitor};

const METHODS: [Method; 9] = [Get, Head, Post, Put, Delete, Patch, Options, Trace, Connect];

/// Every path of the service and what it takes, HEAD left out: it goes with GET.
fn paths(app: &TestApp) -> Vec<(String, &'static [Method])> {
    let css = stylesheet(app);
    let known: &[(&str, &[Method])] = &[
        ("/", &[Get]),
        ("/signup", &[Get]),
        ("/users", &[Get, Post]),
        ("/login", &[Get]),
        ("/sessions", &[Get, Post, Delete]),
        ("/profile", &[Get]),
        ("/account/password", &[Get, Put]),
        ("/account/sessions", &[Get, Delete]),
        ("/account/sessions/0123", &[Delete]),
        ("/account/history", &[Get]),
        ("/sudo", &[Get, Post, Delete]),
        ("/account/details", &[Get, Put]),
        ("/account/export", &[Get]),
        ("/account/export.json", &[Get]),
        ("/reset_password", &[Get, Post, Put]),
        ("/reset_password/0123", &[Get]),
        ("/reset_password/sent", &[Get]),
        ("/reset_password/new", &[Get]),
        ("/logout", &[Get]),
        ("/auth", &[Get]),
        ("/unlock", &[Post]),
        ("/unlock/0123", &[Get]),
        ("/unlock/sent", &[Get]),
        ("/unlock/open", &[Get, Post]),
        ("/confirm", &[Post]),
        ("/confirm/0123", &[Get]),
        ("/confirm/sent", &[Get, Post]),
        ("/confirm/new", &[Get]),
        ("/invitation/0123", &[Get]),
        ("/account/email", &[Get, Post]),
        ("/account/email/sent", &[Get]),
        ("/email_change/0123", &[Get]),
        ("/email_change/confirm", &[Get, Post]),
        ("/account/secure", &[Get, Post]),
        ("/secure_account/0123", &[Get]),
        ("/secure_account/confirm", &[Get, Post]),
        ("/account/deletion", &[Get, Post]),
        ("/keep_account/0123", &[Get]),
        ("/keep_account/confirm", &[Get, Post]),
        ("/health", &[Get]),
        ("/ready", &[Get]),
        ("/.well-known/change-password", &[Get]),
        ("/robots.txt", &[Get]),
        ("/favicon.ico", &[Get]),
        ("/dev/mailbox", &[Get]),
        ("/static/no.css", &[Get]),
        (&css, &[Get]),
    ];
    known.iter().map(|(path, methods)| ((*path).to_owned(), *methods)).collect()
}

fn stylesheet(app: &TestApp) -> String {
    let page = app.browser().get("/").text();
    let (_, rest) = page.split_once("<link rel=\"stylesheet\" href=\"").expect("a stylesheet");
    rest.split('"').next().expect("its address").replace("&#x2F;", "/")
}

#[test]
fn the_paths_below_are_all_there_are() {
    let app = TestApp::new();
    let mounted: BTreeSet<(String, &str)> = app
        .client
        .rocket()
        .routes()
        .filter(|route| !route.uri.path().contains("<path..>"))
        .map(|route| (route.uri.path().to_string(), route.method.as_str()))
        .collect();
    let listed: BTreeSet<(String, &str)> = paths(&app)
        .iter()
        .flat_map(|(path, methods)| {
            let path = match path.as_str() {
                file if file.starts_with("/static/") => "/static/<name>".to_owned(),
                other if other.starts_with("/account/") => other.replace("/0123", "/<id>"),
                other => other.replace("/0123", "/<token>"),
            };
            methods.iter().map(move |method| (path.clone(), method.as_str()))
        })
        .collect();
    assert_eq!(mounted, listed);
}

#[test]
fn every_other_method_on_a_known_path_is_405_with_allow() {
    let app = TestApp::new();
    let before = app.dump();
    for visitor in [app.program(), app.browser()] {
        for (path, takes) in paths(&app) {
            let others = METHODS.into_iter().filter(|method| !takes.contains(method));
            for method in others.filter(|method| *method != Head) {
                let answer = visitor.send(method, &path, &[], Vec::new());
                assert_eq!(answer.status.code, 405, "{method} {path}: {}", answer.text());
                assert_eq!(answer.header("allow"), Some(allow(takes).as_str()), "{method} {path}");
            }
        }
    }
    assert_eq!(app.dump(), before);
}

fn allow(takes: &[Method]) -> String {
    let mut names: Vec<&str> = takes.iter().map(|method| method.as_str()).collect();
    names.extend(takes.contains(&Get).then_some("HEAD"));
    names.sort_unstable();
    names.join(", ")
}

#[test]
fn a_405_says_so_in_words() {
    let app = TestApp::new();
    let program = app.program().put("/users", &[]);
    let words = "this address does not take that method; see Allow";
    program.is(405).json_is(&serde_json::json!({ "message": words }));
    app.browser().put("/profile", &[]).is(405).says("That does not work here");
}

#[test]
fn somebody_who_reloads_a_posted_address_gets_its_form() {
    let app = TestApp::new();
    app.browser().get("/users").goes_to("/signup");
    app.browser().get("/sessions").goes_to("/login");
    for (path, allow) in [("/users", "POST"), ("/sessions", "DELETE, POST")] {
        let answer = app.program().get(path);
        answer.is(405);
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
    }
}

#[test]
fn an_unknown_path_is_404_under_every_method() {
    let app = TestApp::new();
    for path in ["/nowhere", "/users/1", "/profile/edit", "/static", "/static/a/b", "/health/x"] {
        for method in METHODS {
            for visitor in [app.program(), app.browser()] {
                let answer = visitor.send(method, path, &[], Vec::new());
                assert_eq!(answer.status.code, 404, "{method} {path}");
                assert_eq!(answer.header("allow"), None, "{method} {path}");
            }
        }
    }
}

/// What does not differ between two requests for the same thing.
fn fixed(visitor: &Visitor<'_>, method: Method, path: &str) -> (u16, Vec<(String, String)>) {
    let answer = visitor.send(method, path, &[], Vec::new());
    assert!(method != Head || answer.body.is_empty(), "HEAD {path} has a body");
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-request-id"));
    headers.sort();
    (answer.status.code, headers)
}

#[test]
fn head_is_get_without_a_body() {
    let app = TestApp::new();
    for visitor in [app.program(), app.browser(), app.signed_up("ann@example.com")] {
        visitor.get("/");
        for path in paths(&app).iter().map(|(path, _)| path.as_str()).chain(["/nowhere"]) {
            assert_eq!(fixed(&visitor, Head, path), fixed(&visitor, Get, path), "{path}");
        }
    }
}

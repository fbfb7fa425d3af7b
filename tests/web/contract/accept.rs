//! Who gets pages and who gets JSON: `Accept`, read as RFC 9110 says, through the running routes.

use rocket::http::Method;

use crate::app::{Answer, TestApp};

const BROWSERS: [&str; 10] = [
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "text/html",
    "TEXT/HTML",
    "text/*",
    "text/html;q=0.2, application/json;q=0.1",
    "application/json;q=0.9, text/html",
    "text/html;q=0.5, */*;q=0.4",
    "application/json;q=0, */*",
    "text/html;charset=utf-8",
    "text/html ; q=0.9 , application/json ; q=0.899",
];

const PROGRAMS: [&str; 14] = [
    "",
    "*/*",
    "application/json",
    "application/*",
    "application/json, text/html",
    "text/html, application/json",
    "text/html;q=0.1, */*",
    "text/html;q=0, */*;q=0.1",
    "text/html;q=0.5, application/json;q=0.6",
    "application/*, text/html;q=0.9",
    "text/html;q=2",
    "text/html;q=high",
    "image/png",
    "text/html\u{0}",
];

#[track_caller]
fn is_page(answer: &Answer, accept: &str) -> bool {
    assert_eq!(answer.header("vary"), Some("Accept, Cookie"), "{accept}");
    match answer.header("content-type") {
        Some("text/html; charset=utf-8") => true,
        Some("application/json") => false,
        other => panic!("{accept:?}: {other:?}"),
    }
}

#[test]
fn accept_decides_by_weight_and_specificity() {
    let app = TestApp::new();
    let visitor = app.program();
    // A plain answer, a form, an error of a handler, an error of the router.
    for (method, path) in [
        (Method::Get, "/"),
        (Method::Get, "/login"),
        (Method::Get, "/reset_password/none"),
        (Method::Get, "/nowhere"),
        (Method::Post, "/profile"),
    ] {
        for accept in BROWSERS {
            let answer = visitor.send(method, path, &[("Accept", accept)], Vec::new());
            assert!(is_page(&answer, accept), "{path} gave JSON for {accept:?}");
        }
        for accept in PROGRAMS {
            let answer = visitor.send(method, path, &[("Accept", accept)], Vec::new());
            assert!(!is_page(&answer, accept), "{path} gave a page for {accept:?}");
        }
        let silent = visitor.send(method, path, &[], Vec::new());
        assert!(!is_page(&silent, "none"), "{path}");
    }
}

#[test]
fn two_accept_headers_count_as_one() {
    let app = TestApp::new();
    let lines = [("Accept", "application/json;q=0.1"), ("Accept", "text/html")];
    let answer = app.program().send(Method::Get, "/", &lines, Vec::new());
    assert!(is_page(&answer, "two lines"));
}

#[test]
fn the_redirects_of_browsers_are_for_browsers_alone() {
    let app = TestApp::new();
    for (accept, status) in [("text/html", 303), ("*/*", 403)] {
        let answer = app.program().send(Method::Get, "/profile", &[("Accept", accept)], Vec::new());
        answer.is(status);
    }
    for (accept, status) in [("text/html;q=0.9,*/*;q=0.8", 303), ("application/json", 405)] {
        let answer = app.program().send(Method::Get, "/users", &[("Accept", accept)], Vec::new());
        answer.is(status);
    }
}

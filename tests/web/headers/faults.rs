//! B-109: what an error says, and what it does not.

use diesel::connection::SimpleConnection;
use rocket::http::Method::{Delete, Get, Post, Put};
use serde_json::json;

use super::{ANN, EVERY_KIND, ask, both, has_every_header};
use crate::app::{Answer, PASSWORD, TestApp};

/// What no stranger should read in an error.
const TELLTALE: [&str; 25] = [
    ".rs",
    "src/",
    "/tmp",
    "target/",
    "SELECT",
    "INSERT",
    "UPDATE",
    "no such table",
    "UNIQUE",
    "sqlite",
    "SQLite",
    "postgres",
    "relation",
    "statement",
    "diesel",
    "Diesel",
    "rocket",
    "Rocket",
    "tera",
    "serde",
    "gatehouse::",
    "panicked",
    "backtrace",
    "Error {",
    "line 1",
];

#[track_caller]
fn tells_nothing(app: &TestApp, answer: &Answer, what: &str) {
    let text = format!("{}\n{:?}", answer.text(), answer.headers);
    let folder = app.folder.path().to_str().expect("UTF-8").to_owned();
    for word in TELLTALE.iter().copied().chain([folder.as_str(), env!("CARGO_PKG_VERSION")]) {
        assert!(!text.contains(word), "{what}: {word:?} is in {text}");
    }
}

#[test]
fn b109_errors_tell_nothing_of_the_inside() {
    let app = TestApp::new();
    for (visitor, _) in both(&app) {
        for kind in EVERY_KIND.iter().filter(|kind| kind.4.0 >= 400) {
            tells_nothing(&app, &ask(&visitor, kind), kind.1);
        }
        for body in ["{\"email\": 1e400}", "{\"email\": [}", "nonsense", "{\"x\": 1}"] {
            for path in ["/users", "/sessions", "/reset_password"] {
                let extra = [("Content-Type", "application/json")];
                let answer = visitor.send(Post, path, &extra, body.as_bytes().to_vec());
                tells_nothing(&app, &answer, body);
            }
        }
    }
}

#[test]
fn b109_a_fault_is_told_by_an_id_alone_and_lets_nobody_in() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.get("/profile").is(200);
    let script = app.program();
    script.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let mut database = app.database();
    database.batch_execute("ALTER TABLE users RENAME TO away").expect("renamed");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let pair = "email=ann%40example.com&password=a+quiet+harbour";
    for (method, path, body) in [
        (Get, "/profile", ""),
        (Get, "/", ""),
        (Get, "/login", ""),
        (Get, "/reset_password/0123", ""),
        (Post, "/sessions", pair),
        (Post, "/users", pair),
        (Put, "/reset_password", "reset_token=0123&new_password=another+harbour"),
        (Delete, "/sessions", ""),
    ] {
        let what = format!("{method} {path}");
        let page = ann.send_for_a_fault(method, path, &form, body.as_bytes().to_vec());
        let object = script.send_for_a_fault(method, path, &form, body.as_bytes().to_vec());
        for answer in [&page, &object] {
            assert_eq!(answer.status.code, 500, "{what}: {}", answer.text());
            has_every_header(answer, false, &what);
            tells_nothing(&app, answer, &what);
            assert_eq!(answer.all("set-cookie"), Vec::<String>::new(), "{what}");
            assert_eq!(answer.header("location"), None, "{what}");
        }
        let id = page.header("x-request-id").expect("an id");
        page.says(&format!("Error id: <code>{id}</code>")).says("Something went wrong on our side");
        let id = object.header("x-request-id").expect("an id");
        let message = "something went wrong; the error id tells the operator more";
        object.json_is(&json!({ "message": message, "error_id": id }));
    }
    database.batch_execute("ALTER TABLE away RENAME TO users").expect("renamed");
    ann.get("/profile").is(200).says(ANN);
    script.get("/profile").is(200);
}

#[test]
fn a_busy_database_is_503_with_retry_after() {
    let app = TestApp::with("database_wait = \"1s\"", &[]);
    let mut other_process = app.locked();
    let asked = [("email", ANN)];
    let page = app.browser().post("/reset_password", &asked);
    page.is(503).says("Back in a moment").says("Please try again in 2 seconds.");
    let object = app.program().post("/reset_password", &asked);
    let id = object.header("x-request-id").expect("an id").to_owned();
    object.is(503).json_is(&json!({ "message": "too busy; see Retry-After", "error_id": id }));
    for answer in [&page, &object] {
        assert_eq!(answer.header("retry-after"), Some("2"));
        has_every_header(answer, false, "503");
        tells_nothing(&app, answer, "503");
    }
    other_process.batch_execute("ROLLBACK").expect("released");
    app.program().post("/reset_password", &asked).is(200);
}

//! D11 on every kind of answer.

mod faults; // what errors do not tell
mod paths; // static files, files that are none, headers that are not reflected

use rocket::http::Method::{self, Get, Post, Put};

use crate::app::{Answer, PASSWORD, Pairs, TestApp, Visitor};

const ANN: &str = "ann@example.com";
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const SCRIPTED: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; \
                        connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// One request for each kind of answer, less 5xx: what it is, its code for a browser and for a program.
type Kind<'a> = (Method, &'a str, Pairs<'a>, &'a str, (u16, u16));

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");
const CROSS: (&str, &str) = ("Sec-Fetch-Site", "cross-site");
const WRONG: &str = "email=ann%40example.com&password=another+harbour";

static EVERY_KIND: [Kind<'static>; 22] = [
    (Get, "/", &[], "", (200, 200)),
    (Get, "/robots.txt", &[], "", (200, 200)),
    (Get, "/favicon.ico", &[], "", (200, 200)),
    (Get, "/health", &[], "", (200, 200)),
    (Get, "/.well-known/change-password", &[], "", (303, 303)),
    (Get, "/profile", &[], "", (303, 403)),
    (Get, "/login", &[], "", (200, 406)),
    (Get, "/reset_password/0123", &[], "", (403, 403)),
    (Get, "/nowhere", &[], "", (404, 404)),
    (Get, "/static/none.css", &[], "", (404, 404)),
    (Get, "/users", &[], "", (303, 405)),
    (Put, "/users", &[], "", (405, 405)),
    (Get, "/", &[("Host", "evil.example")], "", (421, 421)),
    (Get, "/", &[FORM], "_method=get", (400, 400)),
    (Post, "/sessions", &[FORM, CROSS], WRONG, (403, 403)),
    (Post, "/sessions", &[FORM], WRONG, (401, 401)),
    (Post, "/sessions", &[FORM], "", (422, 422)),
    (Post, "/users", &[("Content-Type", "text/plain")], "x", (415, 415)),
    (Post, "/users", &[FORM, ("Content-Length", "999999999")], "", (413, 413)),
    (Post, "/users", &[JSON], "{", (400, 400)),
    (Method::Delete, "/sessions", &[], "", (303, 403)),
    (Get, "/not a path", &[], "", (400, 400)),
];

fn both(app: &TestApp) -> [(Visitor<'_>, bool); 2] {
    [(app.browser(), true), (app.program(), false)]
}

fn ask(visitor: &Visitor<'_>, kind: &Kind<'_>) -> Answer {
    let (method, path, headers, body, _) = kind;
    visitor.send(*method, path, headers, body.as_bytes().to_vec())
}

#[track_caller]
fn has_every_header(answer: &Answer, https: bool, what: &str) {
    let scripted = answer.text().contains("<script");
    let transport = https.then_some("max-age=31536000");
    for (name, value) in [
        ("Content-Security-Policy", Some(if scripted { SCRIPTED } else { POLICY })),
        ("X-Content-Type-Options", Some("nosniff")),
        ("X-Frame-Options", Some("DENY")),
        ("Referrer-Policy", Some("same-origin")),
        ("Cross-Origin-Opener-Policy", Some("same-origin")),
        ("Cross-Origin-Resource-Policy", Some("same-origin")),
        ("Strict-Transport-Security", transport),
        ("Server", None),
        ("X-Powered-By", None),
        ("Access-Control-Allow-Origin", None),
    ] {
        let found = answer.all(name);
        assert_eq!(found, Vec::from_iter(value.map(str::to_owned)), "{what}: {name}");
    }
    let permissions = answer.header("permissions-policy").unwrap_or_default();
    assert!(permissions.contains("camera=()"), "{what}: {permissions}");
    let id = answer.header("x-request-id").unwrap_or_default();
    assert!(id.len() >= 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{what}: {id:?}");
    let cache = answer.header("cache-control").unwrap_or_default();
    if cache == "no-store" {
        assert_eq!(answer.header("vary"), Some("Accept, Cookie"), "{what}");
    } else {
        assert_eq!(cache, "public, max-age=31536000, immutable", "{what}");
    }
    let kind = answer.header("content-type");
    assert_eq!(kind.is_some(), !answer.body.is_empty(), "{what}: {kind:?}");
}

#[test]
fn every_kind_of_answer_has_every_header() {
    let base_url = "base_url = \"https://login.example.org\"";
    for (app, https) in [(TestApp::new(), false), (TestApp::with(base_url, &[]), true)] {
        app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
        for (visitor, browser) in both(&app) {
            for kind in &EVERY_KIND {
                let what = format!("{} {} browser {browser} https {https}", kind.0, kind.1);
                let answer = ask(&visitor, kind);
                let expected = if browser { kind.4.0 } else { kind.4.1 };
                assert_eq!(answer.status.code, expected, "{what}: {}", answer.text());
                has_every_header(&answer, https, &what);
            }
            for file in static_files(&app) {
                has_every_header(visitor.get(&file).is(200), https, &file);
            }
        }
        let ann = app.browser();
        let pair = [("email", ANN), ("password", PASSWORD)];
        has_every_header(ann.post("/sessions", &pair).goes_to("/profile"), https, "signed in");
        has_every_header(ann.get("/profile").is(200), https, "profile");
    }
}

#[test]
fn a_program_reads_json_wherever_a_browser_reads_a_page() {
    let app = TestApp::new();
    for kind in EVERY_KIND.iter().filter(|kind| kind.4.0 >= 400 && kind.4.1 >= 400) {
        let page = ask(&app.browser(), kind);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{}", kind.1);
        page.says("<title>").says("</html>");
        let message = ask(&app.program(), kind).json()["message"].take();
        assert!(message.as_str().is_some_and(|text| text.len() > 5), "{}: {message}", kind.1);
    }
}

/// Where the pages say that the stylesheet and the script are.
fn static_files(app: &TestApp) -> Vec<String> {
    let page = app.browser().get("/login").text().replace("&#x2F;", "/");
    let links = page.split('"').filter(|word| word.starts_with("/static/"));
    let files: Vec<String> = links.map(str::to_owned).collect();
    assert_eq!(files.len(), 2, "{page}");
    files
}

#[test]
fn only_pages_with_a_script_may_run_one() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.browser().post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    let reader = app.browser();
    reader.get(&app.mailed_link()).goes_to("/reset_password/new");
    let stranger = app.browser();
    for (answer, scripted) in [
        (stranger.get("/"), false),
        (stranger.get("/signup"), true),
        (stranger.get("/login"), true),
        (stranger.post("/users", &[]), true),
        (stranger.post("/sessions", &[]), true),
        (stranger.get("/reset_password"), false),
        (stranger.post("/reset_password", &[]), false),
        (stranger.post("/reset_password", &[("email", ANN)]), false),
        (reader.get("/reset_password/new"), true),
        (reader.put("/reset_password", &[]), true),
        (stranger.get("/reset_password/0123"), false),
        (ann.get("/profile"), false),
        (stranger.get("/nowhere"), false),
        (stranger.get("/dev/mailbox"), false),
        (app.program().get("/login"), false),
    ] {
        let policy = if scripted { SCRIPTED } else { POLICY };
        assert_eq!(answer.header("content-security-policy"), Some(policy), "{}", answer.text());
        assert_eq!(answer.text().contains("<script src=\"&#x2F;static&#x2F;"), scripted);
    }
}

#[test]
fn request_ids_are_ours_and_never_the_same() {
    let app = TestApp::new();
    let script = app.program();
    let id = |answer: Answer| answer.header("x-request-id").expect("an id").to_owned();
    let ids: std::collections::BTreeSet<String> =
        (0..50).map(|_| id(script.get("/health"))).collect();
    assert_eq!(ids.len(), 50);
}

#[test]
fn logging_out_clears_what_the_browser_kept() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let cleared = |answer: Answer| answer.header("clear-site-data").map(str::to_owned);
    assert_eq!(cleared(ann.get("/profile")), None);
    let out = ann.post("/sessions", &[("_method", "delete")]);
    assert_eq!(cleared(out.goes_to("/").clone()).as_deref(), Some("\"cache\", \"storage\""));
    assert_eq!(cleared(ann.get("/")), None);
}

//! B-64, B-65: static files and what only looks like one; headers that no answer repeats.

use rocket::http::Method::Get;

use super::{ANN, static_files};
use crate::app::TestApp;

#[test]
fn static_files_are_named_by_what_they_hold_and_kept_for_a_year() {
    let app = TestApp::new();
    for (file, kind) in
        static_files(&app).iter().zip(["text/css; charset=utf-8", "text/javascript"])
    {
        let answer = app.browser().get(file);
        answer.is(200);
        assert_eq!(answer.header("content-type"), Some(kind), "{file}");
        let cache = answer.header("cache-control");
        assert_eq!(cache, Some("public, max-age=31536000, immutable"));
        assert!(answer.all("set-cookie").is_empty());
        let (_, print) = file.rsplit_once('-').expect("a fingerprint");
        let print = print.split('.').next().expect("before the extension");
        assert!(gatehouse::tokens::fingerprint(answer.text()).starts_with(print), "{file}");
        assert_eq!(print.len(), 12);
        // Under another print, or none, there is nothing: an old page never gets a new script.
        app.browser().get(&file.replace(print, "000000000000")).is(404);
        app.browser().get(&file.replace(&format!("-{print}"), "")).is(404);
    }
    let red = TestApp::with("accent_color = \"#aa0000\"", &[]);
    assert_ne!(static_files(&app)[0], static_files(&red)[0]);
    red.browser().get(&static_files(&red)[0]).says("--accent: #aa0000;");
}

#[test]
fn b64_no_path_leaves_the_static_files() {
    let app = TestApp::new();
    let climbs = [
        "../../etc/passwd",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..\\..\\etc\\passwd",
        "..%5c..%5cetc%5cpasswd",
        "....//....//etc/passwd",
        "%252e%252e%252fetc%252fpasswd",
        "..;/..;/etc/passwd",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        ".",
        "..",
        "",
        "../Cargo.toml",
        "../src/main.rs",
        "app.css",
        "icon.svg%00.css",
        "..%c0%afetc%c0%afpasswd",
    ];
    for climb in climbs {
        for folder in ["/static/", "/", "/reset_password/../", "/dev/"] {
            let path = format!("{folder}{climb}");
            let answer = app.browser().get(&path);
            // The front page and the link page are themselves however many slashes lead to them.
            if ["/", "/reset_password/../"].contains(&path.as_str()) {
                continue;
            }
            assert!([400, 403, 404].contains(&answer.status.code), "{path}: {answer:?}");
            answer.does_not_say("root:").does_not_say("[package]").does_not_say("fn main");
            if folder == "/static/" && !climb.contains('\\') {
                assert_eq!(answer.status.code, 404, "{path}");
            }
        }
    }
}

#[test]
fn b65_no_page_hides_under_a_files_name() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    for page in ["/profile", "/login", "/signup", "/reset_password/new"] {
        for tail in
            ["/x.css", ";.js", ";x.css", "/;.js", ".css", "%2fx.css", "%3b.js", "/..%2fx.js"]
        {
            let path = format!("{page}{tail}");
            let answer = ann.get(&path);
            // What stands below /reset_password is taken for a token, and a dead one.
            let token = page.starts_with("/reset_password/") && !tail.starts_with('/');
            assert_eq!(answer.status.code, if token { 403 } else { 404 }, "{path}");
            answer.does_not_say(ANN).does_not_say("E-mail address");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        }
    }
    let queried = ann.get("/profile?x.css");
    assert_eq!(queried.is(200).header("cache-control"), Some("no-store"));
}

#[test]
fn b65_no_header_is_reflected() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let plant = "planted.example";
    for name in [
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Server",
        "X-Forwarded-Prefix",
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Host",
        "Forwarded",
        "Accept-Language",
        "User-Agent",
        "Referer",
        "X-Request-Id",
    ] {
        for path in ["/", "/login", "/profile", "/reset_password", "/nowhere", "/users"] {
            let answer = ann.send(Get, path, &[(name, plant)], Vec::new());
            assert!(!format!("{:?}", answer.headers).contains(plant), "{name} {path}");
            answer.does_not_say(plant);
        }
    }
}

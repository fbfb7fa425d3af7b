//! Where log-in leads (B-52 to B-55): whatever `next` says, a browser stays on this site.

use percent_encoding::percent_decode_str;
use proptest::prelude::{Strategy, any, prop_oneof};
use url::Url;

use super::{Reached, holds, joined};
use crate::app::{HOST, PASSWORD, TestApp};

const ANN: &str = "ann@example.com";
/// What leads elsewhere when pieced together well.
const PIECES: &[&str] = &[
    "/",
    "/",
    "//",
    "\\",
    ".",
    "..",
    "?",
    "#",
    "@",
    ":",
    "%2f",
    "%5c",
    "%2e",
    "%09",
    "%0d%0a",
    "%00",
    "%25",
    "%252f",
    "%255c",
    "\t",
    "\r",
    "\n",
    " ",
    "\0",
    "\u{b}",
    "\u{a0}",
    "https:",
    "http://",
    "javascript:",
    "data:",
    "evil.example",
    "127.0.0.1:8000",
    "[::1]",
    "profile",
    "a",
    "=",
    "&",
    ";",
    "é",
    "／",
    "＼",
    "。",
    "\u{202e}",
    "\u{200b}",
    "\u{feff}",
];

fn targets() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => any::<String>(),
        3 => joined(PIECES, 8),
        4 => joined(PIECES, 8).prop_map(|rest| format!("/{rest}")),
        2 => "/[a-z0-9/?=&%.#@:_-]{0,30}",
    ]
}

/// Fails if a browser sent to `target` from this site could leave it, in the reading of the URL standard,
/// which skips tabs and line breaks and takes `\` for `/`, or after something on the way has decoded it.
#[track_caller]
fn stays_here(target: &str) {
    let here = Url::parse(&format!("http://{HOST}/sessions")).expect("an address");
    let mut target = target.to_owned();
    for _ in 0..4 {
        let there = here.join(&target).unwrap_or_else(|error| panic!("{target:?}: {error}"));
        assert_eq!(there.origin(), here.origin(), "{target:?} leads to {there}");
        assert!(
            target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic()),
            "{target:?}"
        );
        target = percent_decode_str(&target).decode_utf8_lossy().into_owned();
        if !target.is_ascii() {
            return;
        }
    }
}

#[test]
fn b52_b53_b55_wherever_next_points_the_browser_stays_here() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    let reached = Reached::default();
    holds(500, targets(), |next| {
        let form = [("email", ANN), ("password", PASSWORD), ("next", &next)];
        let answer = browser.post("/sessions", &form);
        answer.is(303);
        let locations = answer.all("location");
        assert_eq!(locations.len(), 1, "{locations:?}");
        assert!(locations[0] == next || locations[0] == "/profile", "{locations:?}");
        stays_here(&locations[0]);
        if locations[0] == next {
            reached.one();
        }
    });
    reached.at_least(25);
}

#[test]
fn b52_b53_b55_a_link_to_the_form_carries_what_the_form_would_follow() {
    let app = TestApp::new();
    app.signed_up(ANN);
    holds(300, targets(), |next| {
        let query: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let page = app.browser().get(&format!("/login?next={query}"));
        page.is(200);
        let text = page.text();
        let field = text.split_once("name=\"next\" value=\"").map(|(_, field)| field);
        let Some(field) = field.and_then(|field| field.split('"').next()) else { return };
        let field = unescaped(field);
        assert_eq!(field, next);
        stays_here(&field);
        let form = [("email", ANN), ("password", PASSWORD), ("next", &field)];
        app.browser().post("/sessions", &form).goes_to(&field);
    });
}

/// What a browser reads in an attribute.
fn unescaped(text: &str) -> String {
    let signs = [("&#x2F;", "/"), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'")];
    let text =
        signs.iter().fold(text.to_owned(), |text, (escape, sign)| text.replace(escape, sign));
    text.replace("&amp;", "&")
}

//! The door to other applications: what their proxy is told, and where visitors are led.

mod cookie; // its attributes, what it is not, what ends it
mod proxies; // whose headers are believed
mod targets; // B-52 to B-56: where log-in leads

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::sessions;
use rocket::http::Method::{Get, Head};
use serde_json::json;
use url::Url;

use crate::app::{Answer, PASSWORD, TestApp, Visitor};
use crate::own_database::{for_postgresql_alone, for_sqlite_alone};

const SETTINGS: &str = "base_url = \"https://login.example.org\"\n\
    allowed_hosts = [\"app.example.org\", \"wiki.example.org:8443\"]\n\
    trusted_proxies = [\"127.0.0.1\"]\n";
const COOKIE: &str = "__Secure-gatehouse";
const SESSION: &str = "__Host-session_id";
const ANN: &str = "ann@example.com";
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];

fn with_applications() -> TestApp {
    TestApp::with(SETTINGS, &[])
}

/// What an application's proxy passes on: the parent domain's cookie and no other.
#[track_caller]
fn at_application<'a>(app: &'a TestApp, owner: &Visitor<'_>) -> Visitor<'a> {
    let visitor = app.browser();
    visitor.header("X-Forwarded-Host", "app.example.org").header("X-Forwarded-Uri", "/page");
    if let Some(cookie) = owner.cookie(COOKIE) {
        visitor.set_cookie(COOKIE, &cookie);
    }
    visitor
}

/// The same, asked for by a script.
fn as_program<'a>(visitor: Visitor<'a>) -> Visitor<'a> {
    visitor.header("Accept", "application/json");
    visitor
}

/// The headers that say who it is.
fn identity(answer: &Answer) -> Vec<(String, String)> {
    let ours = answer.headers.iter().filter(|(name, _)| name.starts_with("Remote-"));
    ours.cloned().collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Where the log-in form is told to lead, as its address says.
#[track_caller]
fn next_in(login: &str) -> Option<String> {
    let url = Url::parse(login).expect("an address");
    assert_eq!(&url[..url::Position::AfterPath], "https://login.example.org/login");
    let mut pairs = url.query_pairs();
    let next = pairs.next().map(|(name, value)| {
        assert_eq!(name, "next");
        value.into_owned()
    });
    assert_eq!(pairs.next(), None, "{login}");
    next
}

/// The path and query of the log-in page that somebody at `uri` is sent to.
#[track_caller]
fn sent_to_log_in(app: &TestApp, uri: &str) -> String {
    let nobody = at_application(app, &app.browser());
    let answer = nobody.header("X-Forwarded-Uri", uri).get("/auth");
    let location = answer.is(303).header("location").expect("a way").to_owned();
    location.strip_prefix("https://login.example.org").expect("to us").to_owned()
}

/// What the form will send along, as a browser reads it.
fn hidden_next(page: &Answer) -> Option<String> {
    let text = page.text();
    let (_, field) = text.split_once("name=\"next\" value=\"")?;
    let (value, _) = field.split_once('"').expect("an end");
    let entities = [("&#x2F;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<")];
    let plain = entities.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to));
    Some(plain.replace("&amp;", "&"))
}

#[test]
fn somebody_with_a_session_enters_under_their_name() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let expected =
        pairs(&[("Remote-User", "1"), ("Remote-Email", ANN), ("Remote-Email-Confirmed", "false")]);
    for visitor in [at_application(&app, &ann), as_program(at_application(&app, &ann))] {
        for path in ["/auth", "/auth?redirect=false"] {
            let answer = visitor.get(path);
            answer.is(200);
            assert_eq!(identity(&answer), expected);
            assert!(answer.body.is_empty(), "{}", answer.text());
            assert_eq!(answer.header("cache-control"), Some("no-store"));
        }
        let head = visitor.send(Head, "/auth", &[], Vec::new());
        assert_eq!(identity(head.is(200)), expected);
    }
    // A stable name: a new session, another address in use, the same id.
    app.sql("UPDATE users SET email = 'eva@example.com', confirmed_at = 1");
    let answer = at_application(&app, &ann).get("/auth");
    let expected = pairs(&[
        ("Remote-User", "1"),
        ("Remote-Email", "eva@example.com"),
        ("Remote-Email-Confirmed", "true"),
    ]);
    assert_eq!(identity(&answer), expected);
    assert_eq!(answer.all("set-cookie"), [""; 0]);
}

#[test]
fn a_program_without_a_session_is_told_in_json() {
    let app = with_applications();
    let nobody = as_program(at_application(&app, &app.browser()));
    for path in ["/auth", "/auth?redirect=false", "/auth?redirect=true"] {
        let answer = nobody.get(path);
        answer.is(401).json_is(&json!({ "message": "log in first" }));
        assert_eq!(answer.header("www-authenticate"), Some("Gatehouse"));
        for way in ["location", "x-gatehouse-login"] {
            assert_eq!(answer.header(way), None, "{way}");
        }
        assert_eq!(identity(&answer), []);
        let head = nobody.send(Head, path, &[], Vec::new());
        assert_eq!(head.is(401).header("www-authenticate"), Some("Gatehouse"));
    }
}

#[test]
fn a_browser_without_a_session_is_shown_the_way() {
    let app = with_applications();
    let nobody = at_application(&app, &app.browser());
    let wanted = Some("https://app.example.org/page".to_owned());
    let answer = nobody.get("/auth");
    answer.is(303);
    assert_eq!(next_in(answer.header("location").expect("a way")), wanted);
    assert_eq!(answer.header("x-gatehouse-login"), None);
    assert_eq!(identity(&answer), []);
    // For proxies that take nothing but 401 for a no.
    let answer = nobody.get("/auth?redirect=false");
    answer.is(401);
    assert_eq!(next_in(answer.header("x-gatehouse-login").expect("a way")), wanted);
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.header("www-authenticate"), Some("Gatehouse"));
    let head = nobody.send(Head, "/auth", &[], Vec::new());
    assert_eq!(next_in(head.is(303).header("location").expect("a way")), wanted);
}

#[test]
fn log_in_leads_back_to_the_very_page() {
    let app = with_applications();
    app.program().post("/users", &PAIR).is(200);
    for (uri, landing) in [
        ("/", "/"),
        ("/a/b?x=1&y=2", "/a/b?x=1&y=2"),
        ("/caf%C3%A9?q=%E6%97%A5%E6%9C%AC&z=%2F%2F", "/caf%C3%A9?q=%E6%97%A5%E6%9C%AC&z=%2F%2F"),
        ("/it's?q='a'&r=(b)*c!", "/it's?q=%27a%27&r=(b)*c!"),
        ("/say%20%22hi%22+there;v=1,2", "/say%20%22hi%22+there;v=1,2"),
        ("/?next=https%3A%2F%2Fevil.example&next=/x", "/?next=https%3A%2F%2Fevil.example&next=/x"),
        ("//evil.example/x", "//evil.example/x"),
        ("/@evil.example", "/@evil.example"),
        ("/%2e%2e/a%25b", "/a%25b"),
        // What no browser sends as it stands leads to the front page.
        ("/caf\u{e9}", "/"),
        ("/a\\b", "/"),
        ("/a b", "/"),
        ("/a\tb", "/"),
        ("no-path", "/"),
        ("@evil.example/", "/"),
        (".evil.example/", "/"),
        (":443@evil.example/", "/"),
        ("", "/"),
    ] {
        let ann = app.browser();
        let page = ann.get(&sent_to_log_in(&app, uri));
        let next = hidden_next(page.is(200)).unwrap_or_else(|| panic!("{uri}: no next"));
        let answer = ann.post("/sessions", &[&PAIR[..], &[("next", &next)]].concat());
        answer.goes_to(&format!("https://app.example.org{landing}"));
        at_application(&app, &ann).get("/auth").is(200);
        // Past a mistake, too.
        let wrong = [("email", ANN), ("password", "not that one"), ("next", &next)];
        let again = app.browser().post("/sessions", &wrong);
        assert_eq!(hidden_next(again.is(401)), Some(next));
    }
}

#[test]
fn a_page_whose_address_is_too_long_for_a_header_leads_to_the_front_page() {
    let app = with_applications();
    for (length, kept) in [(100, true), (1500, true), (3000, false), (60_000, false)] {
        let uri = format!("/{}", "a".repeat(length));
        let login = sent_to_log_in(&app, &uri);
        // nginx takes 4 KiB of headers by default, all of them together.
        assert!(login.len() < 2500, "{length}: {}", login.len());
        let next = hidden_next(&app.browser().get(&login)).expect("a next");
        let landing = if kept { uri.as_str() } else { "/" };
        assert_eq!(next, format!("https://app.example.org{landing}"), "{length}");
    }
}

#[test]
fn b82_identity_headers_of_a_client_change_nothing() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    app.signed_up("bob@example.com");
    let own = identity(&at_application(&app, &ann).get("/auth"));
    for owner in [&ann, &app.browser()] {
        for name in ["Remote-User", "remote_user", "X-Remote-User", "X-Forwarded-User"] {
            let visitor = at_application(&app, owner);
            visitor.header(name, "2").header("Remote-Email", "bob@example.com");
            visitor.header("Remote-Email-Confirmed", "true");
            let answer = visitor.get("/auth");
            if owner.cookie(COOKIE).is_some() {
                assert_eq!(identity(answer.is(200)), own, "{name}");
            } else {
                assert_eq!(identity(answer.is(303)), [], "{name}");
            }
            answer.does_not_say("bob@example.com");
        }
    }
}

#[test]
fn an_address_of_any_script_fits_a_header() {
    let app = with_applications();
    for (email, header) in [
        ("rené@example.com", "ren%C3%A9@example.com"),
        ("日本@例え.テスト", "%E6%97%A5%E6%9C%AC@%E4%BE%8B%E3%81%88.%E3%83%86%E3%82%B9%E3%83%88"),
        ("a%41%0d%0ab@example.com", "a%2541%250d%250ab@example.com"),
        ("o'neil+tag@example.com", "o'neil+tag@example.com"),
    ] {
        let owner = app.signed_up(email);
        let answer = at_application(&app, &owner).get("/auth");
        assert_eq!(answer.is(200).all("remote-email"), [header]);
        let back = percent_encoding::percent_decode_str(header).decode_utf8().expect("UTF-8");
        assert_eq!(back, email, "no two addresses look the same");
    }
}

#[test]
fn a_visit_to_an_application_keeps_the_session_alive() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let last_seen = || -> Timestamp {
        sessions::table.select(sessions::last_seen_at).first(&mut app.database()).expect("a row")
    };
    let half_an_hour_ago = Timestamp::now() - Duration::from_secs(30 * 60);
    let millis = half_an_hour_ago.millis();
    app.sql(&format!("UPDATE sessions SET last_seen_at = {millis}, created_at = {millis}"));
    // What opens nothing keeps nothing alive.
    at_application(&app, &app.browser()).get("/auth").is(303);
    assert_eq!(last_seen(), half_an_hour_ago);
    at_application(&app, &ann).get("/auth").is(200);
    let end = Instant::now() + Duration::from_secs(30);
    while last_seen() == half_an_hour_ago {
        assert!(Instant::now() < end, "not written down");
        std::thread::yield_now();
    }
    let before = app.dump();
    at_application(&app, &ann).get("/auth").is(200);
    assert_eq!(app.dump(), before, "once a minute is enough");
}

/// What `/auth` asks the database.
const LOOK_UP: &str = "SELECT * FROM users INNER JOIN sessions ON sessions.user_id = users.id \
                       WHERE sessions.door_key = 'x' AND sessions.expires_at > 0";

#[test]
fn postgresql_looks_up_by_key() {
    for_postgresql_alone();
    #[derive(diesel::QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text, column_name = "QUERY PLAN")]
        line: String,
    }
    let app = with_applications();
    let mut conn = app.database();
    // Tables without rows are quickest read through.
    conn.batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off").expect("set");
    let steps: Vec<Step> =
        diesel::sql_query(format!("EXPLAIN {LOOK_UP}")).load(&mut conn).expect("a plan");
    let plan = steps.into_iter().map(|step| step.line).collect::<Vec<_>>().join("\n");
    assert!(plan.contains("Index Scan using sessions_door_key on sessions"), "{plan}");
    assert!(plan.contains("Index Scan using users_pkey on users"), "{plan}");
}

#[test]
fn sqlite_looks_up_by_key() {
    for_sqlite_alone();
    #[derive(diesel::QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let app = with_applications();
    let plan = format!("EXPLAIN QUERY PLAN {LOOK_UP}");
    let steps: Vec<Step> = diesel::sql_query(plan).load(&mut app.database()).expect("a plan");
    let plan: Vec<&str> = steps.iter().map(|step| step.detail.as_str()).collect();
    assert!(plan[0].contains("USING INDEX sessions_door_key (door_key=?)"), "{plan:?}");
    assert!(plan.iter().all(|step| step.starts_with("SEARCH")), "{plan:?}");
}

#[test]
fn nothing_else_is_served_at_the_door() {
    let app = with_applications();
    let ann = app.signed_up(ANN);
    let visitor = at_application(&app, &ann);
    // The door's cookie opens no page of ours.
    visitor.get("/profile").goes_to("/login?next=/profile");
    visitor.send(rocket::http::Method::Post, "/auth", &[], Vec::new()).is(405);
    visitor.send(Get, "/auth/page", &[], Vec::new()).is(404);
}

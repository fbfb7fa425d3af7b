//! The security history: one's own events, successes and failures, and nobody else's.

use gatehouse::audit::{self, Event, Source};
use gatehouse::clock::Timestamp;
use rocket::http::Method::Get;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp, Visitor};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];
const WRONG: [(&str, &str); 2] = [("email", ANN), ("password", "wrong harbour")];
const HERS: i64 = 1;

/// A page of the history, as a program reads it.
#[track_caller]
fn read(visitor: &Visitor<'_>, path: &str) -> Value {
    visitor.send(Get, path, &[("Accept", "application/json")], Vec::new()).is(200).json()
}

fn events(page: &Value) -> Vec<Value> {
    page["events"].as_array().expect("a list").clone()
}

fn ids(page: &Value) -> Vec<i64> {
    events(page).iter().map(|event| event["id"].as_i64().expect("a number")).collect()
}

/// So many events of that user, one at each second, whose numbers begin at `first`.
fn write(app: &TestApp, user: i64, first: i64, count: i64) {
    app.auth().journal().flush();
    let now = Timestamp::now().millis();
    for id in first..first + count {
        app.sql(&format!(
            "INSERT INTO events (id, at, event, user_id, ip, user_agent, request_id, times) \
             VALUES ({id}, {}, 'logged_in', {user}, '192.0.2.{user}', 'curl/8.5.0', '', 1)",
            now + id * 1000
        ));
    }
}

#[test]
fn what_happened_and_what_was_tried_is_told_newest_first() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let stranger = app.browser();
    stranger.header("User-Agent", FIREFOX);
    stranger.post("/sessions", &WRONG).is(401);
    app.auth().journal().flush();
    stranger.post("/sessions", &PAIR).goes_to("/profile");
    stranger.post("/sudo", &[("password", "wrong harbour")]).is(422);
    app.auth().journal().flush();
    ann.get("/profile");

    let page = ann.get("/account/history");
    page.is(200).says("<title>Security history – Gatehouse</title>").says("We keep it for 90 days");
    let text = page.text();
    let order = [
        "A wrong password was given for something sensitive",
        "Log-in.",
        "A log-in failed: the password was wrong.",
        "The account was made.",
    ];
    let places: Vec<usize> = order.iter().map(|what| text.find(what).expect(what)).collect();
    // The first two may be written in one batch, in the order in which they came.
    assert!(places.is_sorted(), "{text}");
    page.says("; Firefox 140 on Linux; 127.0.0.1, place unknown</span>");
    page.says(Timestamp::now().in_words().split(',').next().expect("a day"));

    let program = read(&ann, "/account/history");
    let events = events(&program);
    let told: Vec<(&str, &str)> = events
        .iter()
        .map(|event| {
            (event["event"].as_str().expect("text"), event["outcome"].as_str().expect("text"))
        })
        .collect();
    assert_eq!(
        told,
        [
            ("password_confirm_failed", "refused"),
            ("new_log_in_told", "success"),
            ("logged_in", "success"),
            ("log_in_failed", "refused"),
            ("signed_up", "success"),
        ]
    );
    assert_eq!(program["older"], Value::Null);
    let failed = &events[3];
    assert_eq!(failed["device"], "Firefox 140 on Linux");
    assert_eq!(failed["user_agent"], FIREFOX);
    assert_eq!(failed["ip"], "127.0.0.1");
    assert_eq!(failed["place"], Value::Null);
    assert_eq!(failed["times"], 1);
    assert!(failed["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{failed}");
    let mut names: Vec<&str> =
        failed.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["at", "device", "event", "id", "ip", "outcome", "place", "times", "user_agent"]
    );
}

#[test]
fn b05_what_a_stranger_asks_for_is_told_once_it_is_mailed() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.auth().journal().flush();
    app.sql("DELETE FROM events");
    for path in ["/reset_password", "/unlock"] {
        for email in [ANN, BOB] {
            app.program().post(path, &[("email", email)]).is(200);
        }
    }
    app.auth().journal().flush();
    // Whoever asks must not feel whether there is such an account (D8).
    assert_eq!(events(&read(&ann, "/account/history")), [json!(null); 0]);
    app.mailbox();
    let told = events(&read(&ann, "/account/history"));
    let names: Vec<&Value> = told.iter().map(|event| &event["event"]).collect();
    assert_eq!(names, ["unlock_mailed", "reset_mailed"]);
    assert!(told.iter().all(|event| event["ip"].is_null() && event["device"].is_null()));
    let page = ann.get("/account/history");
    page.says("Somebody asked for a new password; the link was mailed to you.");
    page.says("Somebody asked for a link past the limit on log-ins; it was mailed to you.");
    // In the transaction that writes the mail: a commit more would tell that there was one.
    app.sql("DELETE FROM events");
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    app.break_down("INSERT", "events", "disk I/O error");
    assert!(app.service.worker.deliver_due(Timestamp::now()).is_err());
    app.mend();
}

#[test]
fn what_was_tried_too_often_on_a_device_of_theirs_is_told() {
    let app = TestApp::with("limit_login = \"1/1h\"\nlimit_ask = \"1/1h\"", &[]);
    let ann = app.signed_up(ANN);
    let [wrong, change] = [
        &[("password", "wrong harbour")][..],
        &[("current_password", "wrong harbour"), ("new_password", "another harbour")],
    ];
    ann.post("/sudo", wrong).is(422);
    let tries = [
        ann.post("/sudo", wrong),
        ann.put("/account/password", change),
        ann.post("/account/email", &[("email", BOB)]),
        ann.post("/account/email", &[("email", BOB)]),
    ];
    assert_eq!(tries.map(|answer| answer.status.code), [429, 429, 303, 429]);
    app.auth().journal().flush();
    let told = events(&read(&ann, "/account/history"));
    let often = told.iter().filter(|event| event["event"] == "tried_too_often");
    let times: i64 = often.map(|event| event["times"].as_i64().expect("a number")).sum();
    assert_eq!(times, 3, "{told:?}");
}

#[test]
fn what_came_often_at_one_moment_is_counted() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.auth().journal().flush();
    app.sql("DELETE FROM events");
    write(&app, HERS, 1, 1);
    app.sql("UPDATE events SET times = 12, event = 'log_in_failed'");
    ann.get("/account/history").is(200).says("the password was wrong.</strong> 12 times.");
    assert_eq!(events(&read(&ann, "/account/history"))[0]["times"], 12);
}

#[test]
fn each_event_has_a_way_to_say_that_it_was_somebody_else() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.auth().journal().flush();
    app.sql("DELETE FROM events");
    // Alike in all that is told of them.
    write(&app, HERS, 1, 3);
    app.sql("UPDATE events SET at = 1895918400000");
    let page = ann.get("/account/history");
    for (id, place) in [(3, 1), (2, 2), (1, 3)] {
        page.says(&format!(
            "<a href=\"&#x2F;account&#x2F;secure?event={id}\">This wasn’t me<span class=\"unseen\"> ({place}: Log-in.)</span></a>"
        ));
    }
    assert_eq!(page.text().matches("This wasn’t me").count(), 3);
    // The page that it leads to says which.
    ann.get("/account/secure?event=2").is(200).says("This was not you? <strong>Log-in.</strong>");
    ann.get("/account/secure").is(200).does_not_say("This was not you?");
}

#[test]
fn the_history_is_read_page_by_page() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.browser().post("/users", &[("email", BOB), PAIR[1]]).goes_to("/profile");
    app.auth().journal().flush();
    app.sql("DELETE FROM events");
    write(&app, HERS, 1000, 120);
    write(&app, 2, 2000, 60);
    // Two of one moment, on either side of a page's end.
    app.sql("UPDATE events SET at = (SELECT at FROM (SELECT at FROM events WHERE id = 1070) AS it) WHERE id = 1069");
    let mut seen = Vec::new();
    let mut path = Some("/account/history".to_owned());
    let mut pages = 0;
    while let Some(at) = path {
        let page = read(&ann, &at);
        seen.extend(ids(&page));
        pages += 1;
        path = page["older"].as_str().map(str::to_owned);
        let told = ann.get(&at);
        match &path {
            Some(older) => told
                .is(200)
                .says(&format!("<a href=\"{}\">Older events</a>", older.replace('/', "&#x2F;"))),
            None => told.is(200).does_not_say("Older events"),
        };
    }
    assert_eq!(pages, 10);
    assert_eq!(seen, (1000..1120).rev().collect::<Vec<i64>>());
}

#[test]
fn b62_a_start_that_is_none_is_the_first_page() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.browser().post("/users", &[("email", BOB), PAIR[1]]).goes_to("/profile");
    app.auth().journal().flush();
    app.sql("DELETE FROM events");
    write(&app, HERS, 100, 60);
    write(&app, 2, 50, 10);
    let first = read(&ann, "/account/history");
    for before in [
        "",
        "x",
        "-1",
        "0",
        "1e400",
        "null",
        "[]",
        "{}",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999",
        "%00",
        "%ff",
        "1%3BDROP%20TABLE%20events",
        "'%20OR%20'1'='1",
        "55",
    ] {
        let path = format!("/account/history?before={before}");
        assert_eq!(read(&ann, &path), first, "{before}");
        ann.get(&path).is(200);
    }
}

#[test]
fn b39_anothers_event_is_not_found() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let bob = app.browser();
    bob.header("User-Agent", FIREFOX);
    bob.post("/users", &[("email", BOB), PAIR[1]]).goes_to("/profile");
    app.auth().journal().flush();
    let bobs = ids(&read(&bob, "/account/history"))[0];
    let hers = ids(&read(&ann, "/account/history"))[0];
    let find = |user, id| app.wait(app.auth().find_event(user, id)).expect("asked");
    assert_eq!(find(HERS, hers).map(|row| row.id), Some(hers));
    for id in [bobs, 0, -1, i64::MAX, i64::MIN] {
        assert!(find(HERS, id).is_none(), "{id}");
    }
    for id in [bobs.to_string(), "0".to_owned(), "x".to_owned(), i64::MAX.to_string()] {
        let page = ann.get(&format!("/account/secure?event={id}"));
        page.is(200).does_not_say("Firefox").does_not_say("This was not you?");
    }
    for path in ["/account/history".to_owned(), format!("/account/history?before={bobs}")] {
        ann.get(&path).is(200).does_not_say("Firefox");
        assert!(ids(&read(&ann, &path)).iter().all(|id| *id == hers));
    }
}

#[test]
fn b110_what_happened_to_nobody_is_in_nobodys_history() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.program().post("/sessions", &[("email", "eve@example.com"), PAIR[1]]).is(401);
    app.browser().get("/profile");
    app.auth().journal().flush();
    assert_eq!(events(&read(&ann, "/account/history")).len(), 1);
}

#[test]
fn every_event_has_a_sentence_and_what_no_request_brought_has_no_device() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.auth().journal().flush();
    let inside = app.auth().journal().inside();
    for event in Event::all() {
        app.sql("DELETE FROM events");
        audit::record(event, Some(HERS), &inside);
        app.auth().journal().flush();
        let page = ann.get("/account/history");
        page.is(200)
            .does_not_say("has no words for")
            .does_not_say("place unknown")
            .says(".</strong>");
        let told = events(&read(&ann, "/account/history"));
        assert_eq!(told[0]["event"], event.name());
        assert_eq!((&told[0]["device"], &told[0]["ip"]), (&json!(null), &json!(null)));
    }
    // Written by another version.
    app.sql("UPDATE events SET event = 'teleported'");
    ann.get("/account/history").is(200).says("Something that this version has no words for.");
    assert_eq!(events(&read(&ann, "/account/history"))[0]["outcome"], Value::Null);
}

#[test]
fn a_name_that_a_program_gives_itself_is_cut() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let source = Source {
        ip: "192.0.2.1".to_owned(),
        user_agent: format!("{}\u{202e}end", "x".repeat(79)),
        ..app.auth().journal().inside()
    };
    audit::record(Event::LoggedIn, Some(HERS), &source);
    app.auth().journal().flush();
    let name = format!("An unknown program: {}e…;", "x".repeat(79));
    ann.get("/account/history").is(200).says(&name).does_not_say("\u{202e}");
}

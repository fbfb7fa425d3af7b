//! Sessions over time: their limits, several devices, what the database keeps of them.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use gatehouse::accounts::session::{Beginning, Device, Session};
use gatehouse::accounts::user::{User, UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{sessions, users};
use gatehouse::tokens::fingerprint;

use crate::app::{PASSWORD, TestApp};

const ANN: &str = "ann@example.com";
const MILLISECOND: Duration = Duration::from_millis(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

fn with_ann(settings: &str) -> TestApp {
    let app = TestApp::with(settings, &[]);
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

#[track_caller]
fn begin(app: &TestApp, remembered: bool, now: Timestamp) -> String {
    let beginning = Beginning { remembered, ..Beginning::default() };
    app.wait(app.auth().create_session(ANN, beginning, now)).expect("begun")
}

#[track_caller]
fn find(app: &TestApp, id: &str, now: Timestamp) -> Option<Session> {
    app.wait(app.auth().find_session(id, now)).expect("the database answers").map(|found| found.1)
}

#[track_caller]
fn touch(app: &TestApp, id: &str, now: Timestamp) {
    let session = find(app, id, now).expect("alive");
    app.wait(app.auth().touch_session(&session, &Device::default(), now)).expect("touched");
}

#[track_caller]
fn stored_user(app: &TestApp) -> User {
    find_user_by(&mut app.database(), UserKey::Email(ANN)).expect("there")
}

fn count(app: &TestApp) -> i64 {
    sessions::table.count().get_result(&mut app.database()).expect("counted")
}

#[test]
fn an_unused_session_ends_at_its_idle_limit() {
    let app = with_ann("");
    for (remembered, idle) in [(false, HOUR), (true, 14 * DAY)] {
        let start = Timestamp::now();
        let id = begin(&app, remembered, start);
        assert!(find(&app, &id, start + idle - MILLISECOND).is_some(), "{remembered}");
        assert!(find(&app, &id, start + idle).is_none(), "{remembered}");
        // Use moves the limit.
        let used = start + idle / 2;
        touch(&app, &id, used);
        assert!(find(&app, &id, used + idle - MILLISECOND).is_some(), "{remembered}");
        assert!(find(&app, &id, used + idle).is_none(), "{remembered}");
        let user = app.auth().get_user_from_session_id(Some(&id), used + idle);
        assert!(app.wait(user).expect("answers").is_none());
    }
}

#[test]
fn a_session_in_steady_use_ends_at_its_absolute_limit() {
    let app = with_ann("");
    for (remembered, step, absolute) in [(false, HOUR / 2, DAY), (true, 10 * DAY, 30 * DAY)] {
        let start = Timestamp::now();
        let id = begin(&app, remembered, start);
        let mut now = start;
        while now + step < start + absolute {
            now = now + step;
            touch(&app, &id, now);
        }
        touch(&app, &id, start + absolute - MILLISECOND);
        assert!(find(&app, &id, start + absolute - MILLISECOND).is_some(), "{remembered}");
        assert!(find(&app, &id, start + absolute).is_none(), "{remembered}");
    }
}

#[test]
fn the_limits_are_settings() {
    let app = with_ann("session_idle = \"10m\"\nsession_absolute = \"1h\"");
    let start = Timestamp::now();
    let id = begin(&app, false, start);
    assert!(find(&app, &id, start + 10 * MINUTE - MILLISECOND).is_some());
    assert!(find(&app, &id, start + 10 * MINUTE).is_none());
}

#[test]
fn an_unknown_session_is_nobodys() {
    let app = with_ann("");
    let now = Timestamp::now();
    let id = begin(&app, false, now);
    for other in ["", "x", &id.to_uppercase(), &id[1..], &fingerprint(&id)] {
        assert!(find(&app, other, now).is_none(), "{other}");
    }
    let nobody = app.auth().get_user_from_session_id(None, now);
    assert!(app.wait(nobody).expect("answers").is_none());
}

#[test]
fn last_use_is_written_down_once_a_minute() {
    let app = with_ann("");
    let start = Timestamp::now();
    let id = begin(&app, false, start);
    let session = find(&app, &id, start).expect("alive");
    assert!(!session.wants_touch(start));
    assert!(!session.wants_touch(start + MINUTE - MILLISECOND));
    assert!(session.wants_touch(start + MINUTE));
    // A clock that was set back costs nothing.
    assert!(!session.wants_touch(start - HOUR));
    touch(&app, &id, start + MINUTE);
    let session = find(&app, &id, start + MINUTE).expect("alive");
    assert_eq!(session.last_seen_at, start + MINUTE);
    assert_eq!(session.created_at, start);
    assert!(!session.wants_touch(start + MINUTE + MINUTE / 2));
}

#[test]
fn a_page_view_moves_the_idle_limit() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.sql("UPDATE sessions SET last_seen_at = last_seen_at - 120000, expires_at = expires_at - 120000");
    let seen = || -> (i64, i64) {
        let columns = (sessions::last_seen_at, sessions::expires_at);
        sessions::table.select(columns).first(&mut app.database()).expect("there")
    };
    let before = seen();
    ann.get("/profile").is(200);
    let deadline = Instant::now() + Duration::from_secs(20);
    while seen() == before {
        assert!(Instant::now() < deadline, "the use was never written down");
        std::thread::sleep(Duration::from_millis(5));
    }
    let (last_seen, expires) = seen();
    assert!(last_seen >= before.0 + 120_000, "{last_seen}");
    assert_eq!(expires - last_seen, HOUR.as_millis() as i64);
}

#[test]
fn a_laptop_and_a_phone_do_not_sign_each_other_out() {
    let app = TestApp::new();
    let laptop = app.signed_up(ANN);
    let first = stored_user(&app).session_id.expect("the laptop's");
    let phone = app.program();
    phone.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let second = stored_user(&app).session_id.expect("the phone's");
    assert_ne!(first, second, "the user's most recent session");
    laptop.get("/profile").is(200);
    phone.get("/profile").is(200);
    laptop.delete("/sessions").goes_to("/");
    laptop.get("/profile").is(303);
    phone.get("/profile").is(200);
    assert_eq!(stored_user(&app).session_id, Some(second), "an older device leaves it alone");
    phone.delete("/sessions").goes_to("/");
    assert_eq!(stored_user(&app).session_id, None, "set to null on log-out");
}

#[test]
fn the_newest_device_may_leave_first() {
    let app = TestApp::new();
    let laptop = app.signed_up(ANN);
    let phone = app.program();
    phone.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    phone.delete("/sessions").goes_to("/");
    assert_eq!(stored_user(&app).session_id, None);
    laptop.get("/profile").is(200);
}

#[test]
fn destroying_a_session_twice_ends_it_once() {
    let app = with_ann("");
    let now = Timestamp::now();
    let (one, other) = (begin(&app, false, now), begin(&app, false, now));
    assert!(app.wait(app.auth().destroy_session(&one)).expect("answers"));
    assert!(!app.wait(app.auth().destroy_session(&one)).expect("answers"));
    assert!(!app.wait(app.auth().destroy_session("unknown")).expect("answers"));
    assert!(find(&app, &one, now).is_none() && find(&app, &other, now).is_some());
}

#[test]
fn the_twenty_first_device_signs_out_the_one_unused_for_longest() {
    let app = with_ann("");
    let start = Timestamp::now();
    let ids: Vec<String> =
        (0..20u32).map(|number| begin(&app, false, start + number * MINUTE)).collect();
    assert_eq!(count(&app), 20);
    let now = start + 30 * MINUTE;
    // The oldest was used just now, so the second oldest goes.
    touch(&app, &ids[0], now);
    let newest = begin(&app, false, now);
    assert_eq!(count(&app), 20);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(find(&app, id, now).is_some(), number != 1, "session {number}");
    }
    assert!(find(&app, &newest, now).is_some());
    assert_eq!(stored_user(&app).session_id, Some(fingerprint(&newest)));
}

#[test]
fn the_session_that_begins_is_never_the_one_that_goes() {
    let app = with_ann("sessions_per_user = 3");
    let start = Timestamp::now();
    // Many at one moment, and after a clock was set back.
    for now in [start, start, start, start, start, start - HOUR, start - DAY] {
        let id = begin(&app, false, now);
        assert!(find(&app, &id, now).is_some(), "signed out by its own log-in");
        assert_eq!(stored_user(&app).session_id, Some(fingerprint(&id)));
        assert!(count(&app) <= 3);
    }
}

#[test]
fn one_persons_devices_do_not_push_out_anothers() {
    let app = with_ann("sessions_per_user = 2");
    let bob = app.signed_up("bob@example.com");
    for _ in 0..5 {
        begin(&app, false, Timestamp::now());
    }
    bob.get("/profile").is(200);
    assert_eq!(count(&app), 3);
}

#[test]
fn only_what_has_expired_is_purged() {
    let app = with_ann("");
    let start = Timestamp::now();
    let older = begin(&app, false, start - MINUTE);
    let remembered = begin(&app, true, start);
    let newer = begin(&app, false, start);
    let purge = |now: Timestamp| app.wait(app.auth().purge_sessions(now)).expect("purged");
    assert_eq!(purge(start + HOUR - MINUTE - MILLISECOND), 0);
    assert_eq!(count(&app), 3);
    assert_eq!(purge(start + HOUR - MINUTE), 1);
    assert!(find(&app, &older, start).is_none());
    assert!(find(&app, &newer, start).is_some() && find(&app, &remembered, start).is_some());
    assert_eq!(stored_user(&app).session_id, Some(fingerprint(&newer)));
    assert_eq!(purge(start + HOUR), 1);
    assert!(find(&app, &remembered, start).is_some());
    assert_eq!(stored_user(&app).session_id, None);
    assert_eq!(purge(start + 15 * DAY), 1);
    assert_eq!(count(&app), 0);
    let users: i64 = users::table.count().get_result(&mut app.database()).expect("counted");
    assert_eq!(users, 1);
}

#[test]
fn b45c_a_copied_database_holds_no_session_that_opens() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let cookie = ann.cookie("session_id").expect("signed in");
    let id = begin(&app, true, Timestamp::now());
    let key = fingerprint(&id);
    let (dump, raw) = (app.dump(), app.raw_database());
    let in_files = |text: &str| raw.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(dump.contains(&key) && in_files(&key), "this is where its SHA-256 is kept");
    let decoded = percent_encoding::percent_decode_str(&cookie).decode_utf8_lossy().into_owned();
    for secret in [&id, &id.replace('-', ""), &cookie, &decoded, PASSWORD] {
        assert!(!dump.contains(secret) && !in_files(secret), "{secret}");
    }
    // What it does hold opens nothing.
    assert!(find(&app, &key, Timestamp::now()).is_none());
    let thief = app.program();
    thief.set_cookie("session_id", &key);
    thief.get("/profile").is(403);
}

#[test]
fn whoever_is_active_is_not_signed_out_by_a_short_limit() {
    let app = with_ann("session_idle = \"50s\"");
    let mut now = Timestamp::now();
    let id = begin(&app, false, now);
    for _ in 0..10 {
        now = now + Duration::from_secs(20);
        let session = find(&app, &id, now).expect("alive");
        assert!(session.wants_touch(now));
        touch(&app, &id, now);
    }
    assert!(find(&app, &id, now + Duration::from_secs(50)).is_none());
}

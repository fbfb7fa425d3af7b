//! What the list says of a session is its last use.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use gatehouse::accounts::session::Session;
use gatehouse::db::schema::sessions;

use super::{ANN, FIREFOX, PASSWORD, PHONE, TestApp};

#[test]
fn where_a_session_was_used_last_is_told_and_not_where_it_began() {
    let app = TestApp::with("trusted_proxies = [\"127.0.0.1\"]", &[]);
    let ann = app.browser();
    ann.header("User-Agent", FIREFOX).header("X-Forwarded-For", "192.0.2.1");
    ann.post("/users", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    let thief = app.browser();
    thief.set_cookie("session_id", &ann.cookie("session_id").expect("signed in"));
    let agent = format!("{PHONE}\u{7}{}", "x".repeat(5000));
    thief.header("User-Agent", &agent).header("X-Forwarded-For", "198.51.100.9");
    thief.get("/profile").is(200);
    assert_eq!(session(&app).ip, "192.0.2.1", "not within the minute");
    app.sql("UPDATE sessions SET last_seen_at = last_seen_at - 60000");
    thief.get("/profile").is(200);
    let end = Instant::now() + Duration::from_secs(20);
    while session(&app).ip == "192.0.2.1" && Instant::now() < end {
        std::thread::yield_now();
    }
    let used = session(&app);
    assert_eq!(used.ip, "198.51.100.9");
    assert!(used.user_agent.starts_with(PHONE) && !used.user_agent.contains('\u{7}'));
    assert_eq!(used.user_agent.chars().count(), 256, "cut as at the beginning");
    let page = ann.get("/account/sessions");
    page.is(200).says("Chrome 140 on Android 14").says("198.51.100.9, place unknown");
    page.does_not_say("192.0.2.1");
}

fn session(app: &TestApp) -> Session {
    let only = sessions::table.select(Session::as_select());
    only.first(&mut app.database()).expect("her only one")
}

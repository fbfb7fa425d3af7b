//! B-09: an impostor was there first, under the victim's address, and waits.

use diesel::prelude::*;
use gatehouse::db::schema::{devices, sessions, sign_ups, users};
use rocket::http::Method::Post;
use serde_json::json;

use super::{ANN, NEW, find, link_to, logs_in, signs_up, with_confirmation};
use crate::app::{PASSWORD, TestApp};

const MALLORY: &str = "mallory@example.net";

/// The victim follows the link in their own mail, in their own browser.
#[track_caller]
fn victim_confirms(app: &TestApp, link: &str) {
    let victim = app.browser();
    victim.get(link).goes_to("/confirm/new");
    victim.get("/confirm/new").is(200).says("type=\"password\"");
    victim.post("/confirm", &[("new_password", NEW)]).goes_to("/profile");
}

#[test]
fn b09_the_impostors_password_and_cookies_are_worth_nothing() {
    let app = with_confirmation();
    let impostors = [app.browser(), app.browser(), app.program()].map(|it| signs_up(it, ANN));
    for impostor in &impostors {
        // Nothing to hold on to: no session, no known device.
        for cookie in ["session_id", "device"] {
            assert_eq!(impostor.cookie(cookie), None, "{cookie}");
        }
        assert!(impostor.cookie("sign_up").is_some());
    }
    victim_confirms(&app, &link_to(&app, ANN));
    logs_in(&app, ANN, NEW, 200);
    logs_in(&app, ANN, PASSWORD, 401);
    let of_ann: Result<i64, _> = sign_ups::table.count().get_result(&mut app.database());
    assert_eq!(of_ann, Ok(0), "other sign-ups under the address are gone");
    let before = app.dump();
    for impostor in &impostors {
        for path in ["/profile", "/confirm/sent", "/confirm/new"] {
            assert_ne!(impostor.get(path).status.code, 200, "{path}");
        }
        impostor.post("/confirm", &[("new_password", PASSWORD)]).is(403);
        let again = impostor.post("/confirm/sent", &[("email", ANN)]);
        assert!([303, 403].contains(&again.status.code), "{again:?}");
        let moved = impostor.post("/confirm/sent", &[("email", MALLORY)]);
        assert!([303, 403].contains(&moved.status.code), "{moved:?}");
    }
    assert_eq!(app.dump(), before);
    assert_eq!(sessions::table.count().get_result(&mut app.database()), Ok(2_i64), "the victim's");
    assert_eq!(devices::table.count().get_result(&mut app.database()), Ok(2_i64), "the victim's");
}

#[test]
fn b09_a_link_to_the_impostors_mailbox_does_not_follow_the_address() {
    let app = with_confirmation();
    // To a mailbox of their own first, then "corrected" to the victim's.
    let impostor = signs_up(app.browser(), MALLORY);
    let own = link_to(&app, MALLORY);
    impostor.get(&own).goes_to("/confirm/new");
    impostor.post("/confirm/sent", &[("email", ANN)]).goes_to("/confirm/sent");
    impostor.get("/confirm/new").is(403);
    impostor.get(&own).is(403);
    impostor.post("/confirm", &[]).is(403);
    let body = json!({ "confirm_token": super::token_of(&own), "new_password": PASSWORD });
    app.program().json(Post, "/confirm", &body).is(403);
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(0_i64));
    victim_confirms(&app, &link_to(&app, ANN));
    logs_in(&app, ANN, PASSWORD, 401);
    assert!(find(&app, MALLORY).is_none());
}

#[test]
fn b09_a_correction_that_waits_cannot_take_the_account_along() {
    let app = with_confirmation();
    let impostor = signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    impostor.post("/confirm/sent", &[("email", MALLORY)]).goes_to("/confirm/sent");
    // What went to the victim is dead, so that nobody confirms the impostor's address by it.
    app.browser().get(&link).is(403);
    impostor.get(&link_to(&app, MALLORY)).goes_to("/confirm/new");
    impostor.post("/confirm", &[]).goes_to("/profile");
    impostor.get("/profile").is(200).says(MALLORY);
    assert!(find(&app, ANN).is_none());
    // The victim's own sign-up is nobody else's.
    let victim = signs_up(app.browser(), ANN);
    victim.get(&link_to(&app, ANN)).goes_to("/confirm/new");
    victim.post("/confirm", &[]).goes_to("/profile");
    victim.get("/profile").is(200).says(ANN);
}

#[test]
fn b09_a_victim_who_signs_up_too_is_not_led_to_the_impostors_password() {
    let app = with_confirmation();
    signs_up(app.browser(), ANN);
    let planted = link_to(&app, ANN);
    let victim = app.browser();
    victim.post("/users", &[("email", ANN), ("password", NEW)]).goes_to("/confirm/sent");
    // Both mails are in the victim's mailbox, and the older one is clicked.
    victim.get(&planted).goes_to("/confirm/new");
    victim.get("/confirm/new").is(200).says("type=\"password\"");
    victim.post("/confirm", &[]).is(422);
    victim.post("/confirm", &[("new_password", NEW)]).goes_to("/profile");
    logs_in(&app, ANN, PASSWORD, 401);
    logs_in(&app, ANN, NEW, 200);
}

#[test]
fn b09_links_asked_for_before_there_was_an_account_lead_to_its_owner_alone() {
    let app = with_confirmation();
    let impostor = signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    for path in ["/reset_password", "/unlock"] {
        impostor.post(path, &[("email", ANN)]).is(303);
    }
    assert!(app.mailbox().iter().all(|mail| mail.to == ANN));
    let mails = app.mailbox().len();
    victim_confirms(&app, &link);
    // Nothing that was asked for before wakes up.
    assert_eq!(app.mailbox().len(), mails);
    impostor.get("/reset_password/new").is(403);
    logs_in(&app, ANN, NEW, 200);
}

#[test]
fn b27_whoever_confirms_leaves_the_session_before() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    ann.get(&link_to(&app, ANN)).goes_to("/confirm/new");
    ann.post("/confirm", &[]).goes_to("/profile");
    let planted = ann.cookie("session_id").expect("a session");
    signs_up(app.browser(), "bob@example.com");
    let link = link_to(&app, "bob@example.com");
    ann.get(&link).goes_to("/confirm/new");
    ann.post("/confirm", &[("new_password", NEW)]).goes_to("/profile");
    ann.get("/profile").is(200).says("bob@example.com");
    let thief = app.browser();
    thief.set_cookie("session_id", &planted);
    thief.get("/profile").is(303);
}

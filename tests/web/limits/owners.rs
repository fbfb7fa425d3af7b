//! B-14, B-15: an attacker neither keeps an owner out nor clears the way by logging in.

use gatehouse::clock::Timestamp;
use rocket::http::Method::{Post, Put};

use super::{ANN, BOB, Guesser, WAYS, WRONG, Way, guarded, mailed, tries_of, with_ann};
use crate::app::{PASSWORD, TestApp, Visitor};

const NEW_PASSWORD: &str = "another harbour";

/// Whether a browser that nobody knows is kept out, Ann's password or not.
#[track_caller]
fn is_closed_to_strangers(app: &TestApp) {
    for way in WAYS {
        for password in [PASSWORD, NEW_PASSWORD] {
            way.log_in(&way.visitor(app), ANN, password).is(429);
        }
    }
}

/// So often that the next try must wait for a long time.
fn attack(app: &TestApp) {
    let attacker = Guesser::at(app.auth(), "203.0.113.9");
    let mut now = Timestamp::now();
    for _ in 0..20 {
        attacker.closes_ann(now);
        now = now + attacker.closes_ann(now).retry_after;
    }
    // The pause begins when the last of them was looked at.
    let last = Timestamp::now().millis();
    app.sql(&format!("UPDATE limits SET last_at = {last} WHERE last_at > {last}"));
    is_closed_to_strangers(app);
}

fn logs_in(way: Way, visitor: &Visitor<'_>, password: &str) {
    let answer = way.log_in(visitor, ANN, password);
    assert_eq!(answer.status.code, way.welcome(), "{}", answer.text());
    visitor.get("/profile").is(200).says(ANN);
}

#[test]
fn b14_the_owners_known_browser_gets_in_while_strangers_are_kept_out() {
    let app = guarded();
    let (browser, program) = (app.browser(), app.program());
    logs_in(Way::Form, &browser, PASSWORD);
    logs_in(Way::Json, &program, PASSWORD);
    attack(&app);
    for (way, known) in [(Way::Form, &browser), (Way::Json, &program)] {
        known.delete("/sessions");
        for _ in 0..3 {
            way.log_in(known, ANN, WRONG).is(401);
        }
        logs_in(way, known, PASSWORD);
    }
    is_closed_to_strangers(&app);
}

#[test]
fn b14_from_a_new_device_the_owner_gets_in_by_a_reset() {
    for way in WAYS {
        let app = guarded();
        attack(&app);
        let owner = way.visitor(&app);
        owner.post("/reset_password", &[("email", ANN)]);
        let link = mailed(&app, "reset_password");
        let token = link.rsplit('/').next().expect("a token");
        owner.get(&link);
        match way {
            Way::Form => {
                owner.get("/reset_password/new").is(200);
                let form = [("_method", "put"), ("new_password", NEW_PASSWORD)];
                owner.post("/reset_password", &form).goes_to("/login");
            }
            Way::Json => {
                let form = [("reset_token", token), ("new_password", NEW_PASSWORD)];
                way.send(&owner, Put, "/reset_password", &form).is(200);
            }
        }
        is_closed_to_strangers(&app);
        logs_in(way, &owner, NEW_PASSWORD);
    }
}

#[test]
fn b14_from_a_new_device_the_owner_gets_in_by_an_unlock_mail() {
    let app = guarded();
    attack(&app);
    let owner = app.browser();
    let page = owner.post("/sessions", &[("email", ANN), ("password", PASSWORD)]);
    page.is(429).says("action=\"/unlock\"").says(&format!("value=\"{ANN}\""));
    owner.post("/unlock", &[("email", ANN)]).goes_to("/unlock/sent");
    owner.get("/unlock/sent").is(200).says(ANN).says("60 minutes");
    let link = mailed(&app, "unlock");
    owner.get(&link).goes_to("/unlock/open");
    owner.get("/unlock/open").is(200).says(ANN).says("Let this browser in");
    is_closed_to_strangers(&app);
    owner.post("/unlock/open", &[]).goes_to("/login");
    owner.get("/login").is(200).says("This browser may log in to your account now");
    logs_in(Way::Form, &owner, PASSWORD);
    is_closed_to_strangers(&app);
}

#[test]
fn b14_a_program_gets_in_by_an_unlock_mail_too() {
    let app = guarded();
    attack(&app);
    let owner = app.program();
    way_through(&app, &owner);
    logs_in(Way::Json, &owner, PASSWORD);
    is_closed_to_strangers(&app);
}

fn way_through(app: &TestApp, owner: &Visitor<'_>) {
    let asked = Way::Json.send(owner, Post, "/unlock", &[("email", ANN)]);
    assert_eq!(asked.is(200).json()["email"], ANN);
    let link = mailed(app, "unlock");
    owner.get(&link).is(200);
    let token = link.rsplit('/').next().expect("a token");
    Way::Json.send(owner, Post, "/unlock/open", &[("unlock_token", token)]).is(200);
}

#[test]
fn b15_an_attackers_own_log_in_does_not_clear_the_way_between_guesses() {
    let app = guarded();
    app.program().post("/users", &[("email", BOB), ("password", PASSWORD)]).is(200);
    let bob = Guesser::at(app.auth(), "203.0.113.9");
    let now = Timestamp::now();
    let mut checked = 0;
    for number in 0..100 {
        let email = format!("user{number}@example.com");
        checked += usize::from(bob.tries(&email, WRONG, now).is_checked());
        if checked < 50 {
            bob.tries(BOB, PASSWORD, now).session();
        }
    }
    assert_eq!(checked, 50, "as many as without his own log-ins");
    assert_eq!(tries_of(&app, "log_in/client/"), [50, 50]);
    bob.tries(BOB, PASSWORD, now).refusal();
}

#[test]
fn b15_the_owners_log_in_does_not_forget_what_others_tried() {
    let app = guarded();
    let now = Timestamp::now();
    let attacker = Guesser::at(app.auth(), "203.0.113.9");
    let owner = Guesser::at(app.auth(), "192.0.2.1");
    for _ in 0..3 {
        assert!(attacker.tries(ANN, WRONG, now).is_checked());
    }
    owner.tries(ANN, PASSWORD, now).session();
    assert_eq!(tries_of(&app, "log_in/account/"), [3, 3], "the success itself is not counted");
    assert!(attacker.tries(ANN, WRONG, now).is_checked());
    attacker.tries(ANN, WRONG, now).refusal();
}

#[test]
fn only_failures_stay_counted() {
    let app = with_ann("limit_login = \"3/1h\"");
    for _ in 0..30 {
        for way in WAYS {
            way.log_in(&way.visitor(&app), ANN, PASSWORD).is(way.welcome());
        }
    }
    for beginning in ["log_in/account/", "log_in/client/", "log_in/server/"] {
        assert_eq!(tries_of(&app, beginning), [0], "{beginning}");
    }
}

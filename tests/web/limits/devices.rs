//! Known devices: what makes a browser one, what does not (B-25), and when it is over (B-31).

use std::time::Duration;

use gatehouse::accounts::device;
use gatehouse::clock::Timestamp;
use rocket::http::Method::Put;

use super::{
    ANN, BOB, DAY, Guesser, WAYS, WRONG, Way, guarded, mailed, tries_of, windows, with_ann,
};
use crate::app::{PASSWORD, TestApp};

/// Ann's account, closed to strangers for a quarter of an hour; nobody's browser is known.
fn closed() -> TestApp {
    let app = guarded();
    let attacker = Guesser::at(app.auth(), "203.0.113.9");
    let mut now = Timestamp::now();
    for _ in 0..12 {
        now = now + attacker.closes_ann(now).retry_after;
    }
    attacker.closes_ann(now);
    app
}

/// Every cookie of that name is one that the visitor has from elsewhere.
#[track_caller]
fn is_a_stranger_with(app: &TestApp, cookie: &str) {
    for way in WAYS {
        let visitor = way.visitor(app);
        visitor.set_cookie("device", cookie);
        way.log_in(&visitor, ANN, PASSWORD).is(429);
    }
}

#[test]
fn b25_what_was_sealed_for_another_purpose_is_no_device() {
    let app = guarded();
    let ann = app.browser();
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    ann.post("/unlock", &[("email", ANN)]);
    ann.get(&mailed(&app, "unlock")).goes_to("/unlock/open");
    let device = ann.cookie("device").expect("a known device");
    let others = ["session_id", "unlock_token", "unlock_asked"];
    let attacker = Guesser::at(app.auth(), "203.0.113.9");
    let now = Timestamp::now();
    for at in [now, now + super::SECOND, now + 3 * super::SECOND, now + 7 * super::SECOND] {
        attacker.closes_ann(at);
    }
    for name in others {
        is_a_stranger_with(&app, &ann.cookie(name).expect(name));
    }
    let mut forged = device.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    for cookie in [String::from_utf8(forged).expect("text"), device[..20].to_owned(), String::new()]
    {
        is_a_stranger_with(&app, &cookie);
    }
    // Nor does the device's own open anything under another name.
    for name in ["session_id", "unlock_token", "reset_token"] {
        let visitor = app.browser();
        visitor.set_cookie(name, &device);
        visitor.get("/profile").goes_to("/login?next=/profile");
        visitor.get("/unlock/open").is(403);
        visitor.get("/reset_password/new").is(403);
    }
    let known = app.browser();
    known.set_cookie("device", &device);
    known.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
}

#[test]
fn an_attackers_own_device_is_none_of_the_victims() {
    for way in WAYS {
        let app = closed();
        app.program().post("/users", &[("email", BOB), ("password", PASSWORD)]).is(200);
        let attacker = way.visitor(&app);
        way.log_in(&attacker, BOB, PASSWORD).is(way.welcome());
        let planted = attacker.cookie("device").expect("the attacker's own");
        is_a_stranger_with(&app, &planted);

        // Planted in the victim's browser it is replaced, and stays worth nothing.
        app.sql("DELETE FROM limits");
        let victim = way.visitor(&app);
        victim.set_cookie("device", &planted);
        way.log_in(&victim, ANN, PASSWORD).is(way.welcome());
        let own = victim.cookie("device").expect("a known device");
        assert_ne!(own, planted);
        let stranger = Guesser::at(app.auth(), "203.0.113.9");
        let now = Timestamp::now() + super::SECOND;
        stranger.closes_ann(now);
        stranger.closes_ann(now + super::SECOND);
        stranger.closes_ann(now + 3 * super::SECOND);
        stranger.closes_ann(now + 7 * super::SECOND);
        is_a_stranger_with(&app, &planted);
        let known = way.visitor(&app);
        known.set_cookie("device", &own);
        way.log_in(&known, ANN, PASSWORD).is(way.welcome());
    }
}

#[test]
fn a_known_device_has_limits_of_its_own() {
    let app = guarded();
    let now = Timestamp::now();
    let ann = Guesser::at(app.auth(), "192.0.2.1");
    let secret = ann.tries(ANN, PASSWORD, now).session().known_device;
    let before = windows(&app);
    let thief = Guesser::at(app.auth(), "203.0.113.9").with_device(&secret);
    let checked = (0..100).filter(|_| thief.tries(ANN, WRONG, now).is_checked()).count();
    assert_eq!(checked, 4, "somebody at the owner's browser has no more tries than others");
    assert_eq!(tries_of(&app, "log_in/device/"), [4, 4]);
    let others: Vec<_> =
        windows(&app).into_iter().filter(|w| !w.0.starts_with("log_in/device/")).collect();
    assert_eq!(others, before, "and uses up nobody else's");
    // It is known for this account alone.
    assert!(thief.tries(BOB, WRONG, now).is_checked());
    assert_eq!(tries_of(&app, "log_in/client/60/203.0.113.9"), [1]);
    ann.tries(ANN, PASSWORD, now).session();
}

#[test]
fn b31_a_reset_makes_strangers_of_all_devices_but_the_one_it_was_done_with() {
    let app = guarded();
    let (laptop, phone) = (app.browser(), app.browser());
    for device in [&laptop, &phone] {
        device.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
        device.delete("/sessions");
    }
    let thief = laptop.cookie("device").expect("a known device");
    app.program().post("/unlock", &[("email", ANN)]).is(200);
    let unlock = mailed(&app, "unlock");
    phone.post("/reset_password", &[("email", ANN)]);
    phone.get(&mailed(&app, "reset_password"));
    let form = [("_method", "put"), ("new_password", "another harbour")];
    phone.post("/reset_password", &form).goes_to("/login");

    // The unlock link that was under way is dead.
    app.browser().get(&unlock).is(403);
    let token = unlock.rsplit('/').next().expect("a token");
    Way::Json
        .send(
            &app.program(),
            rocket::http::Method::Post,
            "/unlock/open",
            &[("unlock_token", token)],
        )
        .is(403);
    let attacker = Guesser::at(app.auth(), "203.0.113.9");
    let mut now = Timestamp::now();
    for _ in 0..5 {
        now = now + attacker.closes_ann(now).retry_after;
    }
    attacker.closes_ann(now);
    let stranger = app.browser();
    stranger.set_cookie("device", &thief);
    let pair = [("email", ANN), ("password", "another harbour")];
    stranger.post("/sessions", &pair).is(429);
    phone.post("/sessions", &pair).goes_to("/profile");
}

#[test]
fn a_reset_by_a_program_forgets_devices_too() {
    let app = with_ann("");
    let now = Timestamp::now();
    let secret =
        Guesser::at(app.auth(), "192.0.2.1").tries(ANN, PASSWORD, now).session().known_device;
    let token = app.wait(app.auth().get_reset_password_token(ANN, now)).expect("a token");
    let token = secrecy::ExposeSecret::expose_secret(&token).to_owned();
    let form = [("reset_token", token.as_str()), ("new_password", "another harbour")];
    Way::Json.send(&app.program(), Put, "/reset_password", &form).is(200);
    let known = Guesser::at(app.auth(), "192.0.2.1").with_device(&secret);
    assert!(known.tries(ANN, WRONG, now).is_checked());
    assert_eq!(tries_of(&app, "log_in/device/"), [0; 0]);
}

#[test]
fn a_device_unused_for_half_a_year_is_a_stranger() {
    let app = guarded();
    let now = Timestamp::now();
    let ann = Guesser::at(app.auth(), "192.0.2.1");
    let secret = ann.tries(ANN, PASSWORD, now).session().known_device;
    let late = now + device::LIFETIME - DAY;
    let known = ann.with_device(&secret);
    assert_eq!(known.tries(ANN, PASSWORD, late).session().known_device, secret, "used again");
    assert_eq!(tries_of(&app, "log_in/device/"), [0, 0]);
    app.sql("DELETE FROM limits");
    let over = late + device::LIFETIME;
    assert_eq!(app.wait(app.auth().purge_devices(over - Duration::from_millis(1))).expect("ok"), 0);
    assert!(known.tries(ANN, WRONG, over).is_checked());
    assert_eq!(tries_of(&app, "log_in/device/"), [0; 0]);
    assert_eq!(app.wait(app.auth().purge_devices(over)).expect("purged"), 1);
}

#[test]
fn twenty_devices_are_remembered_and_the_one_unused_for_longest_goes_first() {
    let app = guarded();
    let mut now = Timestamp::now();
    let ann = Guesser::at(app.auth(), "192.0.2.1");
    let secrets: Vec<String> = (0..21)
        .map(|_| {
            now = now + super::SECOND;
            ann.tries(ANN, PASSWORD, now).session().known_device
        })
        .collect();
    for (number, secret) in secrets.iter().enumerate() {
        app.sql("DELETE FROM limits");
        assert!(ann.with_device(secret).tries(ANN, WRONG, now).is_checked());
        let known = tries_of(&app, "log_in/device/").len() == 2;
        assert_eq!(known, number > 0, "device {number}");
    }
}

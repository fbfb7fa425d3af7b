//! Past the limit by mail: the link works once, for an hour, for one purpose; and asking for it tells
//! nobody who has an account (B-06, B-41, B-44, B-45).

use std::time::Duration;

use gatehouse::clock::Timestamp;
use rocket::http::Method::{self, Post, Put};
use secrecy::{ExposeSecret, SecretString};

use super::{ANN, BOB, HOUR, WAYS, Way, guarded, mailed, with_ann};
use crate::app::{Answer, PASSWORD, TestApp};

const MILLISECOND: Duration = Duration::from_millis(1);
const NEW_PASSWORD: &str = "another harbour";

/// A token for Ann, asked for and mailed at that moment.
fn token_mailed_at(app: &TestApp, now: Timestamp) -> SecretString {
    app.wait(app.auth().ask_for_unlock(ANN, "192.0.2.1", now)).expect("asked");
    app.service.worker.deliver_due(now).expect("delivered");
    SecretString::from(token_of(&mailed(app, "unlock")).to_owned())
}

fn token_of(link: &str) -> &str {
    link.rsplit('/').next().expect("a token")
}

fn open(app: &TestApp, way: Way, token: &str) -> Answer {
    way.send(&way.visitor(app), Post, "/unlock/open", &[("unlock_token", token)])
}

#[test]
fn the_link_works_once() {
    for way in WAYS {
        let app = guarded();
        let visitor = way.visitor(&app);
        way.send(&visitor, Post, "/unlock", &[("email", ANN)]);
        let link = mailed(&app, "unlock");
        visitor.get(&link);
        if way == Way::Form {
            visitor.post("/unlock/open", &[]).goes_to("/login");
            assert_eq!(visitor.cookie("unlock_token"), None);
            let again = visitor.post("/unlock/open", &[]);
            again.is(403).says("This link no longer works");
        } else {
            open(&app, way, token_of(&link)).is(200);
        }
        open(&app, way, token_of(&link)).is(403);
        assert_eq!(app.browser().get(&link).is(403).all("set-cookie"), [""; 0]);
        app.program().get(&link).is(403);
        visitor.get("/unlock/open");
    }
}

#[test]
fn the_link_works_for_an_hour() {
    let app = with_ann("");
    // The mail is written when the worker comes to it.
    let now = Timestamp::now();
    let token = token_mailed_at(&app, now);
    let alive = |at| app.wait(app.auth().find_unlock(&token, at)).expect("an answer").is_some();
    assert!(alive(now) && alive(now + HOUR - MILLISECOND));
    let late = now + HOUR + Duration::from_secs(5);
    assert!(!alive(late));
    assert!(app.wait(app.auth().unlock(&token, late)).expect("an answer").is_none());
    app.sql(&format!("UPDATE tokens SET expires_at = {}", (now + HOUR).millis()));
    assert!(!alive(now + HOUR));
    assert!(app.wait(app.auth().unlock(&token, now + HOUR)).expect("an answer").is_none());
    let almost = now + HOUR - MILLISECOND;
    assert!(app.wait(app.auth().unlock(&token, almost)).expect("an answer").is_some());
    assert_eq!(app.wait(app.auth().purge_tokens(late)).expect("purged"), 0, "it is used");
    token_mailed_at(&app, now);
    assert_eq!(app.wait(app.auth().purge_tokens(late)).expect("purged"), 1);
}

#[test]
fn a_newer_link_takes_the_place_of_the_one_before() {
    let app = with_ann("");
    let now = Timestamp::now();
    let old = token_mailed_at(&app, now);
    let new = token_mailed_at(&app, now + Duration::from_secs(1));
    assert_ne!(old.expose_secret(), new.expose_secret());
    open(&app, Way::Json, old.expose_secret()).is(403);
    open(&app, Way::Json, new.expose_secret()).is(200);
}

/// A link of every kind, newly mailed.
struct Links {
    app: TestApp,
    reset: String,
    unlock: String,
    confirm: String,
    invitation: String,
}

impl Links {
    fn new() -> Self {
        let app = with_ann("confirm_email = true");
        let program = app.program();
        program.post("/reset_password", &[("email", ANN)]).is(200);
        program.post("/unlock", &[("email", ANN)]).is(200);
        program.post("/users", &[("email", BOB), ("password", PASSWORD)]).is(200);
        let invitation = app.auth().invite("cleo@example.com", Timestamp::now()).expect("invited");
        let token = |kind: &str| token_of(&mailed(&app, kind)).to_owned();
        let (reset, unlock, confirm) = (token("reset_password"), token("unlock"), token("confirm"));
        let invitation = token_of(invitation.expose_secret()).to_owned();
        Self { app, reset, unlock, confirm, invitation }
    }

    /// What the token is good for, if anything: the statuses of link and form.
    fn tries(&self, way: Way, purpose: &str, token: &str) -> (u16, u16) {
        let link = way.visitor(&self.app).get(&format!("/{purpose}/{token}"));
        let visitor = way.visitor(&self.app);
        let send = |method: Method, path: &str, form: &[(&str, &str)]| {
            way.send(&visitor, method, path, form).status.code
        };
        let form = match purpose {
            "unlock" => send(Post, "/unlock/open", &[("unlock_token", token)]),
            "confirm" => {
                send(Post, "/confirm", &[("confirm_token", token), ("new_password", NEW_PASSWORD)])
            }
            "reset_password" => {
                let form = [("reset_token", token), ("new_password", NEW_PASSWORD)];
                send(Put, "/reset_password", &form)
            }
            // A sign-up with it is a sign-up like any other, to be confirmed.
            _ => 403,
        };
        (link.status.code, form)
    }
}

#[test]
fn b41_a_token_is_good_for_nothing_but_its_purpose() {
    for way in WAYS {
        let links = Links::new();
        let tokens = [
            ("reset_password", &links.reset),
            ("unlock", &links.unlock),
            ("confirm", &links.confirm),
            ("invitation", &links.invitation),
        ];
        let before = links.app.dump();
        for (purpose, _) in tokens {
            for (made_for, token) in tokens.iter().filter(|(made_for, _)| *made_for != purpose) {
                let statuses = links.tries(way, purpose, token);
                assert_eq!(statuses, (403, 403), "{made_for} at {purpose}, {way:?}");
            }
        }
        assert_eq!(links.app.dump(), before, "nothing was consumed");
        for (purpose, token) in tokens {
            let opened = way.visitor(&links.app).get(&format!("/{purpose}/{token}"));
            assert_eq!(opened.status.code, way.welcome(), "{purpose}");
        }
        assert_eq!(links.tries(way, "unlock", &links.unlock).1, way.welcome());
    }
}

#[test]
fn b41_an_unlock_of_one_account_makes_no_known_device_of_anothers() {
    let app = guarded();
    app.program().post("/users", &[("email", BOB), ("password", PASSWORD)]).is(200);
    let bob = app.program();
    bob.post("/unlock", &[("email", BOB)]).is(200);
    let link = mailed(&app, "unlock");
    bob.post("/unlock/open", &[("unlock_token", token_of(&link))]).is(200);
    let attacker = super::Guesser::at(app.auth(), "203.0.113.9");
    let mut now = Timestamp::now();
    for _ in 0..6 {
        now = now + attacker.closes_ann(now).retry_after;
    }
    attacker.closes_ann(now);
    bob.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(429);
    bob.post("/sessions", &[("email", BOB), ("password", PASSWORD)]).is(200);
}

#[test]
fn b44_opening_the_link_changes_nothing_however_often() {
    let app = guarded();
    app.program().post("/unlock", &[("email", ANN)]).is(200);
    let link = mailed(&app, "unlock");
    let before = app.dump();
    let scanner = app.browser();
    for _ in 0..5 {
        scanner.get(&link).goes_to("/unlock/open");
        scanner.get("/unlock/open").is(200).says(ANN);
        scanner.send(Method::Head, &link, &[], vec![]);
        app.program().get(&link).is(200);
        app.program().send(Method::Head, &link, &[], vec![]);
    }
    assert_eq!(app.dump(), before);
    assert_eq!(scanner.cookie("device"), None);
    let ann = app.browser();
    ann.get(&link).goes_to("/unlock/open");
    ann.post("/unlock/open", &[]).goes_to("/login");
    assert!(ann.cookie("device").is_some());
}

#[test]
fn b43_the_token_is_in_no_page_and_in_no_second_address() {
    let app = guarded();
    let ann = app.browser();
    ann.post("/unlock", &[("email", ANN)]);
    let link = mailed(&app, "unlock");
    let opened = ann.get(&link);
    opened.goes_to("/unlock/open");
    for text in [opened.comparable(), ann.get("/unlock/open").comparable()] {
        assert!(!text.contains(token_of(&link)), "{text}");
    }
}

#[test]
fn b06_asking_is_answered_alike_for_every_address() {
    let app = guarded();
    let (before, nobody) = (app.dump(), "bob@example.org");
    assert_eq!(ANN.len(), nobody.len());
    for way in WAYS {
        let ask = |email: &str| {
            let visitor = way.visitor(&app);
            let asked = way.send(&visitor, Post, "/unlock", &[("email", email)]);
            let sent = visitor.get("/unlock/sent");
            let seen = [asked.comparable(), sent.comparable()].concat();
            seen.replace(email, "EMAIL")
        };
        assert_eq!(ask(ANN), ask(nobody), "{way:?}");
    }
    assert_ne!(app.dump(), before, "a wish for each");
    assert!(app.mailbox().iter().all(|mail| mail.to.contains(ANN)));
    for wrong in ["", "ann", "ann@@example.com"] {
        for way in WAYS {
            way.send(&way.visitor(&app), Post, "/unlock", &[("email", wrong)]).is(422);
        }
    }
}

#[test]
fn a_browser_that_asked_for_nothing_is_sent_to_log_in() {
    let app = guarded();
    app.browser().get("/unlock/sent").goes_to("/login");
    app.browser().get("/unlock/open").is(403).says("This link no longer works");
    app.program().get("/unlock/open").is(403);
    app.browser().post("/unlock/open", &[]).is(403).says("This link no longer works");
    Way::Json.send(&app.program(), Post, "/unlock/open", &[]).is(403);
}

#[test]
fn of_many_that_bring_one_unlock_link_exactly_one_gets_in() {
    let app = with_ann("database_wait = \"60s\"");
    let now = Timestamp::now();
    let token = token_mailed_at(&app, now);
    let barrier = std::sync::Barrier::new(32);
    let won = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32)
            .map(|_| {
                let (auth, token, barrier) = (app.auth().clone(), &token, &barrier);
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build();
                    barrier.wait();
                    let unlocked = runtime.expect("a runtime").block_on(auth.unlock(token, now));
                    unlocked.expect("an answer").is_some()
                })
            })
            .collect();
        threads
            .into_iter()
            .filter(|_| true)
            .map(|it| it.join().expect("no panic"))
            .filter(|won| *won)
            .count()
    });
    assert_eq!(won, 1);
}

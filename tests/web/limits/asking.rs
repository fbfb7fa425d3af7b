//! B-18: whoever asks for mails to somebody's address gets three an hour and ten a day sent, and
//! whoever asks for anything is stopped by their own address's limit.

use std::collections::BTreeSet;
use std::time::Duration;

use gatehouse::clock::Timestamp;
use rocket::http::Method::{Post, Put};

use super::{
    ANN, BOB, DAY, HOUR, WAYS, Way, behind_a_proxy, defaults, guarded, mailed, windows, with_ann,
};
use crate::app::{Answer, PASSWORD, TestApp, Visitor};

/// A visitor at an address of their own.
fn at<'a>(app: &'a TestApp, way: Way, ip: &str) -> Visitor<'a> {
    let visitor = way.visitor(app);
    visitor.header("X-Forwarded-For", ip);
    visitor
}

fn no_address(number: usize) -> String {
    format!("198.51.{}.{}", number / 250, number % 250)
}

#[test]
fn b18_a_thousand_asks_from_many_addresses_are_three_mails_and_one_answer() {
    for way in WAYS {
        let app = behind_a_proxy();
        let mut answers = BTreeSet::new();
        for number in 0..1000 {
            let path = if number % 4 < 3 { "/reset_password" } else { "/unlock" };
            let visitor = at(&app, way, &no_address(number));
            let answer = way.send(&visitor, Post, path, &[("email", ANN)]);
            assert!(answer.status.code < 400, "{number}: {}", answer.text());
            answers.insert(format!("{path} {}", answer.comparable()));
        }
        assert_eq!(answers.len(), 2, "{answers:?}");
        let mails = app.mailbox();
        assert_eq!(mails.len(), 3, "{way:?}");
        assert!(mails.iter().all(|mail| mail.to.contains(ANN)));
        assert_eq!(
            app.wait(app.auth().waiting_mails()).expect("counted"),
            0,
            "the rest is done with"
        );
    }
}

#[test]
fn b18_the_link_that_was_mailed_last_stays_alive() {
    let app = behind_a_proxy();
    let owner = at(&app, Way::Form, "192.0.2.1");
    for number in 0..3 {
        at(&app, Way::Json, &no_address(number)).post("/reset_password", &[("email", ANN)]).is(200);
        app.mailbox();
    }
    let last = mailed(&app, "reset_password");
    for number in 0..50 {
        at(&app, Way::Json, &no_address(number)).post("/reset_password", &[("email", ANN)]).is(200);
        if number % 10 == 0 {
            assert_eq!(app.mailbox().len(), 3);
        }
    }
    assert_eq!(mailed(&app, "reset_password"), last);
    owner.get(&last).goes_to("/reset_password/new");
    owner.get("/reset_password/new").is(200).says(ANN);
}

#[test]
fn b18_a_held_unlock_mail_leaves_the_one_before_alive() {
    let app = behind_a_proxy();
    for number in 0..3 {
        at(&app, Way::Json, &no_address(number)).post("/unlock", &[("email", ANN)]).is(200);
    }
    app.mailbox();
    let last = mailed(&app, "unlock");
    at(&app, Way::Json, "198.51.100.77").post("/unlock", &[("email", ANN)]).is(200);
    assert_eq!(app.mailbox().len(), 3);
    at(&app, Way::Form, "192.0.2.1").get(&last).goes_to("/unlock/open");
}

#[test]
fn b18_three_mails_an_hour_and_ten_a_day() {
    let app = guarded();
    let start = Timestamp::now();
    let mut sent: Vec<Timestamp> = Vec::new();
    for number in 0..(3 * 24 * 6) {
        let now = start + Duration::from_secs(number * 600 + 1);
        let ip = no_address(number as usize);
        let asked = if number % 2 == 0 {
            app.wait(app.auth().ask_for_reset(ANN, &ip, now))
        } else {
            app.wait(app.auth().ask_for_unlock(ANN, &ip, now))
        };
        asked.expect("asked");
        let mails = app.service.worker.deliver_due(now).expect("delivered");
        sent.extend((0..mails).map(|_| now));
    }
    let within = |span: Duration| {
        let from =
            |at: &Timestamp| sent.iter().filter(|it| **it >= *at && it.since(*at) < span).count();
        sent.iter().map(from).max().unwrap_or(0)
    };
    println!(
        "asked every ten minutes for three days: {} mails, at most {} in an hour, {} in 24 hours",
        sent.len(),
        within(HOUR),
        within(DAY)
    );
    assert_eq!(sent.len(), 30, "ten for each day");
    assert!(within(HOUR) <= 3);
    assert!(within(DAY) <= 10 + 3, "a day's window begins with its first mail");
}

#[test]
fn b18_sign_ups_mail_an_address_no_oftener() {
    for taken in [true, false] {
        let app = behind_with("confirm_email = true");
        let email = if taken { ANN } else { BOB };
        let mut answers = BTreeSet::new();
        for number in 0..40 {
            let way = WAYS[number % 2];
            let visitor = at(&app, way, &no_address(number));
            let pair = [("email", email), ("password", PASSWORD)];
            let answer = way.send(&visitor, Post, "/users", &pair);
            answers.insert(answer.comparable());
            way.send(&visitor, Post, "/confirm/sent", &[("email", email)]);
        }
        assert_eq!(answers.len(), 2, "one for people, one for programs: {answers:?}");
        assert_eq!(app.mailbox().len(), 3, "taken: {taken}");
    }
}

fn behind_with(settings: &str) -> TestApp {
    with_ann(&format!("{}\ntrusted_proxies = [\"127.0.0.1\"]\n{settings}", defaults()))
}

/// Sends it until it is refused; returns how many passed, and the refusal.
#[track_caller]
fn until_refused(mut send: impl FnMut(usize) -> Answer) -> (usize, Answer) {
    for number in 0..200 {
        let answer = send(number);
        if answer.status.code == 429 {
            return (number, answer);
        }
        assert!(answer.status.code < 500, "{}", answer.text());
    }
    panic!("nobody stops it");
}

#[test]
fn each_kind_of_asking_has_a_limit_of_its_own_for_each_address() {
    for way in WAYS {
        let app = behind_with("confirm_email = true");
        let pending = at(&app, way, "192.0.2.9");
        way.send(&pending, Post, "/users", &[("email", BOB), ("password", PASSWORD)]);
        pending.header("X-Forwarded-For", "203.0.113.9");
        let dead = "0".repeat(64);
        for (path, method, field, back) in [
            ("/users", Post, "email", "/signup"),
            ("/reset_password", Post, "email", "/reset_password"),
            ("/unlock", Post, "email", "/login"),
            ("/confirm/sent", Post, "email", "/confirm/sent"),
            ("/unlock/open", Post, "unlock_token", "/"),
        ] {
            let email = format!("somebody@{}.example.com", path.replace(['/', '_'], ""));
            let value = if field == "email" { email.as_str() } else { &dead };
            let mut form = vec![(field, value)];
            if path == "/users" {
                form.push(("password", PASSWORD));
            }
            let (passed, refused) = until_refused(|_| way.send(&pending, method, path, &form));
            assert_eq!(passed, 20, "{path}");
            let wait: u64 = refused.header("retry-after").expect(path).parse().expect(path);
            assert!((590..=600).contains(&wait), "{path}: {wait}");
            assert!(refused.header("ratelimit").expect(path).starts_with("\"client-600s\";r=0;t="));
            if way == Way::Json {
                assert_eq!(refused.json()["retry_after"], wait, "{path}");
            } else {
                refused.says("Too many tries").says("10 minutes");
                let page = refused.text().replace("&#x2F;", "/");
                assert!(page.contains(&format!("class=\"button\" href=\"{back}\"")), "{page}");
            }
            let (rows, before) = (app.dump(), windows(&app));
            way.send(&pending, method, path, &form).is(429);
            assert_eq!((app.dump(), windows(&app)), (rows, before), "{path}: written on refusal");
            // Somebody else is asked nothing.
            let other = at(&app, way, "192.0.2.200");
            assert_ne!(way.send(&other, method, path, &form).status.code, 429, "{path}");
        }
    }
}

#[test]
fn b45b_guesses_at_mailed_tokens_are_counted_together() {
    for way in WAYS {
        let app = behind_a_proxy();
        let guesser = at(&app, way, "203.0.113.9");
        let (passed, refused) = until_refused(|number| {
            let token = format!("{number:064x}");
            match number % 5 {
                0 => guesser.get(&format!("/reset_password/{token}")),
                1 => guesser.get(&format!("/unlock/{token}")),
                2 => guesser.get(&format!("/invitation/{token}")),
                3 => way.send(&guesser, Post, "/unlock/open", &[("unlock_token", &token)]),
                _ => {
                    let form =
                        [("reset_token", token.as_str()), ("new_password", "another harbour")];
                    way.send(&guesser, Put, "/reset_password", &form)
                }
            }
        });
        assert_eq!(passed, 20);
        assert!(refused.header("retry-after").is_some());
        assert!(refused.header("ratelimit-policy").is_some());
        // A live link opens all the same: whoever shares the guesser's address may hold one.
        let owner = at(&app, way, "192.0.2.1");
        way.send(&owner, Post, "/unlock", &[("email", ANN)]);
        let link = mailed(&app, "unlock");
        assert_eq!(guesser.get(&link).status.code, way.welcome());
        let token = link.rsplit('/').next().expect("a token");
        let opened = owner.get(&link);
        assert_eq!(opened.status.code, way.welcome());
        let opened = way.send(&owner, Post, "/unlock/open", &[("unlock_token", token)]);
        assert_eq!(opened.status.code, way.welcome());
    }
}

#[test]
fn a_live_link_may_be_opened_as_often_as_mail_scanners_like() {
    let app = guarded();
    let owner = app.browser();
    owner.post("/reset_password", &[("email", ANN)]);
    let link = mailed(&app, "reset_password");
    for _ in 0..100 {
        app.program().get(&link).is(200);
        app.browser().get(&link).goes_to("/reset_password/new");
    }
    owner.get(&link);
    let refused = [("_method", "put"), ("new_password", "password1")];
    for _ in 0..30 {
        owner.post("/reset_password", &refused).is(422);
    }
    let form = [("_method", "put"), ("new_password", "another harbour")];
    owner.post("/reset_password", &form).goes_to("/login");
}

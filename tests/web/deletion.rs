//! Delete your account: asked with a fresh proof, called off by its owner, carried out when the grace
//! is over.

mod erased; // B-110: what is left, and what is not
mod taken; // by a thief who changed the address before

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{devices, sessions, tokens, users};
use rocket::http::Method::{Head, Post};
use serde_json::json;

use crate::app::{Answer, PASSWORD, TestApp, Visitor};
use crate::crowd::{PATIENT, all_at_once, wait};
use crate::mailed::{mailed, token_of};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// When the account of `email` will be erased.
#[track_caller]
fn delete_at(app: &TestApp, email: &str) -> Option<Timestamp> {
    users::table
        .filter(users::email_key.eq(email))
        .select(users::delete_at)
        .first::<Option<Timestamp>>(&mut app.database())
        .expect("there is such an account")
}

/// Whoever is signed in gave the password eleven minutes ago.
fn proofs_are_old(app: &TestApp) {
    app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
}

/// Ann, who has just asked for it.
#[track_caller]
fn asked(app: &TestApp) -> Visitor<'_> {
    let ann = app.signed_up(ANN);
    ann.post("/account/deletion", &[]).goes_to("/");
    ann
}

#[track_caller]
fn keep(visitor: &Visitor<'_>, token: &str) -> Answer {
    visitor.json(Post, "/keep_account/confirm", &json!({ "token": token }))
}

#[test]
fn the_page_says_what_will_happen_and_when() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let page = ann.get("/account/deletion");
    page.is(200)
        .says(ANN)
        .says("Every device of yours is logged out")
        .says("log in, or use the link");
    let day = (Timestamp::now() + 14 * DAY).in_words();
    page.says(day.split(',').next().expect("a day"));
    assert_eq!(delete_at(&app, ANN), None);
    app.browser().get("/account/deletion").goes_to("/login?next=/account/deletion");
    app.program().get("/account/deletion").is(403);
    let program = app.program();
    program.post("/sessions", &PAIR).is(200);
    program.get("/account/deletion").is(406).says("POST /account/deletion");
}

#[test]
fn whoever_logged_in_a_while_ago_is_asked_for_the_password_and_then_it_is_done() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    proofs_are_old(&app);
    ann.post("/account/deletion", &[]).goes_to("/sudo");
    assert_eq!(delete_at(&app, ANN), None);
    ann.get("/sudo").is(200).says("To delete your account");
    ann.post("/sudo", &[("password", "not that one")]).is(422);
    assert_eq!(delete_at(&app, ANN), None);
    ann.post("/sudo", &[("password", PASSWORD)]).goes_to("/");
    assert!(delete_at(&app, ANN).is_some());
    assert_eq!(ann.cookie("session_id"), None);
    ann.get("/").is(200).says("your account will be deleted");
    ann.get("/profile").goes_to("/login?next=/profile");
}

#[test]
fn a_program_proves_itself_first_and_hears_the_day() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let program = app.program();
    program.post("/account/deletion", &[]).is(403);
    program.post("/sessions", &PAIR).is(200);
    proofs_are_old(&app);
    program.post("/account/deletion", &[]).is(403).says("POST /sudo");
    assert_eq!(delete_at(&app, ANN), None);
    program.post("/sudo", &[("password", PASSWORD)]).is(200);
    let answer = program.post("/account/deletion", &[]);
    let day = delete_at(&app, ANN).expect("a day");
    answer
        .is(200)
        .json_is(&json!({ "message": "account will be deleted", "delete_at": day.rfc3339() }));
    assert!(day > Timestamp::now() + 13 * DAY && day <= Timestamp::now() + 14 * DAY);
    program.get("/profile").is(403);
}

#[test]
fn every_device_is_logged_out_and_links_that_would_let_in_die() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let phone = app.browser();
    phone.post("/sessions", &PAIR).goes_to("/profile");
    for path in ["/reset_password", "/unlock"] {
        app.program().post(path, &[("email", ANN)]).is(200);
    }
    let (reset, unlock) = (mailed(&app, "/reset_password/"), mailed(&app, "/unlock/"));
    let known: i64 = devices::table.count().get_result(&mut app.database()).expect("counted");
    ann.post("/account/deletion", &[]).goes_to("/");
    for device in [&ann, &phone] {
        device.get("/profile").goes_to("/login?next=/profile");
    }
    assert_eq!(sessions::table.count().get_result(&mut app.database()), Ok(0));
    for link in [reset, unlock] {
        app.program().get(&link).is(403);
    }
    // They count tries, and let nobody in.
    assert_eq!(devices::table.count().get_result(&mut app.database()), Ok(known));
}

#[test]
fn the_owner_is_told_when_and_how_to_undo_it() {
    let app = TestApp::new();
    asked(&app);
    let mail = app.mailbox().remove(0);
    assert_eq!(mail.to, ANN);
    assert_eq!(mail.subject, "Your Gatehouse account will be deleted");
    let day = delete_at(&app, ANN).expect("a day").in_words();
    for part in [&mail.text, &mail.html] {
        assert!(part.contains(&day) && part.contains(ANN), "{part}");
        assert!(part.contains("works once, for 7 days; the first one until"), "{part}");
    }
    for link in ["/keep_account/", "/secure_account/"] {
        assert!(mail.text.contains(&format!("http://127.0.0.1:8000{link}")), "{}", mail.text);
    }
    let ends: Vec<(String, Timestamp)> = tokens::table
        .order(tokens::purpose)
        .select((tokens::purpose, tokens::expires_at))
        .load(&mut app.database())
        .expect("tokens");
    assert_eq!(ends.len(), 2);
    assert_eq!(Some(ends[0].1), delete_at(&app, ANN), "{ends:?}");
}

#[test]
fn who_logs_in_keeps_the_account() {
    for visitor in [TestApp::browser, TestApp::program] {
        let app = TestApp::new();
        asked(&app);
        let link = mailed(&app, "/keep_account/");
        let ann = visitor(&app);
        assert_eq!(ann.post("/sessions", &[("email", ANN), ("password", "no")]).status.code, 401);
        assert!(delete_at(&app, ANN).is_some(), "a wrong password keeps nothing");
        ann.post("/sessions", &PAIR);
        assert_eq!(delete_at(&app, ANN), None);
        app.program().get(&link).is(403);
        let erased = app.wait(app.auth().erase_due(Timestamp::now() + 15 * DAY));
        assert_eq!(erased.expect("looked"), 0);
        ann.get("/profile").is(200).says(ANN);
    }
}

#[test]
fn the_page_after_that_log_in_says_so_once() {
    let app = TestApp::new();
    asked(&app);
    let ann = app.browser();
    ann.post("/sessions", &PAIR).goes_to("/profile");
    ann.get("/profile").is(200).says("Your account stays");
    ann.get("/profile").is(200).does_not_say("Your account stays");
    ann.post("/sessions", &PAIR).goes_to("/profile");
    ann.get("/profile").is(200).does_not_say("Your account stays");
    let told = json!({ "email": ANN, "message": "logged in" });
    app.program().post("/sessions", &PAIR).is(200).json_is(&told);
}

#[test]
fn the_link_keeps_the_account_and_lets_nobody_in() {
    let app = TestApp::new();
    asked(&app);
    let link = mailed(&app, "/keep_account/");
    let ann = app.browser();
    let opened = ann.get(&link);
    opened.goes_to("/keep_account/confirm");
    let cookies = opened.all("set-cookie");
    assert!(cookies.iter().any(|cookie| cookie.contains("Max-Age=3600")), "{cookies:?}");
    ann.get("/keep_account/confirm").is(200).says(ANN).says("Keep my account");
    assert!(delete_at(&app, ANN).is_some(), "only the button does it");
    ann.post("/keep_account/confirm", &[]).goes_to("/login");
    assert_eq!(delete_at(&app, ANN), None);
    assert_eq!(ann.cookie("keep_token"), None);
    ann.get("/login").is(200).says("Your account stays");
    ann.get("/profile").goes_to("/login?next=/profile");
    ann.post("/sessions", &PAIR).goes_to("/profile");
}

#[test]
fn b44_opening_the_link_consumes_nothing_and_the_form_works_once() {
    let app = TestApp::new();
    asked(&app);
    let link = mailed(&app, "/keep_account/");
    for _ in 0..5 {
        app.program().get(&link).is(200).says("POST /keep_account/confirm");
        app.program().send(Head, &link, &[], Vec::new()).is(200);
    }
    let token = token_of(&link);
    keep(&app.program(), token).is(200).json_is(&json!({ "message": "account stays" }));
    keep(&app.program(), token).is(403);
    app.browser().get(&link).is(403).says("This link no longer works");
    app.browser().get("/keep_account/confirm").is(403);
    app.browser().post("/keep_account/confirm", &[]).is(403);
}

#[test]
fn b41_b45b_no_other_token_keeps_an_account() {
    let app = TestApp::new();
    asked(&app);
    let (keeps, secures) = (mailed(&app, "/keep_account/"), mailed(&app, "/secure_account/"));
    app.program().post("/unlock", &[("email", ANN)]).is(200);
    let unlock = mailed(&app, "/unlock/");
    let mut flipped = token_of(&keeps).to_owned();
    let last = if flipped.pop() == Some('0') { '1' } else { '0' };
    flipped.push(last);
    for wrong in [token_of(&secures), token_of(&unlock), &flipped, "", "x", &"0".repeat(3000)] {
        keep(&app.program(), wrong).is(403);
    }
    assert!(delete_at(&app, ANN).is_some());
    // Nor does this one open anything else, or lose its life by the try.
    let key = json!({ "unlock_token": token_of(&keeps) });
    app.program().json(Post, "/unlock/open", &key).is(403);
    app.program().get(&unlock).is(200);
    keep(&app.program(), token_of(&keeps)).is(200);
}

#[test]
fn the_link_of_an_earlier_deletion_is_dead() {
    let app = TestApp::new();
    let ann = asked(&app);
    let first = mailed(&app, "/keep_account/");
    ann.post("/sessions", &PAIR).goes_to("/profile");
    ann.post("/account/deletion", &[]).goes_to("/");
    let second = mailed(&app, "/keep_account/");
    assert_ne!(first, second);
    keep(&app.program(), token_of(&first)).is(403);
    keep(&app.program(), token_of(&second)).is(200);
}

#[test]
fn a_new_password_alone_keeps_nothing() {
    let app = TestApp::new();
    asked(&app);
    let keeps = mailed(&app, "/keep_account/");
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    let reset = app.mailed_link();
    let form = [("reset_token", token_of(&reset)), ("new_password", "another harbour")];
    app.program().put("/reset_password", &form).is(200);
    assert!(delete_at(&app, ANN).is_some());
    app.program().get(&keeps).is(200);
    let ann = app.browser();
    ann.post("/sessions", &[("email", ANN), ("password", "another harbour")]).goes_to("/profile");
    assert_eq!(delete_at(&app, ANN), None);
}

#[test]
fn the_grace_is_a_setting() {
    let app = TestApp::with("deletion_grace = \"3d\"", &[]);
    asked(&app);
    let day = delete_at(&app, ANN).expect("a day");
    assert!(day > Timestamp::now() + 2 * DAY && day <= Timestamp::now() + 3 * DAY);
    let erase = |at| app.wait(app.auth().erase_due(at)).expect("looked");
    assert_eq!(erase(day - SECOND), 0);
    assert_eq!(erase(day), 1);
}

#[test]
fn b39_nobody_is_deleted_but_whoever_asks() {
    let app = TestApp::new();
    app.signed_up(BOB);
    let ann = app.signed_up(ANN);
    let form = [("email", BOB), ("user", "1"), ("user_id", "1"), ("id", "1")];
    ann.post("/account/deletion", &form).goes_to("/");
    assert_eq!(delete_at(&app, BOB), None);
    assert!(delete_at(&app, ANN).is_some());
}

#[test]
fn b73_of_many_that_ask_at_once_one_sets_the_day() {
    let app = TestApp::with(PATIENT, &[]);
    app.signed_up(ANN);
    let ((user, session), auth) = (app.session(ANN), app.auth().clone());
    let asked = all_at_once(|number| {
        let now = Timestamp::now() - SECOND * u32::try_from(number).expect("small");
        wait(auth.ask_for_deletion(&user, &session, now)).expect("asked").expect("a day")
    });
    assert!(asked.windows(2).all(|days| days[0] == days[1]), "{asked:?}");
    let mails = app.mailbox();
    assert_eq!(mails.iter().filter(|mail| mail.text.contains("/keep_account/")).count(), 1);
    keep(&app.program(), token_of(&mailed(&app, "/keep_account/"))).is(200);
}

#[test]
fn b73_who_comes_back_while_the_account_goes_is_in_or_it_is_gone() {
    for _ in 0..6 {
        let app = TestApp::with(PATIENT, &[]);
        asked(&app);
        let later = Timestamp::now() + 15 * DAY;
        let auth = app.auth().clone();
        let outcomes = all_at_once(|number| {
            if number % 2 == 0 {
                wait(auth.erase_due(later)).expect("looked") == 1
            } else {
                use gatehouse::accounts::login::LogIn;
                let password = crate::app::secret(PASSWORD);
                let beginning = Default::default();
                let attempt = LogIn { email: ANN.to_owned(), password, beginning };
                wait(auth.log_in(attempt, Timestamp::now())).is_ok()
            }
        });
        let of = |half: usize| outcomes.iter().skip(half).step_by(2).filter(|done| **done).count();
        let (erased, logged_in) = (of(0), of(1));
        let conn = &mut app.database();
        let left: i64 = users::table.count().get_result(conn).expect("counted");
        let sessions: i64 = sessions::table.count().get_result(conn).expect("counted");
        match erased {
            0 => assert_eq!((left, logged_in > 0, sessions > 0), (1, true, true)),
            1 => assert_eq!((left, logged_in, sessions), (0, 0, 0)),
            more => panic!("erased {more} times"),
        }
    }
}

#[test]
fn b18_asking_and_coming_back_again_and_again_has_to_wait() {
    let app = TestApp::with("limit_ask = \"2/1h\"", &[]);
    let ann = app.signed_up(ANN);
    for _ in 0..2 {
        ann.post("/account/deletion", &[]).goes_to("/");
        ann.post("/sessions", &PAIR).goes_to("/profile");
    }
    ann.post("/account/deletion", &[]).is(429).says("href=\"&#x2F;account&#x2F;deletion\"");
    ann.get("/profile").is(200);
    assert_eq!(delete_at(&app, ANN), None);
    assert_eq!(app.links_to(ANN, "keep_account").len(), 2);
    let told = app.events_of(Some(1));
    assert!(told.iter().any(|event| event == "tried_too_often"), "{told:?}");
}

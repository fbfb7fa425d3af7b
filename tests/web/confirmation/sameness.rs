//! B-04: nobody learns by signing up who has an account, but the owner of the mailbox.

use std::time::{Duration, Instant};

use diesel::prelude::*;
use gatehouse::accounts::password::hash_password;
use gatehouse::accounts::registration::{SignUp, SignedUp};
use gatehouse::audit::journal;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{limits, outbox, sessions, sign_ups, tokens, users};
use rocket::http::Method::Post;
use serde_json::json;

use super::{ANN, NEW, ON, link_to, signs_up, with_confirmation};
use crate::app::{Answer, PASSWORD, TestApp, secret};

/// The account's address in other spellings, each beside a free one of the same length and kind.
const TWINS: [(&str, &str); 4] = [
    (ANN, "bob@example.com"),
    ("ANN@Example.COM", "EVA@Example.COM"),
    ("ａnn@example.com", "ｂob@example.com"),
    ("Ann@ｅxample.com", "Max@ｅxample.com"),
];

fn with_ann() -> TestApp {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    ann.get(&link_to(&app, ANN)).goes_to("/confirm/new");
    ann.post("/confirm", &[]).goes_to("/profile");
    app
}

/// How many rows each table has.
fn rows(app: &TestApp) -> [i64; 6] {
    let conn = &mut app.database();
    [
        users::table.count().get_result(conn),
        sessions::table.count().get_result(conn),
        outbox::table.count().get_result(conn),
        sign_ups::table.count().get_result(conn),
        tokens::table.count().get_result(conn),
        limits::table.count().get_result(conn),
    ]
    .map(|rows| rows.expect("counted"))
}

/// Everything a visitor sees who signs up with `email`, and what it left in the database.
fn sign_up_and_look(app: &TestApp, email: &str) -> (Vec<String>, [i64; 6]) {
    let form = [("email", email), ("password", PASSWORD)];
    let pair = json!({ "email": email, "password": PASSWORD });
    let before = rows(app);
    let mut answers: Vec<Answer> = Vec::new();
    for visitor in [app.browser(), app.program()] {
        answers.push(visitor.post("/users", &form));
        answers.push(visitor.get("/confirm/sent"));
        answers.push(visitor.post("/confirm/sent", &[("email", email)]));
        answers.push(visitor.get("/confirm/sent"));
        answers.push(visitor.json(Post, "/users", &pair));
    }
    app.service.worker.deliver_due(Timestamp::now()).expect("delivered");
    let after = rows(app);
    let left = std::array::from_fn(|table| after[table] - before[table]);
    let seen = answers.iter().map(|answer| answer.comparable().replace(email, "EMAIL"));
    (seen.collect(), left)
}

#[test]
fn b04_b06_a_new_and_a_taken_address_get_the_same_answers_and_rows() {
    let app = with_ann();
    // The windows of the limits are there from now on.
    sign_up_and_look(&app, "first@example.com");
    for (taken, free) in TWINS {
        let (told, left) = sign_up_and_look(&app, taken);
        assert_eq!(told, sign_up_and_look(&app, free).0, "{taken}");
        assert!(told[0].starts_with("303") && told[5].starts_with("200"), "{told:#?}");
        let [users, sessions, mails, sign_ups, ..] = left;
        assert_eq!([users, sessions], [0, 0], "neither account nor session");
        assert_eq!([mails, sign_ups], [4, 4], "a mail for each");
        // A free address gets as many mails as a taken one.
        let again = sign_up_and_look(&app, free).1;
        assert_eq!(left, again, "{taken}");
    }
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(1));
}

#[test]
fn b04_no_event_names_the_account() {
    let app = with_ann();
    app.auth().journal().flush();
    signs_up(app.browser(), ANN);
    app.mailbox();
    app.auth().journal().flush();
    let newest = journal::newest(&mut app.database(), None, 1).expect("rows");
    assert_eq!(newest[0].event, "sign_up_asked");
    assert_eq!(newest[0].user_id, None);
}

#[test]
fn b04_each_sign_up_costs_the_same_one_hash() {
    let app = TestApp::with(ON, &[]);
    signs_up(app.browser(), ANN);
    signs_up(app.browser(), "bob@example.com");
    // Whoever had an account would show in a row without a hash, or with another's.
    let hashes: Vec<String> =
        sign_ups::table.select(sign_ups::hashed_password).load(&mut app.database()).expect("rows");
    assert_eq!(hashes.len(), 2);
    assert!(hashes.iter().all(|hash| hash.starts_with("$2b$04$")), "{hashes:?}");
    assert_ne!(hashes[0], hashes[1], "each has its salt");

    let app = TestApp::with(&format!("{ON}\nhash_threads = 1"), &[("ROCKET_BCRYPT_COST", "8")]);
    let hashed = hash_password(&secret(NEW), 8).expect("hashed");
    app.sql(&format!(
        "INSERT INTO users (email, email_key, hashed_password, created_at, password_changed_at) \
         VALUES ('{ANN}', '{ANN}', '{hashed}', 0, 0)"
    ));
    // The least of many tries is what a sign-up costs; the rest is what else the machine did.
    let mut least = [Duration::MAX; 2];
    for round in 1..=60 {
        for (least, email) in least.iter_mut().zip([ANN, "bob@example.com"]) {
            let wish = SignUp {
                email: email.to_owned(),
                password: secret(PASSWORD),
                beginning: None,
                invitation: None,
                ip: "192.0.2.1".to_owned(),
            };
            let start = Instant::now();
            let outcome = app.wait(app.auth().sign_up(wish, Timestamp::now()));
            *least = start.elapsed().min(*least);
            assert!(matches!(outcome, Ok(SignedUp::Pending { .. })));
        }
        let (low, high) = (least[0].min(least[1]), least[0].max(least[1]));
        if round >= 3 && high * 3 < low * 5 {
            return;
        }
    }
    panic!("{least:?} for a taken and a free address");
}

#[test]
fn the_link_goes_to_a_new_address_and_a_warning_to_the_stored_one() {
    let app = with_ann();
    let first = app.mailbox().len();
    for (taken, free) in TWINS {
        signs_up(app.browser(), taken);
        let mails = app.mailbox();
        let mail = &mails[0];
        assert_eq!(mail.to, ANN, "to the address as it is stored, not as it was typed: {taken}");
        for part in [mail.text.clone(), mail.html.replace("&#x2F;", "/")] {
            assert!(!part.contains("/confirm/"), "{part}");
            assert!(part.contains("http://127.0.0.1:8000/login"), "{part}");
            assert!(part.contains("http://127.0.0.1:8000/reset_password"), "{part}");
        }
        signs_up(app.browser(), free);
        let mails = app.mailbox();
        let mail = &mails[0];
        assert_eq!(mail.to, free);
        for part in [mail.text.clone(), mail.html.replace("&#x2F;", "/")] {
            assert!(part.contains("http://127.0.0.1:8000/confirm/"), "{part}");
            assert!(part.contains("24 hours"), "{part}");
        }
    }
    assert_eq!(app.mailbox().len(), first + 2 * TWINS.len(), "one mail each");
}

#[test]
fn b45c_a_copied_database_confirms_nothing() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    let link = link_to(&app, ANN);
    let token = super::token_of(&link);
    let cookie = ann.cookie("sign_up").expect("a cookie");
    let raw = app.raw_database();
    for secret in [token, PASSWORD, cookie.as_str()] {
        assert!(!raw.windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{secret}");
    }
    let (kept, browser): (Option<String>, String) = sign_ups::table
        .select((sign_ups::token, sign_ups::browser))
        .first(&mut app.database())
        .expect("a row");
    let kept = kept.expect("a mailed link");
    for stolen in [&kept, &browser] {
        app.program().get(&format!("/confirm/{stolen}")).is(403);
        let body = json!({ "confirm_token": stolen, "new_password": NEW });
        app.program().json(Post, "/confirm", &body).is(403);
        assert!(app.wait(app.auth().find_pending(stolen, Timestamp::now())).expect("no").is_none());
    }
}

//! Log in: one answer for every refusal, hash upgrades, long passwords, a full queue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use gatehouse::accounts::login::{LogIn, LogInError};
use gatehouse::accounts::password::hash_password;
use gatehouse::accounts::session::Beginning;
use gatehouse::accounts::user::{UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{sessions, users};
use rocket::http::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, secret};
use crate::overtake::overtake;

const ANN: &str = "ann@example.com";
const RIGHT: &[(&str, &str)] = &[("email", ANN), ("password", PASSWORD)];

#[track_caller]
fn stored_hash(app: &TestApp, email: &str) -> String {
    find_user_by(&mut app.database(), UserKey::Email(email)).expect("there").hashed_password
}

#[track_caller]
fn store_hash(app: &TestApp, email: &str, hash: &str) {
    let changed = diesel::update(users::table.filter(users::email.eq(email)))
        .set(users::hashed_password.eq(hash))
        .execute(&mut app.database());
    assert_eq!(changed, Ok(1));
}

fn count_sessions(app: &TestApp) -> i64 {
    sessions::table.count().get_result(&mut app.database()).expect("counted")
}

/// Accounts of each kind, with addresses of one length.
fn accounts(app: &TestApp) -> [(&'static str, &'static str, &'static str); 6] {
    for (email, hash) in [
        ("known@example.com", None),
        ("empty@example.com", Some("")),
        ("wrong@example.com", Some("!")),
        ("short@example.com", Some("$2b$04$short")),
        ("other@example.com", Some("sha384$md5$0123456789")),
    ] {
        app.program().post("/users", &[("email", email), ("password", PASSWORD)]).is(200);
        if let Some(hash) = hash {
            store_hash(app, email, hash);
        }
    }
    [
        ("a wrong password", "known@example.com", "some wrong words"),
        ("no account", "nobod@example.com", PASSWORD),
        ("no hash", "empty@example.com", PASSWORD),
        ("no real hash", "wrong@example.com", PASSWORD),
        ("half a hash", "short@example.com", PASSWORD),
        ("an unknown scheme", "other@example.com", PASSWORD),
    ]
}

#[test]
fn b01_one_answer_for_every_reason_to_refuse() {
    let app = TestApp::new();
    let cases = accounts(&app);
    let before = app.dump();
    let mut answers: Vec<[String; 4]> = Vec::new();
    for (why, email, password) in cases {
        let form = [("email", email), ("password", password)];
        let pair = json!({ "email": email, "password": password });
        let told = [
            app.browser().post("/sessions", &form),
            app.browser().json(Method::Post, "/sessions", &pair),
            app.program().post("/sessions", &form),
            app.program().json(Method::Post, "/sessions", &pair),
        ];
        for answer in &told {
            assert_eq!(answer.status.code, 401, "{why}");
            assert_eq!(answer.all("set-cookie"), [""; 0], "{why}");
        }
        told[0].says(email).says("The e-mail address or the password is wrong.");
        told[2].json_is(&json!({ "message": "wrong email or password" }));
        let told = told.map(|answer| answer.comparable().replace(email, "EMAIL"));
        if let Some(first) = answers.first() {
            assert_eq!(told, *first, "{why}");
        }
        answers.push(told);
    }
    assert_eq!(app.dump(), before);
}

#[test]
fn b02_every_refusal_costs_one_hash() {
    let app = TestApp::with("hash_threads = 1", &[("ROCKET_BCRYPT_COST", "8")]);
    let cases = accounts(&app);
    // The least of many tries is what a refusal costs; the rest is what else the machine did.
    let mut least = [Duration::MAX; 6];
    for round in 1..=60 {
        for (least, (why, email, password)) in least.iter_mut().zip(cases) {
            let password = secret(password);
            let start = Instant::now();
            let right = app.wait(app.auth().valid_login(email, &password));
            *least = start.elapsed().min(*least);
            assert!(!right.expect("answers"), "{why}");
        }
        // Without the dummy hash it would be a hundredth, with a second one the double.
        let (low, high) =
            least.iter().fold((Duration::MAX, Duration::ZERO), |(low, high), time| {
                (low.min(*time), high.max(*time))
            });
        if round >= 3 && high * 3 < low * 5 {
            return;
        }
    }
    panic!("{least:?} for {:?}", cases.map(|(why, ..)| why));
}

#[test]
fn a_cheaper_hash_is_made_anew_at_log_in() {
    let app = TestApp::with("", &[("ROCKET_BCRYPT_COST", "5")]);
    let long = "a passphrase of more than seventy-two bytes, which bcrypt alone would cut off";
    for (password, cheap, new) in
        [(PASSWORD, "$2b$04$", "$2b$05$"), (long, "sha384$$2b$04$", "sha384$$2b$05$")]
    {
        let email = format!("{}@example.com", password.len());
        app.program().post("/users", &[("email", &email), ("password", password)]).is(200);
        assert!(stored_hash(&app, &email).starts_with(new));
        let old = hash_password(&secret(password), 4).expect("hashed");
        assert!(old.starts_with(cheap), "{old}");
        store_hash(&app, &email, &old);
        let wrong = [("email", email.as_str()), ("password", "some wrong words")];
        app.program().post("/sessions", &wrong).is(401);
        assert_eq!(stored_hash(&app, &email), old, "nobody proved to know the password");
        let right = [("email", email.as_str()), ("password", password)];
        app.program().post("/sessions", &right).is(200);
        let upgraded = stored_hash(&app, &email);
        assert!(upgraded.starts_with(new), "{upgraded}");
        app.browser().post("/sessions", &right).goes_to("/profile");
        assert_eq!(stored_hash(&app, &email), upgraded, "once is enough");
    }
}

#[test]
fn an_upgraded_hash_ends_no_session_and_no_reset() {
    let app = TestApp::with("", &[("ROCKET_BCRYPT_COST", "5")]);
    let phone = app.signed_up(ANN);
    let token = app.wait(app.auth().get_reset_password_token(ANN, Timestamp::now())).expect("one");
    store_hash(&app, ANN, &hash_password(&secret(PASSWORD), 4).expect("hashed"));
    app.program().post("/sessions", RIGHT).is(200);
    assert!(stored_hash(&app, ANN).starts_with("$2b$05$"));
    phone.get("/profile").is(200);
    let alive = app.wait(app.auth().find_reset(&token, Timestamp::now())).expect("answers");
    assert!(alive.is_some(), "the password is still the same");
}

#[test]
fn a_dearer_hash_is_never_made_cheaper() {
    let app = TestApp::new();
    app.program().post("/users", RIGHT).is(200);
    let dear = hash_password(&secret(PASSWORD), 6).expect("hashed");
    store_hash(&app, ANN, &dear);
    app.program().post("/sessions", RIGHT).is(200);
    app.browser().post("/sessions", RIGHT).goes_to("/profile");
    assert_eq!(stored_hash(&app, ANN), dear);
}

#[test]
fn b95_passwords_that_bcrypt_takes_for_equal_are_told_apart() {
    let app = TestApp::new();
    let emoji = "🐎🔋".repeat(32);
    let other_emoji = format!("{}🐎📎", "🐎🔋".repeat(31));
    let a72 = "x7".repeat(36);
    let pairs = [
        (a72.clone(), format!("{a72}x")),
        (a72[..71].to_owned(), a72.clone()),
        ("quiet harbour".to_owned(), "quiet harbour\0quiet harbour".to_owned()),
        ("quiet harbour\0".to_owned(), "quiet harbour".to_owned()),
        ("\0\u{1}\0\u{1}\0\u{1}\0\u{1}".to_owned(), "\0\u{1}\0\u{1}\0\u{1}\0\u{1}\0".to_owned()),
        (emoji, other_emoji),
        ("caf\u{e9} au lait".to_owned(), "cafe\u{301} au lait".to_owned()),
        (" quiet harbour".to_owned(), "quiet harbour".to_owned()),
        ("Quiet Harbour".to_owned(), "quiet harbour".to_owned()),
    ];
    for (number, (one, other)) in pairs.iter().enumerate() {
        for (right, wrong, email) in [
            (one, other, format!("a{number}@example.com")),
            (other, one, format!("b{number}@example.com")),
        ] {
            let pair = json!({ "email": email, "password": right });
            app.program().json(Method::Post, "/users", &pair).is(200);
            let form = |password| [("email", email.as_str()), ("password", password)];
            assert_eq!(app.browser().post("/sessions", &form(wrong)).status.code, 401, "{wrong:?}");
            let pair = json!({ "email": email, "password": wrong });
            app.program().json(Method::Post, "/sessions", &pair).is(401);
            app.browser().post("/sessions", &form(right)).goes_to("/profile");
            let pair = json!({ "email": email, "password": right });
            app.program().json(Method::Post, "/sessions", &pair).is(200);
        }
    }
}

#[test]
fn b75_1024_bytes_are_a_password_and_1025_are_not() {
    let app = TestApp::new();
    let fits = "x7".repeat(512);
    let over = format!("{fits}x");
    let as_json = |email: &str, password: &str| json!({ "email": email, "password": password });
    for (number, password) in [&over, &format!("{over}{over}")].into_iter().enumerate() {
        let email = format!("over{number}@example.com");
        app.browser()
            .post("/users", &[("email", &email), ("password", password)])
            .is(422)
            .says("at most 1024 bytes");
        app.program().json(Method::Post, "/users", &as_json(&email, password)).is(422);
    }
    let form = [("email", ANN), ("password", fits.as_str())];
    app.browser().post("/users", &form).goes_to("/profile");
    app.browser().post("/sessions", &form).goes_to("/profile");
    app.program().json(Method::Post, "/sessions", &as_json(ANN, &fits)).is(200);
    // Percent-encoded threefold or as \uXXXX it is no longer.
    let escaped =
        format!("{{\"email\":\"{ANN}\",\"password\":\"{}\"}}", "\\u0078\\u0037".repeat(512));
    let kind = ("Content-Type", "application/json");
    app.program().send(Method::Post, "/sessions", &[kind], escaped.into_bytes()).is(200);
    let percent = format!("email={ANN}&password={}", "%78%37".repeat(512));
    let kind = ("Content-Type", "application/x-www-form-urlencoded");
    app.browser()
        .send(Method::Post, "/sessions", &[kind], percent.into_bytes())
        .goes_to("/profile");
    // Too long is as wrong as any other, known address or not.
    for email in [ANN, "nobody@example.com"] {
        app.browser().post("/sessions", &[("email", email), ("password", &over)]).is(401);
        app.program().json(Method::Post, "/sessions", &as_json(email, &over)).is(401);
    }
}

/// Ends the flood also when an assertion fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn b74_a_full_queue_says_503_and_logs_nobody_in() {
    let app = TestApp::with("hash_threads = 1\nhash_queue = 1", &[("ROCKET_BCRYPT_COST", "10")]);
    app.program().post("/users", RIGHT).is(200);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&over);
        for _ in 0..4 {
            let (auth, over) = (app.auth().clone(), &over);
            scope.spawn(move || {
                let mut builder = tokio::runtime::Builder::new_current_thread();
                let runtime = builder.enable_all().build();
                let runtime = runtime.expect("a runtime");
                while !over.load(Ordering::Relaxed) {
                    let words = secret("some wrong words");
                    let _ = runtime.block_on(auth.valid_login("nobody@example.com", &words));
                    std::thread::yield_now();
                }
            });
        }
        for (path, form) in [
            ("/sessions", RIGHT),
            ("/users", &[("email", "new@example.com"), ("password", PASSWORD)] as &[_]),
        ] {
            for browser in [true, false] {
                let deadline = Instant::now() + Duration::from_secs(60);
                loop {
                    assert!(Instant::now() < deadline, "{path}: the queue was never full");
                    let visitor = if browser { app.browser() } else { app.program() };
                    let before = app.dump();
                    let answer = visitor.post(path, form);
                    if answer.status.code != 503 {
                        app.sql("DELETE FROM users WHERE email = 'new@example.com'");
                        continue;
                    }
                    let wait: u64 =
                        answer.header("retry-after").expect("how long").parse().expect("n");
                    assert!((1..=60).contains(&wait), "{wait}");
                    assert_eq!(answer.all("set-cookie"), [""; 0]);
                    assert_eq!(app.dump(), before, "{path}");
                    if browser {
                        answer.says("Back in a moment").says("Error id");
                    } else {
                        assert!(
                            answer.json()["message"].as_str().is_some_and(|it| it.contains("busy"))
                        );
                    }
                    break;
                }
            }
        }
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while app.program().post("/sessions", RIGHT).status.code != 200 {
        assert!(Instant::now() < deadline, "the queue never emptied");
    }
}

#[test]
fn b72_a_password_changed_while_it_is_compared_lets_nobody_in() {
    let app = TestApp::new();
    app.program().post("/users", RIGHT).is(200);
    let new_hash = hash_password(&secret("some other words"), 4).expect("hashed");
    let beginning = Beginning::default();
    let attempt = LogIn { email: ANN.to_owned(), password: secret(PASSWORD), beginning };
    let log_in = app.auth().log_in(attempt, Timestamp::now());
    let change = format!("UPDATE users SET hashed_password = '{new_hash}'");
    let outcome = overtake(&app, log_in, &change);
    assert!(matches!(outcome, Err(LogInError::WrongCredentials { .. })));
    assert_eq!(count_sessions(&app), 0, "no session of the old password");
    app.program().post("/sessions", &[("email", ANN), ("password", "some other words")]).is(200);
}

#[test]
fn b73_an_account_deleted_while_its_password_is_compared_lets_nobody_in() {
    let app = TestApp::new();
    app.program().post("/users", RIGHT).is(200);
    let beginning = Beginning::default();
    let attempt = LogIn { email: ANN.to_owned(), password: secret(PASSWORD), beginning };
    let log_in = app.auth().log_in(attempt, Timestamp::now());
    let outcome = overtake(&app, log_in, "DELETE FROM users");
    assert!(matches!(outcome, Err(LogInError::WrongCredentials { .. })));
    assert_eq!(count_sessions(&app), 0);
}

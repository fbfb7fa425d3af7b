//! Accounts that an operator has disabled: nobody gets in, nobody can tell, and all is back once they
//! are enabled (B-32, B-45).

mod downgrade; // the version before knows of none

use diesel::prelude::*;
use gatehouse::accounts::operator::{LinkKind, Operator, OperatorError};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{outbox, sessions, tokens, users};
use rocket::http::Method::Post;
use serde_json::json;

use crate::app::{PASSWORD, Pairs, TestApp, secret};
use crate::mailed::mailed;

const ANN: &str = "ann@example.com";
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];
const WRONG: [(&str, &str); 2] = [("email", ANN), ("password", "not that one")];
const WITH_APPLICATIONS: &str = "base_url = \"https://login.example.org\"\n\
    allowed_hosts = [\"app.example.org\"]\ntrusted_proxies = [\"127.0.0.1\"]";

#[track_caller]
fn disable(app: &TestApp) {
    Operator(app.auth()).disable(ANN, Timestamp::now()).expect("disabled");
}

#[track_caller]
fn enable(app: &TestApp) {
    Operator(app.auth()).enable(ANN).expect("enabled");
}

#[test]
fn b32_every_session_ends_at_the_next_request() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let program = app.program();
    program.post("/sessions", &PAIR).is(200);
    ann.get("/profile").is(200);
    disable(&app);
    ann.get("/profile").goes_to("/login?next=/profile");
    program.get("/profile").is(403);
    program.post("/account/deletion", &[]).is(403);
    assert_eq!(sessions::table.count().get_result(&mut app.database()), Ok(0));
    // What ended does not come back.
    enable(&app);
    program.get("/profile").is(403);
}

#[test]
fn b32_a_session_that_is_there_all_the_same_opens_nothing() {
    let app = TestApp::with(WITH_APPLICATIONS, &[]);
    let ann = app.signed_up(ANN);
    let cookie = ann.cookie("__Secure-gatehouse").expect("the door's cookie");
    let door = || {
        let proxy = app.program();
        proxy.header("X-Forwarded-Host", "app.example.org").header("X-Forwarded-Uri", "/");
        proxy.set_cookie("__Secure-gatehouse", &cookie);
        proxy.get("/auth").status.code
    };
    assert_eq!(door(), 200);
    // By hand: a session that began beside the deed.
    app.sql("UPDATE users SET disabled_at = 1");
    assert_eq!(door(), 401);
    ann.get("/profile").is(303);
    ann.post("/account/deletion", &[]).is(303);
    app.sql("UPDATE users SET disabled_at = NULL");
    assert_eq!(door(), 200);
}

#[test]
fn b32_the_right_password_answers_as_a_wrong_one() {
    for visitor in [TestApp::browser, TestApp::program] {
        let answer = |disabled: bool, pair: Pairs<'_>| {
            let app = TestApp::new();
            app.signed_up(ANN);
            if disabled {
                disable(&app);
            }
            visitor(&app).post("/sessions", pair).is(401).comparable()
        };
        let right = answer(true, &PAIR);
        assert_eq!(right, answer(false, &WRONG));
        let unknown = answer(true, &[("email", "eve@example.com"), ("password", PASSWORD)]);
        assert_eq!(right, unknown.replace("eve@example.com", ANN));
        let app = TestApp::new();
        app.signed_up(ANN);
        disable(&app);
        let valid = |app: &TestApp| app.wait(app.auth().valid_login(ANN, &secret(PASSWORD)));
        assert!(!valid(&app).expect("an answer"));
        let begun = app.auth().create_session(ANN, Default::default(), Timestamp::now());
        assert!(app.wait(begun).is_err(), "a session by another way");
        enable(&app);
        assert!(valid(&app).expect("an answer"));
        assert!(visitor(&app).post("/sessions", &PAIR).status.code < 400);
    }
}

#[test]
fn b32_asking_for_links_answers_as_ever_and_mails_nothing() {
    let app = TestApp::new();
    app.signed_up(ANN);
    app.signed_up("bob@example.com");
    disable(&app);
    for path in ["/reset_password", "/unlock"] {
        let answers = [ANN, "bob@example.com", "eve@example.com"].map(|email| {
            let answer = app.program().post(path, &[("email", email)]);
            answer.is(200).comparable().replace(email, "ADDRESS")
        });
        assert_eq!(answers[0], answers[2]);
        assert_eq!(answers[1], answers[2]);
    }
    let to: Vec<String> = app.mailbox().into_iter().map(|letter| letter.to).collect();
    assert_eq!(to, ["bob@example.com"; 2]);
    let of_ann = outbox::table.filter(outbox::user_id.eq(1_i64)).count();
    assert_eq!(of_ann.get_result(&mut app.database()), Ok(0));
}

#[test]
fn b45_no_link_that_is_out_lets_anybody_in_or_changes_anything() {
    let app = TestApp::new();
    app.signed_up(ANN);
    for path in ["/reset_password", "/unlock"] {
        app.program().post(path, &[("email", ANN)]).is(200);
    }
    let (reset, unlock) = (mailed(&app, "/reset_password/"), mailed(&app, "/unlock/"));
    let key = unlock.rsplit('/').next().expect("a token");
    let change = || {
        let token = reset.rsplit('/').next().expect("a token");
        app.program()
            .put("/reset_password", &[("reset_token", token), ("new_password", "another harbour")])
    };
    let open = || app.program().json(Post, "/unlock/open", &json!({ "unlock_token": key }));
    disable(&app);
    let before = app.dump();
    app.program().get(&reset).is(403);
    app.program().get(&unlock).is(403);
    change().is(403);
    open().is(403);
    assert_eq!(app.dump(), before);
    // Nor afterwards: who has them may be why it was disabled.
    enable(&app);
    open().is(403);
    change().is(403);
    app.program().post("/sessions", &PAIR).is(200);
}

#[test]
fn b45_no_other_address_is_taken_once_it_is_enabled_but_ones_own_is_given_back() {
    let (first, second) = ("thief@example.com", "eve@example.com");
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let asks = |email| ann.post("/account/email", &[("email", email)]).is(303).clone();
    asks(first);
    let token = json!({ "token": crate::mailed::token_of(&app.link_to(first, "email_change")) });
    app.program().json(Post, "/email_change/confirm", &token).is(200);
    asks(second);
    let token = json!({ "token": crate::mailed::token_of(&app.link_to(second, "email_change")) });
    let operator = Operator(app.auth());
    operator.disable("1", Timestamp::now()).expect("disabled");
    operator.enable("1").expect("enabled");
    app.program().json(Post, "/email_change/confirm", &token).is(403);
    app.program().get(&app.link_to(ANN, "secure_account")).is(200);
}

#[test]
fn b45_a_new_password_does_not_enable() {
    let app = TestApp::new();
    app.signed_up(ANN);
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    let token = app.mailed_link().rsplit('/').next().expect("a token").to_owned();
    // Disabled between the look at the token and its use: the statement that uses it looks again.
    let auth = app.auth().clone();
    assert!(app.wait(auth.find_reset(&secret(&token), Timestamp::now())).expect("ok").is_some());
    app.sql("UPDATE users SET disabled_at = 1");
    let (token, new) = (secret(&token), secret("another harbour"));
    let changed = auth.update_password(&token, None, &new, Timestamp::now());
    assert!(app.wait(changed).is_err());
    let row = users::table.select((users::disabled_at, users::reset_token));
    let (disabled, token): (Option<i64>, Option<String>) =
        row.first(&mut app.database()).expect("Ann");
    assert!(disabled.is_some() && token.is_some());
}

#[test]
fn an_account_is_disabled_since_the_first_time() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let operator = Operator(app.auth());
    let first = operator.disable("1", Timestamp::from_millis(1000)).expect("disabled");
    let again = operator.disable(ANN, Timestamp::from_millis(2000)).expect("disabled");
    assert_eq!(first.disabled_at, Some(Timestamp::from_millis(1000)));
    assert_eq!(again.disabled_at, first.disabled_at);
    assert_eq!(operator.enable("Ann@EXAMPLE.com").expect("enabled").disabled_at, None);
}

#[test]
fn no_link_is_printed_for_it() {
    let app = TestApp::new();
    app.signed_up(ANN);
    disable(&app);
    let operator = Operator(app.auth());
    for kind in [LinkKind::Reset, LinkKind::Confirm] {
        let refused = operator.link(ANN, kind, Timestamp::now());
        assert!(matches!(refused, Err(OperatorError::Disabled)));
    }
    assert_eq!(tokens::table.count().get_result(&mut app.database()), Ok(0));
}

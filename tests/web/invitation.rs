//! Invitations: one address, one link, one account.

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::invitation::InviteError;
use gatehouse::accounts::registration::{RegisterError, SignUp, SignedUp};
use gatehouse::accounts::user::{UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{tokens, users};
use rocket::http::Method::{self, Post};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, secret};
use crate::crowd::{PATIENT, all_at_once, wait};

const INVITED: &str = "sign_up = \"invited\"";
const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];

/// The path of a new invitation's link.
#[track_caller]
fn invite(app: &TestApp, email: &str) -> String {
    let link = app.auth().invite(email, Timestamp::now()).expect("invited");
    let path = link.expose_secret().strip_prefix(app.config.base_url.as_str());
    format!("/{}", path.expect("a link to this site"))
}

fn token_of(link: &str) -> &str {
    link.rsplit('/').next().expect("a token")
}

fn count_tokens(app: &TestApp) -> i64 {
    tokens::table.count().get_result(&mut app.database()).expect("counted")
}

fn is_confirmed(app: &TestApp, email: &str) -> bool {
    let user = find_user_by(&mut app.database(), UserKey::Email(email)).expect("an account");
    user.confirmed_at.is_some()
}

#[test]
fn without_an_invitation_nobody_signs_up() {
    let app = TestApp::with(INVITED, &[]);
    let before = app.dump();
    let browser = app.browser();
    browser.get("/signup").is(403).says("By invitation only");
    browser.post("/users", &PAIR).is(403).says("By invitation only");
    let script = app.program();
    let told = json!({ "message": "sign-up is by invitation" });
    script.get("/signup").is(403).json_is(&told);
    script.post("/users", &PAIR).is(403).json_is(&told);
    script
        .json(Post, "/users", &json!({ "email": ANN, "password": PASSWORD, "invitation": "0" }))
        .is(403)
        .json_is(&told);
    assert_eq!(app.dump(), before);
}

#[test]
fn the_link_leads_to_a_form_for_its_own_address() {
    let app = TestApp::with(INVITED, &[]);
    let link = invite(&app, ANN);
    let ann = app.browser();
    ann.get(&link).goes_to("/signup");
    ann.get("/signup").is(200).says("You are invited as").says(ANN).says("name=\"email\"");
    ann.post("/users", &PAIR).goes_to("/profile");
    ann.get("/profile").is(200).says(ANN);
    assert!(is_confirmed(&app, ANN), "the mail was read");
    assert_eq!(ann.cookie("invitation"), None);
    assert_eq!(count_tokens(&app), 0);
    app.browser().get(&link).is(403).says("This invitation no longer works");
}

#[test]
fn a_mistake_in_the_form_leaves_the_invitation_good() {
    let app = TestApp::with(INVITED, &[]);
    let ann = app.browser();
    ann.get(&invite(&app, ANN)).goes_to("/signup");
    let again = ann.post("/users", &[("email", ANN), ("password", "short")]);
    again.is(422).says("Too short").says("You are invited as").says(ANN);
    ann.post("/users", &PAIR).goes_to("/profile");
}

#[test]
fn the_mail_holds_the_same_link() {
    let app = TestApp::with(INVITED, &[]);
    let link = invite(&app, "Ann@Example.com");
    let mails = app.mailbox();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "Ann@Example.com");
    for part in [&mails[0].text, &mails[0].html.replace("&#x2F;", "/")] {
        assert!(part.contains(&format!("http://127.0.0.1:8000{link}")), "{part}");
        assert!(part.contains("7 days"), "{part}");
    }
    app.program().get(&link).is(200);
}

#[test]
fn b44_a_mail_scanner_uses_no_invitation_up() {
    let app = TestApp::with(INVITED, &[]);
    let link = invite(&app, ANN);
    let before = app.dump();
    for _ in 0..5 {
        for scanner in [app.browser(), app.program()] {
            assert!([200, 303].contains(&scanner.get(&link).status.code));
            scanner.get("/signup");
            scanner.send(Method::Head, &link, &[], Vec::new());
        }
    }
    assert_eq!(app.dump(), before);
    let ann = app.browser();
    ann.get(&link).goes_to("/signup");
    ann.post("/users", &PAIR).goes_to("/profile");
}

#[test]
fn a_program_sends_the_token_along() {
    let app = TestApp::with(INVITED, &[]);
    let link = invite(&app, ANN);
    let script = app.program();
    let live = json!({ "message": "sign up with POST /users: email, password, invitation" });
    script.get(&link).is(200).json_is(&live);
    script.forget_cookies();
    let body = json!({ "email": ANN, "password": PASSWORD, "invitation": token_of(&link) });
    let created = json!({ "email": ANN, "message": "user created" });
    script.json(Post, "/users", &body).is(200).json_is(&created);
    assert!(is_confirmed(&app, ANN));
    let other = json!({ "email": BOB, "password": PASSWORD, "invitation": token_of(&link) });
    script.json(Post, "/users", &other).is(403);
    script.get(&link).is(403).json_is(&json!({ "message": "Forbidden" }));
}

#[test]
fn b41_an_invitation_is_for_its_own_address_in_any_spelling() {
    let app = TestApp::with(INVITED, &[]);
    let link = invite(&app, ANN);
    let browser = app.browser();
    browser.get(&link).goes_to("/signup");
    let before = app.dump();
    for other in [BOB, "ann@example.com.evil.example", "ann+1@example.com"] {
        browser.post("/users", &[("email", other), ("password", PASSWORD)]).is(403);
        let body = json!({ "email": other, "password": PASSWORD, "invitation": token_of(&link) });
        app.program().json(Post, "/users", &body).is(403);
    }
    assert_eq!(app.dump(), before, "the invitation is not used up");
    browser.post("/users", &[("email", "ANN@Example.COM"), ("password", PASSWORD)]).is(303);
    assert!(is_confirmed(&app, ANN));
}

/// Whoever holds an invitation must not learn who else has an account.
#[test]
fn b04_an_invitation_tells_nothing_of_other_addresses() {
    for (settings, code) in [
        (INVITED.to_owned(), 403),
        ("confirm_email = true".to_owned(), 200),
        ("confirm_email = true\nsign_up = \"example.com\"".to_owned(), 200),
        (format!("confirm_email = true\n{INVITED}"), 403),
    ] {
        let app = TestApp::with(&settings, &[]);
        app.sql(&format!(
            "INSERT INTO users (email, email_key, hashed_password, created_at, \
             password_changed_at) VALUES ('{BOB}', '{BOB}', '!', 0, 0)"
        ));
        let link = invite(&app, ANN);
        let ask = |email: &str| {
            let body =
                json!({ "email": email, "password": PASSWORD, "invitation": token_of(&link) });
            let answer = app.program().json(Post, "/users", &body);
            answer.is(code).comparable().replace(email, "EMAIL")
        };
        assert_eq!(ask(BOB), ask("max@example.com"), "{settings}");
    }
}

#[test]
fn a_newer_invitation_voids_the_one_before() {
    let app = TestApp::with(INVITED, &[]);
    let first = invite(&app, ANN);
    let for_bob = invite(&app, BOB);
    let second = invite(&app, "ANN@example.com");
    app.program().get(&first).is(403);
    let body = json!({ "email": ANN, "password": PASSWORD, "invitation": token_of(&first) });
    app.program().json(Post, "/users", &body).is(403);
    app.program().get(&second).is(200);
    app.program().get(&for_bob).is(200);
    // The mail with the dead link need not go.
    let mails = app.mailbox();
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().all(|mail| !mail.text.contains(token_of(&first))));
}

#[test]
fn d15_the_mails_file_goes_with_the_invitation() {
    let app = TestApp::with(&format!("{INVITED}\nmail_transport = \"files\""), &[]);
    let files = || {
        app.service.worker.deliver_due(Timestamp::now()).expect("delivered");
        app.service.worker.purge(Timestamp::now()).expect("purged");
        let folder = std::fs::read_dir(app.folder.path().join("outbox")).expect("the folder");
        let texts = folder.map(|file| std::fs::read_to_string(file.expect("an entry").path()));
        texts.map(|text| text.expect("text")).collect::<Vec<_>>()
    };
    invite(&app, ANN);
    assert_eq!(files().len(), 1);
    let link = invite(&app, ANN);
    let left = files();
    assert!(left.len() == 1 && left[0].contains(token_of(&link)), "{left:?}");
    let ann = app.browser();
    ann.get(&link).goes_to("/signup");
    ann.post("/users", &PAIR).goes_to("/profile");
    assert_eq!(files().len(), 0);
}

#[test]
fn an_invitation_lives_for_a_week() {
    let app = TestApp::with(INVITED, &[]);
    let now = Timestamp::now();
    let link = app.auth().invite(ANN, now).expect("invited");
    let token = secret(token_of(link.expose_secret()));
    let sign_up = |at: Timestamp| {
        let wish = SignUp {
            email: ANN.to_owned(),
            password: secret(PASSWORD),
            beginning: None,
            invitation: Some(token.clone()),
            ip: "192.0.2.1".to_owned(),
        };
        app.wait(app.auth().sign_up(wish, at))
    };
    for (after, alive) in
        [(Duration::ZERO, true), (WEEK - MILLISECOND, true), (WEEK, false), (100 * WEEK, false)]
    {
        let found = app.wait(app.auth().find_invitation(&token, now + after));
        assert_eq!(found.expect("an answer").is_some(), alive, "{after:?}");
    }
    assert!(matches!(sign_up(now + WEEK), Err(RegisterError::NotOpen)));
    for (after, purged) in [(WEEK - MILLISECOND, 0), (WEEK, 1)] {
        assert_eq!(app.wait(app.auth().purge_tokens(now + after)).expect("purged"), purged);
        if purged == 0 {
            let outcome = sign_up(now + after);
            assert!(matches!(outcome, Ok(SignedUp::Account { session: None, .. })));
            let again = app.auth().invite(BOB, now);
            assert!(again.is_ok());
        }
    }
}

#[test]
fn b68_of_many_that_bring_one_invitation_exactly_one_gets_the_account() {
    let app = TestApp::with(&format!("{INVITED}\n{PATIENT}"), &[]);
    let link = invite(&app, ANN);
    let auth = app.auth().clone();
    let outcomes = all_at_once(|number| {
        let wish = SignUp {
            email: ANN.to_owned(),
            password: secret(&format!("harbour number {number}")),
            beginning: None,
            invitation: Some(secret(token_of(&link))),
            ip: "192.0.2.1".to_owned(),
        };
        wait(auth.sign_up(wish, Timestamp::now()))
    });
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(_) | Err(RegisterError::EmailTaken | RegisterError::NotOpen)));
    }
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(1));
    assert_eq!(count_tokens(&app), 0);
}

#[test]
fn nobody_is_invited_twice_in_vain() {
    let app = TestApp::with(INVITED, &[]);
    let invites = |email: &str| app.auth().invite(email, Timestamp::now());
    assert!(matches!(invites("no address"), Err(InviteError::Email)));
    let ann = app.browser();
    ann.get(&invite(&app, ANN)).goes_to("/signup");
    ann.post("/users", &PAIR).goes_to("/profile");
    let mails = app.mailbox().len();
    for taken in [ANN, "ANN@EXAMPLE.COM"] {
        assert!(matches!(invites(taken), Err(InviteError::EmailTaken)), "{taken}");
    }
    assert_eq!(app.mailbox().len(), mails);
    let closed = TestApp::with("sign_up = \"closed\"", &[]);
    assert!(matches!(closed.auth().invite(ANN, Timestamp::now()), Err(InviteError::Closed)));
}

#[test]
fn with_confirm_email_an_invited_account_begins_at_once_and_others_wait() {
    let settings = "confirm_email = true\nsign_up = \"example.org\"";
    let app = TestApp::with(settings, &[]);
    // Past the list of domains, too: an operator has vouched for the address.
    let ann = app.browser();
    ann.get(&invite(&app, ANN)).goes_to("/signup");
    ann.post("/users", &PAIR).goes_to("/profile");
    assert!(is_confirmed(&app, ANN));
    // The link in one browser is no pass for the next person at it.
    let shared = app.browser();
    shared.get(&invite(&app, BOB)).goes_to("/signup");
    let eve = [("email", "eve@example.org"), ("password", PASSWORD)];
    shared.post("/users", &eve).goes_to("/confirm/sent");
    app.program().post("/sessions", &eve).is(401);
    assert_eq!(count_tokens(&app), 1, "Bob's invitation is still his");
}

//! `gatehouse user`: an operator looks after accounts while the service runs, without a mail server.

use std::fs;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::db::schema::{events, outbox, sign_ups, users};
use serde_json::Value;

use crate::program::{Ended, Home, NEW_PASSWORD, PASSWORD, Running, eventually};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];

fn home() -> Home {
    Home::new().with("ROCKET_MAIL_TRANSPORT", "files")
}

#[track_caller]
fn user(home: &Home, arguments: &[&str]) -> Ended {
    let all: Vec<&str> = ["user"].into_iter().chain(arguments.iter().copied()).collect();
    home.run(&all)
}

/// The one JSON value that was printed.
#[track_caller]
fn json(home: &Home, arguments: &[&str]) -> Value {
    let all: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let ended = user(home, &all);
    ended.exits(0);
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The path of the link, which must be all that was printed.
#[track_caller]
fn printed(ended: &Ended, page: &str) -> String {
    ended.exits(0);
    let link = ended.out.strip_suffix('\n').expect("a line");
    let (base, token) = link.split_once(page).expect("a link");
    assert!(base.starts_with("http://127.0.0.1:"), "{link}");
    assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{link}");
    assert!(ended.err.contains("it works once, until 20"), "{}", ended.err);
    format!("{page}{token}")
}

#[track_caller]
fn refuses(home: &Home, arguments: &[&str], why: &str) {
    let ended = user(home, arguments);
    ended.exits(1).complains_in_one_line().says(why);
    assert_eq!(ended.out, "", "a script must not take it for an answer");
}

/// A new password for whoever has the link.
#[track_caller]
fn choose(server: &Running, path: &str, password: &str) -> u16 {
    let token = path.rsplit('/').next().expect("a token");
    let form = [("reset_token", token), ("new_password", password)];
    server.program().put("/reset_password", &form).status
}

#[test]
fn an_account_is_added_and_its_owner_chooses_a_password() {
    let home = home();
    let server = home.start();
    let added = user(&home, &["add", ANN, "--name", "Ann Harbour"]);
    let link = printed(&added, "/reset_password/");
    assert!(added.err.contains("account 1, ann@example.com"), "{}", added.err);
    for guess in ["!", "", PASSWORD] {
        let pair = [("email", ANN), ("password", guess)];
        assert!([401, 422].contains(&server.program().post("/sessions", &pair).status));
    }
    assert_eq!(choose(&server, &link, PASSWORD), 200);
    assert_eq!(choose(&server, &link, NEW_PASSWORD), 403, "the link works once");
    server.program().post("/sessions", &PAIR).is(200);
    let mails: i64 = outbox::table
        .filter(outbox::kind.ne_all(["password_changed", "new_log_in"]))
        .count()
        .get_result(&mut home.database())
        .expect("the outbox");
    assert_eq!(mails, 0, "nothing had to be mailed");
    refuses(&home, &["add", "ANN@example.com"], "has an account already");
    refuses(&home, &["add", "no address"], "no address: this is no e-mail address");
    refuses(&home, &["add", BOB, "--name", "Bob\u{202e}boB"], "a name has 1 to 100");
    let conn = &mut home.database();
    assert_eq!(users::table.count().get_result(conn), Ok(1_i64));
}

#[test]
fn accounts_are_listed_and_shown_for_people_and_for_scripts() {
    let home = home();
    let server = home.start();
    assert_eq!(json(&home, &["list"]), Value::Array(Vec::new()));
    user(&home, &["list"]).exits(0).says("no account");
    server.logged_in(ANN);
    for email in [BOB, "eve@example.com"] {
        printed(&user(&home, &["add", email]), "/reset_password/");
    }
    let ids = |arguments: &[&str]| {
        let list = json(&home, arguments);
        let list = list.as_array().expect("an array").iter();
        list.map(|user| user["id"].as_i64().expect("a number")).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["list"]), [1, 2, 3]);
    assert_eq!(ids(&["list", "--most", "1"]), [1]);
    assert_eq!(ids(&["list", "--most", "1", "--after", "1"]), [2]);
    assert_eq!(ids(&["list", "--disabled"]), [0_i64; 0]);
    user(&home, &["disable", "3"]).exits(0).says("eve@example.com, is disabled");
    user(&home, &["disable", BOB]).exits(0);
    assert_eq!(ids(&["list", "--disabled"]), [2, 3]);
    assert_eq!(ids(&["list", "--disabled", "--after", "2"]), [3]);
    let lines = user(&home, &["list"]).out;
    assert_eq!(lines.lines().count(), 3, "{lines}");
    assert!(lines.lines().nth(2).is_some_and(|line| line.contains("disabled 20")), "{lines}");

    for who in ["1", ANN, "Ann@EXAMPLE.com"] {
        let shown = json(&home, &["show", who]);
        assert_eq!((&shown["id"], &shown["email"]), (&1.into(), &ANN.into()));
        assert_eq!((&shown["sessions"], &shown["disabled_at"]), (&1.into(), &Value::Null));
        assert!(shown["password_changed_at"].as_str().is_some_and(|at| at.ends_with('Z')));
        user(&home, &["show", who]).exits(0).says("address      ann@example.com");
    }
    assert_eq!(json(&home, &["show", "2"])["password_changed_at"], Value::Null);
    for text in [user(&home, &["show", ANN]).out, json(&home, &["list"]).to_string()] {
        assert!(!text.contains("$2b$") && !text.contains("hash"), "{text}");
    }
}

#[test]
fn b32_disabled_while_the_service_runs_is_out_at_once_and_enabled_is_in() {
    let home = home();
    let server = home.start();
    let mut ann = server.logged_in(ANN);
    ann.get("/profile").is(200);
    assert!(json(&home, &["disable", ANN])["disabled_at"].is_string());
    ann.get("/profile").is(403);
    server.program().post("/sessions", &PAIR).is(401);
    refuses(&home, &["link", ANN, "--reset"], "is disabled: enable it first");
    assert_eq!(json(&home, &["enable", ANN])["disabled_at"], Value::Null);
    server.program().post("/sessions", &PAIR).is(200);
    ann.get("/profile").is(403);
}

#[test]
fn whoever_is_locked_out_is_let_in() {
    let home = home().with("ROCKET_LIMIT_LOGIN", "4/1h");
    let server = home.start();
    let mut ann = server.logged_in(ANN);
    let mut stranger = server.program();
    let wrong = [("email", ANN), ("password", "not that one")];
    for visitor in [&mut ann, &mut stranger] {
        let tries = (0..9).map(|_| visitor.post("/sessions", &wrong).status);
        assert_eq!(tries.last(), Some(429));
        visitor.post("/sessions", &PAIR).is(429);
    }
    user(&home, &["unlock", ANN]).exits(0).says("account 1, ann@example.com, is unlocked");
    ann.post("/sessions", &PAIR).is(200);
    stranger.post("/sessions", &PAIR).is(200);
}

#[test]
fn sessions_are_listed_harmlessly_and_ended() {
    let home = home();
    let server = home.start();
    let mut ann = server.logged_in(ANN);
    let mut other = server.program();
    other.post("/sessions", &PAIR).is(200);
    home.database()
        .batch_execute("UPDATE sessions SET user_agent = 'a\u{1b}[2Jb\u{202e}c'")
        .expect("written");
    let listed = user(&home, &["sessions", ANN]);
    listed.exits(0);
    assert_eq!(listed.out.lines().count(), 2, "{listed:?}");
    assert!(listed.out.contains("from 127.0.0.1  a\u{fffd}[2Jb\u{fffd}c"), "{listed:?}");
    let list = json(&home, &["sessions", "1"]);
    assert_eq!(list.as_array().map(Vec::len), Some(2));
    assert_eq!((&list[0]["ip"], &list[0]["remembered"]), (&"127.0.0.1".into(), &false.into()));
    assert_eq!(list[0]["id"], Value::Null, "no key of a session is told");
    assert_eq!(json(&home, &["sessions", ANN, "--end-all"])["ended"], 2);
    for visitor in [&mut ann, &mut other] {
        visitor.get("/profile").is(403);
    }
    user(&home, &["sessions", ANN]).exits(0).says("logged in nowhere");
    assert_eq!(json(&home, &["sessions", ANN]), Value::Array(Vec::new()));
}

#[test]
fn an_account_is_deleted_when_it_is_meant() {
    let home = home();
    let server = home.start();
    let mut ann = server.logged_in(ANN);
    printed(&user(&home, &["add", BOB]), "/reset_password/");
    for arguments in [&["delete", ANN][..], &["delete", ANN, "--json"]] {
        refuses(
            &home,
            arguments,
            "nothing is deleted yet: with --yes, account 1, ann@example.com,",
        );
    }
    ann.get("/profile").is(200);
    let deleted = json(&home, &["delete", ANN, "--yes"]);
    assert_eq!((&deleted["id"], &deleted["deleted"]), (&1.into(), &true.into()));
    ann.get("/profile").is(403);
    refuses(&home, &["show", ANN], "ann@example.com: there is no such account");
    refuses(&home, &["delete", "1", "--yes"], "1: there is no such account");
    let conn = &mut home.database();
    assert_eq!(users::table.count().get_result(conn), Ok(1_i64));
    let hers = events::table.filter(events::user_id.eq(1_i64)).count();
    assert_eq!(hers.get_result(conn), Ok(0_i64));
    server.program().post("/users", &PAIR).is(200);
    user(&home, &["delete", BOB, "--yes"]).exits(0).says("account 2, bob@example.com, is erased");
}

#[test]
fn a_reset_link_is_printed_where_no_mail_can_leave() {
    // Nobody listens there.
    let home = Home::new()
        .with("ROCKET_MAIL_TRANSPORT", "smtp")
        .with("ROCKET_SMTP_URL", "smtp://127.0.0.1:9");
    let server = home.start();
    server.logged_in(ANN);
    let first = printed(&user(&home, &["link", ANN, "--reset"]), "/reset_password/");
    let link = json(&home, &["link", "1", "--reset"]);
    assert_eq!((&link["id"], &link["email"]), (&1.into(), &ANN.into()));
    assert!(link["until"].as_str().is_some_and(|until| until.ends_with('Z')), "{link}");
    let (_, second) = link["link"].as_str().and_then(|it| it.split_once("/reset_")).expect("it");
    assert_eq!(choose(&server, &first, NEW_PASSWORD), 403, "the newer one took its place");
    assert_eq!(choose(&server, second, NEW_PASSWORD), 200);
    let pair = [("email", ANN), ("password", NEW_PASSWORD)];
    server.program().post("/sessions", &pair).is(200);
    refuses(&home, &["link", BOB, "--reset"], "bob@example.com: there is no such account");
    refuses(&home, &["link", BOB, "--confirm"], "bob@example.com: there is no such account");
    user(&home, &["link", ANN]).exits(2);
    user(&home, &["link", ANN, "--reset", "--confirm"]).exits(2);
}

#[test]
fn who_waits_to_confirm_a_sign_up_gets_a_link() {
    let home = home().with("ROCKET_CONFIRM_EMAIL", "true");
    let server = home.start();
    server.program().post("/users", &PAIR).is(200);
    let link = printed(&user(&home, &["link", ANN, "--confirm"]), "/confirm/");
    let waiting = sign_ups::table.count().get_result::<i64>(&mut home.database());
    assert_eq!(waiting, Ok(1));
    server.program().get(&link).is(200);
    let token = link.rsplit('/').next().expect("a token");
    let form = [("confirm_token", token), ("new_password", PASSWORD)];
    server.program().post("/confirm", &form).is(200);
    server.program().post("/sessions", &PAIR).is(200);
    refuses(&home, &["link", ANN, "--confirm"], "the address is confirmed already");
}

#[test]
fn an_address_that_nobody_confirmed_gets_a_link_of_its_own() {
    let home = home();
    let server = home.start();
    server.logged_in(ANN);
    let link = json(&home, &["link", ANN, "--confirm"]);
    let link = link["link"].as_str().expect("a link");
    let (_, token) = link.split_once("/email_change/").expect("a link of its own");
    assert_eq!(json(&home, &["show", ANN])["confirmed_at"], Value::Null, "nobody has opened it");
    server.program().get(&format!("/email_change/{token}")).is(200);
    server.program().post("/email_change/confirm", &[("token", token)]).is(200);
    assert!(json(&home, &["show", ANN])["confirmed_at"].is_string());
    let mails = outbox::table.filter(outbox::kind.eq("email_changed")).count();
    assert_eq!(mails.get_result(&mut home.database()), Ok(0_i64), "no address has changed");
    server.program().post("/email_change/confirm", &[("token", token)]).is(403);
    refuses(&home, &["link", ANN, "--confirm"], "the address is confirmed already");
}

#[test]
fn an_address_that_its_owner_may_take_back_is_not_given_to_another() {
    let home = home();
    let server = home.start();
    server.logged_in(ANN);
    let hers = format!(
        "INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at) \
         SELECT 'k', 'secure_account', 1, '{BOB}', '{BOB}', password_changed_at + 86400000 FROM users"
    );
    home.database().batch_execute(&hers).expect("written");
    refuses(&home, &["add", BOB], "has an account already, or had one until a few days ago");
    refuses(&home, &["show", BOB], "there is no such account");
}

#[test]
fn every_deed_of_an_operator_is_an_event_of_that_account() {
    let home = home();
    home.start().stop();
    printed(&user(&home, &["add", ANN]), "/reset_password/");
    for arguments in [
        &["disable", ANN][..],
        &["enable", ANN],
        &["unlock", ANN],
        &["sessions", ANN, "--end-all"],
        &["link", ANN, "--reset"],
    ] {
        user(&home, arguments).exits(0);
    }
    let events = |user: &str| {
        let listed = home.run(&["events", "--user", user]).out;
        let names = listed.lines().rev().filter_map(|line| line.split_whitespace().nth(1));
        names.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        events("1"),
        [
            "account_added",
            "account_disabled",
            "account_enabled",
            "account_unlocked",
            "sessions_ended",
            "link_printed"
        ]
    );
    user(&home, &["delete", ANN, "--yes"]).exits(0);
    home.run(&["events", "--user", "1"]).exits(0).says("no event is kept");
    home.run(&["events"]).exits(0).says("  account_deleted ");
}

#[test]
fn a_deletion_is_carried_out_by_the_purge_and_its_mail_goes_too() {
    let home = home().with("ROCKET_DELETION_GRACE", "1s").with("ROCKET_PURGE_EVERY", "1s");
    let server = home.start();
    server.logged_in(ANN).post("/account/deletion", &[]).is(200);
    eventually("the erasure", || {
        let left = users::table.count().get_result::<i64>(&mut home.database());
        (left == Ok(0)).then_some(())
    });
    eventually("the end of the files", || {
        let files = fs::read_dir(home.file("data/outbox")).ok()?;
        (files.count() == 0).then_some(())
    });
    server.program().post("/users", &PAIR).is(200);
    eventually("the event", || {
        let names = events::table.select(events::event);
        let names: Vec<String> = names.load(&mut home.database()).ok()?;
        names.contains(&"account_deleted".to_owned()).then_some(())
    });
}

//! `gatehouse invite`: prints a link and nothing else, mails it, and says why when it cannot.

use std::fs;

use diesel::prelude::*;
use gatehouse::db::schema::{outbox, tokens, users};

use crate::own_database::for_sqlite_alone;
use crate::program::{Ended, Home, PASSWORD, eventually};

const ANN: &str = "ann@example.com";

fn home_with(policy: &str) -> Home {
    Home::new().with("ROCKET_SIGN_UP", policy).with("ROCKET_MAIL_TRANSPORT", "files")
}

/// The path of the link, which must be all that was printed.
#[track_caller]
fn printed_path(ended: &Ended) -> String {
    ended.exits(0);
    let link = ended.out.strip_suffix('\n').expect("a line");
    let (base, token) = link.split_once("/invitation/").expect("a link");
    assert!(base.starts_with("http://127.0.0.1:"), "{link}");
    assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{link}");
    format!("/invitation/{token}")
}

/// Nothing was printed, one line says why, and nobody was invited.
#[track_caller]
fn refuses(home: &Home, email: &str, why: &str) {
    let tokens_before = tokens::table.count().get_result::<i64>(&mut home.database());
    let ended = home.run(&["invite", email]);
    ended.exits(1).complains_in_one_line().says(why);
    assert_eq!(ended.out, "", "a script must not take it for a link");
    assert_eq!(tokens::table.count().get_result(&mut home.database()), tokens_before);
}

#[test]
fn the_link_is_printed_alone_mailed_and_good_for_one_account() {
    let home = home_with("invited");
    home.start().stop();
    let ended = home.run(&["invite", ANN]);
    let path = printed_path(&ended);
    assert!(ended.err.contains("the mail to ann@example.com leaves while the service runs"));
    let waiting: i64 = outbox::table
        .filter(outbox::kind.eq("invitation").and(outbox::state.eq("waiting")))
        .count()
        .get_result(&mut home.database())
        .expect("the outbox");
    assert_eq!(waiting, 1);

    let server = home.start();
    let mail = eventually("the mail", || {
        let mut files = fs::read_dir(home.file("data/outbox")).ok()?.flatten();
        let file = files.find(|file| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.starts_with("invitation-") && name.ends_with(".eml")
        })?;
        fs::read_to_string(file.path()).ok()
    });
    assert!(mail.contains("ann@example.com"), "{mail}");
    assert!(mail.lines().any(|line| line.ends_with(&path)), "{mail}");

    let mut ann = server.browser();
    ann.get("/signup").is(403);
    ann.get(&path).goes_to("/signup");
    ann.get("/signup").is(200).says(ANN);
    ann.post("/users", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    server.browser().get(&path).is(403).says("This invitation no longer works");
    // An account has begun: nobody is invited to it again.
    refuses(&home, ANN, "has an account already");
    refuses(&home, "ANN@Example.COM", "has an account already");
}

#[test]
fn sqlite_is_made_by_no_command_that_was_started_in_the_wrong_folder() {
    for_sqlite_alone();
    let home = home_with("invited");
    for arguments in [&["invite", ANN][..], &["events"]] {
        home.run(arguments).exits(1).says("there is no database data/gatehouse.db");
        assert!(home.listing().is_empty(), "{:?}", home.listing());
    }
}

#[test]
fn an_invitation_made_while_the_service_runs_works_and_voids_the_one_before() {
    let home = home_with("invited");
    let server = home.start();
    let first = printed_path(&home.run(&["invite", ANN]));
    let second = printed_path(&home.run(&["invite", ANN]));
    server.program().get(&first).is(403);
    server.program().get(&second).is(200);
    assert_eq!(users::table.count().get_result(&mut home.database()), Ok(0_i64));
}

#[test]
fn where_nobody_can_be_invited_it_says_so() {
    let home = home_with("closed");
    home.start().stop();
    refuses(&home, ANN, "cannot invite ann@example.com: sign-up is closed (sign_up)");
    let home = home_with("open");
    home.start().stop();
    refuses(&home, "no address", "cannot invite no address: this is no e-mail address");
    printed_path(&home.run(&["invite", ANN]));
}

#[test]
fn a_command_that_cannot_be_read_is_exit_status_2() {
    let home = home_with("invited");
    for arguments in [&["invite"][..], &["invite", ANN, "bob@example.com"]] {
        let ended = home.run(arguments);
        ended.exits(2);
        assert_eq!(ended.out, "");
    }
    let ended = home_with("nobody").run(&["invite", ANN]);
    ended.exits(2).complains_in_one_line().says("sign_up");
    home.run(&["invite", "--help"]).exits(0).says("single-use link").says("7 days");
    assert!(home.listing().is_empty(), "{:?}", home.listing());
}

#[test]
fn an_operator_reads_what_happened() {
    let home = home_with("invited");
    home.start().stop();
    home.run(&["events"]).exits(0).says("no event is kept");
    printed_path(&home.run(&["invite", ANN]));
    let listed = home.run(&["events"]);
    listed.exits(0);
    assert_eq!(listed.out.lines().count(), 1, "{listed:?}");
    assert!(listed.out.contains("  invited ") && !listed.out.contains(ANN), "{listed:?}");
    home.run(&["events", "--user", "1"]).exits(0).says("no event is kept");
}

//! Another `secret_key`: what it ends, and what it must not lose.

use std::fs;

use diesel::connection::SimpleConnection;
use gatehouse::db::AnyConnection;

use crate::program::{Home, NEW_PASSWORD, PASSWORD, eventually};
use crate::rows::select;
use crate::server::{Database, random_key};

/// The texts of the mails of that kind that have left.
fn mails(home: &Home, kind: &str) -> Vec<String> {
    let begin = format!("mails/{kind}-");
    let names = home.listing().into_iter();
    let names = names.filter(|name| name.starts_with(&begin) && name.ends_with(".eml"));
    names.filter_map(|name| fs::read_to_string(home.file(&name)).ok()).collect()
}

fn token_in(mail: &str) -> String {
    let text = mail.replace("=\r\n", "");
    let digits = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
    let mut words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.find(digits).expect("a token").to_owned()
}

/// Mails leave as files.
fn open_the_way(home: &mut Home) {
    home.set("ROCKET_MAIL_TRANSPORT", "files");
    home.set("ROCKET_MAIL_FOLDER", "mails");
    home.set("ROCKET_SMTP_URL", "");
}

/// Nobody listens there: mails wait.
fn block_the_way(home: &mut Home) {
    home.set("ROCKET_MAIL_TRANSPORT", "smtp");
    home.set("ROCKET_SMTP_URL", "smtp://127.0.0.1:1");
}

/// Ann has a new password and the notice waits; Bob waits for a link; Zoë waits for the
/// confirmation of her address. Then the key is another one.
fn another_key(mut home: Home, conn: impl Fn(&Home) -> AnyConnection) {
    home.set("ROCKET_SECRET_KEY", &random_key());
    open_the_way(&mut home);
    let server = home.start();
    let cookies = server.logged_in("ann@example.com").cookies;
    server.logged_in("bob@example.com");
    server.program().post("/reset_password", &[("email", "ann@example.com")]).is(200);
    let link = eventually("a link", || mails(&home, "password_reset").pop());
    server.stop();

    block_the_way(&mut home);
    home.set("ROCKET_CONFIRM_EMAIL", "true");
    let server = home.start();
    let form = [("reset_token", &*token_in(&link)), ("new_password", NEW_PASSWORD)];
    server.program().put("/reset_password", &form).is(200);
    server.program().post("/reset_password", &[("email", "bob@example.com")]).is(200);
    let zoe = [("email", "zoe@example.com"), ("password", PASSWORD)];
    server.program().post("/users", &zoe).is(200);
    let tried = "SELECT kind AS value FROM outbox WHERE state = 'waiting' AND attempts > 0";
    eventually("all were tried", || (select(&mut conn(&home), tried).len() == 3).then_some(()));
    server.stop();

    home.set("ROCKET_SECRET_KEY", &random_key());
    open_the_way(&mut home);
    fs::remove_dir_all(home.file("mails")).expect("removed");
    conn(&home).batch_execute("UPDATE outbox SET next_attempt_at = 0").expect("due");
    let server = home.start();
    // The notice still matters: it is written anew, and says the same.
    let notice = eventually("the notice", || mails(&home, "password_changed").pop());
    assert!(notice.contains("To: ann@example.com"), "{notice}");
    // Zoë has no account yet and could not ask in a browser that is no longer known.
    let confirm = eventually("her link", || mails(&home, "confirm_email").pop());
    let form = [("confirm_token", &*token_in(&confirm)), ("new_password", PASSWORD)];
    server.program().post("/confirm", &form).is(200);
    // A link to a new password dies; its owner asks again.
    let given_up = "SELECT kind AS value FROM outbox WHERE state = 'failed'";
    let given_up = eventually("the link is given up", || select(&mut conn(&home), given_up).pop());
    assert_eq!(given_up, "password_reset");
    assert_eq!(mails(&home, "password_reset").len(), 0);
    home.run(&["mail", "queue"]).exits(0).says("given up").says("secret_key");
    eventually("the event", || home.run(&["events"]).out.contains("mail_lost").then_some(()));
    server.program().post("/reset_password", &[("email", "bob@example.com")]).is(200);
    let link = eventually("a new link", || mails(&home, "password_reset").pop());
    let form = [("reset_token", &*token_in(&link)), ("new_password", NEW_PASSWORD)];
    server.program().put("/reset_password", &form).is(200);

    let mut ann = server.program();
    ann.cookies = cookies;
    ann.get("/profile").is(403);
    for (email, password) in [
        ("ann@example.com", NEW_PASSWORD),
        ("bob@example.com", NEW_PASSWORD),
        ("zoe@example.com", PASSWORD),
    ] {
        server.program().post("/sessions", &[("email", email), ("password", password)]).is(200);
    }
    let counted = server.stop();
    assert!(!counted.err.contains("panicked"), "{counted:?}");
}

#[test]
fn b91_another_key_signs_everybody_out_and_loses_no_account_and_no_mail_that_matters() {
    another_key(Home::new(), Home::database);
}

#[test]
fn b91_the_same_on_postgresql() {
    let there = Database::new();
    another_key(there.home(), |_| there.connection());
}

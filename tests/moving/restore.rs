//! `gatehouse restore`: accounts come back; what was ended since the backup does not.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use diesel::connection::SimpleConnection;
use gatehouse::db::AnyConnection;

use crate::contents::{Ends, dump, make, odd, open};
use crate::program::{Home, NEW_PASSWORD, PASSWORD, Running, eventually};
use crate::rows::select;
use crate::server::Database;

/// Mails as files, so that the test can follow their links.
fn with_files(home: Home) -> Home {
    home.with("ROCKET_MAIL_TRANSPORT", "files").with("ROCKET_MAIL_FOLDER", "mails")
}

/// The token of the first mail of that kind.
fn token(home: &Home, kind: &str) -> String {
    eventually(kind, || {
        let name = home
            .listing()
            .into_iter()
            .find(|name| name.starts_with(&format!("mails/{kind}-")) && name.ends_with(".eml"))?;
        let text = fs::read_to_string(home.file(&name)).ok()?.replace("=\r\n", "");
        let text = text.replace("=3D", "=");
        let digits = |word: &str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        text.split(|c: char| !c.is_ascii_alphanumeric()).find(|w| digits(w)).map(str::to_owned)
    })
}

fn ask(server: &Running, email: &str) {
    server.program().post("/reset_password", &[("email", email)]).is(200);
}

fn count(conn: &mut AnyConnection, table: &str) -> String {
    let rows = format!("SELECT CAST(count(*) AS TEXT) AS value FROM {table}");
    select(conn, &rows).join("")
}

/// Ann has a session, a known browser, a link in a mail; then she logs out everywhere by a new
/// password. Yesterday's backup is put back under the running service.
fn a_backup_of_yesterday(home: &Home, conn: impl Fn() -> AnyConnection) {
    let server = home.start();
    let yesterday = server.logged_in("ann@example.com").cookies;
    ask(&server, "ann@example.com");
    let link = token(home, "password_reset");
    home.run(&["invite", "guest@example.com"]).exits(0);
    let invitation = token(home, "invitation");
    home.run(&["backup", "yesterday.db"]).exits(0);
    assert_eq!(count(&mut open(&home.file("yesterday.db")), "sessions"), "1");

    let form = [("reset_token", link.as_str()), ("new_password", NEW_PASSWORD)];
    server.program().put("/reset_password", &form).is(200);
    let today = server.logged_in("eve@example.com").cookies;
    let refused = home.run(&["restore", "yesterday.db"]);
    refused.exits(1).says("it is not empty").says("--replace").complains_in_one_line();
    let done = home.run(&["restore", "yesterday.db", "--replace"]);
    done.exits(0).says("1 sessions ended").says("2 links died").says("1 known browsers");

    // The service never stopped: it answers from the backup.
    for cookies in [yesterday, today] {
        let mut visitor = server.program();
        visitor.cookies = cookies;
        visitor.get("/profile").is(403);
    }
    server.program().put("/reset_password", &form).is(403);
    server.program().get(&format!("/reset_password/{link}")).is(403);
    server.program().get(&format!("/invitation/{invitation}")).is(403);
    let pair = |email, password| [("email", email), ("password", password)];
    server.program().post("/sessions", &pair("ann@example.com", NEW_PASSWORD)).is(401);
    server.program().post("/sessions", &pair("eve@example.com", PASSWORD)).is(401);
    let mut ann = server.program();
    ann.post("/sessions", &pair("ann@example.com", PASSWORD)).is(200);
    ann.get("/profile").is(200);
    // Eve's number was given once; the next person gets another.
    server.program().post("/users", &pair("new@example.com", PASSWORD)).is(200);
    let numbers = "SELECT CAST(id AS TEXT) AS value FROM users ORDER BY id";
    assert_eq!(select(&mut conn(), numbers), ["1", "3"]);
    assert_eq!(count(&mut conn(), "tokens"), "0");
    home.run(&["events"]).exits(0).says("restored").says("signed_up");
}

#[test]
fn b89c_a_restored_backup_of_sqlite_brings_back_no_session_and_no_link() {
    let home = with_files(Home::new());
    a_backup_of_yesterday(&home, || home.database());
}

#[test]
fn b89c_a_restored_backup_of_postgresql_brings_back_no_session_and_no_link() {
    let there = Database::new();
    let home = with_files(there.home());
    a_backup_of_yesterday(&home, || there.connection());
}

/// Signs up and logs in until it is told to stop; the answers that nobody should see.
fn come_and_go(server: &Running, name: usize, enough: &AtomicBool) -> Vec<u16> {
    let (mut visitor, mut odd) = (server.program(), Vec::new());
    for number in 0.. {
        if enough.load(Ordering::Relaxed) {
            break;
        }
        visitor.cookies.clear();
        let email = format!("w{name}n{number}@example.com");
        let pair = [("email", email.as_str()), ("password", PASSWORD)];
        let statuses = [visitor.post("/users", &pair), visitor.post("/sessions", &pair)];
        let statuses = statuses.map(|answer| answer.status);
        // Between the two the account may have gone.
        odd.extend(statuses.into_iter().filter(|status| ![200, 401, 503].contains(status)));
    }
    odd
}

fn restored_under_load(home: &Home, conn: impl Fn() -> AnyConnection) {
    let server = home.start();
    server.logged_in("ann@example.com");
    home.run(&["backup", "small.db"]).exits(0);
    let enough = AtomicBool::new(false);
    let odd: Vec<u16> = thread::scope(|scope| {
        let come_and_go = |name| {
            let (server, enough) = (&server, &enough);
            scope.spawn(move || come_and_go(server, name, enough))
        };
        let threads: Vec<_> = (0..3).map(come_and_go).collect();
        let ends = Ends(&enough);
        let many =
            "SELECT 'many' AS value FROM (SELECT count(*) AS n FROM users) AS t WHERE n > 20";
        for _ in 0..3 {
            eventually("people come", || select(&mut conn(), many).pop());
            home.run(&["restore", "small.db", "--replace"]).exits(0);
        }
        drop(ends);
        threads.into_iter().flat_map(|thread| thread.join().expect("answered")).collect()
    });
    assert!(odd.len() <= 9, "{odd:?}");
    let nobodys = "SELECT id AS value FROM sessions WHERE user_id NOT IN (SELECT id FROM users)";
    assert!(select(&mut conn(), nobodys).is_empty());
    let pair = [("email", "ann@example.com"), ("password", PASSWORD)];
    server.program().post("/sessions", &pair).is(200);
    server.program().get("/ready").is(200);
}

#[test]
fn a_busy_sqlite_is_restored_as_a_whole() {
    let home = Home::new();
    restored_under_load(&home, || home.database());
}

#[test]
fn a_busy_postgresql_is_restored_as_a_whole() {
    let there = Database::new();
    restored_under_load(&there.home(), || there.connection());
}

#[test]
fn b89c_everything_that_opens_something_is_gone_and_everything_else_is_there() {
    let home = Home::new();
    odd(&home, "backup.db");
    home.run(&["restore", "backup.db"]).exits(0).says("there is no data/secret_key yet");
    let conn = &mut home.database();
    for (table, rows) in [
        ("users", "3"),
        ("sessions", "0"),
        ("devices", "0"),
        ("tokens", "0"),
        ("limits", "0"),
        ("sign_ups", "2"),
        // Those of the backup and the one that says so.
        ("events", "3"),
        // A notice that waits; a mail that was sent is forgotten.
        ("outbox", "1"),
        ("users WHERE session_id || reset_token || reset_email || reset_asked_at IS NOT NULL", "0"),
        ("users WHERE reset_token IS NOT NULL OR session_id IS NOT NULL", "0"),
        ("sign_ups WHERE token IS NOT NULL", "0"),
    ] {
        assert_eq!(count(conn, table), rows, "{table}");
    }
    let content = "SELECT hex(content) AS value FROM outbox";
    assert_eq!(select(conn, content), ["00FF80C328"]);
}

#[test]
fn what_is_no_backup_changes_nothing() {
    let there = Database::new();
    let (home, served) = (Home::new(), there.home());
    odd(&home, "data/gatehouse.db");
    home.run(&["database", "copy", "sqlite:data/gatehouse.db", &there.url]).exits(0);
    odd(&home, "good.db");
    let good = fs::read(home.file("good.db")).expect("there");
    fs::write(home.file("cut.db"), &good[..good.len() / 2]).expect("written");
    fs::write(home.file("garbage.db"), vec![b'x'; 9000]).expect("written");
    fs::write(home.file("empty.db"), b"").expect("written");
    let mut damaged = good.clone();
    damaged[4096..16384].fill(0xa5);
    fs::write(home.file("damaged.db"), damaged).expect("written");
    make(&home, "newer.db");
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('9999')";
    open(&home.file("newer.db")).batch_execute(newer).expect("newer");
    let (before, rows) = (dump(&home.file("data/gatehouse.db")), there.dump());
    for (name, why) in [
        ("cut.db", "malformed"),
        ("garbage.db", "not a database"),
        ("empty.db", "holds no data of Gatehouse"),
        ("damaged.db", "malformed"),
        ("newer.db", "newer version"),
        ("none.db", "there is no such file"),
    ] {
        let file = home.file(name);
        for home in [&home, &served] {
            let refused = home.run(&["restore", file.to_str().expect("UTF-8"), "--replace"]);
            refused.exits(1).says(why).complains_in_one_line();
        }
    }
    assert_eq!(dump(&home.file("data/gatehouse.db")), before);
    assert_eq!(there.dump(), rows);
}

#[test]
fn a_backup_of_an_older_version_is_brought_up_to_date_on_the_way() {
    let home = Home::new();
    odd(&home, "older.db");
    for migration in ["0007_account", "0006_events"] {
        let folder = format!("{}/migrations/sqlite/{migration}", env!("CARGO_MANIFEST_DIR"));
        let down = fs::read_to_string(format!("{folder}/down.sql")).expect("there");
        let version = &migration[..4];
        let older =
            format!("{down}; DELETE FROM __diesel_schema_migrations WHERE version = '{version}'");
        open(&home.file("older.db")).batch_execute(&older).expect("older");
    }
    let before = fs::read(home.file("older.db")).expect("there");
    home.run(&["restore", "older.db"]).exits(0);
    assert_eq!(count(&mut home.database(), "users"), "3");
    assert_eq!(fs::read(home.file("older.db")).expect("there"), before, "the backup is as it was");
    assert!(!home.listing().iter().any(|name| name.contains("unfinished")));
}

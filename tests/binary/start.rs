//! The first start, the second, two at once, and those that cannot be.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::db::schema::sessions;
use gatehouse::tokens::generate_uuid;
use serde_json::json;

use crate::own_database::{for_postgresql_alone, for_sqlite_alone, on_postgresql};
use crate::program::{Home, PASSWORD, eventually};

#[test]
fn sqlite_is_made_by_the_first_start_and_found_by_the_second() {
    for_sqlite_alone();
    let home = Home::new();
    let server = home.start();
    assert!(
        server.err().contains("a new secret key is kept in data/secret_key"),
        "{}",
        server.err()
    );
    let mut ann = server.logged_in("ann@example.com");
    assert_eq!(home.mode("data"), 0o700);
    let files = home.listing().into_iter().filter(|name| name != "data").collect::<Vec<_>>();
    for file in ["data/gatehouse.db", "data/secret_key"] {
        assert!(files.iter().any(|name| name == file), "{files:?}");
    }
    for file in &files {
        assert_eq!(home.mode(file), 0o600, "{file}");
    }
    let key = std::fs::read(home.file("data/secret_key")).expect("readable");
    server.stop();

    let server = home.start();
    assert!(!server.err().contains("secret key"), "{}", server.err());
    assert_eq!(std::fs::read(home.file("data/secret_key")).expect("readable"), key);
    let cookies = std::mem::take(&mut ann.cookies);
    let mut ann = server.program();
    ann.cookies = cookies;
    assert_eq!(ann.get("/profile").is(200).json(), json!({ "email": "ann@example.com" }));
}

#[test]
fn postgresql_is_filled_by_the_first_start_and_nothing_is_kept_beside_it() {
    for_postgresql_alone();
    let mut home = Home::new();
    let server = home.start();
    let cookies = server.logged_in("ann@example.com").cookies;
    server.stop();
    assert!(home.listing().is_empty(), "{:?}", home.listing());
    let server = home.start();
    let mut ann = server.program();
    ann.cookies = cookies;
    ann.get("/profile").is(200);
    server.stop();
    // A key of one's own is nothing that several nodes could share.
    home.unset("ROCKET_SECRET_KEY");
    home.run(&[]).exits(2).says("secret_key").says("openssl rand").complains_in_one_line();
    assert!(home.listing().is_empty(), "{:?}", home.listing());
}

#[test]
fn b91_another_key_signs_everybody_out_and_breaks_nothing() {
    let mut home = Home::new();
    let server = home.start();
    let cookies = server.logged_in("ann@example.com").cookies;
    server.stop();

    // 64 random bytes, in hexadecimal.
    let key: String = (0..4).map(|_| generate_uuid().replace('-', "")).collect();
    home.set("ROCKET_SECRET_KEY", &key);
    let server = home.start();
    let mut program = server.program();
    program.cookies = cookies.clone();
    let answer = program.get("/profile");
    answer.is(403);
    let removed = answer.header("set-cookie").expect("the cookie is removed");
    assert!(removed.starts_with("session_id=;") && removed.contains("Max-Age=0"), "{removed}");
    // The device's own stays: it opens nothing, and the next log-in replaces it.
    assert_eq!(program.cookies.keys().collect::<Vec<_>>(), ["device"]);

    let mut browser = server.browser();
    browser.cookies = cookies.clone();
    for path in ["/", "/login", "/signup", "/reset_password", "/reset_password/new"] {
        let status = browser.get(path).status;
        assert!(status == 200 || status == 403, "{path}: {status}");
        browser.cookies = cookies.clone();
    }
    browser.get("/profile").goes_to("/login?next=/profile");
    assert_eq!(browser.cookies.keys().collect::<Vec<_>>(), ["device"]);
    let pair = [("email", "ann@example.com"), ("password", PASSWORD)];
    browser.post("/sessions", &pair).goes_to("/profile");
    browser.get("/profile").is(200).says("ann@example.com");
}

#[test]
fn two_that_start_at_once_on_a_fresh_folder_share_it() {
    for _ in 0..3 {
        let home = Home::new();
        let (one, two) = std::thread::scope(|scope| {
            let (one, two) = (scope.spawn(|| home.start()), scope.spawn(|| home.start()));
            (one.join().expect("the first starts"), two.join().expect("the second starts"))
        });
        let cookies = one.logged_in("ann@example.com").cookies;
        let mut ann = two.program();
        ann.cookies = cookies;
        ann.get("/profile").is(200);
        let said = [one.err(), two.err()].concat();
        assert_eq!(said.contains("a new secret key is kept in"), !on_postgresql(), "{said}");
        two.logged_in("bob@example.com").delete("/sessions").goes_to("/");
        one.program().get("/ready").is(200);
    }
}

#[test]
fn sqlite_in_one_folder_is_served_from_any_folder() {
    for_sqlite_alone();
    let mut home = Home::new();
    let database = format!("sqlite:{}", home.file("data/gatehouse.db").display());
    home.set("ROCKET_DATABASE_URL", &database);
    let mut command = home.command(&["serve"]);
    command.current_dir("/");
    let server = home.start_as(command);
    server.browser().get("/login").is(200).says("static&#x2F;app-");
    server.logged_in("ann@example.com").get("/profile").is(200);
    assert_eq!(home.mode("data/secret_key"), 0o600);
}

#[test]
fn b105b_a_port_in_use_is_said_plainly() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port();
    let ended = Home::new().with("ROCKET_PORT", &port.to_string()).run(&[]);
    ended.exits(1).says(&format!("cannot listen on 127.0.0.1:{port}")).says("in use");
    assert_eq!(ended.err.lines().last().map(|l| l.starts_with("gatehouse: ")), Some(true));
    assert!(!format!("{ended:?}").contains("panic"), "{ended:?}");
}

#[test]
fn b105b_an_address_of_another_machine_is_said_plainly() {
    let home = Home::new()
        .with("ROCKET_PROFILE", "release")
        .with("ROCKET_PORT", "8000")
        .with("ROCKET_ADDRESS", "192.0.2.1")
        .with("ROCKET_BASE_URL", "https://login.example.org");
    let ended = home.run(&[]);
    ended.exits(1).says("cannot listen on 192.0.2.1:8000");
    assert!(!format!("{ended:?}").contains("panic"), "{ended:?}");
}

#[test]
fn b87_a_folder_for_sqlite_that_cannot_be_made_is_named() {
    for_sqlite_alone();
    let home = Home::new();
    home.write("data", "a file, where a folder should be");
    let ended = home.run(&[]);
    assert_ne!(ended.status.code(), Some(0));
    ended.says("data/").complains_in_one_line();
    assert_eq!(home.listing(), ["data"]);
}

#[test]
fn b87_a_file_that_is_no_sqlite_database_is_left_alone() {
    for_sqlite_alone();
    let home = Home::new();
    let text = "no database, but somebody's only copy of something\n".repeat(100);
    home.write("data/gatehouse.db", &text);
    home.chmod("data/gatehouse.db", 0o600);
    home.run(&[]).exits(1).says("data/gatehouse.db").says("not a database").complains_in_one_line();
    assert_eq!(std::fs::read_to_string(home.file("data/gatehouse.db")).expect("readable"), text);
}

#[test]
fn b89_a_newer_database_is_refused() {
    let home = Home::new();
    home.start().stop();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
    home.database().batch_execute(newer).expect("inserted");
    for arguments in [&[][..], &["migrate"], &["mail", "queue"]] {
        let ended = home.run(arguments);
        ended.exits(1).says("made by a newer version of Gatehouse").says("99990101000000");
        ended.complains_in_one_line();
    }
    let older = "DELETE FROM __diesel_schema_migrations WHERE version = '99990101000000'";
    home.database().batch_execute(older).expect("deleted");
    home.start().program().get("/ready").is(200);
}

#[test]
fn b105_sqlite_files_that_others_can_read_are_refused_with_their_mend() {
    for_sqlite_alone();
    let home = Home::new();
    home.start().stop();
    for (file, code) in [("data/secret_key", 2), ("data/gatehouse.db", 1)] {
        for mode in [0o644, 0o640, 0o604] {
            home.chmod(file, mode);
            let ended = home.run(&[]);
            ended.exits(code).says(&format!("can be read by others: chmod 600 {file}"));
            ended.complains_in_one_line();
        }
        home.chmod(file, 0o600);
    }
    home.start().program().get("/ready").is(200);
}

#[test]
fn b105b_a_broken_template_is_named() {
    for (file, text) in [
        ("pages/login.html.tera", "{% extends \"layout\" %}{% block main %}"),
        ("pages/welcome.html.tera", "{% extends \"nowhere\" %}"),
        ("mail/test/body.txt.tera", "{% if %}"),
    ] {
        let home = Home::new().with("ROCKET_THEME_DIR", "theme");
        home.write(&format!("theme/{file}"), text);
        let ended = home.run(&[]);
        assert_ne!(ended.status.code(), Some(0), "{file}");
        ended.says("theme").says(file).complains_in_one_line();
    }
}

#[test]
fn a_theme_replaces_pages_one_by_one() {
    let home = Home::new().with("ROCKET_THEME_DIR", "theme");
    home.write(
        "theme/pages/welcome.html.tera",
        "{% extends \"layout\" %}{% block content %}<p>Our own door</p>{% endblock %}",
    );
    let server = home.start();
    server.browser().get("/").is(200).says("<p>Our own door</p>").says("<html lang");
    server.browser().get("/login").is(200).says("<form");
}

#[test]
fn trap19_a_settings_file_of_a_folder_above_is_not_read() {
    let home = Home::new();
    home.write("Rocket.toml", "[default]\nworkers = -1\n");
    home.write("below/further/here", "");
    home.run(&[]).exits(2).says("workers (Rocket.toml, [default])");
    let mut command = home.command(&[]);
    command.current_dir(home.file("below/further"));
    home.start_as(command).program().get("/health").is(200);
    // Where the file of that folder would be: the folder's own settings hold.
    assert_eq!(home.file("below/further/data").exists(), !on_postgresql());
}

#[test]
fn trap19_rocket_config_names_the_file_exactly() {
    let mut home = Home::new();
    home.write("Rocket.toml", "[default]\nsite_name = \"From here\"\n");
    home.write("settings/own.toml", "[default]\nsite_name = \"From there\"\n");
    let server = home.start();
    server.browser().get("/").is(200).says("From here");
    drop(server);
    home.set("ROCKET_CONFIG", "settings/own.toml");
    home.start().browser().get("/").is(200).says("From there");
    // A name alone is not looked for elsewhere.
    for missing in ["own.toml", "settings/none.toml", "settings"] {
        home.set("ROCKET_CONFIG", missing);
        home.run(&[]).exits(2).says(&format!("{missing}: cannot be read")).complains_in_one_line();
    }
    home.write("settings/own.toml", "[default]\nsite_nam = \"Misspelt\"\n");
    home.set("ROCKET_CONFIG", "settings/own.toml");
    home.run(&[]).exits(2).says("site_nam (settings/own.toml").says("\"site_name\"");
}

#[test]
fn trap20_a_key_kept_beside_sqlite_is_judged_like_any_other() {
    for_sqlite_alone();
    let published = "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=";
    for weak in ["", "change me", published, &"00".repeat(64)] {
        let home = Home::new();
        home.write("data/secret_key", weak);
        home.chmod("data/secret_key", 0o600);
        let ended = home.run(&[]);
        ended.exits(2).says("data/secret_key").says("openssl rand").complains_in_one_line();
        assert_eq!(home.listing(), ["data", "data/secret_key"], "{weak}");
        let mode = home.file("data").metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o400, 0o400);
    }
}

#[test]
fn what_has_expired_is_cleared_away_while_it_serves() {
    let home = Home::new().with("ROCKET_PURGE_EVERY", "1s");
    let server = home.start();
    server.logged_in("ann@example.com");
    server.logged_in("bob@example.com");
    let sessions =
        || -> i64 { sessions::table.count().get_result(&mut home.database()).expect("an answer") };
    assert_eq!(sessions(), 2);
    home.database()
        .batch_execute("UPDATE sessions SET expires_at = 1 WHERE user_id = 1")
        .expect("aged");
    eventually("the end of the expired one", || (sessions() == 1).then_some(()));
}

#[test]
fn b93_a_crash_leaves_no_image_of_the_memory() {
    let server = Home::new().start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).expect("Linux");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line");
    let numbers: Vec<&str> = core.split_whitespace().skip(4).take(2).collect();
    assert_eq!(numbers, ["0", "0"], "{core}");
}

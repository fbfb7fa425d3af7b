//! `gatehouse check`, `migrate` and `--help`: what an operator types.

use diesel::connection::SimpleConnection;

use crate::own_database::{for_postgresql_alone, for_sqlite_alone, on_postgresql};
use crate::program::Home;

/// With a cost that takes long enough to be sound.
fn sound() -> Home {
    Home::new().with("ROCKET_BCRYPT_COST", "12").with("ROCKET_MAIL_TRANSPORT", "files")
}

#[test]
fn check_finds_nothing_wrong_before_and_after_sqlite_is_made() {
    for_sqlite_alone();
    let home = sound();
    let before = home.run(&["check"]);
    before.exits(0).says("secret key: will be made").says("database file: will be made");
    before.says("mail folder: data/outbox can be made");
    assert!(home.listing().is_empty(), "{:?}", home.listing());

    home.start().stop();
    let after = home.run(&["check"]);
    after.exits(0).says("ok    secret key: data/secret_key").says("ok    database: up to date");
    after.says("ok    templates").says("ok    mail: files in data/outbox").says("ok    address");
    assert!(after.out.lines().all(|line| line.starts_with("ok    ")), "{after:?}");
}

#[test]
fn postgresql_check_finds_nothing_wrong_before_and_after_the_first_start() {
    for_postgresql_alone();
    let home = sound();
    let before = home.run(&["check"]);
    before.exits(0).says("ok    secret key: set").says("ok    database server: postgresql://");
    before.says("ok    database: migrations will run at the next start");
    home.start().stop();
    let after = home.run(&["check"]);
    after.exits(0).says("ok    database: up to date");
    assert!(after.out.lines().all(|line| line.starts_with("ok    ")), "{after:?}");
}

#[test]
fn b105_check_names_sqlite_files_that_others_can_read_and_how_to_mend_it() {
    for_sqlite_alone();
    for file in ["data/secret_key", "data/gatehouse.db"] {
        let home = sound();
        home.start().stop();
        home.chmod(file, 0o644);
        let found = home.run(&["check"]);
        found.exits(1).says(&format!("can be read by others: chmod 600 {file}"));
        let mends: Vec<&str> = found.out.lines().filter(|line| line.starts_with("MEND")).collect();
        assert_eq!(mends.len(), 1, "{found:?}");
        home.chmod(file, 0o600);
        home.run(&["check"]).exits(0);
    }
}

#[test]
fn check_names_a_template_that_cannot_be_read() {
    for (file, text) in [
        ("theme/pages/login.html.tera", "{% extends \"layout\" %}{% block main %}"),
        ("theme/pages/login.html.tera", "{% extends \"nowhere\" %}"),
        ("theme/mail/password_reset/body.txt.tera", "{{ link "),
    ] {
        let home = sound().with("ROCKET_THEME_DIR", "theme");
        home.write(file, text);
        let name = file.rsplit('/').nth(usize::from(file.contains("/mail/"))).expect("a name");
        let name = name.split('.').next().expect("a name");
        home.run(&["check"]).exits(1).says("MEND  templates: ").says(name);
    }
}

#[test]
fn check_finds_a_cost_that_is_too_cheap_a_newer_database_and_the_classroom() {
    let home = sound();
    home.start().stop();
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99990101000000')";
    home.database().batch_execute(newer).expect("inserted");
    home.run(&["check"]).exits(1).says("MEND  database: ").says("newer version");
    Home::new().run(&["check"]).exits(1).says("MEND  hashing: ").says("raise bcrypt_cost");
    let classroom = Home::new().with("ROCKET_PROFILE", "classroom").run(&["check"]);
    classroom.exits(1).says("MEND  profile: classroom");
}

#[test]
fn check_says_how_many_passwords_are_hashed_in_step() {
    sound().run(&["check"]).exits(0).says("(measured: hash_lanes = 0)");
    for (lanes, told) in [("3", "up to 3 in step on each of"), ("1", "up to 1 in step on each of")]
    {
        let found = sound().with("ROCKET_HASH_LANES", lanes).run(&["check"]);
        found.exits(0).says(&format!("ok    hashing: {told}")).says("(set: hash_lanes = ");
    }
}

#[test]
fn check_prints_the_limits_as_they_are() {
    let mut home = sound();
    for limit in ["ROCKET_LIMIT_LOGIN", "ROCKET_LIMIT_ASK", "ROCKET_LIMIT_MAIL"] {
        home.unset(limit);
    }
    let found = home.run(&["check"]);
    found
        .exits(0)
        .says("ok    limits: failed log-ins of one account 10 in 60 s and 100 in 86400 s");
    found.says("(a client address 5 times, the server 200 times as many)");
    found.says("sign-ups and mailed links of one client address 20 in 600 s and 100 in 86400 s");
    found.says("mails to one address 3 in 3600 s and 10 in 86400 s");
    home.set("ROCKET_LIMIT_LOGIN", "7/30s");
    home.run(&["check"]).exits(0).says("failed log-ins of one account 7 in 30 s (");
    let classroom = Home::new().with("ROCKET_PROFILE", "classroom").run(&["check"]);
    classroom.says("ok    limits: none in the classroom profile");
}

#[test]
fn check_names_the_applications_and_what_they_lack() {
    sound().run(&["check"]).exits(0).says("ok    applications: none (allowed_hosts)");
    let behind = |more: &[(&str, &str)]| {
        let home = sound()
            .with("ROCKET_BASE_URL", "https://login.example.org")
            .with("ROCKET_ALLOWED_HOSTS", "[\"app.example.org\",\"wiki.example.org:8443\"]");
        more.iter().fold(home, |home, (name, value)| home.with(name, value)).run(&["check"])
    };
    let all = "applications: app.example.org, wiki.example.org:8443, by a cookie for example.org";
    let proxy = ("ROCKET_TRUSTED_PROXIES", "[\"127.0.0.1\"]");
    let lone = behind(&[]);
    lone.exits(1).says(&format!("ok    {all}\n"));
    lone.says("MEND  danger: https is a proxy's, and none is trusted");
    // Whoever comes in under an address should have shown that it is theirs.
    behind(&[proxy]).exits(1).says("MEND  danger: anybody may sign up with any address");
    for admission in [
        ("ROCKET_CONFIRM_EMAIL", "true"),
        ("ROCKET_SIGN_UP", "invited"),
        ("ROCKET_SIGN_UP", "closed"),
    ] {
        behind(&[proxy, admission]).exits(0).says(&format!("ok    {all}\n"));
    }
}

#[test]
fn migrate_makes_the_database_once() {
    let home = Home::new();
    let first = home.run(&["migrate"]);
    first.exits(0);
    let ran: Vec<&str> = first.out.lines().collect();
    let known = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite"));
    assert_eq!(ran.len(), known.expect("a folder").count(), "{first:?}");
    assert!(ran.iter().all(|line| line.starts_with("ran migration ")), "{first:?}");
    if !on_postgresql() {
        assert_eq!(home.mode("data/gatehouse.db"), 0o600);
    }
    home.run(&["migrate"]).exits(0).says("nothing to do");
    home.start().program().get("/ready").is(200);
}

#[test]
fn help_is_worth_reading() {
    let home = Home::new();
    let help = home.run(&["--help"]);
    help.exits(0).says("serve").says("check").says("migrate").says("mail").says("Rocket.toml");
    home.run(&["check", "--help"]).exits(0).says("Exit status");
    home.run(&["mail", "--help"]).exits(0).says("test").says("queue");
    home.run(&["mail", "queue", "--help"]).exits(0).says("list").says("retry").says("drop");
    home.run(&["--version"]).exits(0).says(env!("CARGO_PKG_VERSION"));
    home.run(&["serv"]).exits(2).says("serve");
    assert!(home.listing().is_empty(), "{:?}", home.listing());
}

#[test]
fn b104_a_place_database_that_is_none_is_one_line_and_nothing_is_made() {
    let home = sound().with("ROCKET_PLACE_DATABASE", "places.mmdb");
    home.run(&["check"]).exits(2);
    home.write("places.mmdb", "no database");
    home.run(&["check"]).exits(1).says("MEND  place_database: places.mmdb cannot be read: ");
    let start = home.run(&["serve"]);
    start.exits(2);
    assert_eq!(start.err.lines().count(), 1, "{start:?}");
    assert!(
        start.err.starts_with("gatehouse: place_database: places.mmdb cannot be read: "),
        "{start:?}"
    );
    assert_eq!(home.listing(), ["places.mmdb"]);
    sound().run(&["check"]).exits(0).says("ok    places of addresses: none (place_database)");
}

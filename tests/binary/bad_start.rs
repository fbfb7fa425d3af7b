//! Refused settings as the operator sees them: one line, exit code 2, and nothing was made.

use crate::program::Home;

struct Case {
    file: &'static str,
    environment: &'static [(&'static str, &'static str)],
    /// What the line must hold: the key, its source, what helps.
    says: &'static [&'static str],
}

/// Cases of a settings file alone.
const fn file(file: &'static str, says: &'static [&'static str]) -> Case {
    Case { file, environment: &[], says }
}

/// Cases of one environment variable.
const fn env(
    environment: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
) -> Case {
    Case { file: "", environment, says }
}

const CASES: &[Case] = &[
    file("[default]\nport = \"eighty\"", &["port (Rocket.toml, [default])", "\"eighty\""]),
    file("[debug]\nport = 70000", &["port (Rocket.toml, [debug])", "70000"]),
    file("[default]\nsite_nam = \"x\"", &["site_nam (Rocket.toml", "did you mean \"site_name\"?"]),
    file("[default]\nlog_level = \"loud\"", &["log_level (Rocket.toml, [default])", "\"debug\""]),
    file("port = 8000", &["port (Rocket.toml)", "write [default] above it"]),
    file("[defualt]\nport = 8000", &["[defualt]", "did you mean \"default\"?"]),
    file("[default\nport = 8000", &["Rocket.toml", "line 1"]),
    file("[default]\nmail_transport = \"smtp\"", &["smtp_url", "must be set"]),
    file("[default]\nsmtp_url = \"smtp://localhost\"\nsmtp_username = \"x\"", &["smtp_password"]),
    file("[default]\ntheme_dir = \"nowhere\"", &["theme_dir", "nowhere is no folder"]),
    env(&[("ROCKET_PROT", "80")], &["ROCKET_PROT (environment)", "did you mean \"port\"?"]),
    env(&[("ROCKET_BCRYPT_COST", "3")], &["bcrypt_cost (environment variable ROCKET_BCRYPT_COST)"]),
    env(&[("ROCKET_PROFILE", "relaese")], &["ROCKET_PROFILE", "did you mean \"release\"?"]),
    env(
        &[("ROCKET_ADDRESS", "0.0.0.0")],
        &["address (environment variable ROCKET_ADDRESS)", "debug"],
    ),
    env(
        &[("ROCKET_PROFILE", "classroom"), ("ROCKET_ADDRESS", "0.0.0.0")],
        &["address (environment variable ROCKET_ADDRESS)", "classroom"],
    ),
    env(
        &[("ROCKET_PROFILE", "release"), ("ROCKET_ADDRESS", "0.0.0.0")],
        &["address (environment variable ROCKET_ADDRESS)", "base_url"],
    ),
    env(
        &[("ROCKET_PROFILE", "release"), ("ROCKET_MAIL_TRANSPORT", "mailbox")],
        &["mail_transport (environment variable ROCKET_MAIL_TRANSPORT)", "debug builds alone"],
    ),
    env(
        &[("ROCKET_BASE_URL", "http://login.example.org")],
        &["base_url (environment variable ROCKET_BASE_URL)", "https://"],
    ),
    env(
        &[("ROCKET_SMTP_PASSWORD", "x"), ("ROCKET_SMTP_PASSWORD_FILE", "x")],
        &["ROCKET_SMTP_PASSWORD and ROCKET_SMTP_PASSWORD_FILE are both set"],
    ),
    env(
        &[("ROCKET_SMTP_PASSWORD_FILE", "nowhere")],
        &["ROCKET_SMTP_PASSWORD_FILE (environment)", "cannot read nowhere"],
    ),
];

/// Nothing but what the test itself has written.
#[track_caller]
fn makes_nothing(home: &Home, arguments: &[&str], says: &[&str]) {
    let before = home.listing();
    let ended = home.run(arguments);
    ended.exits(2).complains_in_one_line();
    assert_eq!(ended.out, "", "{ended:?}");
    for text in says {
        ended.says(text);
    }
    assert_eq!(home.listing(), before, "{ended:?}");
}

#[test]
fn b104_wrong_settings_are_one_line_and_leave_nothing_behind() {
    for case in CASES {
        let mut home = Home::new();
        if case.file.contains("port") {
            home.unset("ROCKET_PORT");
        }
        if !case.file.is_empty() {
            home.write("Rocket.toml", case.file);
        }
        for (variable, value) in case.environment {
            home.set(variable, value);
        }
        makes_nothing(&home, &[], case.says);
    }
}

#[test]
fn b104_every_subcommand_reads_the_same_settings() {
    let home = Home::new().with("ROCKET_WORKERS", "-1");
    for arguments in [&["serve"][..], &["check"], &["migrate"], &["mail", "queue"]] {
        let source = "workers (environment variable ROCKET_WORKERS)";
        makes_nothing(&home, arguments, &[source]);
    }
}

#[test]
fn b92_weak_keys_are_refused_wherever_they_come_from() {
    let zero = "00".repeat(64);
    let weak = [
        ("zero", zero.as_str()),
        ("published", "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk="),
        ("short", "q83vASNFZ4mrze8BI0VniQ=="),
        ("passphrase", "correct horse battery staple"),
        ("placeholder", "change me"),
        ("digits", "0123456789"),
    ];
    for (name, key) in weak {
        for profile in ["debug", "release"] {
            let home = Home::new().with("ROCKET_PROFILE", profile);
            let home = home.with("ROCKET_SECRET_KEY", key);
            let source = "secret_key (environment variable ROCKET_SECRET_KEY)";
            makes_nothing(&home, &[], &[source, "openssl rand -base64 64"]);
            let said = home.run(&[]).err;
            assert!(!said.contains(key), "{name}: {said}");
        }
    }
    let without = || {
        let mut home = Home::new();
        home.unset("ROCKET_SECRET_KEY");
        home
    };
    for (name, key) in &weak[..2] {
        let home = without();
        home.write("Rocket.toml", &format!("[default]\nsecret_key = \"{key}\"\n"));
        makes_nothing(&home, &[], &["secret_key (Rocket.toml, [default])", "openssl rand"]);
        let home = without().with("ROCKET_SECRET_KEY_FILE", name);
        home.write(name, key);
        let source = "secret_key (environment variable ROCKET_SECRET_KEY_FILE)";
        makes_nothing(&home, &[], &[source, "openssl rand"]);
    }
    let home = without().with("ROCKET_SECRET_KEY_FILE", "empty");
    home.write("empty", "\n");
    makes_nothing(&home, &[], &["ROCKET_SECRET_KEY_FILE (environment)", "empty is empty"]);
}

#[test]
fn b93_a_broken_line_of_the_settings_file_is_named_and_not_quoted() {
    for broken in [
        "[default]\nsmtp_password = \"canary",
        "[default]\nsecret_key = canary",
        "[default]\nsmtp_password = \"canary\"\nsmtp_password = \"canary\"",
        "[default]\nsmtp_password = [\"canary\"]",
        "[default]\nsmtp_pasword = \"canary\"",
        "smtp_password = \"canary\"",
    ] {
        let home = Home::new();
        home.write("Rocket.toml", broken);
        makes_nothing(&home, &[], &["Rocket.toml"]);
        let said = home.run(&[]).err;
        assert!(!said.contains("canary"), "{broken}: {said}");
    }
}

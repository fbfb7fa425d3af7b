//! The table of settings: each wrong value is refused by name and source. In-process, for speed;
//! `bad_start` shows the same through the program.

use gatehouse::config::Config;
use gatehouse::mail::Route;
use secrecy::ExposeSecret;

/// Values as a settings file has them, and what the line must say of them.
const WRONG: &[(&str, &[&str], &str)] = &[
    ("address", &["5", "\"nowhere\"", "\"256.0.0.1\""], ""),
    ("port", &["\"eighty\"", "70000", "-1", "80.5"], ""),
    ("base_url", &["5", "\"login.example.org\"", "\"https://\""], ""),
    ("base_url", &["\"ftp://login.example.org\""], "https://"),
    ("base_url", &["\"http://login.example.org\"", "\"http://10.0.0.1\""], "must be https://"),
    ("base_url", &["\"https://a.example/path\"", "\"https://ann:x@a.example\""], "no path"),
    ("base_url", &["\"https://a.example/?q\"", "\"https://a.example/#f\""], "no path"),
    ("workers", &["\"two\"", "-1", "5000"], ""),
    ("site_name", &["5", "\"\"", "\"  \"", "\"a\\nb\""], ""),
    ("site_name", &["\"1234567890123456789012345678901234567890123456789012345678901\""], "60"),
    ("accent_color", &["1", "\"green\"", "\"#fff\"", "\"\""], ""),
    ("accent_color", &["\"#ffff00\"", "\"#777777\""], "too light"),
    ("footer_links", &["\"Imprint\"", "[1]"], ""),
    ("footer_links", &["[\"Imprint\"]", "[\"https://a.example\"]", "[\"\"]"], "a space"),
    ("footer_links", &["[\"Imprint javascript:alert(1)\"]", "[\"Imprint data:x\"]"], "a space"),
    ("theme_dir", &["1", "\"/nowhere/at/all\""], ""),
    ("database_url", &["1", "\"\"", "\"data.db\"", "\"sqlite:\"", "\"sqlite:data/\""], ""),
    ("database_url", &["\"sqlite::memory:\"", "\"mysql://x\""], "sqlite:PATH"),
    ("database_connections", &["\"x\"", "-1", "2000"], ""),
    ("database_password", &["5", "[]"], ""),
    ("database_wait", &["3", "\"3\"", "\"0s\"", "\"-1s\"", "\"2m\""], ""),
    ("secret_key", &["1", "[]", "\"short\"", "\"c2hvcnQ=\""], ""),
    ("password_min_length", &["\"x\"", "-1", "7", "129"], ""),
    ("bcrypt_cost", &["\"x\"", "-1", "3", "19", "4294967296"], ""),
    ("hash_threads", &["\"x\"", "-1", "2000"], ""),
    ("hash_lanes", &["\"x\"", "-1", "9"], ""),
    ("hash_queue", &["\"x\"", "-1", "0", "100001"], ""),
    ("session_idle", &["3600", "\"1\"", "\"25h\""], ""),
    ("session_absolute", &["24", "\"soon\"", "\"4000d\""], ""),
    ("remembered_idle", &["14", "\"1w\"", "\"31d\""], ""),
    ("remembered_absolute", &["30", "\"1.5d\""], ""),
    ("sessions_per_user", &["\"x\"", "-1", "0", "1001"], ""),
    ("reset_lifetime", &["30", "\"\"", "\"2d\""], ""),
    ("deletion_grace", &["14", "\"two weeks\"", "\"0d\"", "\"4000d\""], ""),
    ("sign_up", &["5", "\"\"", "\"opne\"", "\"example.org\"", "\"example.org; b.org\""], ""),
    ("limit_login", &["10"], ""),
    ("confirm_email", &["\"yes\"", "1"], ""),
    ("sign_up_guard", &["\"yes\"", "1"], ""),
    ("limit_login", &["\"\"", "\"10\"", "\"10/m\"", "\"0/1m\"", "\"-1/1m\""], "10/1m, 100/1d"),
    ("limit_login", &["\"10/1m, 5/1d\"", "\"10/1m, 20/30s\"", "\"10/1m,\""], "10/1m, 100/1d"),
    ("limit_ask", &["\"99999999/1m\""], "10/1m, 100/1d"),
    ("limit_mail", &["\"3 an hour\""], "10/1m, 100/1d"),
    ("allowed_hosts", &["\"app.example.org\"", "[1]"], ""),
    ("allowed_hosts", &["[\"app.example.org\"]"], "https://"),
    ("trusted_proxies", &["\"127.0.0.1\"", "[1]", "[\"proxy\"]", "[\"10.0.0.0/33\"]"], ""),
    ("trusted_proxies", &["[\"0.0.0.0/0\"]", "[\"::/0\"]"], "everybody"),
    ("metrics_port", &["\"x\"", "-1", "70000", "8000"], ""),
    ("mail_from", &["5", "\"nobody\"", "\"Gatehouse <login>\""], ""),
    ("mail_from", &["\"a@b.example\\r\\nBcc: c@d.example\""], ""),
    ("mail_transport", &["5", "\"pigeon\""], ""),
    ("mail_folder", &["5"], ""),
    ("smtp_url", &["5", "\"mail.example.org\"", "\"http://mail.example.org\"", "\"smtp://\""], ""),
    ("smtp_url", &["\"smtp://u:p@mail.example.org\"", "\"smtps://u@mail.example.org\""], "no user"),
    ("smtp_username", &["5"], ""),
    ("smtp_password", &["5", "[]"], ""),
    ("body_timeout", &["10", "\"ten\"", "\"2m\""], ""),
    ("place_database", &["1", "\"/nowhere/at/all\"", "\"/etc\""], ""),
    ("purge_every", &["10", "\"2d\"", "\"0m\""], ""),
    ("log_level", &["5", "\"loud\"", "\"INFO\""], ""),
];

/// Every setting, as the shipped file documents them.
fn known() -> Vec<&'static str> {
    let shipped = include_str!("../../Rocket.toml").split("\n[classroom]").next().expect("text");
    let lines = shipped.lines().filter(|line| !line.starts_with(['#', '[']));
    lines.filter_map(|line| line.split_once(" = ")).map(|(key, _)| key).collect()
}

/// The one line that refuses these settings.
#[track_caller]
fn refusal(file: &str, environment: &[(&str, &str)]) -> String {
    let line = match Config::from_parts(file, environment) {
        Ok(_) => panic!("taken: {file} {environment:?}"),
        Err(error) => error.to_string(),
    };
    assert!(!line.is_empty() && !line.contains(['\n', '\r']), "{line:?}");
    line
}

#[test]
fn the_shipped_settings_are_taken_and_few() {
    Config::from_parts("", &[]).expect("the defaults");
    Config::from_parts(include_str!("../../Rocket.toml"), &[]).expect("the shipped file");
    for profile in ["debug", "release", "classroom"] {
        Config::from_parts("", &[("ROCKET_PROFILE", profile)]).expect(profile);
    }
    assert!((30..=44).contains(&known().len()), "{:?}", known());
}

#[test]
fn b104_each_wrong_value_is_named_with_its_file() {
    for (key, values, help) in WRONG {
        for value in *values {
            for profile in ["default", "debug", "global"] {
                let line = refusal(&format!("[{profile}]\n{key} = {value}\n"), &[]);
                let source = format!("{key} (Rocket.toml, [{profile}]): ");
                assert!(line.starts_with(&source), "{key} = {value}: {line}");
                assert!(line.contains(help), "{key} = {value}: {line}");
            }
        }
    }
}

#[test]
fn b104_each_wrong_value_is_named_with_its_variable() {
    let shipped = include_str!("../../Rocket.toml");
    for (key, values, help) in WRONG {
        let variable = format!("ROCKET_{}", key.to_uppercase());
        // Text is taken as it is, so that none is of the wrong type.
        let is_text = shipped.contains(&format!("\n{key} = \""));
        for value in *values {
            let text = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
            let value = match text {
                Some(text) if is_text && !text.is_empty() && !text.contains('\\') => text,
                None if !is_text => value,
                _ => continue,
            };
            let line = refusal("", &[(&variable, value)]);
            let source = format!("{key} (environment variable {variable}): ");
            assert!(line.starts_with(&source), "{variable}={value}: {line}");
            assert!(line.contains(help), "{variable}={value}: {line}");
        }
    }
}

#[test]
fn b104_the_table_leaves_no_setting_out() {
    for key in known() {
        assert!(WRONG.iter().any(|(name, ..)| *name == key), "{key} is not in the table");
    }
    for (key, ..) in WRONG {
        assert!(known().contains(key), "{key} is no setting");
    }
}

#[test]
fn b104_a_misspelt_setting_is_told_its_nearest_neighbour() {
    for key in known() {
        // One letter doubled.
        let misspelt = format!("{}{key}", &key[..1]);
        let nearest = format!("did you mean \"{key}\"?");
        let line = refusal(&format!("[default]\n{misspelt} = 1\n"), &[]);
        assert!(line.starts_with(&format!("{misspelt} (Rocket.toml, [default]): ")), "{line}");
        assert!(line.ends_with(&nearest), "{line}");
        let variable = format!("ROCKET_{}", misspelt.to_uppercase());
        let line = refusal("", &[(&variable, "1")]);
        assert!(line.starts_with(&format!("{variable} (environment): ")), "{line}");
        assert!(line.ends_with(&nearest), "{line}");
    }
    // Nothing is near: nothing is proposed.
    assert!(!refusal("[default]\nqqqqqqqq = 1\n", &[]).contains("did you mean"));
    // A misspelling in a profile that is not in force is one all the same.
    let line = refusal("[release]\nprot = 1\n", &[]);
    assert!(line.starts_with("prot (Rocket.toml, [release]): "), "{line}");
}

#[test]
fn b104_contradictions_name_what_to_change() {
    let release = ("ROCKET_PROFILE", "release");
    let everywhere = ("ROCKET_ADDRESS", "0.0.0.0");
    let https = ("ROCKET_BASE_URL", "https://login.example.org");
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        ("mail_transport = \"smtp\"", &[], &["smtp_url (", "must be set"]),
        ("smtp_url = \"smtp://localhost\"\nmail_transport = \"files\"", &[], &["smtp_url (Rocket"]),
        ("mail_transport = \"files\"\nmail_folder = \"\"", &[], &["mail_folder (Rocket.toml"]),
        (
            "smtp_url = \"smtp://localhost\"\nsmtp_username = \"x\"",
            &[],
            &["smtp_password (", "both or neither"],
        ),
        (
            "smtp_url = \"smtp://localhost\"",
            &[("ROCKET_SMTP_PASSWORD", "x")],
            &["smtp_username (", "both or neither"],
        ),
        ("session_idle = \"2h\"\nsession_absolute = \"1h\"", &[], &["session_idle (Rocket.toml"]),
        ("remembered_absolute = \"1d\"", &[], &["remembered_idle (", "remembered_absolute"]),
        ("session_absolute = \"30m\"", &[], &["session_idle (", "session_absolute"]),
        ("", &[everywhere], &["address (environment variable ROCKET_ADDRESS)", "--release"]),
        ("", &[everywhere, https], &["address (environment", "--release"]),
        ("", &[release, everywhere], &["address (environment", "base_url"]),
        (
            "",
            &[release, everywhere, ("ROCKET_BASE_URL", "http://localhost:8000")],
            &["address (environment", "base_url"],
        ),
        (
            "",
            &[("ROCKET_PROFILE", "classroom"), everywhere],
            &["address (environment", "classroom"],
        ),
        ("", &[release, ("ROCKET_MAIL_TRANSPORT", "mailbox")], &["mail_transport (environment"]),
        ("", &[("ROCKET_PROFILE", "production")], &["ROCKET_PROFILE (environment)", "production"]),
        ("", &[("ROCKET_PROFILE", "Release")], &["did you mean \"release\"?"]),
        ("", &[("ROCKET_PROFILE", "")], &["ROCKET_PROFILE (environment)"]),
        (
            "",
            &[("ROCKET_SECRET_KEY", "x"), ("ROCKET_SECRET_KEY_FILE", "x")],
            &["ROCKET_SECRET_KEY and ROCKET_SECRET_KEY_FILE are both set"],
        ),
        ("", &[("ROCKET_SECRET_KEY_FILE", "/nowhere")], &["ROCKET_SECRET_KEY_FILE", "/nowhere"]),
        ("", &[("ROCKET_PORT_FILE", "/nowhere")], &["ROCKET_PORT_FILE (environment)", "\"port\""]),
    ];
    for (file, environment, says) in cases {
        let line = refusal(&format!("[default]\n{file}\n"), environment);
        for text in *says {
            assert!(line.contains(text), "{file} {environment:?}: {line}");
        }
    }
    Config::from_parts("", &[release, everywhere, https]).expect("behind a proxy elsewhere");
}

#[test]
fn b104_a_file_that_is_no_table_of_profiles_is_refused() {
    for (file, says) in [
        ("port = 80", "write [default] above it"),
        ("[default]\nport = 80\nport = 81", "duplicate key"),
        ("[default]\nport = ", "line 2"),
        ("[default", "line 1"),
        ("[defalt]\nport = 80", "did you mean \"default\"?"),
        ("[production]\nport = 80", "no such profile"),
        ("default = 5", "write [default] above it"),
        ("\u{0}", "line 1"),
    ] {
        let line = refusal(file, &[]);
        assert!(line.contains("Rocket.toml") && line.contains(says), "{file:?}: {line}");
    }
}

#[test]
fn trap19_the_nearer_source_wins() {
    let file =
        "[default]\nport = 1\nhash_queue = 1\nworkers = 1\n[debug]\nport = 2\nhash_queue = 2\n";
    let config = Config::from_parts(file, &[("ROCKET_PORT", "3")]).expect("good settings");
    assert_eq!((config.port, config.hasher.queue, config.workers), (3, 2, 1));
    // Another profile's values are nobody's here.
    let config = Config::from_parts("[release]\nport = 4\n", &[]).expect("good settings");
    assert_eq!(config.port, 8000);
}

#[test]
fn trap19_secrets_are_taken_raw_and_b93_shown_to_nobody() {
    for secret in ["0123", "1e3", "true", "[1, 2]", "\"quoted\"", " spaced ", "a=b,c", "€"] {
        let environment = [
            ("ROCKET_SMTP_URL", "smtp://localhost"),
            ("ROCKET_SMTP_USERNAME", "gatehouse"),
            ("ROCKET_SMTP_PASSWORD", secret),
        ];
        let config = Config::from_parts("", &environment).expect(secret);
        let Route::Smtp(smtp) = &config.mail.route else { panic!("{:?}", config.mail.route) };
        assert_eq!(smtp.password.as_ref().expect("set").expose_secret(), secret);
    }
    // Hexadecimal digits that figment would take for a number.
    let key = "10".repeat(16) + &"0123456789".repeat(4) + "98765432";
    let line = refusal("", &[("ROCKET_SECRET_KEY", &key)]);
    assert!(line.contains("is not random"), "{line}");

    let key = "b7d18d4f2c6a90e3517f2b8c64d0a9e15c3f70b2864e9d1a0f5b3c7288e6d419";
    let environment = [
        ("ROCKET_SECRET_KEY", key),
        ("ROCKET_SMTP_URL", "smtp://localhost"),
        ("ROCKET_SMTP_USERNAME", "gatehouse"),
        ("ROCKET_SMTP_PASSWORD", "canary"),
    ];
    let config = Config::from_parts("", &environment).expect("good settings");
    let shown = format!("{config:?}");
    let base64 = config.secret_key.as_ref().expect("set").text().expose_secret();
    for secret in [key, "canary", base64] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

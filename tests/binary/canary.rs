//! B-107: every flow with canaries for secrets, at debug level; then a look for them everywhere.

mod flows;

use std::fs;

use base64::Engine as _;
use gatehouse::tokens::generate_uuid;
use rocket::http::{Cookie, CookieJar};
use rocket::local::blocking::Client;
use rustix::process::Signal;

use crate::http::Visitor;
use crate::logs::lines;
use crate::own_database::on_postgresql;
use crate::process::PATIENCE;
use crate::program::{Ended, Home, Running, eventually};
use crate::smtp::MailServer;

/// A line that clears a terminal and turns text around, as far as HTTP lets it through.
const AGENT: &str = "canary-agent \u{202e}{\"event\":\"logged_in\"}\u{2028}\u{9b}2J";

/// Something people do, rightly and wrongly, by accounts of its own.
pub type Flow = (&'static str, fn(&mut Tour));

/// What needs no settings.
pub const ACCOUNTS: [Flow; 9] = [
    ("sign up", flows::sign_up),
    ("log in and out", flows::log_in_and_out),
    ("reset the password", flows::reset),
    ("secrets in the wrong fields", flows::wrong_fields),
    ("bodies that nothing takes", flows::bodies),
    ("secrets in paths and headers", flows::paths),
    ("another site, another host", flows::strangers),
    ("a database that is locked", flows::locked_database),
    ("the command line", flows::command_line),
];

/// The running service, its mails, and the canaries that went by.
pub struct Tour {
    home: Home,
    server: Running,
    /// None where mails are files.
    mails: Option<MailServer>,
    smtp_password: String,
    /// Each with what it is.
    secrets: Vec<(String, String)>,
    /// What commands printed.
    said: String,
}

impl Tour {
    /// With a mail server that wants a password, unless the settings say otherwise.
    pub fn begin(settings: &[(&str, &str)]) -> Self {
        Self::with_server(settings, &[])
    }

    /// The same; the server is told to do something besides.
    fn with_server(settings: &[(&str, &str)], besides: &[&str]) -> Self {
        let smtp_password = format!("canary-smtp-{}", generate_uuid());
        let home = Home::new()
            .with("ROCKET_LOG_LEVEL", "debug")
            .with("ROCKET_DATABASE_WAIT", "1s")
            .with("TMPDIR", "temporary");
        let mut home = settings.iter().fold(home, |home, (name, value)| home.with(name, value));
        fs::create_dir(home.file("temporary")).expect("made");
        let files = settings.contains(&("ROCKET_MAIL_TRANSPORT", "files"));
        let auth = format!("gatehouse:{smtp_password}");
        let mails = (!files).then(|| MailServer::start(&[&["--auth", &auth], besides].concat()));
        if let Some(mails) = &mails {
            home.set("ROCKET_SMTP_URL", &mails.url());
            home.set("ROCKET_SMTP_USERNAME", "gatehouse");
            home.set("ROCKET_SMTP_PASSWORD", &smtp_password);
        }
        let server = home.start();
        let (secrets, said) = (Vec::new(), String::new());
        Self { home, server, mails, smtp_password, secrets, said }
    }

    fn browser(&self) -> Visitor {
        self.server.browser().header("User-Agent", AGENT)
    }

    fn program(&self) -> Visitor {
        self.server.program().in_json().header("User-Agent", AGENT)
    }

    /// An address that no log may tell of.
    fn email(name: &str) -> String {
        format!("canary.{name}@example.com")
    }

    /// A password that nobody else has.
    fn password(&mut self, what: &str) -> String {
        let password = format!("canary {what} {}", generate_uuid());
        self.secrets.push((what.to_owned(), password.clone()));
        password
    }

    /// The newest mailed link to `/part/…` for that address, which was not seen before.
    #[track_caller]
    fn link(&mut self, email: &str, part: &str) -> String {
        let start = format!("/{part}/");
        let link = eventually("a link", || {
            let mails = self.mails();
            let to = mails.iter().filter(|(to, _)| to == email);
            let mut links = to.filter_map(|(_, text)| {
                let link = text.split_whitespace().find(|word| word.contains(&start))?;
                link.find(&start).map(|at| link[at..].to_owned())
            });
            let seen = |link: &String| self.secrets.iter().any(|(_, token)| link.ends_with(token));
            links.rfind(|link| !seen(link))
        });
        self.secrets.push((format!("{part} token"), link[start.len()..].to_owned()));
        link
    }

    /// To whom, and what.
    fn mails(&self) -> Vec<(String, String)> {
        if let Some(server) = &self.mails {
            let mails = server.mails();
            return mails
                .iter()
                .map(|it| (it.recipients().join(","), it.text().to_owned()))
                .collect();
        }
        let names = self.home.listing().into_iter().filter(|name| name.ends_with(".eml"));
        let texts = names.map(|name| fs::read_to_string(self.home.file(&name)).unwrap_or_default());
        let to =
            |text: &str| text.lines().find_map(|line| Some(line.strip_prefix("To: ")?.to_owned()));
        texts.filter_map(|text| Some((to(&text)?, text))).collect()
    }

    /// A command beside the running service.
    fn run(&mut self, arguments: &[&str]) -> Ended {
        let ended = self.home.run(arguments);
        self.said.push_str(&format!("{}\n{}\n", ended.out, ended.err));
        ended
    }

    /// What went by besides: cookies, what is sealed in them, the service's own.
    fn gather(&mut self) {
        let key = if on_postgresql() {
            self.home.variable("ROCKET_SECRET_KEY").to_owned()
        } else {
            fs::read_to_string(self.home.file("data/secret_key")).expect("readable")
        };
        let cookies = self.server.secrets.lock().expect("no panic in there").clone();
        let cookies: Vec<_> = cookies.into_iter().filter(|(_, value)| value.len() >= 32).collect();
        for (name, value) in opened(key.trim(), &cookies) {
            // Addresses, moments and notices are cookies as well.
            if value.len() >= 32 && !value.contains('@') {
                self.secrets.push((format!("within {name}"), value.replace('-', "")));
                self.secrets.push((format!("within {name}"), value));
            }
        }
        self.secrets.extend(cookies);
        self.secrets.push((KEY.to_owned(), key.trim().to_owned()));
        let words = format!("\0gatehouse\0{}", self.smtp_password);
        let words = base64::engine::general_purpose::STANDARD.encode(words);
        self.secrets.push(("the mail server's password".to_owned(), self.smtp_password.clone()));
        self.secrets.push(("the same as it is sent".to_owned(), words));
    }

    /// An orderly end, with a look into everything before and after.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        self.gather();
        search_files(&self.home, &self.secrets);
        self.server.signal(Signal::TERM);
        let Self { home, server, secrets, said, .. } = self;
        let ended = server.wait(PATIENCE);
        ended.exits(0);
        search_files(&home, &secrets);
        for (what, secret) in &secrets {
            for text in [&ended.out, &ended.err, &said] {
                assert!(!text.contains(secret.as_str()), "{what} ({secret}) in {text}");
            }
        }
        // Nor what a log must not tell of people; a command tells its operator.
        for word in ["canary", "example.com", "$2b$04$"] {
            for text in [&ended.out, &ended.err] {
                assert!(!text.contains(word), "{word} in {text}");
            }
        }
        lines(&ended.out);
        ended
    }
}

const KEY: &str = "the secret key";

/// Looks into every file; what is a file's to keep, it must hold.
fn search_files(home: &Home, secrets: &[(String, String)]) {
    if on_postgresql() {
        let text = String::from_utf8_lossy(&home.raw_database()).into_owned();
        for (what, secret) in secrets {
            assert!(!text.contains(secret.as_str()), "{what} ({secret}) in the database");
        }
    }
    for name in home.listing() {
        let Ok(bytes) = fs::read(home.file(&name)) else { continue };
        // What is no text is none of a secret's either.
        let text = String::from_utf8_lossy(&bytes);
        for (what, secret) in secrets {
            let found = text.contains(secret.as_str());
            let is_key = name == "data/secret_key" && what == KEY;
            let may = is_key || (name.ends_with(".eml") && what.ends_with(" token"));
            assert!(!found || may, "{what} ({secret}) in {name}");
            assert!(found || !is_key, "no key in {name}");
        }
    }
}

/// What each cookie holds, opened with the kept key as the program opens it.
fn opened(key: &str, cookies: &[(String, String)]) -> Vec<(String, String)> {
    #[rocket::get("/<name>")]
    fn open(name: &str, jar: &CookieJar<'_>) -> Option<String> {
        jar.get_private(name).map(|cookie| cookie.value().to_owned())
    }
    let figment = rocket::Config::figment().merge(("secret_key", key)).merge(("log_level", "off"));
    let rocket = rocket::custom(figment).mount("/", rocket::routes![open]);
    let client = Client::untracked(rocket).expect("ignites");
    let open = |(name, value): &(String, String)| {
        let cookie = Cookie::parse_encoded(format!("{name}={value}")).expect("a cookie");
        let found = client.get(format!("/{name}")).cookie(cookie).dispatch().into_string();
        (name.clone(), found.unwrap_or_else(|| panic!("{name} is none of ours: {value}")))
    };
    cookies.iter().map(open).collect()
}

/// All of it, and at least those secrets.
#[track_caller]
fn tour(settings: &[(&str, &str)], flows: &[Flow], kinds: &[&str]) {
    let mut tour = Tour::begin(settings);
    for (_, flow) in flows {
        flow(&mut tour);
    }
    for kind in kinds {
        let known = tour.secrets.iter().any(|(what, _)| what == kind);
        let cookies = tour.server.secrets.lock().expect("no panic in there");
        assert!(known || cookies.iter().any(|(name, _)| name == kind), "no {kind} went by");
    }
    tour.end();
}

#[test]
fn b107_no_secret_is_written_anywhere_but_where_it_belongs() {
    tour(&[], &ACCOUNTS, &["session_id", "device", "reset_token", "reset_password token"]);
}

/// What every other test's program is watched for.
#[test]
#[should_panic(expected = "a password \"a quiet harbour\" in")]
fn b107_a_secret_in_a_file_fails_whatever_test_it_is() {
    let home = Home::new();
    let server = home.start();
    home.write("data/left/behind", &format!("…{}…", crate::program::PASSWORD));
    server.stop();
}

#[test]
fn b107_mails_that_are_files_are_where_their_links_belong() {
    tour(&[("ROCKET_MAIL_TRANSPORT", "files")], &ACCOUNTS, &["session_id", "reset_password token"]);
}

#[test]
fn b107_confirming_leaves_no_secret() {
    let flows = [("confirm", flows::confirm as fn(&mut Tour))];
    tour(
        &[("ROCKET_CONFIRM_EMAIL", "true")],
        &flows,
        &["sign_up", "confirm_token", "confirm token"],
    );
}

#[test]
fn b107_invitations_leave_no_secret() {
    let flows = [("invitation", flows::invitation as fn(&mut Tour))];
    tour(&[("ROCKET_SIGN_UP", "invited")], &flows, &["invitation", "invitation token"]);
}

#[test]
fn b107_limits_and_unlocking_leave_no_secret() {
    let flows = [("unlock", flows::unlock as fn(&mut Tour))];
    tour(&[("ROCKET_LIMIT_LOGIN", "3/1m")], &flows, &["unlock_token", "unlock token"]);
}

#[test]
fn b107_the_door_and_the_figures_leave_no_secret() {
    let ports = [(); 2].map(|()| {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port().to_string()
    });
    let settings = [
        ("ROCKET_PORT", ports[0].as_str()),
        ("ROCKET_METRICS_PORT", &ports[1]),
        ("ROCKET_BASE_URL", "https://login.example.org"),
        ("ROCKET_ALLOWED_HOSTS", "[\"app.example.org\"]"),
        ("ROCKET_TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
    ];
    let flows = [("the door", flows::door as fn(&mut Tour))];
    tour(&settings, &flows, &["__Secure-gatehouse", "__Host-session_id"]);
}

/// As filters do that name the link they do not like.
#[test]
fn b107_a_mail_server_that_repeats_what_it_hears_tells_the_log_nothing() {
    let mut tour = Tour::with_server(&[], &["--repeat"]);
    let email = Tour::email("pia");
    let password = tour.password("pia");
    tour.program().post("/users", &[("email", &email), ("password", &password)]).is(200);
    tour.program().post("/reset_password", &[("email", &email)]).is(200);
    tour.link(&email, "reset_password");
    eventually("its refusal is written down", || {
        tour.run(&["mail", "queue"]).out.contains("that is spam").then_some(())
    });
    tour.end();

    // The same of the password: it is another one than the server wants.
    let mut tour = Tour::with_server(&[], &["--repeat"]);
    let wrong = format!("canary-wrong-{}", generate_uuid());
    tour.home.set("ROCKET_SMTP_PASSWORD", &wrong);
    tour.secrets.push(("a wrong password for the server".to_owned(), wrong));
    tour.run(&["mail", "test", &email]).exits(1).says("535");
    tour.run(&["check"]).exits(1).says("535");
    tour.end();
}

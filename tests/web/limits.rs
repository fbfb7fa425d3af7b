//! Limits on what strangers may try (D.2), and whose address counts (D.9).

mod answer; // what a refusal says: status, headers, JSON, page
mod asking; // mails to one address; sign up, ask, send again, mailed tokens
mod client_address; // proxies, and those who pretend to be behind one
mod clocks; // a clock that was set
mod counting; // exactly, under any spelling, by any process
mod devices; // browsers that have logged in before
mod guessing; // word lists, sprays, botnets
mod owners; // whom an attacker must not keep out
mod table; // who reads the limits, and what happens without them
mod unlock; // past the limit by mail

use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::login::{LogIn, LogInError};
use gatehouse::accounts::session::{Beginning, Device, NewSession};
use gatehouse::accounts::throttle::{Limited, Quota};
use gatehouse::accounts::{Auth, Broken};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::limits;
use rocket::http::Method;
use serde_json::json;

use crate::app::{Answer, PASSWORD, TestApp, Visitor, secret};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const WRONG: &str = "some wrong words";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits as they are when nobody sets them.
fn defaults() -> String {
    let settings = include_str!("../../Rocket.toml");
    let limits: Vec<&str> = settings.lines().filter(|line| line.starts_with("limit_")).collect();
    assert_eq!(limits.len(), 3, "{limits:?}");
    limits.join("\n")
}

/// With the default limits, and an account of Ann's.
fn guarded() -> TestApp {
    with_ann(&defaults())
}

/// The same behind a proxy at the address that all requests of the tests come from.
fn behind_a_proxy() -> TestApp {
    with_ann(&format!("{}\ntrusted_proxies = [\"127.0.0.1\"]", defaults()))
}

fn with_ann(settings: &str) -> TestApp {
    let app = TestApp::with(settings, &[]);
    let password = secret(PASSWORD);
    app.wait(app.auth().register_user(ANN, &password, Timestamp::now())).expect("Ann's account");
    app
}

/// What became of a log-in.
enum Tried {
    /// The password was looked at, and is wrong.
    Checked(Quota),
    Refused(Limited),
    In(Box<NewSession>),
}

impl Tried {
    fn is_checked(&self) -> bool {
        matches!(self, Self::Checked(_))
    }

    #[track_caller]
    fn refusal(self) -> Limited {
        match self {
            Self::Refused(limited) => limited,
            Self::Checked(_) => panic!("the password was looked at"),
            Self::In(_) => panic!("logged in"),
        }
    }

    #[track_caller]
    fn session(self) -> NewSession {
        match self {
            Self::In(session) => *session,
            Self::Checked(_) => panic!("the password is wrong"),
            Self::Refused(limited) => panic!("wait {:?}", limited.retry_after),
        }
    }
}

/// Somebody at an address, with a device cookie or without.
#[derive(Clone, Copy)]
struct Guesser<'a> {
    auth: &'a Auth,
    ip: &'a str,
    device: Option<&'a str>,
}

impl<'a> Guesser<'a> {
    fn at(auth: &'a Auth, ip: &'a str) -> Self {
        Self { auth, ip, device: None }
    }

    fn with_device(self, secret: &'a str) -> Self {
        Self { device: Some(secret), ..self }
    }

    #[track_caller]
    fn tries(&self, email: &str, password: &str, now: Timestamp) -> Tried {
        self.attempts(email, password, now).unwrap_or_else(|cause| panic!("{cause}"))
    }

    /// [`Guesser::tries`], where the service may have no time for it.
    fn attempts(&self, email: &str, password: &str, now: Timestamp) -> Result<Tried, Broken> {
        let attempt = LogIn {
            email: email.to_owned(),
            password: secret(password),
            beginning: Beginning {
                device: Device { ip: self.ip.to_owned(), ..Device::default() },
                known_device: self.device.map(str::to_owned),
                ..Beginning::default()
            },
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime.expect("a runtime").block_on(self.auth.log_in(attempt, now)) {
            Ok(session) => Ok(Tried::In(Box::new(session))),
            Err(LogInError::WrongCredentials { quota, .. }) => Ok(Tried::Checked(quota)),
            Err(LogInError::Limited(limited)) => Ok(Tried::Refused(limited)),
            Err(LogInError::Broken(cause)) => Err(cause),
        }
    }

    /// Wrong passwords for Ann, at one moment, until one is refused; returns that refusal.
    #[track_caller]
    fn closes_ann(&self, now: Timestamp) -> Limited {
        for _ in 0..10_000 {
            if let Tried::Refused(limited) = self.tries(ANN, WRONG, now) {
                return limited;
            }
        }
        panic!("nobody stops it");
    }
}

/// A window of a bucket: its key, its tries, when it began and ends, its last try.
type Window = (String, i64, i64, i64, i64);

fn windows(app: &TestApp) -> Vec<Window> {
    limits::table.order(limits::bucket).load(&mut app.database()).expect("windows")
}

/// The tries of every window whose key begins so.
fn tries_of(app: &TestApp, beginning: &str) -> Vec<i64> {
    let found = windows(app).into_iter().filter(|window| window.0.starts_with(beginning));
    found.map(|window| window.1).collect()
}

/// How many passwords of one account may be looked at within `span`, by the rule in Rocket.toml:
/// ten a minute, a hundred a day; after three tenths of the first ten a pause that doubles from one
/// second to fifteen minutes.
fn most_checks(span: Duration) -> usize {
    let (mut at, mut tries) = (Duration::ZERO, 0);
    loop {
        let pause = match tries {
            0..=3 => 0,
            over => (1 << (over - 4).min(10)).min(15 * 60),
        };
        at += Duration::from_secs(pause);
        if at > span || tries == 100 {
            return tries;
        }
        tries += 1;
    }
}

/// A form and JSON, to a browser and to a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Form,
    Json,
}

const WAYS: [Way; 2] = [Way::Form, Way::Json];

impl Way {
    fn visitor(self, app: &TestApp) -> Visitor<'_> {
        match self {
            Self::Form => app.browser(),
            Self::Json => app.program(),
        }
    }

    #[track_caller]
    fn send(
        self,
        visitor: &Visitor<'_>,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> Answer {
        match self {
            Self::Form => visitor.submit(method, path, form),
            Self::Json => {
                let pairs = form.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
                visitor.json(method, path, &serde_json::Value::Object(pairs.collect()))
            }
        }
    }

    #[track_caller]
    fn log_in(self, visitor: &Visitor<'_>, email: &str, password: &str) -> Answer {
        self.send(visitor, Method::Post, "/sessions", &[("email", email), ("password", password)])
    }

    /// The status of a log-in that worked.
    fn welcome(self) -> u16 {
        match self {
            Self::Form => 303,
            Self::Json => 200,
        }
    }
}

/// The path of the newest mailed link below `/kind/`.
#[track_caller]
fn mailed(app: &TestApp, kind: &str) -> String {
    let mails = app.mailbox();
    let mut words = mails.iter().flat_map(|mail| mail.text.split_whitespace());
    let link = words.find(|word| word.contains(&format!("/{kind}/"))).expect("a mail with a link");
    link[link.find(&format!("/{kind}/")).expect("found")..].to_owned()
}

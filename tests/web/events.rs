//! Security events: each deed and each refusal leaves its own, with the user's id and no secret.

mod journal;
mod leaving; // accounts that go, and what operators do to accounts
mod own_account; // what owners do, with a proof or for want of one // how rows are written, merged, lost and forgotten

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use gatehouse::audit::Event;
use gatehouse::audit::journal::Row;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::events;
use rocket::http::Method::{Delete, Get, Patch, Post, Put};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::app::{PASSWORD, Pairs, TestApp, secret, urlencoded};
use crate::mailed::mailed;

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const PAIR: [(&str, &str); 2] = [("email", ANN), ("password", PASSWORD)];
const WRONG: [(&str, &str); 2] = [("email", ANN), ("password", "not that one")];
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
/// Ann is the first.
const HERS: Option<i64> = Some(1);

/// An app, and which events were seen in it.
struct Watched {
    app: TestApp,
    seen: RefCell<BTreeSet<String>>,
}

impl Watched {
    fn with(settings: &str) -> Self {
        let app = TestApp::with(settings, &[]);
        app.auth().journal().flush();
        Self { app, seen: RefCell::default() }
    }

    fn with_ann(settings: &str) -> Self {
        let watched = Self::with(settings);
        watched.app.program().post("/users", &PAIR).is(200);
        watched
    }

    /// The rows that `deed` leaves.
    fn rows<T>(&self, deed: impl FnOnce(&TestApp) -> T) -> Vec<Row> {
        self.app.auth().journal().flush();
        self.app.sql("DELETE FROM events");
        deed(&self.app);
        self.app.auth().journal().flush();
        let all = events::table.order(events::id).select(Row::as_select());
        let rows: Vec<Row> = all.load(&mut self.app.database()).expect("rows");
        self.seen.borrow_mut().extend(rows.iter().map(|row| row.event.clone()));
        rows
    }

    /// `deed` leaves exactly these events, each with its user, in this order.
    #[track_caller]
    fn leaves<T>(&self, expected: &[(&str, Option<i64>)], deed: impl FnOnce(&TestApp) -> T) {
        let rows = self.rows(deed);
        let found: Vec<(&str, Option<i64>)> =
            rows.iter().map(|row| (row.event.as_str(), row.user_id)).collect();
        assert_eq!(found, expected);
    }
}

fn body(form: Pairs<'_>) -> Vec<u8> {
    urlencoded(form).into_bytes()
}

/// Everything about accounts, in the app as it is out of the box.
fn accounts() -> BTreeSet<String> {
    let watched = Watched::with("");
    watched.leaves(&[("signed_up", HERS)], |app| app.program().post("/users", &PAIR));
    let twice = [("sign_up_refused", None), ("input_refused", None)];
    watched.leaves(&twice, |app| app.program().post("/users", &PAIR));
    let short = [("email", BOB), ("password", "short")];
    watched.leaves(&twice, |app| app.program().post("/users", &short));
    let first: &[_] = &[("logged_in", HERS)];
    let elsewhere: &[_] = &[("logged_in", HERS), ("new_log_in_told", HERS)];
    for (visitor, expected) in [(watched.app.program(), first), (watched.app.browser(), elsewhere)]
    {
        watched.leaves(expected, |_| visitor.post("/sessions", &PAIR));
        watched.leaves(&[("log_in_failed", HERS)], |_| visitor.post("/sessions", &WRONG));
        let unknown = [("email", BOB), ("password", PASSWORD)];
        watched.leaves(&[("log_in_failed", None)], |_| visitor.post("/sessions", &unknown));
        watched.leaves(&[("logged_out", HERS)], |_| visitor.delete("/sessions"));
    }
    let ann = watched.app.browser();
    ann.post("/sessions", &PAIR);
    watched.leaves(&[("details_changed", HERS)], |_| ann.put("/account/details", &[]));
    watched.leaves(&[("data_exported", HERS)], |_| ann.get("/account/export.json"));
    watched.leaves(&[("sign_in_needed", None)], |app| app.browser().get("/profile"));
    leaving::deletions(&watched);
    leaving::operators(&watched);
    for (path, also) in [("/", None), ("/profile", Some(("sign_in_needed", None)))] {
        let expected: Vec<_> = [("session_refused", None)].into_iter().chain(also).collect();
        watched.leaves(&expected, |app| {
            let forger = app.browser();
            forger.set_cookie("session_id", "forged");
            forger.get(path);
        });
    }
    own_account::devices(&watched);
    resets(&watched);
    watched.seen.into_inner()
}

fn resets(watched: &Watched) {
    let ask = |app: &TestApp, path: &str| app.program().post(path, &[("email", ANN)]);
    watched.leaves(&[("reset_asked", None)], |app| ask(app, "/reset_password"));
    watched.leaves(&[("reset_mailed", HERS)], TestApp::mailbox);
    let link = mailed(&watched.app, "/reset_password/");
    let token = link.rsplit('/').next().expect("a token");
    watched.leaves(&[("reset_opened", HERS)], |app| app.program().get(&link));
    watched.leaves(&[("unlock_asked", None)], |app| ask(app, "/unlock"));
    watched.leaves(&[("unlock_mailed", HERS)], TestApp::mailbox);
    let unlock = mailed(&watched.app, "/unlock/");
    let key = unlock.rsplit('/').next().expect("a token");
    let open = json!({ "unlock_token": key });
    watched.leaves(&[("unlocked", HERS)], |app| {
        app.program().json(Post, "/unlock/open", &open).is(200);
    });
    watched.leaves(&[("unlock_refused", None)], |app| {
        app.program().json(Post, "/unlock/open", &open).is(403);
    });
    watched.leaves(&[("unlock_refused", None)], |app| app.program().get(&unlock));
    let new = json!({ "reset_token": token, "new_password": "another harbour" });
    watched.leaves(&[("password_changed", HERS)], |app| {
        app.program().json(Put, "/reset_password", &new).is(200);
    });
    watched.leaves(&[("reset_refused", None)], |app| {
        app.program().json(Put, "/reset_password", &new).is(403);
    });
    watched.leaves(&[("reset_refused", None)], |app| app.program().get(&link));
}

/// Sign-up that waits for a mail, or is not for everybody.
fn admissions() -> BTreeSet<String> {
    let watched = Watched::with("confirm_email = true");
    let ann = watched.app.program();
    watched.leaves(&[("sign_up_asked", None)], |_| ann.post("/users", &PAIR));
    watched.leaves(&[("sign_up_asked", None)], |_| {
        ann.post("/confirm/sent", &[("email", ANN)]).is(200);
    });
    let link = mailed(&watched.app, "/confirm/");
    watched.leaves(&[], |_| ann.get(&link));
    watched.leaves(&[("email_confirmed", HERS), ("signed_up", HERS)], |_| {
        ann.json(Post, "/confirm", &json!({})).is(200);
    });
    let stale = json!({ "confirm_token": link.rsplit('/').next(), "new_password": "a new one" });
    for deed in ["link", "form", "nothing"] {
        watched.leaves(&[("confirm_refused", None)], |app| {
            let visitor = app.program();
            match deed {
                "link" => visitor.get(&link),
                "form" => visitor.json(Post, "/confirm", &stale),
                _ => visitor.json(Post, "/confirm", &json!({})),
            }
        });
    }
    let mut seen = watched.seen.into_inner();

    let watched = Watched::with("sign_up = \"closed\"");
    watched.leaves(&[("sign_up_refused", None)], |app| app.program().post("/users", &PAIR));
    let watched = Watched::with("sign_up_guard = true");
    watched.leaves(&[("sign_up_refused", None), ("input_refused", None)], |app| {
        app.program().post("/users", &PAIR).is(422);
    });
    let watched = Watched::with("sign_up = \"invited\"");
    watched.leaves(&[("sign_up_refused", None)], |app| app.program().post("/users", &PAIR));
    let invite = || watched.app.auth().invite(ANN, Timestamp::now()).expect("invited");
    let link = std::cell::OnceCell::new();
    watched.leaves(&[("invited", None)], |_| link.set(invite()).expect("once"));
    let link = link.into_inner().expect("invited");
    let (_, link) = link.expose_secret().split_once("127.0.0.1:8000").expect("ours");
    let ann = watched.app.browser();
    watched.leaves(&[("invitation_opened", None)], |_| ann.get(link));
    watched.leaves(&[("signed_up", HERS)], |_| ann.post("/users", &PAIR));
    watched.leaves(&[("invitation_refused", None)], |app| app.program().get(link));
    seen.extend(watched.seen.into_inner());
    seen
}

/// What no form of ours sends.
fn requests() -> BTreeSet<String> {
    let settings = "base_url = \"https://login.example.org\"\n\
        allowed_hosts = [\"app.example.org\"]\ntrusted_proxies = [\"127.0.0.1\"]";
    let watched = Watched::with_ann(settings);
    for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example")] {
        watched.leaves(&[("cross_site_refused", None)], |app| {
            app.program().send(Post, "/sessions", &[FORM, (name, value)], body(&PAIR)).is(403);
        });
    }
    watched.leaves(&[("host_refused", None)], |app| {
        app.program().send(Get, "/", &[("Host", "evil.example")], Vec::new()).is(421);
    });
    let long = urlencoded(&[("email", &"a".repeat(20_000))]).into_bytes();
    for (method, path, kind, body, code) in [
        (Post, "/sessions", "text/plain", body(&PAIR), 415),
        (Post, "/sessions", "application/json", b"{".to_vec(), 400),
        (Post, "/sessions", "application/x-www-form-urlencoded", long, 413),
        (Post, "/sessions", "application/x-www-form-urlencoded", body(&PAIR[..1]), 422),
        (Post, "/login", "application/x-www-form-urlencoded", b"_method=get".to_vec(), 400),
        (Patch, "/users", "application/json", Vec::new(), 405),
        (Get, "/not a path", "text/plain", Vec::new(), 400),
    ] {
        watched.leaves(&[("input_refused", None)], |app| {
            app.program().send(method, path, &[("Content-Type", kind)], body).is(code);
        });
    }
    watched.leaves(&[], |app| app.program().get("/nowhere"));
    watched.leaves(&[("sign_in_needed", None)], |app| app.program().get("/auth"));
    watched.leaves(&[("door_refused", None)], |app| {
        app.program().header("X-Forwarded-Host", "evil.example").get("/auth").is(403);
    });
    watched.seen.into_inner()
}

/// What is too much, and what breaks.
fn faults() -> BTreeSet<String> {
    let limits = "limit_login = \"1/10m\"\nlimit_ask = \"1/10m\"\nlimit_mail = \"1/1h\"\n\
                  trusted_proxies = [\"127.0.0.1\"]";
    let watched = Watched::with_ann(limits);
    watched.leaves(&[("log_in_failed", HERS), ("tried_too_often", None)], |app| {
        app.program().post("/sessions", &WRONG).is(401);
        app.program().post("/sessions", &WRONG).is(429);
    });
    let ask = |from: &str, code: u16| {
        let visitor = watched.app.program();
        visitor.header("X-Forwarded-For", from).post("/reset_password", &[("email", ANN)]).is(code);
    };
    watched.leaves(&[("reset_asked", None), ("tried_too_often", None)], |_| {
        ask("192.0.2.1", 200);
        ask("192.0.2.1", 429);
    });
    watched.app.mailbox();
    ask("192.0.2.2", 200);
    watched.leaves(&[("mail_held", HERS)], |app| app.mailbox());
    let attack = watched.rows(|_| {
        for number in 3..=200 {
            ask(&format!("192.0.2.{number}"), 200);
        }
        ask("192.0.2.201", 429);
    });
    let last = attack.last().expect("rows");
    assert_eq!((last.event.as_str(), last.ip.as_str()), ("under_attack", "192.0.2.201"));
    assert!(attack[..attack.len() - 1].iter().all(|row| row.event == "reset_asked"));

    watched.app.sql("ALTER TABLE sessions RENAME TO mislaid");
    watched.leaves(&[("broken", None)], |app| {
        app.program().send_for_a_fault(Get, "/", &[("Cookie", "")], Vec::new()).is(200);
        let forged = app.program();
        forged.set_cookie("session_id", &sealed(app, "session_id", "an id"));
        forged.send_for_a_fault(Delete, "/sessions", &[], Vec::new()).is(500);
    });
    let mut seen = watched.seen.into_inner();
    seen.extend(overload());
    seen
}

/// What the app's own key makes of a cookie.
fn sealed(app: &TestApp, name: &'static str, value: &'static str) -> String {
    let request = app.client.get("/").private_cookie((name, value));
    request.inner().cookies().get(name).expect("just added").value().to_owned()
}

/// Fills the hasher's queue until somebody is turned away.
fn overload() -> BTreeSet<String> {
    let watched = Watched::with_ann("hash_threads = 1\nhash_queue = 1");
    let over = AtomicBool::new(false);
    let rows = watched.rows(|app| {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let (auth, over) = (app.auth().clone(), &over);
                scope.spawn(move || {
                    let runtime =
                        tokio::runtime::Builder::new_current_thread().enable_all().build();
                    let runtime = runtime.expect("a runtime");
                    while !over.load(Ordering::Relaxed) {
                        let words = secret("some wrong words");
                        let _ = runtime.block_on(auth.valid_login(BOB, &words));
                        std::thread::yield_now();
                    }
                });
            }
            let end = Instant::now() + Duration::from_secs(60);
            while app.program().post("/sessions", &PAIR).status.code != 503 {
                if Instant::now() > end {
                    break;
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    });
    assert!(rows.iter().any(|row| row.event == "overloaded"), "{rows:?}");
    watched.seen.into_inner()
}

#[test]
fn b10_to_b98_each_deed_and_each_refusal_leaves_its_event() {
    let seen: BTreeSet<String> = [
        accounts(),
        own_account::addresses(),
        own_account::at_work(),
        admissions(),
        requests(),
        faults(),
    ]
    .into_iter()
    .flatten()
    .collect();
    // A new key and a backup are tried on the running program (tests/moving). Hashing that differs is
    // the processor's doing: accounts/hasher/tests.rs puts a wrong one in its place.
    let elsewhere = [Event::MailLost, Event::Restored, Event::HashingDiffers];
    let known: BTreeSet<String> = Event::all()
        .filter(|event| !elsewhere.contains(event))
        .map(|event| event.name().to_owned())
        .collect();
    assert_eq!(seen, known, "an event that nothing leaves, or that nobody knows");
}

#[test]
fn rows_say_where_from_and_hold_neither_secret_nor_address() {
    let settings = "trusted_proxies = [\"127.0.0.1\"]";
    let watched = Watched::with(settings);
    let agent = "an agent\r\n{\"event\":\"logged_in\"}";
    let long = "x".repeat(5000);
    let mut secrets = vec![PASSWORD.to_owned(), "not that one".to_owned(), ANN.to_owned()];
    let rows = watched.rows(|app| {
        for agent in [agent, &long] {
            let ann = app.browser();
            ann.header("User-Agent", agent).header("X-Forwarded-For", "192.0.2.7");
            ann.post("/users", &PAIR);
            ann.post("/sessions", &WRONG);
            ann.post("/sessions", &PAIR);
            ann.post("/reset_password", &[("email", ANN)]);
            let link = mailed(app, "/reset_password/");
            ann.get(&link);
            secrets.push(link.rsplit('/').next().expect("a token").to_owned());
            for cookie in ["session_id", "device", "reset_token"] {
                secrets.push(ann.cookie(cookie).expect(cookie));
            }
            ann.get(&format!("/nowhere/{}", secrets[3]));
            ann.delete("/sessions");
        }
    });
    assert!(rows.len() >= 8, "{rows:?}");
    for row in &rows {
        // The worker mails, whoever asked.
        let inside = row.event == "reset_mailed";
        assert_eq!(row.ip, if inside { "" } else { "192.0.2.7" }, "{row:?}");
        assert_eq!(row.request_id.len(), if inside { 0 } else { 16 }, "{row:?}");
        assert!(row.user_agent.chars().count() <= 256, "{row:?}");
        assert!(Timestamp::now().since(row.at) < Duration::from_secs(600), "{row:?}");
        let text = format!("{row:?}");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
        assert!(!text.contains('@'), "{text}");
    }
}

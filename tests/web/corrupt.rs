//! B-89b: rows that nobody of ours wrote: refused or served, never a panic, never a way in.

use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::cli::service::Service;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{outbox, sessions};
use gatehouse::mail::Worker;
use gatehouse::mail::worker::Compose;
use rocket::http::Method;
use serde_json::{Value, json};

use crate::app::{Answer, PASSWORD, TestApp, Visitor, urlencoded};
use crate::own_database::{TABLES, on_postgresql};

const ANN: &str = "ann@example.com";
const NEW: &str = "another harbour";
/// What a column of numbers or moments may hold once it is damaged, as SQL. PostgreSQL's columns
/// hold what they are declared to hold.
fn numbers() -> &'static [&'static str] {
    if on_postgresql() {
        return &["-1", "9223372036854775807", "-9223372036854775808"];
    }
    &["-1", "9223372036854775807", "'soon'", "x'00ff'"]
}

/// The same of text: nothing, control characters, and with SQLite no UTF-8, no text.
fn texts() -> &'static [&'static str] {
    if on_postgresql() {
        return &["''", "chr(10) || chr(27) || chr(8238)"];
    }
    &["''", "CAST(x'fffe00' AS TEXT)", "x'00ff'", "char(10, 27, 8238)"]
}

/// Where our code has panicked, in this test or in another: Rocket turns a panic into a 500, which
/// is also the right answer to a row that cannot be read.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn watch_for_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            if place.starts_with("src/") {
                PANICS.lock().unwrap_or_else(PoisonError::into_inner).push(place);
            }
            usual(panic);
        }));
    });
}

/// Somebody signed in by browser and by program, whose token to a new password is known, and for
/// whom another mail waits.
struct Person<'a> {
    app: &'a TestApp,
    email: String,
    cookies: [String; 2],
    token: String,
}

impl<'a> Person<'a> {
    fn new(app: &'a TestApp, number: usize) -> Self {
        let email = format!("p{number}@example.com");
        let browser = app.signed_up(&email);
        let program = app.program();
        program.post("/sessions", &[("email", &email), ("password", PASSWORD)]).is(200);
        let cookies = [&browser, &program].map(|one| one.cookie("session_id").expect("signed in"));
        program.post("/reset_password", &[("email", &email)]).is(200);
        let token = app.mailed_link().rsplit('/').next().expect("a token").to_owned();
        program.post("/reset_password", &[("email", &email)]).is(200);
        Self { app, email, cookies, token }
    }

    /// All that a person does, then what the service does by itself. Whatever is wrong with the
    /// rows, nothing panics, and the wrong password stays wrong.
    fn does_everything(&self, damage: &str) {
        let email = ("email", self.email.as_str());
        let [browser, program] = [self.app.browser(), self.app.program()];
        browser.set_cookie("session_id", &self.cookies[0]);
        program.set_cookie("session_id", &self.cookies[1]);
        for (visitor, in_json) in [(browser, false), (program, true)] {
            let send = |method, path: &str, form: &[(&str, &str)]| {
                send(&visitor, in_json, method, path, form).status.code
            };
            send(Method::Get, "/profile", &[]);
            send(Method::Get, &format!("/reset_password/{}", self.token), &[]);
            let code = send(Method::Post, "/sessions", &[email, ("password", "a wrong harbour")]);
            assert!([401, 429, 500].contains(&code), "{damage}: a wrong password: {code}");
            send(Method::Post, "/sessions", &[email, ("password", PASSWORD)]);
            send(Method::Post, "/users", &[email, ("password", PASSWORD)]);
            send(Method::Post, "/reset_password", &[email]);
            send(Method::Delete, "/sessions", &[]);
        }
        let form = [("reset_token", self.token.as_str()), ("new_password", NEW)];
        send(&self.app.program(), true, Method::Put, "/reset_password", &form);
    }

    /// What the service does with the rows by itself.
    fn is_looked_after(&self, damage: &str) {
        let now = Timestamp::now();
        let _ = self.app.service.worker.deliver_due(now);
        let _ = self.app.service.worker.purge(now);
        self.app.wait(self.app.auth().purge_sessions(now)).expect(damage);
        let panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(panics.is_empty(), "{damage}: {panics:?}");
    }
}

fn send(
    visitor: &Visitor<'_>,
    in_json: bool,
    method: Method,
    path: &str,
    form: &[(&str, &str)],
) -> Answer {
    let (kind, body) = if in_json {
        let fields = form.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        ("application/json", Value::Object(fields.collect()).to_string())
    } else {
        ("application/x-www-form-urlencoded", urlencoded(form))
    };
    visitor.send_for_a_fault(method, path, &[("Content-Type", kind)], body.into_bytes())
}

fn everything(person: &Person<'_>, damage: &str) {
    person.does_everything(damage);
}

/// Each value in each column of somebody's rows, one after the other.
fn damage(table: &str, columns: &[&str], values: &[&str], deeds: impl Fn(&Person<'_>, &str)) {
    watch_for_panics();
    let app = TestApp::new();
    let (mut number, mut damaged) = (0, 0);
    for column in columns {
        for value in values {
            number += 1;
            let person = Person::new(&app, number);
            let damage = format!("{table}.{column} = {value}");
            if write_anything(&app, table, column, value) {
                damaged += 1;
                deeds(&person, &damage);
                person.is_looked_after(&damage);
            }
            let tables = TABLES.map(|name| format!("DELETE FROM {name};"));
            app.sql(&tables.concat());
        }
    }
    assert!(damaged >= columns.len(), "only {damaged} values fit into {table}");
}

/// Writes the value into that column of every row, whatever refers to it, or of one row where it
/// must differ. Returns false where the column holds no such thing.
fn write_anything(app: &TestApp, table: &str, column: &str, value: &str) -> bool {
    let mut conn = app.database();
    let update = format!("UPDATE {table} SET {column} = {value}");
    let mut write = |sql: &str| conn.batch_execute(sql).is_ok();
    if on_postgresql() {
        let one = format!("{update} WHERE ctid IN (SELECT ctid FROM {table} LIMIT 1)");
        assert!(write("SET session_replication_role = replica"), "no foreign keys");
        return write(&update) || write(&one);
    }
    let update = update.replace("UPDATE", "UPDATE OR IGNORE");
    assert!(write(&format!("PRAGMA foreign_keys = OFF; {update}")), "{update}");
    true
}

#[test]
fn b89b_damaged_users_are_refused_or_served_and_nothing_panics() {
    damage("users", &["created_at", "confirmed_at", "reset_asked_at"], numbers(), everything);
    damage(
        "users",
        &["email", "hashed_password", "session_id", "reset_email"],
        texts(),
        everything,
    );
    damage("users", &["session_id", "reset_email", "reset_asked_at"], &["NULL"], everything);
}

#[test]
fn b89b_damaged_sessions_are_refused_or_served_and_nothing_panics() {
    let columns =
        ["user_id", "created_at", "last_seen_at", "authenticated_at", "expires_at", "remembered"];
    damage("sessions", &columns, numbers(), everything);
    damage("sessions", &["user_agent", "ip"], texts(), everything);
}

#[test]
fn b89b_damaged_mails_are_given_up_and_the_worker_goes_on() {
    let none = |_: &Person<'_>, _: &str| {};
    let columns = ["user_id", "created_at", "expires_at", "next_attempt_at", "attempts"];
    damage("outbox", &columns, numbers(), none);
    damage("outbox", &["attempts"], &["2147483647", "-2147483648", "2147483648"], none);
    damage("outbox", &["kind", "content", "state", "last_error", "message_id"], texts(), none);
}

#[test]
fn b89b_damaged_counts_and_devices_are_refused_or_served_and_nothing_panics() {
    damage("limits", &["tries", "started_at", "ends_at", "last_at"], numbers(), everything);
    damage("limits", &["tries"], &["-9223372036854775808"], everything);
    damage("devices", &["user_id", "last_used_at"], numbers(), everything);
}

/// The least number is the most that anybody could try.
#[test]
fn b89b_damaged_counts_let_nobody_try_for_ever_and_lock_nobody_out_for_good() {
    let app = TestApp::with("limit_login = \"3/1m\"", &[]);
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let refused = |answer: Answer| answer.status.code == 429;
    let wrong = || {
        let pair = [("email", ANN), ("password", "a wrong harbour")];
        refused(app.program().post("/sessions", &pair))
    };
    wrong();
    app.sql("UPDATE limits SET tries = -9223372036854775808");
    assert!((0..10).any(|_| wrong()), "tried for ever");
    let now = Timestamp::now();
    app.sql("UPDATE limits SET tries = 9223372036854775807, ends_at = 9223372036854775807");
    assert!(wrong());
    // As if the window had begun before a minute, and a day for the longest.
    app.sql(&format!("UPDATE limits SET started_at = {}", now.millis() - 2 * 86_400_000));
    assert!(!wrong(), "locked out for good");
}

#[test]
fn b89b_a_damaged_mail_is_not_in_the_way_of_the_next() {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app.program().post("/reset_password", &[("email", "bob@example.com")]).is(200);
    diesel::update(outbox::table)
        .set((outbox::content.eq(vec![0]), outbox::attempts.eq(i32::MAX)))
        .execute(&mut app.database())
        .expect("damaged");
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    assert_eq!(app.mailbox().len(), 1);
    let states: Vec<String> =
        outbox::table.select(outbox::state).load(&mut app.database()).expect("listed");
    assert_eq!(states, ["failed", "sent"]);
}

#[test]
fn b89b_no_damaged_hash_lets_anybody_in_and_none_takes_for_ever() {
    let app = TestApp::new();
    let long = if on_postgresql() { "repeat('0', 200000)" } else { "hex(zeroblob(100000))" };
    for hash in texts().iter().copied().chain([
        long,
        "'$2b$04$'",
        "'$2b$04$' || hashed_password",
        "hashed_password || ' '",
        "substr(hashed_password, 1, 59)",
        "replace(hashed_password, '$2b$', '$1$')",
        "'sha384$' || hashed_password",
        // Days of work, were it taken at its word.
        "replace(hashed_password, '$2b$04$', '$2b$31$')",
        "replace(hashed_password, '$2b$04$', '$2b$99$')",
        "replace(hashed_password, '$2b$04$', '$2b$-4$')",
    ]) {
        app.sql("DELETE FROM users");
        app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
        app.sql(&format!("UPDATE users SET hashed_password = {hash}"));
        let began = Instant::now();
        for (visitor, in_json) in [(app.browser(), false), (app.program(), true)] {
            let form = [("email", ANN), ("password", PASSWORD)];
            let answer = send(&visitor, in_json, Method::Post, "/sessions", &form);
            // What is no text at all cannot be read.
            let code = if hash.contains("x'") { 500 } else { 401 };
            assert_eq!(answer.status.code, code, "{hash}");
            assert_eq!(visitor.cookie("session_id"), None, "{hash}");
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{hash}: {:?}", began.elapsed());
        assert_eq!(sessions::table.count().get_result(&mut app.database()), Ok(0), "{hash}");
    }
}

#[test]
fn b89b_a_mail_that_breaks_the_worker_does_not_end_it() {
    let app = TestApp::with("mail_transport = \"files\"", &[]);
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let Service { worker, auth, ear, bell, .. } = Service::open(&app.config).expect("opens");
    let compose = worker.compose.clone();
    let breaking: Compose = Arc::new(move |conn, wish| {
        assert_ne!(wish.email, "break@example.com", "on purpose");
        compose(conn, wish)
    });
    let (db, outbox, transport) =
        (worker.db.clone(), worker.outbox.clone(), worker.transport.clone());
    let worker = Arc::new(Worker { db, outbox, transport, compose: breaking });
    for email in ["break@example.com", ANN] {
        app.wait(auth.ask_for_reset(email, "127.0.0.1", Timestamp::now())).expect("queued");
    }
    let thread = worker.start(ear).expect("a thread");
    let folder = app.folder.path().join("outbox");
    let began = Instant::now();
    while std::fs::read_dir(&folder).map_or(0, Iterator::count) == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "no mail leaves any more");
        std::thread::sleep(Duration::from_millis(5));
    }
    bell.stop();
    thread.join().expect("ends in order");
}

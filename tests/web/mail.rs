//! The outbox and its worker: a mail is written with its deed, sent once, tried again, or dropped.

mod dead_links;

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use diesel::prelude::*;
use gatehouse::accounts::email::Email;
use gatehouse::accounts::password_reset::UpdatePasswordError;
use gatehouse::accounts::user::add_user;
use gatehouse::cli::service::Service;
use gatehouse::clock::Timestamp;
use gatehouse::db::DbError;
use gatehouse::db::schema::{outbox as mails, users};
use gatehouse::mail::outbox::{
    self, Content, FAILED, GIVE_UP_AFTER, LEASE, Note, Row, SENT, WAITING,
};
use gatehouse::mail::{Kind, Letter};
use rocket::http::Method;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, secret};

const ANN: &str = "ann@example.com";
const NEW: &str = "another harbour";
const FILES: &str = "mail_transport = \"files\"";
const LIFE: Duration = Duration::from_secs(30 * 60);
/// The worker's clock runs on while it works: no test stands nearer to a limit than this.
const SLACK: Duration = Duration::from_secs(5);

fn with_ann() -> TestApp {
    let app = TestApp::with(FILES, &[]);
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

#[track_caller]
fn ask(app: &TestApp) {
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
}

#[track_caller]
fn deliver(app: &TestApp, now: Timestamp) -> usize {
    app.service.worker.deliver_due(now).expect("the outbox can be read")
}

#[track_caller]
fn rows(app: &TestApp) -> Vec<Row> {
    let all = mails::table.order(mails::id).select(Row::as_select());
    all.load(&mut app.database()).expect("rows")
}

/// The texts of the `.eml` files, by name.
#[track_caller]
fn files(app: &TestApp) -> Vec<(String, String)> {
    let folder = fs::read_dir(app.folder.path().join("outbox")).expect("the folder");
    let mut files: Vec<(String, String)> = folder
        .map(|file| {
            let file = file.expect("an entry");
            let text = fs::read_to_string(file.path()).expect("text");
            (file.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    files.sort();
    files
}

fn token_in(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let (_, rest) = joined.split_once("/reset_password/").expect("a link");
    rest.chars().take_while(char::is_ascii_hexdigit).collect()
}

/// No mail leaves until the folder is back.
fn block(app: &TestApp) {
    let folder = app.folder.path().join("outbox");
    fs::rename(&folder, app.folder.path().join("aside")).expect("moved");
    fs::write(&folder, "in the way").expect("written");
}

fn unblock(app: &TestApp) {
    let folder = app.folder.path().join("outbox");
    fs::remove_file(&folder).expect("removed");
    fs::rename(app.folder.path().join("aside"), &folder).expect("moved");
}

fn to_nobody() -> Note {
    Note { kind: Kind::PasswordChanged, user: None, subject: None, expires_at: None }
}

fn letter(number: usize) -> Content {
    let letter = Letter {
        to: format!("user{number}@example.com"),
        subject: format!("Mail {number}"),
        text: "text".to_owned(),
        html: "<p>html</p>".to_owned(),
    };
    Content::Letter(letter)
}

#[test]
fn a_deed_that_fails_leaves_neither_itself_nor_its_mail() {
    let app = TestApp::new();
    let now = Timestamp::now();
    let deed = |fails: bool| {
        app.service.db.write_blocking(|conn| {
            let email = Email::parse(ANN).expect("an address");
            let user = add_user(conn, &email, "hash", now).expect("added");
            let note = Note::to_user(Kind::PasswordChanged, user.id);
            let add = app.service.outbox.add(conn, &note, &letter(1), now);
            add.map_err(DbError::from)?;
            if fails { Err(DbError::Busy) } else { Ok(()) }
        })
    };
    let count = || -> (i64, usize) {
        let users = users::table.count().get_result(&mut app.database()).expect("counted");
        (users, rows(&app).len())
    };
    assert!(matches!(deed(true), Err(DbError::Busy)));
    assert_eq!(count(), (0, 0));
    deed(false).expect("done");
    assert_eq!(count(), (1, 1));
}

#[test]
fn a_reset_whose_notice_cannot_be_queued_changes_nothing() {
    for (table, event) in [("outbox", "INSERT"), ("sessions", "DELETE"), ("users", "UPDATE")] {
        let app = TestApp::new();
        let ann = app.signed_up(ANN);
        ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
        let link = app.mailed_link();
        let token = token_in(&link);
        ann.get(&link).goes_to("/reset_password/new");
        app.break_down(event, table, "on purpose");
        let before = app.dump();
        let update = app.auth();
        let (key, new, now) = (secret(&token), secret(NEW), Timestamp::now());
        let outcome = app.wait(update.update_password(&key, None, &new, now));
        assert!(matches!(outcome, Err(UpdatePasswordError::Broken(_))), "{table}: {outcome:?}");
        let kind = ("Content-Type", "application/json");
        let body = json!({ "reset_token": token, "new_password": NEW }).to_string();
        let script = app.program();
        let answer =
            script.send_for_a_fault(Method::Put, "/reset_password", &[kind], body.into_bytes());
        answer.is(500).does_not_say("on purpose").says("error_id");
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        let body = format!("new_password={NEW}").replace(' ', "+").into_bytes();
        let answer = ann.send_for_a_fault(Method::Put, "/reset_password", &[kind], body);
        answer.is(500).does_not_say("on purpose").says("Error id");
        assert_eq!(app.dump(), before, "{table}");
        // The session, the old password and the token live on; once it works again, so do they.
        app.mend();
        ann.get("/profile").is(200);
        app.program().post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
        ann.put("/reset_password", &[("new_password", NEW)]).goes_to("/login");
        app.program().post("/sessions", &[("email", ANN), ("password", NEW)]).is(200);
    }
}

#[test]
fn a_wish_that_cannot_be_queued_is_an_error_and_no_empty_promise() {
    let app = with_ann();
    app.break_down("INSERT", "outbox", "on purpose");
    let kind = ("Content-Type", "application/json");
    for email in [ANN, "nobody@example.com"] {
        let body = json!({ "email": email }).to_string().into_bytes();
        let answer = app.program().send_for_a_fault(Method::Post, "/reset_password", &[kind], body);
        answer.is(500).does_not_say("on purpose");
    }
    assert_eq!(rows(&app).len(), 0);
}

#[test]
fn two_workers_send_500_mails_once_each() {
    const MAILS: usize = 500;
    let settings = format!("{FILES}\ndatabase_wait = \"60s\"");
    let app = TestApp::with(&settings, &[]);
    let other = Service::open(&app.config).expect("a second process");
    let now = Timestamp::now();
    let queued = app.service.db.write_blocking(|conn| {
        (0..MAILS).try_for_each(|number| {
            app.service.outbox.add(conn, &to_nobody(), &letter(number), now).map_err(DbError::from)
        })
    });
    queued.expect("queued");
    let workers = [app.service.worker.clone(), other.worker.clone()];
    let sent: Vec<usize> = std::thread::scope(|scope| {
        let threads = workers.map(|worker| scope.spawn(move || worker.deliver_due(now)));
        threads.map(|thread| thread.join().expect("no panic").expect("delivered")).into()
    });
    assert_eq!(sent.iter().sum::<usize>(), MAILS, "{sent:?}");
    assert!(sent.iter().all(|sent| *sent > 0), "both worked: {sent:?}");
    let files = files(&app);
    assert_eq!(files.len(), MAILS);
    let header = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).expect("the header");
        line[name.len()..].trim().to_owned()
    };
    let ids: BTreeSet<String> = files.iter().map(|(_, text)| header(text, "Message-ID:")).collect();
    let people: BTreeSet<String> = files.iter().map(|(_, text)| header(text, "To:")).collect();
    assert_eq!((ids.len(), people.len()), (MAILS, MAILS));
    for row in rows(&app) {
        assert_eq!((row.state.as_str(), row.attempts), (SENT, 1), "{}", row.message_id);
        assert!(row.content.is_empty(), "the text goes once it is sent");
    }
}

#[test]
fn b99_tries_back_off_and_end() {
    let app = with_ann();
    block(&app);
    let start = Timestamp::now();
    let seconds = Duration::from_secs;
    let queued = app.service.db.write_blocking(|conn| {
        let add = app.service.outbox.add(conn, &to_nobody(), &letter(1), start);
        add.map_err(DbError::from)
    });
    queued.expect("queued");
    let mut now = start;
    for (attempt, delay) in [10, 30, 90, 270, 810, 2430, 3600, 3600].into_iter().enumerate() {
        assert_eq!(deliver(&app, now), 0);
        let row = rows(&app).remove(0);
        assert_eq!((row.state.as_str(), row.attempts as usize), (WAITING, attempt + 1));
        let next = row.next_attempt_at;
        assert!(next >= now + seconds(delay) && next < now + seconds(delay) + SLACK, "{attempt}");
        assert!(row.last_error.is_some_and(|error| error.contains("cannot write")));
        assert_eq!(deliver(&app, now + seconds(delay) - SLACK), 0);
        assert_eq!(rows(&app)[0].attempts as usize, attempt + 1, "not before its time");
        now = next;
    }
    deliver(&app, start + GIVE_UP_AFTER - SLACK);
    assert_eq!(rows(&app)[0].state, WAITING);
    let end = start + GIVE_UP_AFTER + seconds(3600);
    deliver(&app, end);
    let row = rows(&app).remove(0);
    assert_eq!(row.state, FAILED);
    assert!(!row.content.is_empty(), "given up, not lost");
    unblock(&app);
    assert_eq!(deliver(&app, end + seconds(7200)), 0, "given up for good");
    let conn = &mut app.database();
    assert_eq!(outbox::retry(conn, row.id + 1, end), Ok(false));
    assert_eq!(outbox::retry(conn, row.id, end), Ok(true));
    assert_eq!(deliver(&app, end), 1, "unless the operator says so");
    assert_eq!(outbox::retry(conn, row.id, end), Ok(false), "sent is sent");
    assert_eq!(deliver(&app, end + seconds(7200)), 0);
    assert_eq!(files(&app).len(), 1);
}

#[test]
fn b99_a_mail_that_could_not_leave_leaves_later_with_the_same_name_and_link() {
    let app = with_ann();
    block(&app);
    ask(&app);
    let now = Timestamp::now();
    assert_eq!(deliver(&app, now), 0);
    let waiting = rows(&app).remove(0);
    let Ok(Content::Letter(letter)) = app.service.outbox.open(&waiting) else {
        panic!("the wish was not granted")
    };
    unblock(&app);
    assert_eq!(deliver(&app, waiting.next_attempt_at), 1);
    let (name, text) = files(&app).remove(0);
    assert_eq!(name, format!("password_reset-{}.eml", waiting.message_id));
    assert!(text.contains(&waiting.message_id));
    assert_eq!(token_in(&text), token_in(&letter.text));
}

#[test]
fn a_mail_in_the_hands_of_a_worker_that_died_goes_to_another() {
    let app = with_ann();
    ask(&app);
    let now = Timestamp::now();
    let claimed =
        app.service.db.write_blocking(|conn| outbox::claim(conn, now).map_err(DbError::from));
    let claimed = claimed.expect("answers").expect("a mail");
    assert_eq!(deliver(&app, now + LEASE - SLACK), 0, "it is somebody's still");
    assert_eq!(deliver(&app, now + LEASE), 1);
    assert!(files(&app)[0].1.contains(&claimed.message_id), "under the same name");
}

#[test]
fn b100_mails_queued_before_a_restart_are_sent_after_it() {
    let app = with_ann();
    ask(&app);
    let folder = app.folder.path().join("outbox");
    let again = Service::open(&app.config).expect("opens");
    drop(app.client);
    drop(app.service);
    let thread = again.worker.clone().start(again.ear).expect("a thread");
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::read_dir(&folder).expect("the folder").count() == 0 {
        assert!(Instant::now() < deadline, "nothing was sent");
        std::thread::sleep(Duration::from_millis(5));
    }
    again.bell.stop();
    thread.join().expect("ends in order");
    let sent = outbox::list(&mut app.folder.database.connect());
    assert_eq!(sent.map(|waiting| waiting.len()), Ok(0));
}

#[test]
fn a_ring_wakes_the_worker() {
    let app = with_ann();
    let service = Service::open(&app.config).expect("opens");
    let thread = service.worker.clone().start(service.ear).expect("a thread");
    let start = Instant::now();
    app.wait(service.auth.ask_for_reset(ANN, "127.0.0.1", Timestamp::now())).expect("queued");
    while files(&app).iter().all(|(name, _)| !name.ends_with(".eml")) {
        assert!(start.elapsed() < Duration::from_secs(12), "it looks by itself after 15 s");
        std::thread::sleep(Duration::from_millis(5));
    }
    service.bell.stop();
    thread.join().expect("ends in order");
}

#[test]
fn an_unknown_address_is_written_to_by_nobody() {
    let app = with_ann();
    for email in ["nobody@example.com", "ann@example.org"] {
        app.program().post("/reset_password", &[("email", email)]).is(200);
    }
    assert_eq!(rows(&app).len(), 2);
    assert_eq!(deliver(&app, Timestamp::now()), 0);
    assert_eq!(files(&app).len(), 0);
    // The rows stay as those of sent mails do, and as empty: nobody can tell them apart.
    for row in rows(&app) {
        assert_eq!((row.state.as_str(), row.user_id, row.content.len()), (outbox::SENT, None, 0));
    }
    assert_eq!(rows(&app).len(), 2);
    assert_eq!(deliver(&app, Timestamp::now() + LEASE * 2), 0);
    app.service.worker.purge(Timestamp::now() + LIFE + SLACK).expect("purged");
    assert_eq!(rows(&app).len(), 0);
}

#[test]
fn b101_the_text_is_sealed_and_another_key_loses_nothing() {
    let app = with_ann();
    ask(&app);
    let sealed = rows(&app)[0].content.clone();
    assert!(!sealed.windows(3).any(|bytes| bytes == b"ann"), "not even the address");
    let bytes: Vec<u8> = (0..64u32).map(|n| (n * 197 % 251) as u8).collect();
    let key = [("ROCKET_SECRET_KEY", BASE64.encode(bytes))];
    let key: Vec<(&str, &str)> = key.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let config = TestApp::config(&app.folder, FILES, &key);
    let stranger = Service::open(&config).expect("opens");
    let now = Timestamp::now();
    assert_eq!(stranger.worker.deliver_due(now).expect("tried"), 0);
    let row = rows(&app).remove(0);
    assert_eq!((row.state.as_str(), &row.content), (FAILED, &sealed));
    assert!(row.last_error.is_some_and(|error| error.contains("secret_key")));
    assert_eq!(files(&app).len(), 0);
    assert_eq!(outbox::retry(&mut app.database(), row.id, now), Ok(true));
    assert_eq!(deliver(&app, now), 1, "the right key opens it still");
}

#[test]
fn b101_rows_cannot_change_places() {
    let app = with_ann();
    app.program().post("/users", &[("email", "eve@example.com"), ("password", PASSWORD)]).is(200);
    ask(&app);
    app.program().post("/reset_password", &[("email", "eve@example.com")]).is(200);
    // Somebody who may write to the database puts one mail's text into another's row.
    app.sql("UPDATE outbox SET content = (SELECT content FROM outbox ORDER BY id LIMIT 1)");
    assert_eq!(deliver(&app, Timestamp::now()), 1);
    assert_eq!(rows(&app)[1].state, FAILED);
}

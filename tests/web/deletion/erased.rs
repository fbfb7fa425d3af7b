//! B-110: whoever is gone is gone everywhere; what happened stays, and names nobody.

use std::fs;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use gatehouse::accounts::operator::Operator;
use gatehouse::audit::journal::Row;
use gatehouse::audit::{self, Event};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{events, tokens, users};

use super::{ANN, BOB, DAY, PAIR, delete_at};
use crate::app::{PASSWORD, TestApp};
use crate::own_database::on_postgresql;

const ADDRESS: &str = "192.0.2.77";
const AGENT: &str = "Annbrowser/7.7";
const WRONG: [(&str, &str); 2] = [("email", ANN), ("password", "not that one")];
const SETTINGS: &str = "mail_transport = \"files\"\ntrusted_proxies = [\"127.0.0.1\"]\n\
    limit_login = \"9/1m, 99/1d\"\nlimit_mail = \"9/1h, 99/1d\"";

/// Everything that can be stored about somebody is stored about Ann, who wants to go.
fn full_life() -> TestApp {
    let app = TestApp::with(SETTINGS, &[]);
    let (ann, other) = (app.browser(), app.browser());
    ann.header("User-Agent", AGENT).header("X-Forwarded-For", ADDRESS);
    ann.post("/users", &PAIR).goes_to("/profile");
    ann.post("/sessions", &WRONG).is(401);
    other.post("/sessions", &WRONG).is(401);
    for path in ["/reset_password", "/unlock"] {
        other.post(path, &[("email", ANN)]).is(303);
    }
    app.service.worker.deliver_due(Timestamp::now()).expect("delivered");
    app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
    ann.post("/account/deletion", &[]).goes_to("/sudo");
    ann.post("/sudo", &[("password", PASSWORD)]).goes_to("/");
    app.service.worker.deliver_due(Timestamp::now()).expect("delivered");
    // One that waits still, and what others did with the address before it had an account.
    other.post("/reset_password", &[("email", ANN)]).is(303);
    let (now, end) = (Timestamp::now(), Timestamp::now() + 99 * DAY);
    app.sql(&format!(
        "UPDATE users SET display_name = 'Ann Harbour', time_zone = 'Europe/Paris'; \
         INSERT INTO sign_ups (email, email_key, hashed_password, browser, created_at) \
         VALUES ('{ANN}', '{ANN}', '!', 'b', {now}); \
         INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at) \
         VALUES ('t', 'invitation', NULL, '{ANN}', '{ANN}', {end})",
        now = now.millis(),
        end = end.millis(),
    ));
    app.auth().journal().flush();
    app
}

/// What the purge does once her day has come.
#[track_caller]
fn erase(app: &TestApp) {
    let day = delete_at(app, ANN).expect("a day");
    assert_eq!(app.wait(app.auth().erase_due(day)).expect("erased"), 1);
    clear_up(app);
}

#[track_caller]
fn clear_up(app: &TestApp) {
    app.auth().journal().flush();
    // The wish that waits is found to be nobody's.
    app.service.worker.deliver_due(Timestamp::now() + DAY).expect("tried");
    app.service.worker.purge(Timestamp::now()).expect("purged");
    app.service.db.end_traces().expect("emptied");
    if on_postgresql() {
        // As the manual tells whoever wants it at once; else the server does it when it likes.
        app.database().batch_execute("VACUUM FULL").expect("vacuumed");
    }
}

/// Which of the traces are in the database's files. A PostgreSQL server keeps rows that a transaction
/// of that moment might still see: it is asked again until none is left, for ten seconds at most.
fn left<'a>(app: &TestApp, traces: &[&'a str]) -> Vec<&'a str> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let files = raw(app);
        let left: Vec<&str> =
            traces.iter().copied().filter(|trace| files.contains(trace)).collect();
        if left.is_empty() || !on_postgresql() || Instant::now() > end {
            return left;
        }
        app.database().batch_execute("VACUUM FULL").expect("vacuumed");
    }
}

#[track_caller]
fn count(app: &TestApp, what: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    let query = diesel::sql_query(format!("SELECT count(*) AS number FROM {what}"));
    query.get_result::<Count>(&mut app.database()).expect("counted").number
}

fn raw(app: &TestApp) -> String {
    String::from_utf8_lossy(&app.raw_database()).into_owned()
}

#[test]
fn b110_nothing_about_them_is_left_in_any_table_file_or_mail() {
    let app = full_life();
    let traces = [ANN, "Ann Harbour", "Europe/Paris", AGENT];
    for trace in traces {
        assert!(raw(&app).contains(trace), "{trace} is not there before");
    }
    assert!(count(&app, "limits WHERE bucket LIKE '%/account/%'") > 0);
    let folder = app.folder.path().join("outbox");
    let files = || fs::read_dir(&folder).expect("the folder").count();
    assert!(files() > 0);
    erase(&app);
    for table in ["users", "sessions", "pending_forms", "devices", "tokens", "sign_ups"] {
        assert_eq!(count(&app, table), 0, "{table}");
    }
    assert_eq!(count(&app, "limits WHERE bucket LIKE '%/account/%'"), 0);
    assert_eq!(count(&app, "outbox WHERE user_id IS NOT NULL OR length(content) > 0"), 0);
    assert_eq!(files(), 0);
    assert_eq!(left(&app, &traces), [""; 0]);
}

#[test]
fn b110_what_happened_stays_and_names_nobody() {
    let app = full_life();
    let rows = || {
        app.auth().journal().flush();
        let all = events::table.order(events::id).select(Row::as_select());
        all.load::<Row>(&mut app.database()).expect("events")
    };
    let before = rows();
    assert!(before.iter().filter(|row| row.user_id == Some(1)).count() >= 5, "{before:?}");
    erase(&app);
    let after = rows();
    let names = |rows: &[Row]| rows.iter().map(|row| row.event.clone()).collect::<Vec<_>>();
    assert_eq!(names(&after[..before.len()]), names(&before));
    assert_eq!(names(&after[before.len()..]), ["account_deleted"]);
    for (row, then) in after.iter().zip(&before) {
        assert_eq!(row.user_id, None, "{row:?}");
        assert_eq!((row.at, row.times), (then.at, then.times));
        if then.user_id.is_some() {
            assert_eq!((&*row.ip, &*row.user_agent, &*row.request_id), ("", "", ""));
        }
    }
    assert!(after.iter().all(|row| row.ip != ADDRESS), "{after:?}");
}

#[test]
fn b110_an_event_that_comes_after_the_erasure_tells_nothing_either() {
    let app = full_life();
    let source = audit::journal::Journal::inside(app.auth().journal());
    let source = audit::Source { ip: ADDRESS.to_owned(), user_agent: AGENT.to_owned(), ..source };
    erase(&app);
    audit::record(Event::LogInFailed, Some(1), &source);
    app.auth().journal().flush();
    let last: Row = events::table
        .order(events::id.desc())
        .select(Row::as_select())
        .first(&mut app.database())
        .expect("an event");
    assert_eq!((&*last.event, last.user_id), ("log_in_failed", None));
    assert_eq!((&*last.ip, &*last.user_agent), ("", ""));
}

#[test]
fn the_address_is_free_again_and_the_number_is_not() {
    let app = full_life();
    app.program().post("/users", &PAIR).is(400);
    erase(&app);
    app.program().post("/sessions", &PAIR).is(401);
    app.program().post("/users", &PAIR).is(200);
    app.program().post("/sessions", &PAIR).is(200);
    let ids: Vec<i64> = users::table.select(users::id).load(&mut app.database()).expect("ids");
    assert_eq!(ids, [2]);
}

#[test]
fn others_lose_nothing() {
    let app = full_life();
    let bob = app.signed_up(BOB);
    app.program().post("/sessions", &[("email", BOB), ("password", "not that one")]).is(401);
    // His address was hers once: his link that undoes the change went to it.
    let (key, end) = ("his", (Timestamp::now() + DAY).millis());
    app.sql(&format!(
        "INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at) \
         SELECT '{key}', 'secure_account', id, '{ANN}', '{ANN}', {end} FROM users \
         WHERE email = '{BOB}'"
    ));
    let his = "events WHERE user_id = 2";
    app.auth().journal().flush();
    let before = (count(&app, his), count(&app, "sessions"), count(&app, "devices"));
    erase(&app);
    bob.get("/profile").is(200).says(BOB);
    let left: Vec<String> =
        tokens::table.select(tokens::id).load(&mut app.database()).expect("tokens");
    assert_eq!(left, [key]);
    // She was logged out and known by one browser.
    let after = (count(&app, his), count(&app, "sessions"), count(&app, "devices"));
    assert_eq!(after, (before.0, before.1, before.2 - 1));
    assert!(count(&app, "limits WHERE bucket LIKE 'log_in/account/%'") > 0);
}

#[test]
fn an_operator_erases_at_once_and_as_much() {
    let app = full_life();
    Operator(app.auth()).erase("ANN@Example.COM").expect("erased");
    clear_up(&app);
    assert_eq!(count(&app, "users"), 0);
    assert_eq!(left(&app, &[ANN, "Ann Harbour", AGENT]), [""; 0]);
}

#[test]
fn many_go_in_one_purge() {
    let app = TestApp::new();
    for number in 0..7 {
        app.signed_up(&format!("ann{number}@example.com"));
    }
    app.sql("UPDATE users SET delete_at = id WHERE id <= 5");
    let erased = app.wait(app.auth().erase_due(Timestamp::now()));
    assert_eq!(erased.expect("erased"), 5);
    assert_eq!(count(&app, "users"), 2);
}

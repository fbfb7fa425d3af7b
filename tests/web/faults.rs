//! What happens when the database fails: nothing is half done, nothing is invented.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::connection::SimpleConnection;
use gatehouse::db::{AnyConnection, DbError};
use rocket::http::{Accept, Method};
use serde_json::json;

use crate::app::{PASSWORD, TestApp, Visitor, urlencoded};
use crate::crowd::{CROWD, Crowd};
use crate::own_database::{for_postgresql_alone, for_sqlite_alone};
use crate::watch::Watched;

const ANN: &str = "ann@example.com";
const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn pair() -> Vec<u8> {
    urlencoded(&[("email", ANN), ("password", PASSWORD)]).into_bytes()
}

#[test]
fn a_sign_up_whose_session_cannot_begin_leaves_no_account() {
    let app = TestApp::new();
    app.break_down("INSERT", "sessions", "full");
    let before = app.dump();
    let ann = app.browser();
    ann.send_for_a_fault(Method::Post, "/users", &[FORM], pair()).is(500);
    assert_eq!(app.dump(), before);
    app.mend();
    ann.post("/users", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
}

#[test]
fn sqlite_connections_are_durable_wait_their_turn_and_keep_references() {
    for_sqlite_alone();
    #[derive(diesel::QueryableByName)]
    struct Pragma {
        #[diesel(sql_type = diesel::sql_types::Text)]
        value: String,
    }
    let app = TestApp::with("database_wait = \"2s\"", &[]);
    for (pragma, column, value) in [
        ("journal_mode", "journal_mode", "wal"),
        // FULL: what was acknowledged survives a power cut.
        ("synchronous", "synchronous", "2"),
        ("foreign_keys", "foreign_keys", "1"),
        ("busy_timeout", "timeout", "2000"),
    ] {
        let query = format!("SELECT CAST({column} AS TEXT) AS value FROM pragma_{pragma}");
        let read = |conn: &mut AnyConnection| {
            diesel::sql_query(&query).get_result::<Pragma>(conn).map_err(DbError::from)
        };
        let found = app.service.db.read_blocking(read).expect("an answer");
        assert_eq!(found.value, value, "{pragma}");
    }
}

#[test]
fn b87_a_sqlite_file_that_vanished_takes_no_more_writes() {
    for_sqlite_alone();
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let file = app.folder.path().join("gatehouse.db");
    let aside = app.folder.path().join("aside.db");
    std::fs::rename(&file, &aside).expect("moved");
    for visitor in [app.browser(), app.program()] {
        let answer = visitor.send(Method::Post, "/sessions", &[FORM], pair());
        answer.is(503);
        assert!(answer.header("retry-after").is_some());
        visitor.get("/ready").is(503);
    }
    std::fs::write(&file, "").expect("another file of that name");
    let bob = [("email", "bob@example.com"), ("password", PASSWORD)];
    app.program().post("/users", &bob).is(503);
    std::fs::rename(&aside, &file).expect("moved back");
    app.program().get("/ready").is(200);
    ann.get("/profile").is(200);
    ann.delete("/sessions").goes_to("/");
}

/// Everybody who wants something written is turned away in time, and who only looks is not.
#[track_caller]
fn writes_are_503(app: &TestApp, ann: &Visitor<'_>) {
    let before = app.dump();
    for visitor in [app.browser(), app.program()] {
        let began = Instant::now();
        let answer = visitor.send(Method::Post, "/sessions", &[FORM], pair());
        assert!(answer.is(503).header("retry-after").is_some(), "{answer:?}");
        assert_eq!(answer.all("set-cookie"), [""; 0]);
        visitor.post("/users", &[("email", "bob@example.com"), ("password", PASSWORD)]).is(503);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
    ann.get("/profile").is(200);
    assert_eq!(app.dump(), before);
}

#[test]
fn postgresql_b85_a_server_whose_disk_is_full_is_503_until_it_has_room() {
    for_postgresql_alone();
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    // What the server says when a file of its cannot grow (PostgreSQL 15, mdextend).
    app.sql(
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         RAISE EXCEPTION 'could not extend file \"base/1/2\": No space left on device' \
         USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER fault BEFORE INSERT OR UPDATE ON limits \
         FOR EACH STATEMENT EXECUTE FUNCTION fault()",
    );
    writes_are_503(&app, &ann);
    app.mend();
    app.program().post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    ann.delete("/sessions").goes_to("/");
}

#[test]
fn postgresql_b87_a_database_that_can_only_be_read_is_503_until_it_can_be_written() {
    for_postgresql_alone();
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let set = |on: &str| {
        let mut conn = app.database();
        // The test itself may write all the while.
        conn.batch_execute("SET default_transaction_read_only = off").expect("set");
        let database = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET \
                        default_transaction_read_only = ON', current_database()); END $$";
        conn.batch_execute(&database.replace("ON'", &format!("{on}'"))).expect("set");
        // Who is connected has what was set before.
        let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
        conn.batch_execute(ends).expect("ended");
    };
    set("on");
    writes_are_503(&app, &ann);
    set("off");
    app.program().post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    ann.delete("/sessions").goes_to("/");
}

#[test]
fn b77_with_every_connection_held_all_hear_503_in_time_and_it_recovers() {
    let folder = Watched::new();
    let settings = "database_connections = 2\ndatabase_wait = \"1s\"\nhash_queue = 1000";
    let (crowd, service) = Crowd::over(&folder, settings);
    let body = json!({ "email": ANN, "password": PASSWORD });
    assert_eq!(crowd.send(Method::Post, "/users", Accept::JSON, &body).0, 200);
    std::thread::scope(|scope| {
        let (held, is_held) = mpsc::channel();
        let gates = [(); 2].map(|()| {
            let (gate, opened) = mpsc::channel::<()>();
            let (held, db) = (held.clone(), &service.db);
            scope.spawn(move || {
                let hold = |_: &mut AnyConnection| {
                    held.send(()).expect("heard");
                    opened.recv().expect("opened");
                    Ok::<_, DbError>(())
                };
                db.read_blocking(hold).expect("held");
            });
            is_held.recv().expect("held");
            gate
        });
        let answers = crowd.send_all(CROWD, "/sessions", &body);
        for (status, after) in &answers {
            // One wait for all of them, not one after the other.
            assert!(*status == 503 && *after < Duration::from_secs(3), "{answers:?}");
        }
        for gate in gates {
            gate.send(()).expect("waited for");
        }
    });
    let answers = crowd.send_all(CROWD, "/sessions", &body);
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
}

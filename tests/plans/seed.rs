//! `gatehouse dev seed`: a database as a service of that size has it, in builds for measuring alone.

use std::fs;
use std::path::Path;
use std::process::Command;

use diesel::prelude::*;
use diesel::sql_types::Text;
use gatehouse::accounts::login::LogIn;
use gatehouse::accounts::seed::{PASSWORD, SeedError, seed};
use gatehouse::accounts::session::Beginning;
use gatehouse::cli::service::Service;
use gatehouse::clock::Timestamp;
use gatehouse::db::AnyConnection;
use gatehouse::db::schema::{sessions, users};
use secrecy::SecretString;

use crate::explain::unindexed_keys;
use crate::place::{Kind, Place};

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

fn lines(conn: &mut AnyConnection, query: &str) -> Vec<String> {
    let lines: Vec<Line> = diesel::sql_query(query).load(conn).expect(query);
    lines.into_iter().map(|line| line.line).collect()
}

/// Tables, indexes and constraints, as the database writes them.
fn schema(conn: &mut AnyConnection) -> Vec<String> {
    let query = match conn {
        AnyConnection::Sqlite(_) => {
            "SELECT sql AS line FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
        }
        AnyConnection::Postgres(_) => {
            "SELECT line FROM (SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' \
             UNION ALL SELECT conrelid::regclass || conname || pg_get_constraintdef(oid) \
             FROM pg_constraint WHERE connamespace = 'public'::regnamespace) AS found ORDER BY 1"
        }
    };
    lines(conn, query)
}

/// Rows that refer to nothing.
fn orphans(conn: &mut AnyConnection) -> Vec<String> {
    let query = match conn {
        // PostgreSQL has looked at them itself, when the constraints came back.
        AnyConnection::Postgres(_) => {
            "SELECT conname::text AS line FROM pg_constraint WHERE NOT convalidated"
        }
        AnyConnection::Sqlite(_) => "SELECT \"table\" AS line FROM pragma_foreign_key_check",
    };
    lines(conn, query)
}

fn is_as_a_service_has_it(kind: Kind) {
    let place = Place::new(kind);
    let before = schema(&mut place.connection());
    let mut told = Vec::new();
    let made = seed(&place.db(), 2000, 4, Timestamp::now(), &mut |table, done, all| {
        told.push((table.to_owned(), done, all));
    })
    .expect("seeded");
    assert!(told.contains(&("sessions".to_owned(), 2400, 2400)), "{told:?}");
    assert_eq!(made[..2], [("users", 2000), ("sessions", 2400)]);
    let conn = &mut place.connection();
    assert_eq!(schema(conn), before);
    assert_eq!(orphans(conn), Vec::<String>::new());
    assert_eq!(unindexed_keys(conn), Vec::<String>::new());
    let own: i64 = users::table
        .inner_join(sessions::table.on(users::session_id.eq(sessions::id.nullable())))
        .filter(sessions::user_id.eq(users::id))
        .count()
        .get_result(conn)
        .expect("counted");
    assert_eq!(own, 2000, "everybody's session is their own");
    let expired: i64 = sessions::table
        .filter(sessions::expires_at.le(Timestamp::now()))
        .count()
        .get_result(conn)
        .expect("counted");
    assert!((180..=300).contains(&expired), "a tenth of 2400: {expired}");
}

#[test]
fn a_seeded_database_is_as_a_service_has_it_on_sqlite() {
    is_as_a_service_has_it(Kind::Sqlite);
}

#[test]
fn a_seeded_database_is_as_a_service_has_it_on_postgresql() {
    is_as_a_service_has_it(Kind::Postgresql);
}

#[test]
fn everybody_can_log_in_and_newcomers_can_sign_up() {
    for kind in [Kind::Sqlite, Kind::Postgresql] {
        let place = Place::seeded(kind, 1000);
        let service = Service::open(&place.config("")).expect("opens");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let password = SecretString::from(PASSWORD.to_owned());
        for email in ["user-0000001@example.org", "user-0001000@example.org"] {
            let attempt = LogIn {
                email: email.to_owned(),
                password: password.clone(),
                beginning: Beginning::default(),
            };
            let session = runtime.block_on(service.auth.log_in(attempt, Timestamp::now()));
            assert_eq!(session.expect("logged in").user.email, email);
        }
        let new = service.auth.register_user("ann@example.com", &password, Timestamp::now());
        assert_eq!(runtime.block_on(new).expect("registered").id, 1001, "{kind:?}");
    }
}

#[test]
fn a_database_with_users_is_left_alone() {
    for kind in [Kind::Sqlite, Kind::Postgresql] {
        let place = Place::seeded(kind, 3);
        let again = seed(&place.db(), 5, 4, Timestamp::now(), &mut |_, _, _| {});
        assert!(matches!(again, Err(SeedError::NotEmpty)), "{again:?}");
        let users: i64 = users::table.count().get_result(&mut place.connection()).expect("counted");
        assert_eq!(users, 3);
        let none = seed(&Place::new(kind).db(), 0, 4, Timestamp::now(), &mut |_, _, _| {});
        assert!(matches!(none, Err(SeedError::Number)), "{none:?}");
    }
}

#[test]
fn the_command_fills_a_database_and_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse"));
        command.args(arguments).current_dir(folder.path()).env_clear();
        let output = command.env("ROCKET_BCRYPT_COST", "4").output().expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = run(&["dev", "seed", "--users", "400"]);
    assert_eq!((code, out.lines().next()), (Some(0), Some("400 rows in users")), "{err}");
    assert!(err.contains("sessions   [##############################] 480 of 480"), "{err}");
    let (code, _, err) = run(&["dev", "seed", "--users", "400"]);
    assert_eq!(code, Some(1));
    assert!(err.contains("there are users already"), "{err}");
    let (code, out, err) = run(&["dev", "purge"]);
    assert_eq!(code, Some(0), "{err}");
    let sessions = out.lines().find_map(|line| line.strip_prefix("sessions "));
    let rows = sessions.and_then(|rest| rest.split(' ').next()?.parse().ok());
    assert!(rows.is_some_and(|rows: usize| (36..=60).contains(&rows)), "{out}");
}

/// Whoever can start the service's program must not be able to fill its database.
#[test]
fn a_release_build_has_no_dev() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guard = "#[cfg(any(debug_assertions, feature = \"bench\"))]";
    let places = [
        ("src/cli/mod.rs", "mod dev;", 1),
        ("src/cli/mod.rs", "Dev(dev::Command),", 2),
        ("src/cli/mod.rs", "Command::Dev(command) =>", 1),
        ("src/accounts/mod.rs", "pub mod seed;", 1),
    ];
    for (file, line, above) in places {
        let text = fs::read_to_string(root.join(file)).expect(file);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        let at = lines.iter().position(|found| found.starts_with(line)).expect(line);
        assert_eq!(lines[at - above], guard, "{file}: {line}");
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml")).expect("Cargo.toml");
    assert!(manifest.contains("\nbench = []\n"), "the feature");
    assert!(!manifest.contains("\ndefault = "), "a feature that is on unasked");
}

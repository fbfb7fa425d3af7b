//! A database of one test's own, in a file or on the PostgreSQL server that the tests share.

use base64::Engine;
use diesel::connection::SimpleConnection;
use gatehouse::accounts::seed::seed;
use gatehouse::clock::Timestamp;
use gatehouse::config::Config;
use gatehouse::db::{AnyConnection, Db, migrations};
use tempfile::TempDir;

/// Names the server; anybody may do anything there.
const SERVER: &str = "GATEHOUSE_TEST_POSTGRESQL";

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Sqlite,
    Postgresql,
}

/// The database, gone with its value.
pub struct Place {
    url: String,
    key: String,
    folder: TempDir,
    /// On the server.
    name: Option<String>,
}

impl Place {
    pub fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (url, name) = match kind {
            Kind::Sqlite => (format!("sqlite:{}/gatehouse.db", folder.path().display()), None),
            Kind::Postgresql => {
                let random = gatehouse::tokens::random_bytes::<8>();
                let name = format!("plans_{:016x}", u64::from_be_bytes(random));
                on_server(&format!("CREATE DATABASE {name}"));
                let (host, _) = server().rsplit_once('/').map(own).expect("a URL with a database");
                (format!("{host}/{name}"), Some(name))
            }
        };
        Self { url, key: new_key(), folder, name }
    }

    /// With the schema, and so many users.
    pub fn seeded(kind: Kind, users: i64) -> Self {
        let place = Self::new(kind);
        let db = place.db();
        seed(&db, users, 4, Timestamp::now(), &mut |_, _, _| {}).expect("seeded");
        place
    }

    /// The settings of a service over it.
    pub fn config(&self, settings: &str) -> Config {
        let file = format!(
            "[global]\ndatabase_url = \"{}\"\nmail_folder = \"{}/outbox\"\nsecret_key = \"{}\"\n\
             bcrypt_cost = 4\nlog_level = \"off\"\n{settings}\n",
            self.url,
            self.folder.path().display(),
            self.key
        );
        Config::from_parts(&file, &[]).expect("good settings")
    }

    pub fn db(&self) -> Db {
        let db = Db::open(&self.config("").db).expect("opens");
        migrations::run(&db).expect("migrated");
        db
    }

    /// A connection beside the pool.
    pub fn connection(&self) -> AnyConnection {
        self.db().patient_connection().expect("connects")
    }
}

/// A row for everybody, and more, in the tables where a seed puts few.
pub fn multiply(conn: &mut AnyConnection) {
    let nothing = match conn {
        AnyConnection::Sqlite(_) => "x''",
        AnyConnection::Postgres(_) => "''::bytea",
    };
    for statement in [
        "INSERT INTO limits SELECT 'copy ' || id, 1, 1, created_at, 1 FROM users",
        "INSERT INTO tokens SELECT 'copy ' || id, 'unlock', id, email_key, email, created_at FROM users",
        "INSERT INTO pending_forms SELECT id, {nothing}, expires_at FROM sessions",
        "INSERT INTO sign_ups (email, email_key, hashed_password, browser, token, created_at) \
         SELECT email, email_key, '', 'copy ' || id, 'copy ' || id, created_at FROM users",
        "INSERT INTO outbox (message_id, kind, user_id, content, state, created_at, next_attempt_at, attempts) \
         SELECT 'copy ' || id, 'password_changed', id, {nothing}, 'sent', created_at, created_at, 1 FROM users",
        "INSERT INTO outbox (message_id, kind, subject, content, state, created_at, next_attempt_at, attempts) \
         SELECT 'failed ' || id, 'confirm_email', 'sign-up ' || id, {nothing}, 'failed', created_at, created_at, 1 FROM users",
    ] {
        conn.batch_execute(&statement.replace("{nothing}", nothing)).expect(statement);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            on_server(&format!("DROP DATABASE {name} WITH (FORCE)"));
        }
    }
}

fn own((a, b): (&str, &str)) -> (String, String) {
    (a.to_owned(), b.to_owned())
}

fn server() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} is not set: run ./script/test"))
}

fn new_key() -> String {
    base64::engine::general_purpose::STANDARD.encode(gatehouse::tokens::random_bytes::<64>())
}

fn on_server(statement: &str) {
    let file = format!(
        "[global]\ndatabase_url = \"{}\"\nsecret_key = \"{}\"\nlog_level = \"off\"\n",
        server(),
        new_key()
    );
    let config = Config::from_parts(&file, &[]).expect("the server's URL");
    let mut conn = Db::open(&config.db)
        .and_then(|db| {
            db.patient_connection().map_err(|error| gatehouse::db::OpenError {
                place: SERVER.to_owned(),
                cause: error.to_string(),
            })
        })
        .expect("the server");
    conn.batch_execute(statement).expect(statement);
}

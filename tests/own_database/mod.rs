//! A database for one test alone: a SQLite file, or a database on the PostgreSQL server of this run.
//! `script/test` starts that server and runs the same tests on either; [`WHICH`] says which it is.
//! Tests about one of the two bear its name, and the other's run skips them by it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::Binary;
use diesel::sqlite::SqliteConnection;
use gatehouse::db::postgres::{PgConnection, Server};
use gatehouse::db::{AnyConnection, Db, DbConfig, Place, migrations};

/// `sqlite` (unless it is set) or `postgresql`.
const WHICH: &str = "GATEHOUSE_TEST_DATABASE";
/// A superuser's URL of the server, ending in the name of a database.
const SERVER: &str = "GATEHOUSE_TEST_POSTGRESQL";
/// Longer than any test holds a lock.
const PATIENCE: Duration = Duration::from_secs(60);

/// The tables that a request writes to, in an order in which they can be emptied.
pub const TABLES: [&str; 9] = [
    "events",
    "limits",
    "devices",
    "outbox",
    "tokens",
    "sign_ups",
    "pending_forms",
    "sessions",
    "users",
];

/// Whether this run is PostgreSQL's.
pub fn on_postgresql() -> bool {
    match std::env::var(WHICH).as_deref() {
        Ok("postgresql") => true,
        Ok("sqlite") | Err(_) => false,
        Ok(other) => panic!("{WHICH} is neither sqlite nor postgresql: {other}"),
    }
}

/// Begins a test whose name says that it is about SQLite, and why.
#[track_caller]
pub fn for_sqlite_alone() {
    assert!(!on_postgresql(), "script/test leaves this out on PostgreSQL");
}

/// Begins a test whose name begins with `postgresql_`.
#[track_caller]
pub fn for_postgresql_alone() {
    assert!(on_postgresql(), "script/test leaves this out on SQLite: run ./script/test");
}

/// Gone when it is dropped, with whoever is still connected to it.
pub enum OwnDatabase {
    File(PathBuf),
    /// Its name, and the key that every process of the service is given: there is no file for it.
    OnServer(String, String),
}

impl OwnDatabase {
    /// At `file`, which the service makes, or on the server: empty, or with the tables that the
    /// service would make, where a copy is cheaper.
    pub fn new(file: PathBuf, with_tables: bool) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);

        if !on_postgresql() {
            return Self::File(file);
        }
        let template = if with_tables { migrated_template() } else { "template0".to_owned() };
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        create(&name, &template);
        let key: Vec<u8> = (0..4).flat_map(|_| *uuid::Uuid::new_v4().as_bytes()).collect();
        Self::OnServer(name, BASE64.encode(key))
    }

    /// What `database_url` is to be.
    pub fn url(&self) -> String {
        match self {
            Self::File(path) => format!("sqlite:{}", path.display()),
            Self::OnServer(name, _) => url_of(name),
        }
    }

    /// What `secret_key` is to be, where the service does not make it.
    pub fn secret_key(&self) -> Option<&str> {
        match self {
            Self::File(_) => None,
            Self::OnServer(_, key) => Some(key),
        }
    }

    /// A connection past the service.
    pub fn connect(&self) -> AnyConnection {
        match self {
            Self::File(path) => {
                let mut conn =
                    SqliteConnection::establish(path.to_str().expect("UTF-8")).expect("opens");
                // The service writes its events when it likes.
                conn.batch_execute("PRAGMA busy_timeout = 10000").expect("set");
                AnyConnection::Sqlite(conn)
            }
            Self::OnServer(name, _) => AnyConnection::Postgres(connect(name)),
        }
    }

    /// Another process's connection, in whose way nobody can write until its `ROLLBACK` or `COMMIT`;
    /// reading goes on.
    #[track_caller]
    pub fn locked(&self) -> AnyConnection {
        let mut other = self.connect();
        let lock = match other {
            AnyConnection::Sqlite(_) => "BEGIN EXCLUSIVE".to_owned(),
            AnyConnection::Postgres(_) => {
                format!("BEGIN; LOCK TABLE {} IN EXCLUSIVE MODE", TABLES.join(", "))
            }
        };
        other.batch_execute(&lock).expect("locked");
        other
    }

    /// The bytes of its files. SQLite's write-ahead log is among them; PostgreSQL's is one for all
    /// databases of the server, but the tables' files hold what was deleted as well.
    pub fn raw(&self) -> Vec<u8> {
        #[derive(QueryableByName)]
        struct File {
            #[diesel(sql_type = Binary)]
            bytes: Vec<u8>,
        }

        if let Self::File(path) = self {
            let log = path.with_extension("db-wal");
            let files = [path, &log].into_iter().filter_map(|file| std::fs::read(file).ok());
            return files.flatten().collect();
        }
        let mut conn = self.connect();
        conn.batch_execute("CHECKPOINT").expect("everything is in its file");
        let files: Vec<File> = diesel::sql_query(
            "SELECT pg_read_binary_file(pg_relation_filepath(oid)) AS bytes FROM pg_class \
             WHERE oid >= 16384 AND relkind IN ('r', 'i', 't')",
        )
        .load(&mut conn)
        .expect("a superuser may read them");
        files.into_iter().flat_map(|file| file.bytes).collect()
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        if let Self::OnServer(name, _) = self {
            let dropped =
                server().batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            if let Err(error) = dropped {
                eprintln!("{name} is left over: {error}");
            }
        }
    }
}

fn url_of(name: &str) -> String {
    let server = std::env::var(SERVER)
        .unwrap_or_else(|_| panic!("{SERVER} names no PostgreSQL server: run ./script/test"));
    let (server, _) = server.rsplit_once('/').expect("the URL ends in a database's name");
    format!("{server}/{name}?sslmode=disable")
}

fn connect(name: &str) -> PgConnection {
    let server = Server::parse(&url_of(name), None).expect("a good URL");
    server.connect(PATIENCE).expect("connects")
}

/// The one connection that makes and drops databases.
fn server() -> MutexGuard<'static, PgConnection> {
    static CONNECTION: OnceLock<Mutex<PgConnection>> = OnceLock::new();

    let connection = CONNECTION.get_or_init(|| Mutex::new(connect("postgres")));
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Copied file by file: half the time that its pages take through the log.
fn create(name: &str, template: &str) {
    let create = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
    server().batch_execute(&create).expect("created");
}

/// The database that the others are copies of, made once in this process; it stays on the server.
fn migrated_template() -> String {
    static NAME: OnceLock<String> = OnceLock::new();

    let make = || {
        let name = format!("template_{}", std::process::id());
        create(&name, "template0");
        let place = Place::Server(Box::new(Server::parse(&url_of(&name), None).expect("a URL")));
        let db = Db::open(&DbConfig { place, pool_size: 2, wait: PATIENCE }).expect("opens");
        migrations::run(&db).expect("migrated");
        drop(db);
        // Nothing is copied while somebody is connected to it.
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname";
        server().batch_execute(&format!("{end} = '{name}'")).expect("ended");
        name
    };
    NAME.get_or_init(make).clone()
}

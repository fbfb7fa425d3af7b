//! A PostgreSQL server for as long as a test runs, and databases on it.

use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use gatehouse::db::AnyConnection;
use gatehouse::db::postgres::Server as Place;
use gatehouse::tokens::generate_uuid;
use tempfile::TempDir;

use crate::program::Home;
use crate::rows::select;

/// Names a server that is there already; its user may make databases.
const SHARED: &str = "GATEHOUSE_TEST_POSTGRESQL";

/// Tests that run at once share it; it ends with the last of them.
static SERVER: Mutex<Weak<Server>> = Mutex::new(Weak::new());

struct Server {
    url: String,
    /// None where it is somebody else's.
    folder: Option<TempDir>,
}

fn script(arguments: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/script/postgresql");
    let output = Command::new(script).args(arguments).output().expect("the script is there");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "script/postgresql {arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

impl Server {
    fn start() -> Self {
        if let Ok(url) = std::env::var(SHARED) {
            return Self { url, folder: None };
        }
        let folder = tempfile::tempdir().expect("a folder");
        // The server's own user must get through.
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).expect("chmod");
        let place = folder.path().join("server");
        let url = script(&["start", place.to_str().expect("UTF-8")]);
        Self { url, folder: Some(folder) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(folder) = &self.folder {
            let place = folder.path().join("server");
            script(&["stop", place.to_str().expect("UTF-8"), "immediate"]);
        }
    }
}

fn connect(url: &str) -> AnyConnection {
    let place = Place::parse(url, None).expect("a good URL");
    AnyConnection::Postgres(place.connect(Duration::from_secs(30)).expect("it listens"))
}

/// An empty database of the test's own.
pub struct Database {
    pub url: String,
    name: String,
    server: Arc<Server>,
}

impl Database {
    pub fn new() -> Self {
        let mut shared = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().unwrap_or_else(|| Arc::new(Server::start()));
        *shared = Arc::downgrade(&server);
        let name = format!("moving_{}", generate_uuid().replace('-', ""));
        let made = format!("CREATE DATABASE {name}");
        connect(&server.url).batch_execute(&made).expect("made");
        let base = server.url.rsplit_once('/').expect("a path").0.to_owned();
        Self { url: format!("{base}/{name}"), name, server }
    }

    pub fn connection(&self) -> AnyConnection {
        connect(&self.url)
    }

    /// A folder whose service works on this database.
    pub fn home(&self) -> Home {
        Home::new().with("ROCKET_DATABASE_URL", &self.url).with("ROCKET_SECRET_KEY", &random_key())
    }

    /// Every row of every table, as PostgreSQL writes it.
    pub fn dump(&self) -> String {
        let conn = &mut self.connection();
        let tables = "SELECT table_name::text AS value FROM information_schema.tables \
                      WHERE table_schema = 'public' AND table_name NOT LIKE '\\_\\_%' ORDER BY 1";
        let mut text = String::new();
        for table in select(conn, tables) {
            let mut rows = select(conn, &format!("SELECT t::text AS value FROM {table} AS t"));
            rows.sort_unstable();
            text.push_str(&format!("{table}\n  {}\n", rows.join("\n  ")));
        }
        let counters = "SELECT sequencename || ' ' || coalesce(last_value, 0) AS value \
                        FROM pg_sequences ORDER BY 1";
        text + &select(conn, counters).join("\n")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let gone = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        let dropped = connect(&self.server.url).batch_execute(&gone);
        if !std::thread::panicking() {
            dropped.expect("dropped");
        }
    }
}

/// 64 random bytes, in hexadecimal.
pub fn random_key() -> String {
    (0..4).map(|_| generate_uuid().replace('-', "")).collect()
}

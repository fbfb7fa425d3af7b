//! PostgreSQL servers of a test's own, by script/postgresql; they end with the test.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use gatehouse::db::postgres::Server;
use gatehouse::db::{AnyConnection, Db, DbConfig, Place};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/script/postgresql");
/// The database that the nodes share.
pub const NAME: &str = "gatehouse";

/// Running until it is dropped.
pub struct Postgres {
    folder: TempDir,
    pub port: u16,
}

#[track_caller]
fn script(arguments: &[&str]) {
    // Into files: a server that goes on running would keep a pipe open.
    let words = tempfile::NamedTempFile::new().expect("a file");
    let handle = || words.reopen().expect("a handle");
    let status = Command::new(SCRIPT).args(arguments).stdout(handle()).stderr(handle()).status();
    let said = fs::read_to_string(words.path()).expect("UTF-8");
    assert!(status.expect("bash is there").success(), "script/postgresql {arguments:?}: {said}");
}

impl Postgres {
    /// With an empty database, and settings besides the script's own.
    #[track_caller]
    pub fn start(settings: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().to_str().expect("UTF-8");
        script(&[&["start", path], settings].concat());
        let port = port_of(folder.path());
        let server = Self { folder, port };
        server.sql("postgres", &format!("CREATE DATABASE {NAME}"));
        server
    }

    /// A copy that follows this one, which waits for it at each commit from now on.
    #[track_caller]
    pub fn standby(&self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        script(&["standby", folder.path().to_str().expect("UTF-8"), self.path()]);
        let port = port_of(folder.path());
        self.set("synchronous_standby_names", "standby");
        let follows = "SELECT count(*) AS number FROM pg_stat_replication \
                       WHERE sync_state = 'sync'";
        crate::process::eventually("a synchronous standby", || {
            (self.number(follows) == 1).then_some(())
        });
        Self { folder, port }
    }

    pub fn path(&self) -> &str {
        self.folder.path().to_str().expect("UTF-8")
    }

    /// For ROCKET_DATABASE_URL.
    pub fn url(&self) -> String {
        format!("postgresql://postgres@127.0.0.1:{}/{NAME}", self.port)
    }

    /// A superuser's own connection.
    #[track_caller]
    pub fn connection(&self, name: &str) -> AnyConnection {
        let url =
            format!("postgresql://postgres@127.0.0.1:{}/{name}?application_name=test", self.port);
        let server = Server::parse(&url, None).expect("a URL");
        AnyConnection::Postgres(server.connect(Duration::from_secs(60)).expect("it runs"))
    }

    /// As the program opens it.
    pub fn db(&self) -> Db {
        let place = Place::Server(Box::new(Server::parse(&self.url(), None).expect("a URL")));
        let wait = Duration::from_secs(20);
        Db::open(&DbConfig { place, pool_size: 5, wait }).expect("opens")
    }

    #[track_caller]
    pub fn sql(&self, name: &str, statement: &str) {
        self.connection(name).batch_execute(statement).expect(statement);
    }

    /// Of a query whose one column is `number`.
    #[track_caller]
    pub fn number(&self, query: &str) -> i64 {
        number(&mut self.connection(NAME), query)
    }

    /// For all sessions, from now on.
    #[track_caller]
    pub fn set(&self, setting: &str, value: &str) {
        self.sql("postgres", &format!("ALTER SYSTEM SET {setting} = '{value}'"));
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    /// Ends every connection but the tests'.
    #[track_caller]
    pub fn cut_off_all(&self) -> i64 {
        self.number(
            "SELECT count(pg_terminate_backend(pid)) AS number FROM pg_stat_activity \
             WHERE application_name = 'gatehouse'",
        )
    }

    /// The process ids of the nodes' connections.
    pub fn backends(&self) -> Vec<Pid> {
        #[derive(QueryableByName)]
        struct Backend {
            #[diesel(sql_type = Text)]
            pid: String,
        }
        let query = "SELECT pid::text AS pid FROM pg_stat_activity \
                     WHERE application_name = 'gatehouse'";
        let found: Vec<Backend> =
            diesel::sql_query(query).load(&mut self.connection(NAME)).expect("asked");
        found.iter().filter_map(|backend| Pid::from_raw(backend.pid.parse().ok()?)).collect()
    }

    #[track_caller]
    pub fn stop(&self) {
        script(&["stop", self.path(), "fast"]);
    }

    #[track_caller]
    pub fn start_again(&self) {
        script(&["start", self.path()]);
    }

    #[track_caller]
    pub fn promote(&self) {
        script(&["promote", self.path()]);
    }

    /// kill -9; its children see that and end.
    pub fn kill(&self) {
        let file = fs::read_to_string(self.folder.path().join("data/postmaster.pid"));
        let file = file.expect("it runs");
        let id = file.lines().next().and_then(|line| Pid::from_raw(line.trim().parse().ok()?));
        kill_process(id.expect("a process id"), Signal::KILL).expect("killed");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // It may have been stopped or killed.
        let stop = Command::new(SCRIPT).args(["stop", self.path(), "immediate"]).output();
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(20)..];
            eprintln!("--- PostgreSQL at {}: {stop:?}\n{}", self.port, last.join("\n"));
        }
    }
}

#[track_caller]
pub fn number(conn: &mut AnyConnection, query: &str) -> i64 {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = BigInt)]
        number: i64,
    }
    diesel::sql_query(query).get_result::<Row>(conn).expect(query).number
}

fn port_of(folder: &Path) -> u16 {
    let port = fs::read_to_string(folder.join("port")).expect("the script writes it");
    port.trim().parse().expect("a port")
}

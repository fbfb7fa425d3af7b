//! The database: one connection type, a bounded pool, reads and writes that never block the web.

pub mod migrations;
pub mod schema;

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Pool, PooledConnection};
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

const TRY_AGAIN: Duration = Duration::from_millis(20);

/// What SQLite says when the fault is the file's or the disk's, not the query's.
const FAULTS: [&str; 8] = [
    "disk is full",
    "disk I/O error",
    "readonly database",
    "unable to open database",
    "malformed",
    "not a database",
    "locking protocol",
    "out of memory",
];

/// The one connection type of every query.
pub type AnyConnection = diesel::sqlite::SqliteConnection;

/// Where the data lives and how long anybody waits for it.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// The SQLite file.
    pub path: PathBuf,
    /// Connections open at once; readers need no more than there are worker threads.
    pub pool_size: u32,
    /// The longest wait for a connection, for the writer's turn or for another process's lock;
    /// after it the visitor hears 503 rather than nothing.
    pub wait: Duration,
}

impl DbConfig {
    /// Refuses a file that others on this machine can read (B-105); fine while there is none.
    pub fn check_private(&self) -> Result<(), OpenError> {
        let shared = fs::metadata(&self.path).is_ok_and(|found| found.mode() & 0o077 != 0);
        if !shared {
            return Ok(());
        }
        let cause = format!("it can be read by others: chmod 600 {}", self.path.display());
        Err(OpenError { path: self.path.clone(), cause })
    }
}

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("the database is busy")]
    Busy,
    #[error("the database file was removed or replaced while in use: restart with the right one")]
    Vanished,
    #[error("the database cannot be used until the disk or the file is mended: {0}")]
    Fault(QueryError),
    #[error("the database failed: {0}")]
    Query(QueryError),
}

impl DbError {
    /// Whether the database did answer: there is no such row.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Query(QueryError::NotFound))
    }
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        let said = match &error {
            QueryError::DatabaseError(DatabaseErrorKind::Unknown, info) => info.message(),
            _ => "",
        };
        if said.contains("locked") {
            Self::Busy
        } else if FAULTS.iter().any(|fault| said.contains(fault)) {
            Self::Fault(error)
        } else {
            Self::Query(error)
        }
    }
}

/// A handle to the database; clones share one pool.
#[derive(Clone)]
pub struct Db {
    pool: Pool<ConnectionManager<AnyConnection>>,
    /// SQLite has one writer at a time: waiting here is first come, first served, where waiting
    /// for its file lock is a game of chance.
    writer: Arc<Mutex<()>>,
    wait: Duration,
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
}

impl Db {
    /// Opens the database, making the file (0600) and its folder (0700) if they are missing.
    pub fn open(config: &DbConfig) -> Result<Self, OpenError> {
        create_private_file(&config.path)
            .map_err(|cause| OpenError { path: config.path.clone(), cause: cause.to_string() })?;
        // The pool never creates: a file that vanishes while we run must not come back empty.
        let url = format!("file:{}?mode=rw", escape_path(&config.path));
        // A plain connection first: its error says what is wrong, the pool's only that time is up.
        open_once(&url, config.wait)
            .map_err(|cause| OpenError { path: config.path.clone(), cause })?;
        let pool = Pool::builder()
            .max_size(config.pool_size)
            .min_idle(Some(1))
            .connection_timeout(config.wait)
            .test_on_check_out(false)
            .connection_customizer(Box::new(Prepare { wait: config.wait }))
            .build_unchecked(ConnectionManager::new(url));
        let file = identity(&config.path).ok_or_else(|| OpenError {
            path: config.path.clone(),
            cause: "it has vanished".to_owned(),
        })?;
        let path = config.path.clone();
        Ok(Self { pool, writer: Arc::default(), wait: config.wait, path, file })
    }

    /// Runs a read. A keyed look-up in a local SQLite file takes microseconds, less than handing
    /// it to another thread would; so it runs right here. Waiting for a connection does not: it
    /// would hold up every other request of this thread.
    pub async fn read<T, E>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        let mut conn = match self.pool.try_get() {
            Some(conn) => conn,
            None => {
                let db = self.clone();
                let waited = spawn_blocking(move || db.connection(db.wait)).await;
                waited.map_err(|_| DbError::Busy)??
            }
        };
        query(&mut conn)
    }

    /// Runs a write on a thread that may block, in a transaction that takes SQLite's write lock
    /// at its beginning: a transaction that reads first and writes later can fail at once,
    /// whatever the time-out. An error rolls everything back.
    pub async fn write<T, E>(
        &self,
        deed: impl FnOnce(&mut AnyConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let end = Instant::now() + self.wait;
        let turn = self.writer.clone().lock_owned();
        let turn = timeout(self.wait, turn).await.map_err(|_| DbError::Busy)?;
        let db = self.clone();
        let done = spawn_blocking(move || {
            let _turn = turn;
            db.check_file()?;
            db.transact_before(end, deed)
        });
        match done.await {
            Ok(outcome) => outcome,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    /// [`Db::write`] for threads that serve no requests: the mail worker, the command line.
    pub fn write_blocking<T, E>(
        &self,
        deed: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        let _turn = self.writer.blocking_lock();
        self.check_file()?;
        transact(&mut *self.connection(self.wait)?, deed)
    }

    /// A visitor waits once, not for the turn, for a connection and for the file as long each.
    fn transact_before<T, E: From<DbError>>(
        &self,
        end: Instant,
        deed: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        let left = || end.saturating_duration_since(Instant::now());
        let mut conn = self.connection(left())?;
        let shortened = left() < self.wait - self.wait / 10;
        if shortened {
            set_patience(&mut conn, left()).map_err(DbError::from)?;
        }
        let outcome = transact(&mut conn, deed);
        if shortened && let Err(error) = set_patience(&mut conn, self.wait) {
            log::warn!("a connection waits shorter than it should: {error}");
        }
        outcome
    }

    /// [`Db::read`] for threads that serve no requests.
    pub fn read_blocking<T, E>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        query(&mut *self.connection(self.wait)?)
    }

    /// A file that was removed or replaced still takes writes, and nobody would ever see them
    /// again.
    pub fn check_file(&self) -> Result<(), DbError> {
        if identity(&self.path) == Some(self.file) { Ok(()) } else { Err(DbError::Vanished) }
    }

    fn connection(
        &self,
        wait: Duration,
    ) -> Result<PooledConnection<ConnectionManager<AnyConnection>>, DbError> {
        self.pool.get_timeout(wait).map_err(|_| DbError::Busy)
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// `deed` may fail with an error of its own kind; the transaction wants one that holds Diesel's.
fn transact<T, E: From<DbError>>(
    conn: &mut AnyConnection,
    deed: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
) -> Result<T, E> {
    enum Stop<E> {
        Deed(E),
        Database(QueryError),
    }
    impl<E> From<QueryError> for Stop<E> {
        fn from(error: QueryError) -> Self {
            Self::Database(error)
        }
    }
    conn.immediate_transaction(|conn| deed(conn).map_err(Stop::Deed)).map_err(|stop| match stop {
        Stop::Deed(error) => error,
        Stop::Database(error) => DbError::from(error).into(),
    })
}

/// The database file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database {}: {cause}", path.display())]
pub struct OpenError {
    pub path: PathBuf,
    pub cause: String,
}

#[derive(Debug)]
struct Prepare {
    wait: Duration,
}

impl CustomizeConnection<AnyConnection, diesel::r2d2::Error> for Prepare {
    fn on_acquire(&self, conn: &mut AnyConnection) -> Result<(), diesel::r2d2::Error> {
        prepare(conn, self.wait).map_err(diesel::r2d2::Error::QueryError)
    }
}

/// SQLite turns a new file to WAL for one process alone, whatever the `busy_timeout`: of two that
/// start at once, the second tries again.
fn open_once(url: &str, wait: Duration) -> Result<(), String> {
    let end = Instant::now() + wait;
    loop {
        let mut conn = AnyConnection::establish(url).map_err(|cause| cause.to_string())?;
        match prepare(&mut conn, wait).map_err(DbError::from) {
            Ok(()) => return Ok(()),
            Err(DbError::Busy) if Instant::now() < end => thread::sleep(TRY_AGAIN),
            Err(DbError::Busy) => return Err("another program keeps it locked".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn set_patience(conn: &mut AnyConnection, wait: Duration) -> Result<(), QueryError> {
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", wait.as_millis()))
}

/// `synchronous=FULL`: an acknowledged sign-up or reset survives a power cut.
fn prepare(conn: &mut AnyConnection, wait: Duration) -> Result<(), QueryError> {
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;",
        wait.as_millis()
    ))
}

/// Makes `path` for its owner alone, with its missing folders; leaves what exists as it is.
fn create_private_file(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Escapes what has a meaning in SQLite's `file:` URIs.
fn escape_path(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

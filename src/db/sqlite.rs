//! SQLite: the file, made for its owner alone, and how a connection to it begins.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{ConnectionError, Error as QueryError};
use diesel::sql_types::{Integer, Text};
use diesel::sqlite::SqliteConnection;
use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::{DbError, OpenError};

const TRY_AGAIN: Duration = Duration::from_millis(20);

/// The database file, as it was when it was opened.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    url: String,
    /// Device and inode.
    identity: (u64, u64),
}

impl File {
    /// Makes the file (0600) and its folder (0700) if they are missing.
    pub fn open(path: &Path, wait: Duration) -> Result<Self, OpenError> {
        let failed = |cause: String| OpenError { place: path.display().to_string(), cause };
        create_private(path).map_err(|cause| failed(cause.to_string()))?;
        // Never created from here on: a file that vanishes while we run must not come back empty.
        let url = format!("file:{}?mode=rw", escape(path));
        // A plain connection first: its error says what is wrong, the pool's only that time is up.
        open_once(&url, wait).map_err(failed)?;
        let identity = identity(path).ok_or_else(|| failed("it has vanished".to_owned()))?;
        Ok(Self { path: path.to_owned(), url, identity })
    }

    pub fn connect(&self, wait: Duration) -> Result<SqliteConnection, diesel::r2d2::Error> {
        if let Some(cause) = self.refuses_writes() {
            return Err(ConnectionError::BadConnection(cause).into());
        }
        let mut conn = SqliteConnection::establish(&self.url)?;
        prepare(&mut conn, wait)?;
        Ok(conn)
    }

    /// Why nobody could write just now. SQLite would open the files for reading alone, and since all
    /// connections of a process share the index of the write-ahead log, none of them could write
    /// until the last of those had gone. (Opening a file to see would end SQLite's locks on it.)
    fn refuses_writes(&self) -> Option<String> {
        ["", "-wal", "-shm"].into_iter().find_map(|end| {
            let mut name = self.path.clone().into_os_string();
            name.push(end);
            match access(&name, Access::WRITE_OK) {
                Err(cause) if cause != Errno::NOENT => {
                    Some(format!("{} cannot be written: {cause}", name.display()))
                }
                _ => None,
            }
        })
    }

    /// A file that was removed or replaced still takes writes, and nobody would ever see them
    /// again.
    pub fn is_the_same(&self) -> bool {
        identity(&self.path) == Some(self.identity)
    }
}

/// Whether others on this machine can read the file (B-105); not while there is none.
pub(super) fn is_shared(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.mode() & 0o077 != 0)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

/// A connection to a file that is there, and is left as it is: no write-ahead log is begun.
pub(super) fn open_existing(path: &Path, wait: Duration) -> Result<SqliteConnection, String> {
    if !path.is_file() {
        return Err("there is no such file".to_owned());
    }
    let url = format!("file:{}?mode=rw", escape(path));
    let mut conn = SqliteConnection::establish(&url).map_err(|cause| cause.to_string())?;
    set_patience(&mut conn, wait).map_err(|cause| cause.to_string())?;
    Ok(conn)
}

diesel::table! {
    pragma_integrity_check (integrity_check) {
        integrity_check -> Text,
    }
}

/// What is wrong with the file, in SQLite's words; none when all is well.
pub(super) fn damage(conn: &mut SqliteConnection) -> Result<Option<String>, QueryError> {
    let look = pragma_integrity_check::table.select(pragma_integrity_check::integrity_check);
    let found: Vec<String> = look.load(conn)?;
    let first = found.into_iter().next().unwrap_or_default();
    Ok((first != "ok").then_some(first))
}

/// Writes what the database holds at this moment into the file `into`, which is empty. Others read
/// and write meanwhile.
pub(super) fn vacuum_into(conn: &mut SqliteConnection, into: &Path) -> Result<(), QueryError> {
    let query = diesel::sql_query("VACUUM INTO ?").bind::<Text, _>(into.to_string_lossy());
    query.execute(conn).map(drop)
}

/// From now on the database is one file: what was in the write-ahead log is in it.
pub(super) fn end_log(conn: &mut SqliteConnection) -> Result<(), QueryError> {
    conn.batch_execute("PRAGMA journal_mode = DELETE")
}

/// What SQLite says of a checkpoint: whether somebody was in its way.
#[derive(QueryableByName)]
struct Checkpoint {
    #[diesel(sql_type = Integer)]
    busy: i32,
}

/// Takes what is in the write-ahead log over into the database and empties the log; false where
/// somebody kept on reading an earlier state.
pub(super) fn empty_log(conn: &mut SqliteConnection, wait: Duration) -> Result<bool, QueryError> {
    set_patience(conn, wait)?;
    let done = diesel::sql_query("PRAGMA wal_checkpoint(TRUNCATE)");
    Ok(done.get_result::<Checkpoint>(conn)?.busy == 0)
}

/// Until the end of the transaction rows may refer to others that are not there yet.
pub(super) fn defer_references(conn: &mut SqliteConnection) -> Result<(), QueryError> {
    conn.batch_execute("PRAGMA defer_foreign_keys = ON")
}

/// SQLite turns a new file to WAL for one process alone, whatever the `busy_timeout`: of two that
/// start at once, the second tries again.
fn open_once(url: &str, wait: Duration) -> Result<(), String> {
    let end = Instant::now() + wait;
    loop {
        let mut conn = SqliteConnection::establish(url).map_err(|cause| cause.to_string())?;
        match prepare(&mut conn, wait).map_err(DbError::from) {
            Ok(()) => return Ok(()),
            Err(DbError::Busy) if Instant::now() < end => thread::sleep(TRY_AGAIN),
            Err(DbError::Busy) => return Err("another program keeps it locked".to_owned()),
            Err(error) => return Err(error.to_string()),
        }
    }
}

pub(super) fn set_patience(conn: &mut SqliteConnection, wait: Duration) -> Result<(), QueryError> {
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", wait.as_millis()))
}

/// `synchronous=FULL`: an acknowledged sign-up or reset survives a power cut. `secure_delete`: what
/// is deleted is overwritten, so that an erased account is not in the file (B-110).
fn prepare(conn: &mut SqliteConnection, wait: Duration) -> Result<(), QueryError> {
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON;",
        wait.as_millis()
    ))
}

/// Makes `path` for its owner alone, with its missing folders; leaves what exists as it is.
fn create_private(path: &Path) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).map(drop)
}

/// Escapes what has a meaning in SQLite's `file:` URIs.
fn escape(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

//! Everything from one database into an empty other one, in one transaction, read back and compared.

mod numbers;
mod snapshot;
mod tables;

use std::io::{self, Write};

use diesel::result::{DatabaseErrorKind, Error as QueryError};
use sha2::{Digest, Sha256};

use super::migrations::{self, MigrateError};
use super::postgres;
use super::transaction::savepoint;
use super::{AnyConnection, Db, DbError, OpenError, sqlite};
use tables::{Device, Event, Limit, Mail, PAGE, PendingForm, Session, SignUp, Table, Token, User};

pub use snapshot::Snapshot;

/// How often the tables of a busy server are locked anew.
const TRIES: u32 = 10;

/// Why nothing was moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error("{place} cannot be read: {cause}")]
    Source { place: String, cause: DbError },
    /// Nothing of it stays.
    #[error("cannot be written: {0}")]
    Target(#[from] DbError),
    #[error("it is not empty: {table} has {rows} rows, and nothing is ever merged")]
    NotEmpty { table: &'static str, rows: i64 },
    #[error("{table} read back differs from what was written: nothing was kept")]
    Different { table: &'static str },
    #[error("{0}")]
    Other(String),
}

impl From<QueryError> for TransferError {
    fn from(error: QueryError) -> Self {
        Self::Target(error.into())
    }
}

/// How far it is, for whoever waits.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub doing: &'static str,
    pub table: &'static str,
    pub done: u64,
    pub total: u64,
}

/// Hears of each page.
pub type Watcher<'a> = &'a mut dyn FnMut(Step);

/// What a table holds: how many rows, and the SHA-256 of all of them in the order of their key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sum {
    pub table: &'static str,
    pub rows: u64,
    pub checksum: String,
}

/// What can be done with a table, whichever it is.
struct Mover {
    name: &'static str,
    count: fn(&mut AnyConnection) -> Result<i64, QueryError>,
    clear: fn(&mut AnyConnection) -> Result<usize, QueryError>,
    copy: fn(&mut Snapshot, &mut AnyConnection, &mut Sums<'_>) -> Result<(), TransferError>,
    read: fn(&mut AnyConnection, &mut Sums<'_>) -> Result<(), QueryError>,
}

const fn mover<T: Table>(name: &'static str) -> Mover {
    Mover { name, count: T::count, clear: T::clear, copy: copy_table::<T>, read: read_table::<T> }
}

/// Every table, each behind those that it refers to (but for `users.session_id`).
const TABLES: [Mover; 9] = [
    mover::<User>("users"),
    mover::<Session>("sessions"),
    mover::<PendingForm>("pending_forms"),
    mover::<Mail>("outbox"),
    mover::<Limit>("limits"),
    mover::<Device>("devices"),
    mover::<Token>("tokens"),
    mover::<SignUp>("sign_ups"),
    mover::<Event>("events"),
];

/// The sums of the tables so far, and who is told.
struct Sums<'a> {
    doing: &'static str,
    total: u64,
    done: u64,
    sums: Vec<Sum>,
    digest: Sha256,
    watcher: Watcher<'a>,
}

impl<'a> Sums<'a> {
    fn new(
        doing: &'static str,
        conn: &mut AnyConnection,
        watcher: Watcher<'a>,
    ) -> Result<Self, QueryError> {
        let mut total = 0;
        for table in &TABLES {
            let rows = (table.count)(conn)?;
            total += rows.unsigned_abs();
        }
        Ok(Self { doing, total, done: 0, sums: Vec::new(), digest: Sha256::new(), watcher })
    }

    fn begin(&mut self, table: &'static str) {
        self.sums.push(Sum { table, rows: 0, checksum: String::new() });
    }

    /// One row is one line of JSON: a canonical form that holds every value whole, and the same
    /// whichever database it was read from.
    fn add<T: Table>(&mut self, page: &[T]) {
        for row in page {
            let written = serde_json::to_writer(Feed(&mut self.digest), row);
            written.expect("numbers and strings always become JSON");
            self.digest.update(b"\n");
        }
        self.done += page.len() as u64;
        let Some(sum) = self.sums.last_mut() else { return };
        sum.rows += page.len() as u64;
        let Self { doing, total, done, .. } = *self;
        (self.watcher)(Step { doing, table: sum.table, done, total });
    }

    fn end(&mut self) {
        let digest = self.digest.finalize_reset();
        if let Some(sum) = self.sums.last_mut() {
            sum.checksum = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        }
    }
}

struct Feed<'a>(&'a mut Sha256);

impl Write for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn copy_table<T: Table>(
    from: &mut Snapshot,
    to: &mut AnyConnection,
    sums: &mut Sums<'_>,
) -> Result<(), TransferError> {
    let mut page: Vec<T> = Vec::new();
    loop {
        page = from.read(|conn| T::page(conn, page.last()))?;
        if !page.is_empty() {
            T::insert(to, &page)?;
        }
        sums.add(&page);
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

fn read_table<T: Table>(conn: &mut AnyConnection, sums: &mut Sums<'_>) -> Result<(), QueryError> {
    let mut page: Vec<T> = Vec::new();
    loop {
        page = T::page(conn, page.last())?;
        sums.add(&page);
        if page.len() < PAGE as usize {
            return Ok(());
        }
    }
}

/// What every table holds.
pub fn sums(
    conn: &mut AnyConnection,
    doing: &'static str,
    watcher: Watcher<'_>,
) -> Result<Vec<Sum>, QueryError> {
    let mut sums = Sums::new(doing, conn, watcher)?;
    for table in &TABLES {
        sums.begin(table.name);
        (table.read)(conn, &mut sums)?;
        sums.end();
    }
    Ok(sums.sums)
}

/// What becomes of the rows that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Present {
    /// There must be none.
    Refuse,
    /// They go.
    Replace,
}

/// Brings the schema up to date, unless rows are there that must stay as they are.
pub fn prepare(db: &Db, present: Present) -> Result<(), TransferError> {
    if present == Present::Refuse && !migrations::is_fresh(db)? {
        if !db.read_blocking(migrations::pending)?.is_empty() {
            let what = "it has the tables of an older version: run `gatehouse migrate` on it \
                        first, or name a new database";
            return Err(TransferError::Other(what.to_owned()));
        }
        return db.read_blocking(must_be_empty);
    }
    migrations::run(db)?;
    Ok(())
}

fn must_be_empty(conn: &mut AnyConnection) -> Result<(), TransferError> {
    for table in &TABLES {
        let rows = (table.count)(conn)?;
        if rows > 0 {
            return Err(TransferError::NotEmpty { table: table.name, rows });
        }
    }
    Ok(())
}

/// Fills `db` with everything that `from` holds, all or nothing, and returns what was read back.
/// `afterwards` belongs to the same transaction.
pub fn fill<T>(
    db: &Db,
    from: &mut Snapshot,
    present: Present,
    afterwards: impl FnOnce(&mut AnyConnection) -> Result<T, DbError>,
    watcher: Watcher<'_>,
) -> Result<(Vec<Sum>, T), TransferError> {
    db.write_alone(|to| {
        begin_filling(to)?;
        let counters = numbers::highest(to)?;
        match present {
            Present::Refuse => must_be_empty(to)?,
            Present::Replace => clear(to)?,
        }
        defer_references(to)?;
        let written = copy(from, to, watcher)?;
        check_references(to)?;
        let theirs = from.read(numbers::highest)?;
        numbers::go_on_behind(to, &counters, &theirs)?;
        let found = sums(to, "comparing", watcher)?;
        if let Some((sum, _)) = written.iter().zip(&found).find(|(one, other)| one != other) {
            return Err(TransferError::Different { table: sum.table });
        }
        Ok((found, afterwards(to)?))
    })
}

fn copy(
    from: &mut Snapshot,
    to: &mut AnyConnection,
    watcher: Watcher<'_>,
) -> Result<Vec<Sum>, TransferError> {
    let place = from.place().to_owned();
    let failed = |cause: QueryError| TransferError::Source { place, cause: cause.into() };
    let mut sums = Sums::new("copying", from.connection(), watcher).map_err(failed)?;
    for table in &TABLES {
        sums.begin(table.name);
        (table.copy)(from, to, &mut sums)?;
        sums.end();
    }
    Ok(sums.sums)
}

/// Whoever else writes waits, and sees all of it or nothing.
fn begin_filling(conn: &mut AnyConnection) -> Result<(), QueryError> {
    let mut tries = 1;
    loop {
        let locked = savepoint(conn, |conn| match conn {
            // The transaction has SQLite's one write lock.
            AnyConnection::Sqlite(_) => Ok(()),
            AnyConnection::Postgres(conn) => postgres::transfer::lock_tables(conn),
        });
        match locked {
            // Others that hold one table and want the next are in a deadlock with this.
            Err(QueryError::DatabaseError(DatabaseErrorKind::Unknown, _)) if tries < TRIES => {
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

fn clear(conn: &mut AnyConnection) -> Result<(), QueryError> {
    if let AnyConnection::Postgres(conn) = conn {
        return postgres::transfer::clear_tables(conn);
    }
    for table in TABLES.iter().rev() {
        (table.clear)(conn)?;
    }
    Ok(())
}

/// `users.session_id` refers to `sessions` and `sessions.user_id` to `users`: which of them exists
/// is asked when both are there.
fn defer_references(conn: &mut AnyConnection) -> Result<(), QueryError> {
    match conn {
        AnyConnection::Sqlite(conn) => sqlite::defer_references(conn),
        AnyConnection::Postgres(conn) => postgres::transfer::defer_references(conn),
    }
}

fn check_references(conn: &mut AnyConnection) -> Result<(), QueryError> {
    match conn {
        // At the commit.
        AnyConnection::Sqlite(_) => Ok(()),
        AnyConnection::Postgres(conn) => postgres::transfer::check_references(conn),
    }
}

//! Transactions: how they begin on either database, how they end, how long until the next try.

use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, Connection, TransactionManager};
use diesel::result::Error as QueryError;

use super::{AnyConnection, DbError, postgres, sqlite};
use crate::tokens::random_bytes;

/// What fails within is undone, and the transaction around it goes on: PostgreSQL gives up all of
/// it otherwise.
pub fn savepoint<T>(
    conn: &mut AnyConnection,
    deed: impl FnOnce(&mut AnyConnection) -> Result<T, QueryError>,
) -> Result<T, QueryError> {
    conn.transaction(deed)
}

/// Longer after each try, and by chance, so that two do not meet again: 1 ms at first, 64 at most.
pub(super) fn rest_after(tries: u32) -> Duration {
    let most = 1000_u32 << tries.min(6);
    let chance = u32::from_be_bytes(random_bytes());
    Duration::from_micros(u64::from(most / 2 + chance % (most / 2)))
}

pub(super) enum Isolation {
    /// From other transactions.
    Serializable,
    /// The same, and no other write meanwhile, so that nobody is in the way: a row that everybody
    /// counts in would keep some waiting until their time is up.
    AllByItself,
    /// From other processes that say so as well.
    Alone,
    /// It only reads, and what others write meanwhile it does not see.
    Snapshot,
}

pub(super) fn begin(conn: &mut AnyConnection, isolation: Isolation) -> Result<(), QueryError> {
    match (conn, isolation) {
        (AnyConnection::Sqlite(conn), Isolation::Snapshot) => {
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN")
        }
        (AnyConnection::Sqlite(conn), _) => {
            AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")
        }
        (AnyConnection::Postgres(conn), Isolation::Serializable) => conn.begin_beside_others(),
        (AnyConnection::Postgres(conn), Isolation::AllByItself) => conn.begin_all_by_itself(),
        (AnyConnection::Postgres(conn), Isolation::Alone) => postgres::begin_alone(conn),
        (AnyConnection::Postgres(conn), Isolation::Snapshot) => {
            postgres::transfer::begin_snapshot(conn)
        }
    }
}

/// Runs the deed in the transaction that has begun and ends it; also whether it came to the commit.
pub(super) fn finish<T, E: From<DbError>>(
    conn: &mut AnyConnection,
    deed: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
) -> (Result<T, E>, bool) {
    type Manager = <AnyConnection as Connection>::TransactionManager;

    match deed(conn) {
        Ok(done) => match Manager::commit_transaction(conn) {
            Ok(()) => (Ok(done), true),
            Err(error) => {
                let _ = Manager::rollback_transaction(conn);
                (Err(DbError::from(error).into()), true)
            }
        },
        Err(error) => {
            if let Err(cause) = Manager::rollback_transaction(conn) {
                log::warn!("a transaction could not be rolled back: {cause}");
            }
            (Err(error), false)
        }
    }
}

/// How long SQLite waits for another process's lock, and PostgreSQL's server works on a statement.
pub(super) fn set_patience(conn: &mut AnyConnection, wait: Duration) -> Result<(), QueryError> {
    match conn {
        AnyConnection::Sqlite(conn) => sqlite::set_patience(conn, wait),
        AnyConnection::Postgres(conn) => postgres::set_patience(conn, wait),
    }
}

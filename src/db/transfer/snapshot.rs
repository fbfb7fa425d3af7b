//! What a database holds at one moment, whoever writes to it meanwhile.

use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection};
use diesel::result::Error as QueryError;

use super::TransferError;
use crate::db::migrations::{self, MigrateError};
use crate::db::{AnyConnection, DbError, OpenError, Place, postgres, sqlite};

/// A connection in a transaction that only reads; it ends with it.
pub struct Snapshot {
    conn: AnyConnection,
    place: String,
}

impl Snapshot {
    /// Refuses what is no database of ours, and what an older or a newer version has made.
    pub fn open(place: &Place, wait: Duration) -> Result<Self, TransferError> {
        match Self::of_any_age(place, wait)? {
            (snapshot, missing) if missing.is_empty() => Ok(snapshot),
            (snapshot, _) => Err(MigrateError::Older(snapshot.place).into()),
        }
    }

    /// Also the versions of the schema that it lacks: an older one cannot be copied as it is.
    pub(in crate::db) fn of_any_age(
        place: &Place,
        wait: Duration,
    ) -> Result<(Self, Vec<String>), TransferError> {
        let mut snapshot = Self { conn: connect(place, wait)?, place: place.to_string() };
        let missing = snapshot.begin_and_look()?;
        Ok((snapshot, missing))
    }

    fn begin_and_look(&mut self) -> Result<Vec<String>, TransferError> {
        let begun = match &mut self.conn {
            AnyConnection::Sqlite(conn) => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN")
            }
            AnyConnection::Postgres(conn) => postgres::transfer::begin_snapshot(conn),
        };
        begun.map_err(|error| self.unreadable(error))?;
        // SQLite takes its snapshot at the first read, which this is.
        match migrations::missing(&mut self.conn) {
            // There is no record of migrations.
            Err(MigrateError::Db(DbError::Query(_))) => {
                let place = &self.place;
                Err(TransferError::Other(format!("{place} holds no data of Gatehouse")))
            }
            Err(MigrateError::Db(cause)) => {
                Err(TransferError::Source { place: self.place.clone(), cause })
            }
            outcome => Ok(outcome?),
        }
    }

    pub fn place(&self) -> &str {
        &self.place
    }

    pub(in crate::db) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.conn
    }

    pub(super) fn read<T>(
        &mut self,
        query: impl FnOnce(&mut AnyConnection) -> Result<T, QueryError>,
    ) -> Result<T, TransferError> {
        query(&mut self.conn).map_err(|error| self.unreadable(error))
    }

    fn unreadable(&self, error: QueryError) -> TransferError {
        TransferError::Source { place: self.place.clone(), cause: error.into() }
    }
}

/// A connection that takes its time and never writes.
fn connect(place: &Place, wait: Duration) -> Result<AnyConnection, TransferError> {
    let failed = |cause: String| OpenError { place: place.to_string(), cause };
    match place {
        Place::File(path) => {
            let mut conn = sqlite::open_existing(path, wait).map_err(failed)?;
            conn.batch_execute("PRAGMA query_only = ON").map_err(DbError::from)?;
            Ok(AnyConnection::Sqlite(conn))
        }
        Place::Server(server) => {
            let mut conn = server.connect(wait).map_err(|error| failed(error.to_string()))?;
            conn.be_patient().map_err(DbError::from)?;
            Ok(AnyConnection::Postgres(conn))
        }
    }
}

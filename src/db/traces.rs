//! What is left in SQLite's files of rows that were deleted, and its end.

use std::time::Duration;

use super::turns::Turns;
use super::{AnyConnection, Db, DbError, sqlite};

/// Nobody waits longer for readers who look at how things were; the next time does as well.
const PATIENCE: Duration = Duration::from_millis(200);

impl Db {
    /// Empties SQLite's write-ahead log, where pages are as they were before a deletion; in the
    /// database itself what is deleted is overwritten (`secure_delete`). A PostgreSQL server clears
    /// up by itself (VACUUM).
    pub fn end_traces(&self) -> Result<(), DbError> {
        let Turns::Writer(writer) = &self.turns else { return Ok(()) };
        let _turn = writer.blocking_lock();
        if let AnyConnection::Sqlite(conn) = &mut self.patient_connection()?
            && !sqlite::empty_log(conn, PATIENCE)?
        {
            log::info!("the write-ahead log is emptied later: somebody reads an earlier state");
        }
        Ok(())
    }
}

//! Long deletions in short transactions, so that others write in between.

use super::{AnyConnection, Db, DbError};

/// Rows of one transaction: milliseconds, far below any time-out, and enough to share a commit.
pub const BATCH: i64 = 1000;

impl Db {
    /// Runs `delete`, which deletes up to [`BATCH`] rows, until it finds fewer; returns how many
    /// they were in all. Whoever waits for SQLite's writer, or for a connection, comes first.
    pub async fn write_in_batches(
        &self,
        delete: impl Fn(&mut AnyConnection) -> Result<usize, DbError> + Clone + Send + 'static,
    ) -> Result<usize, DbError> {
        let mut deleted = 0;
        loop {
            let more = self.write(delete.clone()).await?;
            deleted += more;
            if is_last(more) {
                return Ok(deleted);
            }
            tokio::task::yield_now().await;
        }
    }

    /// [`Db::write_in_batches`] for threads that serve no requests.
    pub fn write_in_batches_blocking(
        &self,
        delete: impl Fn(&mut AnyConnection) -> Result<usize, DbError>,
    ) -> Result<usize, DbError> {
        let mut deleted = 0;
        loop {
            let more = self.write_blocking(&delete)?;
            deleted += more;
            if is_last(more) {
                return Ok(deleted);
            }
        }
    }
}

fn is_last(deleted: usize) -> bool {
    i64::try_from(deleted).is_ok_and(|deleted| deleted < BATCH)
}

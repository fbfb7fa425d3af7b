//! Several reads of one moment, whoever writes meanwhile.

use std::time::Instant;

use super::transaction::{Isolation, begin, finish};
use super::turns::{Turns, Use};
use super::{AnyConnection, Db, DbError, off_the_worker};

impl Db {
    /// [`Db::read`] for queries whose answers belong together. They take longer than a keyed look-up
    /// does, and never run on a worker.
    pub async fn read_moment<T, E>(
        &self,
        queries: impl Fn(&mut AnyConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let end = Instant::now() + self.wait;
        let turn = match &self.turns {
            Turns::Writer(_) => None,
            Turns::Connections { .. } => Some(self.turn(Use::Read).await?),
        };
        let db = self.clone();
        off_the_worker(move || {
            let _turn = turn;
            db.read_before(end, Some(end + db.wait), |conn| {
                begin(conn, Isolation::Snapshot).map_err(DbError::from)?;
                finish(conn, &queries).0
            })
        })
        .await
    }
}

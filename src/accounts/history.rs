//! A person's own history: the events of their account, theirs alone.

use super::auth::Auth;
use crate::audit::journal::{self, Row};
use crate::db::DbError;

impl Auth {
    /// The events of `user`, newest first; the ones before `before`, where that is one of them.
    pub async fn history(
        &self,
        user: i64,
        before: Option<i64>,
        most: i64,
    ) -> Result<Vec<Row>, DbError> {
        self.db.read(move |conn| Ok(journal::of_user(conn, user, before, most)?)).await
    }

    /// One event, where it is one of `user`'s.
    pub async fn find_event(&self, user: i64, id: i64) -> Result<Option<Row>, DbError> {
        self.db.read(move |conn| Ok(journal::find(conn, user, id)?)).await
    }
}

//! A person's own sessions: which there are, and the end of one.

use diesel::prelude::*;

use super::Session;
use crate::accounts::auth::Auth;
use crate::clock::{SKEW, Timestamp};
use crate::db::schema::sessions;
use crate::db::{AnyConnection, DbError};
use crate::tokens::fingerprint;

/// As long as it takes to tell a person's few sessions apart.
const HANDLE_DIGITS: usize = 32;

impl Session {
    /// What its owner calls it by: tells neither the cookie nor the row's key.
    pub fn handle(&self) -> String {
        let mut handle = fingerprint(format!("gatehouse session handle v1 {}", self.id));
        handle.truncate(HANDLE_DIGITS);
        handle
    }
}

/// The live sessions of `user`, the one used last first.
pub(in crate::accounts) fn sessions_of(
    conn: &mut AnyConnection,
    user: i64,
    now: Timestamp,
) -> QueryResult<Vec<Session>> {
    sessions::table
        .filter(sessions::user_id.eq(user))
        .filter(sessions::expires_at.gt(now).and(sessions::last_seen_at.le(now + SKEW)))
        .order((sessions::last_seen_at.desc(), sessions::created_at.desc()))
        .select(Session::as_select())
        .load(conn)
}

impl Auth {
    /// Where `user` is signed in, the device used last first.
    pub async fn sessions_of(&self, user: i64, now: Timestamp) -> Result<Vec<Session>, DbError> {
        self.db.read(move |conn| Ok(sessions_of(conn, user, now)?)).await
    }

    /// Ends the session that `user` calls by that handle; false when none of theirs has it.
    pub async fn end_session_of(
        &self,
        user: i64,
        handle: &str,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let handle = handle.to_owned();
        self.db
            .write(move |conn| {
                // Among the asker's own alone, so that nobody can ask for another's (B-39).
                let own = sessions_of(conn, user, now)?;
                let Some(session) = own.into_iter().find(|session| session.handle() == handle)
                else {
                    return Ok(false);
                };
                Ok(diesel::delete(sessions::table.find(session.id)).execute(conn)? == 1)
            })
            .await
    }
}

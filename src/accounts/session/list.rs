//! A person's own sessions: which there are, the end of one, and of all others.

use diesel::prelude::*;

use super::{Session, end_other_sessions};
use crate::accounts::auth::Auth;
use crate::accounts::device;
use crate::accounts::mailed_token::{self, Purpose};
use crate::accounts::sudo::still_there;
use crate::accounts::user::User;
use crate::clock::{SKEW, Timestamp};
use crate::db::schema::sessions;
use crate::db::{AnyConnection, DbError};
use crate::mail::{Kind, outbox};
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

    /// Ends the session that the user calls by that handle; false when none of theirs has it. None
    /// when the asker's own `session` is over.
    pub async fn end_session_of(
        &self,
        user: &User,
        session: &Session,
        handle: &str,
        now: Timestamp,
    ) -> Result<Option<bool>, DbError> {
        let (user, session, handle) = (user.clone(), session.clone(), handle.to_owned());
        self.db
            .write(move |conn| {
                let Some(user) = still_there(conn, &user, &session)? else { return Ok(None) };
                // Among the asker's own alone, so that nobody can ask for another's (B-39).
                let own = sessions_of(conn, user.id, now)?;
                let Some(ended) = own.into_iter().find(|session| session.handle() == handle) else {
                    return Ok(Some(false));
                };
                let ended = diesel::delete(sessions::table.find(ended.id)).execute(conn)?;
                Ok(Some(ended == 1))
            })
            .await
    }

    /// Ends the user's sessions but that one, and what they may have begun; returns how many there
    /// were. None when that one is over: whoever was thrown out must not throw out the owner.
    /// `known_device` is what this browser's device cookie holds.
    pub async fn end_other_sessions(
        &self,
        user: &User,
        kept: &Session,
        known_device: Option<String>,
    ) -> Result<Option<usize>, DbError> {
        let (user, kept) = (user.clone(), kept.clone());
        self.db
            .write(move |conn| {
                let Some(user) = still_there(conn, &user, &kept)? else { return Ok(None) };
                device::forget_others(conn, user.id, known_device.as_deref())?;
                mailed_token::void(conn, Purpose::EmailChange, user.id)?;
                outbox::withdraw(conn, user.id, Kind::EmailChange)?;
                Ok(Some(end_other_sessions(conn, &kept)?))
            })
            .await
    }
}

//! Sudo: a sensitive deed asks for the password again when the last proof is old; its form waits,
//! sealed, meanwhile (ASVS 7.5.1, 7.5.3).

use std::time::Duration;

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::password::MAX_BYTES;
use super::session::{Device, NewSession, Session, renew_session};
use super::throttle::{Bucket, Deed, Limited, Quota, TakeError};
use super::user::{User, UserKey, find_user_by};
use super::{Broken, device};
use crate::clock::{SKEW, Timestamp};
use crate::db::batches::BATCH;
use crate::db::schema::{pending_forms, sessions, users};
use crate::db::{AnyConnection, DbError};
use crate::tokens::generate_uuid;

/// How long a proof counts: long enough for an errand, short enough that a browser left open is no
/// invitation.
pub const FRESH: Duration = Duration::from_secs(10 * 60);
/// How long a form waits for its sender's password.
pub const FORM_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Wrong passwords in one session, after which it ends: whoever has only its cookie must not have
/// all day to guess (B-17).
pub const MOST_FAILURES: i32 = 5;

/// Somebody who is signed in and gives the password once more.
pub struct Proof {
    pub user: User,
    pub session: Session,
    pub password: SecretString,
    pub device: Device,
    /// What this browser's device cookie holds.
    pub known_device: Option<String>,
}

/// The session goes on under a new id, and the form that waited.
pub struct Proven {
    pub session: NewSession,
    pub form: Option<Vec<u8>>,
}

/// Why nothing is proven.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    #[error("wrong password")]
    Wrong {
        quota: Quota,
        /// There were too many: the session is over.
        ended: bool,
    },
    /// The session, or the password, is another one by now.
    #[error("overtaken")]
    Overtaken,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<DbError> for ProveError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<QueryError> for ProveError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl From<TakeError> for ProveError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Limited(limited) => limited.into(),
            TakeError::Db(error) => error.into(),
        }
    }
}

impl Session {
    /// Whether the last proof still counts. One of a day to come was written by a clock that was
    /// wrong.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(self.authenticated_at) < FRESH && self.authenticated_at <= now + SKEW
    }
}

impl Auth {
    /// Compares the password with the user's, within the limits of that account. Each wrong one
    /// counts against the session, too.
    pub(super) async fn prove(&self, proof: &Proof, now: Timestamp) -> Result<(), ProveError> {
        let client = Bucket::client_key(&proof.device.ip);
        let place = self.hasher.reserve(&client).map_err(Broken::from)?;
        let slip = self.take(Deed::Prove, vec![Bucket::owner(proof.user.id)], now).await?;
        let stored = Some(proof.user.hashed_password.clone());
        let right = if proof.password.expose_secret().len() > MAX_BYTES {
            false
        } else {
            match self.hasher.verify_at(place, &proof.password, stored).await {
                Ok(right) => right,
                Err(full) => {
                    self.take_back(slip).await?;
                    return Err(Broken::from(full).into());
                }
            }
        };
        if right {
            return Ok(self.take_back(slip).await?);
        }
        let id = proof.session.id.clone();
        let ended = self.db.write(move |conn| Ok::<_, DbError>(count_failure(conn, &id)?)).await?;
        Err(ProveError::Wrong { quota: slip.quota, ended })
    }

    /// The right password makes the session fresh, under a new id (ASVS 7.2.4); `secret` is what
    /// [`Auth::keep_form`] gave this browser, if it did.
    pub async fn sudo(
        &self,
        proof: Proof,
        secret: Option<&str>,
        now: Timestamp,
    ) -> Result<Proven, ProveError> {
        self.prove(&proof, now).await?;
        let limits = self.config.sessions.clone();
        let old = proof.session.id.clone();
        let (session, sealed) = self
            .db
            .write(move |conn| {
                let user = unchanged(conn, &proof.user)?.ok_or(ProveError::Overtaken)?;
                let form = read_form(conn, &proof.session.id, now)?;
                let known = device::remember(conn, proof.known_device.as_deref(), user.id, now)?;
                let id = renew_session(conn, &proof.session, &proof.device, &limits, now)?;
                let id = id.ok_or(ProveError::Overtaken)?;
                let remembered = proof.session.remembered;
                Ok::<_, ProveError>((NewSession::of(id, user, remembered, known), form))
            })
            .await?;
        Ok(Proven { session, form: self.open_form(sealed, &old, secret) })
    }

    /// Keeps a session's form until the password comes; the one before goes. Returns the secret
    /// without which it does not open: whoever has a copy of the session's cookie cannot slip a
    /// form of theirs in for the owner to prove (B-33). None for somebody who was overtaken.
    pub async fn keep_form(
        &self,
        user: &User,
        session: &Session,
        form: &[u8],
        now: Timestamp,
    ) -> Result<Option<String>, DbError> {
        let (user, session, secret) = (user.clone(), session.clone(), generate_uuid());
        let sealed = self.forms.seal(form, &form_label(&session.id, &secret));
        self.db
            .write(move |conn| {
                if still_there(conn, &user, &session)?.is_none() {
                    return Ok(None);
                }
                let id = &session.id;
                drop_form(conn, id)?;
                diesel::insert_into(pending_forms::table)
                    .values((
                        pending_forms::session_id.eq(id),
                        pending_forms::content.eq(sealed.clone()),
                        pending_forms::expires_at.eq(now + FORM_LIFETIME),
                    ))
                    .execute(conn)?;
                Ok::<_, DbError>(Some(secret.clone()))
            })
            .await
    }

    /// The form that waits in a session, if that is its secret.
    pub async fn find_form(
        &self,
        session: &Session,
        secret: &str,
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>, DbError> {
        let id = session.id.clone();
        let find = move |conn: &mut AnyConnection| Ok::<_, DbError>(read_form(conn, &id, now)?);
        let sealed = self.db.read(find).await?;
        Ok(self.open_form(sealed, &session.id, Some(secret)))
    }

    /// One that was sealed under another key is as good as none.
    fn open_form(
        &self,
        sealed: Option<Vec<u8>>,
        session: &str,
        secret: Option<&str>,
    ) -> Option<Vec<u8>> {
        self.forms.open(&sealed?, &form_label(session, secret?)).ok()
    }

    /// Forgets the form that waits in a session.
    pub async fn forget_form(&self, session: &Session) -> Result<(), DbError> {
        let id = session.id.clone();
        self.db.write(move |conn| Ok(drop_form(conn, &id)?)).await
    }

    /// Forgets forms that nobody proved; returns how many.
    pub async fn purge_forms(&self, now: Timestamp) -> Result<usize, DbError> {
        self.db
            .write_in_batches(move |conn| {
                let expired: Vec<String> = pending_forms::table
                    .filter(pending_forms::expires_at.le(now))
                    .order(pending_forms::expires_at)
                    .limit(BATCH)
                    .select(pending_forms::session_id)
                    .load(conn)?;
                let expired = pending_forms::session_id.eq_any(expired);
                Ok(diesel::delete(pending_forms::table.filter(expired)).execute(conn)?)
            })
            .await
    }
}

/// The user as they are now, unless the password has been changed since it was compared, or an
/// operator keeps them out.
pub(super) fn unchanged(conn: &mut AnyConnection, user: &User) -> QueryResult<Option<User>> {
    let now = find_user_by(conn, UserKey::Id(user.id)).optional()?;
    Ok(now.filter(|now| now.hashed_password == user.hashed_password && now.disabled_at.is_none()))
}

/// The same, if they are still signed in: between a request's first line and its last its session
/// may have been ended, by an owner who throws a thief out (B-33). For the transaction of whatever
/// an owner does.
pub(super) fn still_there(
    conn: &mut AnyConnection,
    user: &User,
    session: &Session,
) -> QueryResult<Option<User>> {
    // Written, so that of this deed and such an end at one moment the later sees the earlier: what
    // is only read may be older with PostgreSQL.
    let password = users::hashed_password.eq(&user.hashed_password);
    let unchanged = users::table.find(user.id).filter(password.and(users::disabled_at.is_null()));
    let same = users::hashed_password.eq(users::hashed_password);
    let alive = sessions::user_id.eq(sessions::user_id);
    if diesel::update(unchanged).set(same).execute(conn)? == 0
        || diesel::update(sessions::table.find(&session.id)).set(alive).execute(conn)? == 0
    {
        return Ok(None);
    }
    find_user_by(conn, UserKey::Id(user.id)).map(Some)
}

/// True when that was one too many and the session has ended.
fn count_failure(conn: &mut AnyConnection, session: &str) -> QueryResult<bool> {
    let row = sessions::table.find(session);
    diesel::update(row)
        .set(sessions::failed_proofs.eq(sessions::failed_proofs + 1))
        .execute(conn)?;
    let over = row.filter(sessions::failed_proofs.ge(MOST_FAILURES));
    Ok(diesel::delete(over).execute(conn)? == 1)
}

fn form_label(session: &str, secret: &str) -> String {
    format!("{session} {secret}")
}

fn read_form(
    conn: &mut AnyConnection,
    session: &str,
    now: Timestamp,
) -> QueryResult<Option<Vec<u8>>> {
    let waiting = pending_forms::table.find(session).filter(pending_forms::expires_at.gt(now));
    waiting.select(pending_forms::content).first(conn).optional()
}

fn drop_form(conn: &mut AnyConnection, session: &str) -> QueryResult<()> {
    diesel::delete(pending_forms::table.find(session)).execute(conn).map(drop)
}

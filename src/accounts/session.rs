//! Sessions: one row per signed-in device, found by the SHA-256 of what its cookie holds.

mod list;

use std::time::Duration;

use diesel::dsl::AsSelect;
use diesel::prelude::*;
use diesel::result::Error as QueryError;

use super::auth::Auth;
use super::device;
use super::user::{User, UserChanges, UserKey, find_user_by, update_user};

use crate::clock::{SKEW, Timestamp};
use crate::db::batches::BATCH;
use crate::db::connection::MultiBackend;
use crate::db::schema::{sessions, users};
use crate::db::{AnyConnection, DbError};
use crate::tokens::{fingerprint, generate_uuid};

pub(super) use list::sessions_of;

/// "Last seen" is written at most this often: a page view should cost no write.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
const USER_AGENT_MAX: usize = 256;

/// How long sessions live and how many there may be (ASVS 7.1.1, 7.1.2; NIST SP 800-63B-4, 2.1.3:
/// reauthentication within 30 days).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Without use.
    pub idle: Duration,
    /// In all.
    pub absolute: Duration,
    /// Without use, when the visitor asked to be kept signed in.
    pub remembered_idle: Duration,
    /// In all, when the visitor asked to be kept signed in.
    pub remembered_absolute: Duration,
    /// Devices at once; the one unused for longest goes first.
    pub per_user: usize,
}

impl Limits {
    fn expiry(&self, created_at: Timestamp, seen_at: Timestamp, remembered: bool) -> Timestamp {
        let (idle, absolute) = if remembered {
            (self.remembered_idle, self.remembered_absolute)
        } else {
            (self.idle, self.absolute)
        };
        (seen_at + idle).min(created_at + absolute)
    }
}

/// The device a session is on, as far as a request tells.
#[derive(Debug, Clone, Default)]
pub struct Device {
    pub user_agent: String,
    pub ip: String,
}

/// How a session begins.
#[derive(Debug, Clone, Default)]
pub struct Beginning {
    pub device: Device,
    /// "Keep me signed in".
    pub remembered: bool,
    /// The session of this browser so far: it ends when the new one begins, so that an id which
    /// somebody planted before log-in is worth nothing after it (session fixation).
    pub previous: Option<String>,
    /// What this browser's device cookie holds.
    pub known_device: Option<String>,
}

/// A session that began just now.
pub struct NewSession {
    /// What the cookie holds; the database keeps its fingerprint alone.
    pub id: String,
    pub user: User,
    pub remembered: bool,
    /// What the device cookie shall hold.
    pub known_device: String,
    /// A mail tells its owner of it.
    pub told: bool,
    /// The account was to be erased, and stays because its owner came back.
    pub deletion_called_off: bool,
}

impl NewSession {
    /// One of which nothing more is to be told.
    pub(super) fn of(id: String, user: User, remembered: bool, known_device: String) -> Self {
        Self { id, user, remembered, known_device, told: false, deletion_called_off: false }
    }
}

/// A row of `sessions`.
#[derive(Debug, Clone, Queryable, Selectable)]
pub struct Session {
    /// The fingerprint.
    pub id: String,
    pub user_id: i64,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub authenticated_at: Timestamp,
    pub expires_at: Timestamp,
    pub remembered: bool,
    /// Of its last use, as `ip`.
    pub user_agent: String,
    pub ip: String,
    /// The fingerprint of [`door_token`].
    pub door_key: Option<String>,
}

impl Session {
    /// Whether this use is worth writing down.
    pub fn wants_touch(&self, now: Timestamp) -> bool {
        // A short idle limit wants more: who is active must not be signed out.
        let idle = self.expires_at.since(self.last_seen_at);
        now.since(self.last_seen_at) >= TOUCH_EVERY.min(idle / 10)
    }
}

/// What opens the door to other applications: made from the session's id one way, so that an
/// application that sees it cannot become its visitor here.
pub fn door_token(session_id: &str) -> String {
    fingerprint(format!("gatehouse door v1 {session_id}"))
}

/// A session of `user` in a browser that is a known device from now on.
pub(super) fn start_known(
    conn: &mut AnyConnection,
    user: User,
    beginning: &Beginning,
    limits: &Limits,
    now: Timestamp,
) -> QueryResult<NewSession> {
    let id = start_session(conn, user.id, beginning, limits, now)?;
    let known_device = device::remember(conn, beginning.known_device.as_deref(), user.id, now)?;
    let remembered = beginning.remembered;
    Ok(NewSession::of(id, user, remembered, known_device))
}

/// Stores a new session of `user` and makes it their most recent; returns what the cookie holds.
pub(super) fn start_session(
    conn: &mut AnyConnection,
    user: i64,
    beginning: &Beginning,
    limits: &Limits,
    now: Timestamp,
) -> QueryResult<String> {
    let Beginning { device, remembered, previous, .. } = beginning;
    if let Some(previous) = previous {
        end_session(conn, previous)?;
    }
    let (id, key) = insert(conn, user, now, device, *remembered, limits, now)?;
    drop_surplus(conn, user, &key, limits.per_user)?;
    let changes = UserChanges { session_id: Some(Some(key)), ..UserChanges::default() };
    update_user(conn, user, &changes)?;
    Ok(id)
}

/// A new row, proven just now; returns what the cookie holds, and the row's key.
fn insert(
    conn: &mut AnyConnection,
    user: i64,
    created_at: Timestamp,
    device: &Device,
    remembered: bool,
    limits: &Limits,
    now: Timestamp,
) -> QueryResult<(String, String)> {
    let id = generate_uuid();
    let key = fingerprint(&id);
    diesel::insert_into(sessions::table)
        .values((
            sessions::id.eq(&key),
            sessions::user_id.eq(user),
            sessions::created_at.eq(created_at),
            sessions::last_seen_at.eq(now),
            sessions::authenticated_at.eq(now),
            sessions::expires_at.eq(limits.expiry(created_at, now, remembered)),
            sessions::remembered.eq(remembered),
            sessions::user_agent.eq(cut(&device.user_agent)),
            sessions::ip.eq(cut(&device.ip)),
            sessions::door_key.eq(fingerprint(door_token(&id))),
        ))
        .execute(conn)?;
    Ok((id, key))
}

/// Goes on with a session under a new id, proven just now: what somebody copied before opens nothing
/// after. Its absolute limit stays where it was. None when it has ended meanwhile.
pub(super) fn renew_session(
    conn: &mut AnyConnection,
    old: &Session,
    device: &Device,
    limits: &Limits,
    now: Timestamp,
) -> QueryResult<Option<String>> {
    let alive: i64 = sessions::table.find(&old.id).count().get_result(conn)?;
    if alive == 0 {
        return Ok(None);
    }
    let (id, key) = insert(conn, old.user_id, old.created_at, device, old.remembered, limits, now)?;
    let newest = users::table.find(old.user_id).filter(users::session_id.eq(&old.id));
    diesel::update(newest).set(users::session_id.eq(&key)).execute(conn)?;
    diesel::delete(sessions::table.find(&old.id)).execute(conn)?;
    Ok(Some(id))
}

/// Ends the sessions unused for longest, never `newest`: a clock that was set back must not sign
/// out who logs in.
fn drop_surplus(
    conn: &mut AnyConnection,
    user: i64,
    newest: &str,
    per_user: usize,
) -> QueryResult<()> {
    let surplus: Vec<String> = sessions::table
        .filter(sessions::user_id.eq(user).and(sessions::id.ne(newest)))
        .order((sessions::last_seen_at.desc(), sessions::created_at.desc()))
        .offset(i64::try_from(per_user).unwrap_or(i64::MAX) - 1)
        .limit(1000)
        .select(sessions::id)
        .load(conn)?;
    diesel::delete(sessions::table.filter(sessions::id.eq_any(surplus))).execute(conn).map(drop)
}

/// Ends every session of `user`; returns how many there were.
pub(super) fn end_all_sessions(conn: &mut AnyConnection, user: i64) -> QueryResult<usize> {
    diesel::delete(sessions::table.filter(sessions::user_id.eq(user))).execute(conn)
}

/// Ends the user's sessions but that one; returns how many there were.
pub(super) fn end_other_sessions(conn: &mut AnyConnection, kept: &Session) -> QueryResult<usize> {
    let others = sessions::user_id.eq(kept.user_id).and(sessions::id.ne(&kept.id));
    diesel::delete(sessions::table.filter(others)).execute(conn)
}

fn end_session(conn: &mut AnyConnection, id: &str) -> QueryResult<bool> {
    Ok(diesel::delete(sessions::table.find(fingerprint(id))).execute(conn)? == 1)
}

/// The sessions that are alive, with their users.
#[diesel::dsl::auto_type]
fn live(now: Timestamp) -> _ {
    // By a clock that was wrong once, nobody stays signed in until that day.
    let latest: Timestamp = now + SKEW;
    let user: AsSelect<User, MultiBackend> = User::as_select();
    let session: AsSelect<Session, MultiBackend> = Session::as_select();
    users::table
        .inner_join(sessions::table.on(sessions::user_id.eq(users::id)))
        .filter(sessions::expires_at.gt(now))
        .filter(sessions::last_seen_at.le(latest))
        .filter(users::disabled_at.is_null())
        .select((user, session))
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect()
}

impl Auth {
    /// Signs in the user with that e-mail, without asking for a password; the id for the cookie.
    /// `NotFound` when there is no such user, or a disabled one.
    pub async fn create_session(
        &self,
        email: &str,
        beginning: Beginning,
        now: Timestamp,
    ) -> Result<String, DbError> {
        let (email, limits) = (email.to_owned(), self.config.sessions.clone());
        self.db
            .write(move |conn| {
                let user = find_user_by(conn, UserKey::Email(&email))?;
                // It would sleep until the account is enabled again.
                if user.disabled_at.is_some() {
                    return Err(QueryError::NotFound.into());
                }
                Ok(start_session(conn, user.id, &beginning, &limits, now)?)
            })
            .await
    }

    /// The user whose session that is; none for no id, an unknown id, an expired one.
    pub async fn get_user_from_session_id(
        &self,
        id: Option<&str>,
        now: Timestamp,
    ) -> Result<Option<User>, DbError> {
        match id {
            Some(id) => Ok(self.find_session(id, now).await?.map(|(user, _)| user)),
            None => Ok(None),
        }
    }

    /// The live session of that id and its user.
    pub async fn find_session(
        &self,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<(User, Session)>, DbError> {
        let key = fingerprint(id);
        let find = move |conn: &mut AnyConnection| {
            // Not `first`: SQLite compiles a query with `LIMIT ?` anew at each use.
            Ok(live(now).filter(sessions::id.eq(&key)).get_result(conn).optional()?)
        };
        self.db.read(find).await
    }

    /// The live session whose door token that is, and its user.
    pub async fn find_by_door(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Option<(User, Session)>, DbError> {
        let key = fingerprint(token);
        let find = move |conn: &mut AnyConnection| {
            Ok(live(now).filter(sessions::door_key.eq(&key)).get_result(conn).optional()?)
        };
        self.db.read(find).await
    }

    /// Gives a session the key of its door token, where it began before there were any.
    pub async fn add_door(&self, session_id: &str) -> Result<(), DbError> {
        let (row, key) = (fingerprint(session_id), fingerprint(door_token(session_id)));
        self.db
            .write(move |conn| {
                diesel::update(sessions::table.find(&row))
                    .set(sessions::door_key.eq(&key))
                    .execute(conn)?;
                Ok(())
            })
            .await
    }

    /// Ends that session; `users.session_id` is null afterwards if it named that one. False when
    /// there was none.
    pub async fn destroy_session(&self, id: &str) -> Result<bool, DbError> {
        let id = id.to_owned();
        self.db.write(move |conn| Ok(end_session(conn, &id)?)).await
    }

    /// Writes down that a session was used just now, and from where, which moves its idle limit.
    /// Whoever uses a stolen cookie shows in the owner's list with their own address.
    pub async fn touch_session(
        &self,
        session: &Session,
        device: &Device,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let expiry = self.config.sessions.expiry(session.created_at, now, session.remembered);
        let (id, user_agent, ip) = (session.id.clone(), cut(&device.user_agent), cut(&device.ip));
        self.db
            .write(move |conn| {
                diesel::update(sessions::table.find(&id))
                    .set((
                        sessions::last_seen_at.eq(now),
                        sessions::expires_at.eq(expiry),
                        sessions::user_agent.eq(&user_agent),
                        sessions::ip.eq(&ip),
                    ))
                    .execute(conn)?;
                Ok(())
            })
            .await
    }

    /// Deletes expired sessions; returns how many.
    pub async fn purge_sessions(&self, now: Timestamp) -> Result<usize, DbError> {
        self.db
            .write_in_batches(move |conn| {
                let expired: Vec<String> = sessions::table
                    .filter(sessions::expires_at.le(now))
                    .order(sessions::expires_at)
                    .limit(BATCH)
                    .select(sessions::id)
                    .load(conn)?;
                let expired = sessions::table.filter(sessions::id.eq_any(expired));
                Ok(diesel::delete(expired).execute(conn)?)
            })
            .await
    }
}

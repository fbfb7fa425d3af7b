//! Export: all that is stored about somebody, in the form that `docs/export.md` describes. Secrets are
//! named there and left out here, hashes too: a file on somebody's disk must open nothing.

use diesel::prelude::*;
use serde::Serialize;

use super::auth::Auth;
use super::throttle::{self, Counted};
use super::user::{User, UserKey, find_user_by};
use crate::audit::journal;
use crate::clock::Timestamp;
use crate::db::schema::{devices, outbox, pending_forms, sessions, sign_ups, tokens};
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;

/// Changes when a field goes or means something else, not when one is added.
const VERSION: u32 = 1;
/// A hundred a day for as long as events are kept, and a few megabytes. Whoever brings about more of
/// them than that must not bring down the service by reading them.
pub const MOST_EVENTS: usize = 10_000;

/// The file.
#[derive(Debug, Serialize)]
pub struct Export {
    format: &'static str,
    version: u32,
    exported_at: String,
    account: Account,
    sessions: Vec<Session>,
    waiting_forms: Vec<WaitingForm>,
    devices: Vec<Device>,
    links: Vec<Link>,
    mails: Vec<Mail>,
    limits: Vec<Counted>,
    sign_ups: Vec<SignUp>,
    events: Vec<Event>,
    /// False when there are older ones than [`MOST_EVENTS`].
    events_complete: bool,
}

#[derive(Debug, Serialize)]
struct Account {
    id: i64,
    email: String,
    email_key: String,
    confirmed_at: Option<String>,
    display_name: Option<String>,
    time_zone: Option<String>,
    created_at: String,
    password_changed_at: String,
    reset_link: Option<ResetLink>,
    disabled_at: Option<String>,
    delete_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct ResetLink {
    asked_at: Option<String>,
    email_key: Option<String>,
}

#[derive(Debug, Serialize)]
struct Session {
    latest: bool,
    created_at: String,
    last_seen_at: String,
    authenticated_at: String,
    expires_at: String,
    remembered: bool,
    user_agent: String,
    ip: String,
    failed_proofs: i32,
}

#[derive(Debug, Serialize)]
struct WaitingForm {
    expires_at: String,
}

#[derive(Debug, Serialize)]
struct Device {
    last_used_at: String,
}

#[derive(Debug, Serialize)]
struct Link {
    purpose: String,
    email: String,
    email_key: String,
    expires_at: String,
}

#[derive(Debug, Serialize)]
struct Mail {
    message_id: String,
    kind: String,
    state: Option<String>,
    created_at: String,
    expires_at: Option<String>,
    attempts: Option<i32>,
    next_attempt_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct SignUp {
    email: String,
    email_key: String,
    created_at: String,
    link_expires_at: Option<String>,
}

#[derive(Debug, Serialize)]
struct Event {
    at: String,
    event: String,
    times: i64,
    ip: String,
    user_agent: String,
    request_id: String,
}

impl Auth {
    /// All of it as it is at one moment; none when the account has gone meanwhile.
    pub async fn export(&self, user: i64, now: Timestamp) -> Result<Option<Export>, DbError> {
        let limits = self.config.throttle.clone();
        self.db
            .read_moment(move |conn| {
                let Some(user) = find_user_by(conn, UserKey::Id(user)).optional()? else {
                    return Ok(None);
                };
                let (events, events_complete) = events_of(conn, user.id)?;
                Ok(Some(Export {
                    format: "gatehouse-export",
                    version: VERSION,
                    exported_at: now.rfc3339(),
                    sessions: sessions_of(conn, &user)?,
                    waiting_forms: waiting_forms_of(conn, user.id)?,
                    devices: devices_of(conn, user.id)?,
                    links: links_of(conn, &user)?,
                    mails: mails_of(conn, user.id)?,
                    limits: throttle::counted(conn, &limits, &user)?,
                    sign_ups: sign_ups_of(conn, &user)?,
                    account: user.into(),
                    events,
                    events_complete,
                }))
            })
            .await
    }
}

fn moment(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        let reset_link = user.reset_token.map(|_| ResetLink {
            asked_at: moment(user.reset_asked_at),
            email_key: user.reset_email,
        });
        Self {
            id: user.id,
            email: user.email,
            email_key: user.email_key,
            confirmed_at: moment(user.confirmed_at),
            display_name: user.display_name,
            time_zone: user.time_zone,
            created_at: user.created_at.rfc3339(),
            password_changed_at: user.password_changed_at.rfc3339(),
            reset_link,
            disabled_at: moment(user.disabled_at),
            delete_at: moment(user.delete_at),
        }
    }
}

fn sessions_of(conn: &mut AnyConnection, user: &User) -> QueryResult<Vec<Session>> {
    let rows: Vec<(super::session::Session, i32)> = sessions::table
        .filter(sessions::user_id.eq(user.id))
        .order(sessions::last_seen_at.desc())
        .select((super::session::Session::as_select(), sessions::failed_proofs))
        .load(conn)?;
    let told = |(row, failed_proofs): (super::session::Session, i32)| Session {
        latest: user.session_id.as_ref() == Some(&row.id),
        created_at: row.created_at.rfc3339(),
        last_seen_at: row.last_seen_at.rfc3339(),
        authenticated_at: row.authenticated_at.rfc3339(),
        expires_at: row.expires_at.rfc3339(),
        remembered: row.remembered,
        user_agent: row.user_agent,
        ip: row.ip,
        failed_proofs,
    };
    Ok(rows.into_iter().map(told).collect())
}

fn waiting_forms_of(conn: &mut AnyConnection, user: i64) -> QueryResult<Vec<WaitingForm>> {
    let theirs = sessions::table.filter(sessions::user_id.eq(user)).select(sessions::id);
    let rows: Vec<Timestamp> = pending_forms::table
        .filter(pending_forms::session_id.eq_any(theirs))
        .select(pending_forms::expires_at)
        .load(conn)?;
    Ok(rows.into_iter().map(|at| WaitingForm { expires_at: at.rfc3339() }).collect())
}

fn devices_of(conn: &mut AnyConnection, user: i64) -> QueryResult<Vec<Device>> {
    let rows: Vec<Timestamp> = devices::table
        .filter(devices::user_id.eq(user))
        .order(devices::last_used_at.desc())
        .select(devices::last_used_at)
        .load(conn)?;
    Ok(rows.into_iter().map(|at| Device { last_used_at: at.rfc3339() }).collect())
}

/// Links of the account, and those that were mailed to its address before there was one. What
/// somebody else wants of this address is theirs.
fn links_of(conn: &mut AnyConnection, user: &User) -> QueryResult<Vec<Link>> {
    type Row = (String, String, String, Timestamp);
    let columns = (tokens::purpose, tokens::email, tokens::email_key, tokens::expires_at);
    let mut rows: Vec<Row> =
        tokens::table.filter(tokens::user_id.eq(user.id)).select(columns).load(conn)?;
    let of_nobody = tokens::email_key.eq(&user.email_key).and(tokens::user_id.is_null());
    rows.extend(tokens::table.filter(of_nobody).select(columns).load::<Row>(conn)?);
    let told = |(purpose, email, email_key, expires_at): Row| Link {
        purpose,
        email,
        email_key,
        expires_at: expires_at.rfc3339(),
    };
    Ok(rows.into_iter().map(told).collect())
}

fn mails_of(conn: &mut AnyConnection, user: i64) -> QueryResult<Vec<Mail>> {
    let rows: Vec<crate::mail::outbox::Row> = outbox::table
        .filter(outbox::user_id.eq(user))
        .select(crate::mail::outbox::Row::as_select())
        .load(conn)?;
    let told = |row: crate::mail::outbox::Row| {
        // Whether the link to an address left at all depends on who else has that address (B-07).
        let its_way = Kind::parse(&row.kind) != Some(Kind::EmailChange);
        Mail {
            message_id: row.message_id,
            kind: row.kind,
            state: its_way.then_some(row.state),
            created_at: row.created_at.rfc3339(),
            expires_at: moment(row.expires_at),
            attempts: its_way.then_some(row.attempts),
            next_attempt_at: its_way.then(|| row.next_attempt_at.rfc3339()),
        }
    };
    Ok(rows.into_iter().map(told).collect())
}

fn sign_ups_of(conn: &mut AnyConnection, user: &User) -> QueryResult<Vec<SignUp>> {
    let rows: Vec<(String, String, Timestamp, Option<Timestamp>)> = sign_ups::table
        .filter(sign_ups::email_key.eq(&user.email_key))
        .select((
            sign_ups::email,
            sign_ups::email_key,
            sign_ups::created_at,
            sign_ups::token_expires_at,
        ))
        .load(conn)?;
    let told =
        |(email, email_key, created_at, expires_at): (String, String, Timestamp, _)| SignUp {
            email,
            email_key,
            created_at: created_at.rfc3339(),
            link_expires_at: moment(expires_at),
        };
    Ok(rows.into_iter().map(told).collect())
}

/// The newest first, and whether that is all.
fn events_of(conn: &mut AnyConnection, user: i64) -> QueryResult<(Vec<Event>, bool)> {
    let mut rows = journal::newest(conn, Some(user), MOST_EVENTS as i64 + 1)?;
    let complete = rows.len() <= MOST_EVENTS;
    rows.truncate(MOST_EVENTS);
    let told = |row: journal::Row| Event {
        at: row.at.rfc3339(),
        event: row.event,
        times: row.times,
        ip: row.ip,
        user_agent: row.user_agent,
        request_id: row.request_id,
    };
    Ok((rows.into_iter().map(told).collect(), complete))
}

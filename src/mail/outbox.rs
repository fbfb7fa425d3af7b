//! The outbox: mails wait in the database, encrypted, written in the transaction of their deed.

use std::time::Duration;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::Letter;
use crate::clock::{SKEW, Timestamp};
use crate::db::AnyConnection;
use crate::db::batches::BATCH;
use crate::db::schema::outbox;
use crate::tokens::{Sealer, Unsealable, generate_uuid};

/// A row claimed by a worker belongs to it this long: longer than any SMTP dialogue may take, so
/// that only a process that died gives a mail to another.
pub const LEASE: Duration = Duration::from_secs(5 * 60);
/// A mail that never expires is given up after this long, as mail servers do (RFC 5321, 4.5.4.1:
/// at least 4 to 5 days for a relay; a notice that late helps nobody).
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(2 * 24 * 60 * 60);
/// What was given up, and files that nobody collected, stay for the operator to see, this long.
pub const KEEP_FAILED: Duration = Duration::from_secs(30 * 24 * 60 * 60);
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(60 * 60);

/// What a mail is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    PasswordReset,
    PasswordChanged,
    Unlock,
    ConfirmEmail,
    Invitation,
    EmailChange,
    EmailChanged,
    NewLogIn,
    DeletionAsked,
    AddressWanted,
}

impl Kind {
    /// Those that are a link and nothing else: when it has died, they mean nothing.
    pub const LINKS: [Self; 5] = [
        Self::PasswordReset,
        Self::Unlock,
        Self::ConfirmEmail,
        Self::Invitation,
        Self::EmailChange,
    ];
    /// Those that tell an owner what happened, most of them with a link to undo it.
    pub const NOTICES: [Self; 5] = [
        Self::PasswordChanged,
        Self::EmailChanged,
        Self::NewLogIn,
        Self::DeletionAsked,
        Self::AddressWanted,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::PasswordReset => "password_reset",
            Self::PasswordChanged => "password_changed",
            Self::Unlock => "unlock",
            Self::ConfirmEmail => "confirm_email",
            Self::Invitation => "invitation",
            Self::EmailChange => "email_change",
            Self::EmailChanged => "email_changed",
            Self::NewLogIn => "new_log_in",
            Self::DeletionAsked => "deletion_asked",
            Self::AddressWanted => "address_wanted",
        }
    }

    pub fn all() -> impl Iterator<Item = Self> {
        Self::LINKS.into_iter().chain(Self::NOTICES)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::all().find(|kind| kind.as_str() == text)
    }
}

/// What a mail is about, and until when it means anything.
pub struct Note {
    pub kind: Kind,
    pub user: Option<i64>,
    /// Where there is no account, which sign-up or invitation; else what there is to say of it.
    pub subject: Option<String>,
    pub expires_at: Option<Timestamp>,
}

impl Note {
    /// To the owner of an account.
    pub fn to_user(kind: Kind, user: i64) -> Self {
        Self { kind, user: Some(user), subject: None, expires_at: None }
    }

    /// To the owner of an account, with a link that dies.
    pub fn dying_to_user(kind: Kind, user: i64, expires_at: Timestamp) -> Self {
        Self { expires_at: Some(expires_at), ..Self::to_user(kind, user) }
    }

    /// With a link that dies.
    pub fn dying(kind: Kind, expires_at: Timestamp) -> Self {
        Self { kind, user: None, subject: None, expires_at: Some(expires_at) }
    }

    pub fn about(self, subject: String) -> Self {
        Self { subject: Some(subject), ..self }
    }
}

/// A wish's letter, and whose account it is about.
pub struct Composed {
    pub user: Option<i64>,
    /// None where nothing is to leave, which the row must not tell.
    pub letter: Option<Letter>,
}

/// What waits: a finished letter, or a wish whose letter the worker composes. The wish keeps the
/// visitor's request the same whether or not anybody has that address.
#[derive(Serialize, Deserialize)]
pub enum Content {
    Letter(Letter),
    Wish { email: String },
}

impl Content {
    pub fn to(&self) -> &str {
        match self {
            Self::Letter(letter) => &letter.to,
            Self::Wish { email } => email,
        }
    }
}

/// A mail's place in its life.
pub const WAITING: &str = "waiting";
pub const SENT: &str = "sent";
pub const FAILED: &str = "failed";

/// A row of the outbox.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = outbox)]
pub struct Row {
    pub id: i64,
    pub message_id: String,
    pub kind: String,
    pub user_id: Option<i64>,
    pub content: Vec<u8>,
    pub state: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub next_attempt_at: Timestamp,
    pub attempts: i32,
    pub last_error: Option<String>,
    pub subject: Option<String>,
}

/// Puts mails in and takes them out; all of it needs the key.
#[derive(Clone)]
pub struct Outbox {
    sealer: Sealer,
}

impl Outbox {
    pub fn new(sealer: Sealer) -> Self {
        Self { sealer }
    }

    /// Adds a mail; call it in the transaction of the deed that the mail tells of.
    pub fn add(
        &self,
        conn: &mut AnyConnection,
        note: &Note,
        content: &Content,
        now: Timestamp,
    ) -> QueryResult<()> {
        let message_id = generate_uuid();
        let sealed = self.seal(content, &message_id);
        diesel::insert_into(outbox::table)
            .values((
                outbox::message_id.eq(message_id),
                outbox::kind.eq(note.kind.as_str()),
                outbox::user_id.eq(note.user),
                outbox::subject.eq(&note.subject),
                outbox::content.eq(sealed),
                outbox::state.eq(WAITING),
                outbox::created_at.eq(now),
                outbox::expires_at.eq(note.expires_at),
                outbox::next_attempt_at.eq(now),
                outbox::attempts.eq(0),
            ))
            .execute(conn)
            .map(drop)
    }

    fn seal(&self, content: &Content, message_id: &str) -> Vec<u8> {
        let plain = serde_json::to_vec(content).expect("strings always become JSON");
        self.sealer.seal(&plain, message_id)
    }

    pub fn open(&self, row: &Row) -> Result<Content, Unsealable> {
        let plain = self.sealer.open(&row.content, &row.message_id)?;
        serde_json::from_slice(&plain).map_err(|_| Unsealable)
    }

    /// Replaces a wish by its letter to a user, or to nobody; false when the row has gone
    /// meanwhile.
    pub fn fulfil(
        &self,
        conn: &mut AnyConnection,
        row: &Row,
        composed: Option<&Composed>,
    ) -> QueryResult<bool> {
        let letter = composed.and_then(|composed| composed.letter.clone());
        let content = letter
            .map_or_else(Vec::new, |letter| self.seal(&Content::Letter(letter), &row.message_id));
        let user = composed.and_then(|composed| composed.user);
        let changed = diesel::update(outbox::table.find(row.id))
            .set((outbox::user_id.eq(user), outbox::content.eq(content)))
            .execute(conn)?;
        Ok(changed == 1)
    }
}

/// Takes the next mail that is due, for [`LEASE`]; two workers never take the same one.
pub fn claim(conn: &mut AnyConnection, now: Timestamp) -> QueryResult<Option<Row>> {
    let waiting = outbox::table
        .filter(outbox::state.eq(WAITING))
        .order((outbox::next_attempt_at, outbox::id))
        .select(Row::as_select());
    let mut due: Option<Row> =
        waiting.filter(outbox::next_attempt_at.le(now)).first(conn).optional()?;
    if due.is_none() {
        // Nothing waits longer than the longest pause, unless the clock was wrong once.
        let longest = now + LONGEST_RETRY.max(LEASE) + SKEW;
        due = waiting.filter(outbox::next_attempt_at.gt(longest)).first(conn).optional()?;
    }
    let Some(mut row) = due else { return Ok(None) };
    row.attempts = row.attempts.saturating_add(1);
    let claimed = diesel::update(
        outbox::table.find(row.id).filter(outbox::next_attempt_at.eq(row.next_attempt_at)),
    )
    .set((outbox::next_attempt_at.eq(now + LEASE), outbox::attempts.eq(row.attempts)))
    .execute(conn)?;
    row.next_attempt_at = now + LEASE;
    Ok((claimed == 1).then_some(row))
}

/// How many have not left yet.
pub fn count_waiting(conn: &mut AnyConnection) -> QueryResult<i64> {
    outbox::table.filter(outbox::state.eq(WAITING)).count().get_result(conn)
}

/// When the next waiting mail is due.
pub fn next_due(conn: &mut AnyConnection) -> QueryResult<Option<Timestamp>> {
    outbox::table
        .filter(outbox::state.eq(WAITING))
        .select(diesel::dsl::min(outbox::next_attempt_at))
        .first(conn)
}

/// Sent: the text goes, the row stays until its link has died ([`purge`]).
pub fn mark_sent(conn: &mut AnyConnection, id: i64) -> QueryResult<()> {
    diesel::update(outbox::table.find(id))
        .set((
            outbox::state.eq(SENT),
            outbox::content.eq(Vec::new()),
            outbox::last_error.eq(None::<String>),
        ))
        .execute(conn)
        .map(drop)
}

/// Not sent: later again, or given up.
pub fn mark_unsent(
    conn: &mut AnyConnection,
    row: &Row,
    error: &str,
    for_ever: bool,
    now: Timestamp,
) -> QueryResult<()> {
    let given_up = for_ever || now >= row.created_at + GIVE_UP_AFTER;
    // Only while the row is ours: another worker may have sent it since.
    let ours = outbox::table.find(row.id).filter(outbox::next_attempt_at.eq(row.next_attempt_at));
    diesel::update(ours)
        .set((
            outbox::state.eq(if given_up { FAILED } else { WAITING }),
            outbox::next_attempt_at.eq(now + retry_delay(row.attempts)),
            outbox::last_error.eq(error),
        ))
        .execute(conn)
        .map(drop)
}

/// 10 s, 30 s, 90 s … up to an hour.
fn retry_delay(attempts: i32) -> Duration {
    let tries = u32::try_from(attempts.max(1) - 1).unwrap_or(0).min(8);
    (FIRST_RETRY * 3u32.pow(tries)).min(LONGEST_RETRY)
}

/// Mails that wait or were given up, oldest first.
pub fn list(conn: &mut AnyConnection) -> QueryResult<Vec<Row>> {
    // An order by number would make the database walk along all that were sent.
    let mut rows: Vec<Row> = outbox::table
        .filter(outbox::state.eq_any([WAITING, FAILED]))
        .select(Row::as_select())
        .load(conn)?;
    rows.sort_by_key(|row| row.id);
    Ok(rows)
}

/// Makes one mail due now; false when there is none of that id that could be sent.
pub fn retry(conn: &mut AnyConnection, id: i64, now: Timestamp) -> QueryResult<bool> {
    let changed = diesel::update(outbox::table.find(id).filter(outbox::state.ne(SENT)))
        .set((outbox::state.eq(WAITING), outbox::next_attempt_at.eq(now)))
        .execute(conn)?;
    Ok(changed == 1)
}

/// Drops one mail; false when there is none of that id.
pub fn drop_mail(conn: &mut AnyConnection, id: i64) -> QueryResult<bool> {
    Ok(diesel::delete(outbox::table.find(id)).execute(conn)? == 1)
}

/// Drops a user's mails of one kind: their link has died.
pub fn withdraw(conn: &mut AnyConnection, user: i64, kind: Kind) -> QueryResult<()> {
    diesel::delete(
        outbox::table.filter(outbox::user_id.eq(user).and(outbox::kind.eq(kind.as_str()))),
    )
    .execute(conn)
    .map(drop)
}

/// Drops a user's mails that are a link to do something with the account: those links have died.
pub fn withdraw_links(conn: &mut AnyConnection, user: i64) -> QueryResult<()> {
    let links = [Kind::PasswordReset, Kind::Unlock, Kind::EmailChange].map(Kind::as_str);
    let theirs = outbox::user_id.eq(user).and(outbox::kind.eq_any(links));
    diesel::delete(outbox::table.filter(theirs)).execute(conn).map(drop)
}

/// Drops the mails about one sign-up or invitation: their link has died.
pub fn withdraw_about(conn: &mut AnyConnection, subject: &str) -> QueryResult<()> {
    diesel::delete(outbox::table.filter(outbox::subject.eq(subject))).execute(conn).map(drop)
}

/// [`withdraw_about`] for mails in one state of their life.
pub fn withdraw_about_in(conn: &mut AnyConnection, subject: &str, state: &str) -> QueryResult<()> {
    let theirs = outbox::subject.eq(subject).and(outbox::state.eq(state));
    diesel::delete(outbox::table.filter(theirs)).execute(conn).map(drop)
}

/// Drops a batch of what is over: mails whose link has died, those given up long ago, sent ones
/// that never had a link; returns how many.
pub fn purge(conn: &mut AnyConnection, now: Timestamp) -> QueryResult<usize> {
    let mut over: Vec<i64> = outbox::table
        .filter(outbox::expires_at.le(now))
        .order(outbox::expires_at)
        .limit(BATCH)
        .select(outbox::id)
        .load(conn)?;
    let given_up = outbox::state.eq(FAILED).and(outbox::created_at.le(now - KEEP_FAILED));
    let done = outbox::state.eq(SENT).and(outbox::expires_at.is_null());
    let rest = BATCH - over.len() as i64;
    let given_up = outbox::table.filter(given_up).limit(rest).select(outbox::id);
    over.extend(given_up.load::<i64>(conn)?);
    let rest = BATCH - over.len() as i64;
    let done = outbox::table.filter(done).limit(rest).select(outbox::id);
    over.extend(done.load::<i64>(conn)?);
    diesel::delete(outbox::table.filter(outbox::id.eq_any(over))).execute(conn)
}

/// Whether the mail is still in the outbox, sent or not.
pub fn exists(conn: &mut AnyConnection, message_id: &str) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(outbox::table.filter(outbox::message_id.eq(message_id))))
        .get_result(conn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_back_off_to_an_hour() {
        let delays: Vec<u64> = (1..=8).map(|attempt| retry_delay(attempt).as_secs()).collect();
        assert_eq!(delays, [10, 30, 90, 270, 810, 2430, 3600, 3600]);
        assert_eq!(retry_delay(i32::MAX), LONGEST_RETRY);
    }
}

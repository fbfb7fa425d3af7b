//! Mailed tokens: single-use secrets in links, bound to a purpose and an address. The database keeps
//! their SHA-256 alone. (A reset's token has columns of its own in `users`.)

use std::time::Duration;

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::user::{User, UserKey, find_user_by};
use crate::clock::{SKEW, Timestamp};
use crate::db::batches::BATCH;
use crate::db::schema::tokens;
use crate::db::{AnyConnection, DbError};
use crate::tokens::{fingerprint, generate_token};

/// What a token is good for; it is good for nothing else (B-41).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Unlock,
    Invitation,
    /// Confirms the address it went to as the account's.
    EmailChange,
    /// Throws out whoever should not be there, and gives the account back the address it went to.
    SecureAccount,
    /// Calls off the account's deletion.
    KeepAccount,
}

impl Purpose {
    /// Those that undo what somebody else may have done.
    const UNDOING: [Self; 2] = [Self::SecureAccount, Self::KeepAccount];

    fn undoes(self) -> bool {
        Self::UNDOING.contains(&self)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Unlock => "unlock",
            Self::Invitation => "invitation",
            Self::EmailChange => "email_change",
            Self::SecureAccount => "secure_account",
            Self::KeepAccount => "keep_account",
        }
    }

    /// An hour for what is wanted now; a week for what somebody may read on Monday. An account can
    /// be kept for as long as its grace lasts, which is a setting of ten years at most.
    pub fn lifetime(self) -> Duration {
        match self {
            Self::Unlock => Duration::from_secs(60 * 60),
            Self::EmailChange => Duration::from_secs(24 * 60 * 60),
            Self::Invitation | Self::SecureAccount => Duration::from_secs(7 * 24 * 60 * 60),
            Self::KeepAccount => Duration::from_secs(3650 * 24 * 60 * 60),
        }
    }

    /// The same, for a sentence.
    pub(super) fn days(self) -> u64 {
        self.lifetime().as_secs() / (24 * 60 * 60)
    }
}

/// Why a link did nothing.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Unknown, used or expired; or its address is somebody else's by now.
    #[error("dead link")]
    Dead,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<QueryError> for LinkError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

/// A row of `tokens`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = tokens)]
pub struct MailedToken {
    pub user_id: Option<i64>,
    pub email_key: String,
    pub email: String,
}

impl MailedToken {
    /// For a mail to the address that the account has.
    pub(super) fn to_owner(user: &User) -> Self {
        Self {
            user_id: Some(user.id),
            email_key: user.email_key.clone(),
            email: user.email.clone(),
        }
    }
}

impl Auth {
    /// Whose live token that is, of any purpose. Consumes nothing.
    pub async fn find_mailed(
        &self,
        purpose: Purpose,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<MailedToken>, DbError> {
        let token = token.clone();
        self.db.read(move |conn| Ok(find(conn, purpose, &token, now)?)).await
    }

    /// The account that a token is about, as it is now.
    pub async fn account_of(&self, token: &MailedToken) -> Result<Option<User>, DbError> {
        let Some(id) = token.user_id else { return Ok(None) };
        self.db.read(move |conn| Ok(find_user_by(conn, UserKey::Id(id)).optional()?)).await
    }
}

/// A new token; earlier ones of its purpose die, but for those that secure an account: each of the
/// mails that tell of something has its own.
pub(super) fn issue(
    conn: &mut AnyConnection,
    purpose: Purpose,
    owner: &MailedToken,
    now: Timestamp,
) -> QueryResult<SecretString> {
    issue_until(conn, purpose, owner, now + purpose.lifetime())
}

/// [`issue`], with an end of its own.
pub(super) fn issue_until(
    conn: &mut AnyConnection,
    purpose: Purpose,
    owner: &MailedToken,
    expires_at: Timestamp,
) -> QueryResult<SecretString> {
    match purpose {
        Purpose::Unlock | Purpose::Invitation => {
            let address = tokens::email_key.eq(&owner.email_key);
            let siblings = tokens::table.filter(address.and(tokens::purpose.eq(purpose.name())));
            diesel::delete(siblings).execute(conn)?;
        }
        // Whatever address they went to: of two that were asked for, the newer counts (B-69).
        Purpose::EmailChange | Purpose::KeepAccount => {
            if let Some(user) = owner.user_id {
                void(conn, purpose, user)?;
            }
        }
        Purpose::SecureAccount => {}
    }
    let token = generate_token();
    diesel::insert_into(tokens::table)
        .values((
            tokens::id.eq(fingerprint(token.expose_secret())),
            tokens::purpose.eq(purpose.name()),
            tokens::user_id.eq(owner.user_id),
            tokens::email_key.eq(&owner.email_key),
            tokens::email.eq(&owner.email),
            tokens::expires_at.eq(expires_at),
        ))
        .execute(conn)?;
    Ok(token)
}

/// Whose live token that is. Consumes nothing.
pub(super) fn find(
    conn: &mut AnyConnection,
    purpose: Purpose,
    token: &SecretString,
    now: Timestamp,
) -> QueryResult<Option<MailedToken>> {
    // No link lives longer than from now on: such a one was made by a clock that was wrong.
    let latest = now + purpose.lifetime() + SKEW;
    let found: Option<MailedToken> = tokens::table
        .find(fingerprint(token.expose_secret()))
        .filter(tokens::purpose.eq(purpose.name()))
        .filter(tokens::expires_at.gt(now).and(tokens::expires_at.le(latest)))
        .select(MailedToken::as_select())
        .first(conn)
        .optional()?;
    match &found {
        // An operator keeps the owner out: what lets in, or changes who they are, waits.
        Some(MailedToken { user_id: Some(user), .. }) if !purpose.undoes() => {
            let user = find_user_by(conn, UserKey::Id(*user)).optional()?;
            Ok(found.filter(|_| user.is_some_and(|user| user.disabled_at.is_none())))
        }
        _ => Ok(found),
    }
}

/// Consumes it: of two that come at once, exactly one gets it.
pub(super) fn consume(
    conn: &mut AnyConnection,
    purpose: Purpose,
    token: &SecretString,
    now: Timestamp,
) -> QueryResult<Option<MailedToken>> {
    let Some(found) = find(conn, purpose, token, now)? else { return Ok(None) };
    let row = tokens::table.find(fingerprint(token.expose_secret()));
    Ok((diesel::delete(row).execute(conn)? == 1).then_some(found))
}

/// When a token dies, whatever it is good for.
pub(super) fn end_of(
    conn: &mut AnyConnection,
    token: &SecretString,
) -> QueryResult<Option<Timestamp>> {
    let row = tokens::table.find(fingerprint(token.expose_secret()));
    row.select(tokens::expires_at).first(conn).optional()
}

/// Voids the tokens of `user` for one purpose.
pub(super) fn void(conn: &mut AnyConnection, purpose: Purpose, user: i64) -> QueryResult<()> {
    let theirs = tokens::user_id.eq(user).and(tokens::purpose.eq(purpose.name()));
    diesel::delete(tokens::table.filter(theirs)).execute(conn).map(drop)
}

/// Voids all tokens of `user`, but for those that secure the account and die before `end`: they were
/// mailed earlier, to whoever read the account's mail then.
pub(super) fn void_since(conn: &mut AnyConnection, user: i64, end: Timestamp) -> QueryResult<()> {
    let secures = tokens::purpose.eq(Purpose::SecureAccount.name());
    let theirs = tokens::user_id.eq(user);
    let later = diesel::dsl::not(secures.and(tokens::expires_at.lt(end)));
    diesel::delete(tokens::table.filter(theirs.and(later))).execute(conn).map(drop)
}

/// Voids the tokens of `user`, but for those that undo what somebody else may be doing just now.
pub(super) fn void_all(conn: &mut AnyConnection, user: i64) -> QueryResult<()> {
    let undoing = Purpose::UNDOING.map(Purpose::name);
    let theirs = tokens::user_id.eq(user).and(tokens::purpose.ne_all(undoing));
    diesel::delete(tokens::table.filter(theirs)).execute(conn).map(drop)
}

/// Forgets what went to an address that is no account's: invitations.
pub(super) fn forget_address(conn: &mut AnyConnection, email_key: &str) -> QueryResult<()> {
    // Not another account's link, which undoes the change of its address.
    let theirs = tokens::email_key.eq(email_key).and(tokens::user_id.is_null());
    diesel::delete(tokens::table.filter(theirs)).execute(conn).map(drop)
}

/// Deletes a batch of what has expired; returns how many.
pub(super) fn purge(conn: &mut AnyConnection, now: Timestamp) -> QueryResult<usize> {
    let expired: Vec<String> = tokens::table
        .filter(tokens::expires_at.le(now))
        .order(tokens::expires_at)
        .limit(BATCH)
        .select(tokens::id)
        .load(conn)?;
    diesel::delete(tokens::table.filter(tokens::id.eq_any(expired))).execute(conn)
}

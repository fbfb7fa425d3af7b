//! What an operator does to accounts from the command line, with or without a mail server.

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::details::LONGEST_NAME;
use super::email::Email;
use super::mailed_token::{self, MailedToken, Purpose};
use super::password::LOCKED;
use super::password_reset::store_new_token;
use super::session::{Session, end_all_sessions, sessions_of};
use super::user::{
    AddUserError, User, UserChanges, UserKey, add_user, find_user_by, list_users, update_user,
};
use super::{confirmation, details, device, waiting_sign_up};
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;
use crate::mail::outbox;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    #[error("there is no such account")]
    Nobody,
    #[error("this is no e-mail address")]
    Email,
    #[error("a name has 1 to {LONGEST_NAME} characters that people can see")]
    Name,
    #[error("this address has an account already, or had one until a few days ago")]
    EmailTaken,
    #[error("the address is confirmed already")]
    Confirmed,
    #[error("the account is disabled: enable it first")]
    Disabled,
    /// It says that it was used at a later time than now.
    #[error("a clock is wrong: a link was asked for, or the password changed, in time to come")]
    Clock,
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<QueryError> for OperatorError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

/// What a printed link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkKind {
    /// To a new password.
    Reset,
    /// Confirms the address.
    Confirm,
}

/// A link that works once, for the operator to hand over.
pub struct PrintedLink {
    /// None where a sign-up waits.
    pub user: Option<i64>,
    pub email: String,
    pub link: SecretString,
    pub until: Timestamp,
}

/// An operator at work. `who` is an account's number, or its address in any spelling.
pub struct Operator<'a>(pub &'a Auth);

impl Operator<'_> {
    /// Adds an account that no password opens; its owner chooses one with the link.
    pub fn add(
        &self,
        email: &str,
        name: Option<&str>,
        now: Timestamp,
    ) -> Result<(User, PrintedLink), OperatorError> {
        let email = Email::parse(email).map_err(|_| OperatorError::Email)?;
        let name = name.map(check_name).transpose()?;
        let added = self.0.db.write_blocking(|conn| {
            let user = add_user(conn, &email, LOCKED, now).map_err(|error| match error {
                AddUserError::EmailTaken => OperatorError::EmailTaken,
                AddUserError::Db(error) => error.into(),
            })?;
            if name.is_some() {
                let changes =
                    UserChanges { display_name: Some(name.clone()), ..UserChanges::default() };
                update_user(conn, user.id, &changes)?;
            }
            let link = self.reset_link(conn, &user, now)?;
            let user = find_user_by(conn, UserKey::Id(user.id))?;
            Ok::<_, OperatorError>((user, link))
        })?;
        self.record(Event::AccountAdded, Some(added.0.id));
        Ok(added)
    }

    /// Those with a number above `after`, by their numbers.
    pub fn list(&self, after: i64, most: u32, disabled: bool) -> Result<Vec<User>, OperatorError> {
        let list = |conn: &mut AnyConnection| list_users(conn, after, most.into(), disabled);
        self.0.db.read_blocking(|conn| list(conn).map_err(OperatorError::from))
    }

    /// The account, and the sessions that are alive in it, the latest first.
    pub fn show(&self, who: &str, now: Timestamp) -> Result<(User, Vec<Session>), OperatorError> {
        self.0.db.read_blocking(|conn| {
            let user = find(conn, who)?;
            let sessions = sessions_of(conn, user.id, now)?;
            Ok((user, sessions))
        })
    }

    /// Keeps the owner out from now on: no log-in, no session, no link lets them in (ASVS 7.4.2).
    /// Links that are out are void even when the account is enabled again, but for those that undo
    /// what somebody else did: why it was disabled may be who got them.
    pub fn disable(&self, who: &str, now: Timestamp) -> Result<User, OperatorError> {
        let user = self.0.db.write_blocking(|conn| {
            let user = find(conn, who)?;
            // The first time is the one to know.
            let since = user.disabled_at.unwrap_or(now);
            end_all_sessions(conn, user.id)?;
            mailed_token::void_all(conn, user.id)?;
            outbox::withdraw_links(conn, user.id)?;
            let changes = UserChanges {
                reset_token: Some(None),
                reset_asked_at: Some(None),
                reset_email: Some(None),
                ..UserChanges::default()
            };
            update_user(conn, user.id, &changes)?;
            change_disabled(conn, user.id, Some(since))
        })?;
        self.record(Event::AccountDisabled, Some(user.id));
        Ok(user)
    }

    pub fn enable(&self, who: &str) -> Result<User, OperatorError> {
        let user = self.0.db.write_blocking(|conn| {
            let user = find(conn, who)?;
            change_disabled(conn, user.id, None)
        })?;
        self.record(Event::AccountEnabled, Some(user.id));
        Ok(user)
    }

    /// Clears what was counted against log-ins and proofs. Known browsers are counted by what their
    /// cookies alone tell: as strangers they begin anew.
    pub fn unlock(&self, who: &str) -> Result<User, OperatorError> {
        let user = self.0.db.write_blocking(|conn| {
            let user = find(conn, who)?;
            self.0.config.throttle.forget_guesses(conn, &user)?;
            device::forget_all(conn, user.id)?;
            Ok::<_, OperatorError>(user)
        })?;
        self.record(Event::AccountUnlocked, Some(user.id));
        Ok(user)
    }

    /// How many sessions came to their end.
    pub fn end_sessions(&self, who: &str) -> Result<(User, usize), OperatorError> {
        let ended = self.0.db.write_blocking(|conn| {
            let user = find(conn, who)?;
            let ended = end_all_sessions(conn, user.id)?;
            Ok::<_, OperatorError>((user, ended))
        })?;
        self.record(Event::SessionsEnded, Some(ended.0.id));
        Ok(ended)
    }

    /// Erases the account at once, without any grace.
    pub fn erase(&self, who: &str) -> Result<User, OperatorError> {
        let user = self.0.db.write_blocking(|conn| {
            let user = find(conn, who)?;
            self.0.erase(conn, &user)?;
            Ok::<_, OperatorError>(user)
        })?;
        self.record(Event::AccountDeleted, None);
        Ok(user)
    }

    /// Makes a link, which takes the place of any that was mailed.
    pub fn link(
        &self,
        who: &str,
        kind: LinkKind,
        now: Timestamp,
    ) -> Result<PrintedLink, OperatorError> {
        let link = self.0.db.write_blocking(|conn| match (find(conn, who), kind) {
            (Ok(user), _) if user.disabled_at.is_some() => Err(OperatorError::Disabled),
            (Ok(user), LinkKind::Reset) => self.reset_link(conn, &user, now),
            (Ok(user), LinkKind::Confirm) => self.confirm_link(conn, &user, now),
            (Err(OperatorError::Nobody), LinkKind::Confirm) => {
                self.sign_up_link(conn, who, now)?.ok_or(OperatorError::Nobody)
            }
            (Err(error), _) => Err(error),
        })?;
        self.record(Event::LinkPrinted, link.user);
        Ok(link)
    }

    fn reset_link(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> Result<PrintedLink, OperatorError> {
        let token = store_new_token(conn, user, now, now)?.ok_or(OperatorError::Clock)?;
        outbox::withdraw(conn, user.id, Kind::PasswordReset)?;
        let until = now + self.0.config.reset_lifetime;
        Ok(self.printed(Some(user.id), &user.email, "reset_password", &token, until))
    }

    fn confirm_link(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> Result<PrintedLink, OperatorError> {
        if user.confirmed_at.is_some() {
            return Err(OperatorError::Confirmed);
        }
        let owner = MailedToken::to_owner(user);
        let token = mailed_token::issue(conn, Purpose::EmailChange, &owner, now)?;
        let until = now + Purpose::EmailChange.lifetime();
        Ok(self.printed(Some(user.id), &user.email, "email_change", &token, until))
    }

    /// For somebody who has signed up and not confirmed the address yet.
    fn sign_up_link(
        &self,
        conn: &mut AnyConnection,
        email: &str,
        now: Timestamp,
    ) -> Result<Option<PrintedLink>, OperatorError> {
        let Some((email, token)) = waiting_sign_up::new_link(conn, email, now)? else {
            return Ok(None);
        };
        let until = now + confirmation::LINK_LIFETIME;
        Ok(Some(self.printed(None, &email, "confirm", &token, until)))
    }

    fn printed(
        &self,
        user: Option<i64>,
        email: &str,
        page: &str,
        token: &SecretString,
        until: Timestamp,
    ) -> PrintedLink {
        let link = self.0.messages.link(&format!("/{page}/{}", token.expose_secret()));
        PrintedLink { user, email: email.to_owned(), link: link.into(), until }
    }

    fn record(&self, event: Event, user: Option<i64>) {
        audit::record(event, user, &self.0.journal.inside());
    }
}

fn find(conn: &mut AnyConnection, who: &str) -> Result<User, OperatorError> {
    let key = who.parse().map_or(UserKey::Email(who), UserKey::Id);
    find_user_by(conn, key).optional()?.ok_or(OperatorError::Nobody)
}

fn change_disabled(
    conn: &mut AnyConnection,
    id: i64,
    since: Option<Timestamp>,
) -> Result<User, OperatorError> {
    let changes = UserChanges { disabled_at: Some(since), ..UserChanges::default() };
    update_user(conn, id, &changes)?;
    Ok(find_user_by(conn, UserKey::Id(id))?)
}

/// The rules that the owner's own form has.
fn check_name(name: &str) -> Result<String, OperatorError> {
    details::parse_name(name).ok().flatten().ok_or(OperatorError::Name)
}

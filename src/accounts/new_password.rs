//! A new password, however it comes: what it must be, what dies with the one before, the mail that
//! tells of it.

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::SecretString;

use super::auth::Auth;
use super::email::Email;
use super::mailed_token::Purpose;
use super::password::PasswordError;
use super::secure_account::note;
use super::user::{User, UserKey, find_user_by};
use super::{Broken, mailed_token};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};
use crate::mail::messages::PasswordChanged;
use crate::mail::outbox::{self, Composed, Content};
use crate::mail::worker::Wish;
use crate::mail::{Kind, Letter};

/// How it came, which its mail says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// From a link, mailed or handed over: every device was logged out.
    ByLink,
    /// The same, for an account that had none.
    FirstByLink,
    /// From somebody signed in: all other devices were logged out.
    EndingOthers,
    /// From somebody signed in: the other devices stayed.
    KeepingOthers,
}

impl How {
    /// Kept beside the mail, which may have to be written anew.
    fn name(self) -> &'static str {
        match self {
            Self::ByLink => "by link",
            Self::FirstByLink => "first by link",
            Self::EndingOthers => "ending others",
            Self::KeepingOthers => "keeping others",
        }
    }

    /// A mail of a version that knew mailed links alone has no name.
    fn parse(name: Option<&str>) -> Self {
        let known = [Self::FirstByLink, Self::EndingOthers, Self::KeepingOthers];
        known.into_iter().find(|how| Some(how.name()) == name).unwrap_or(Self::ByLink)
    }
}

impl Auth {
    /// Why `user` may not have that password, if so.
    pub(super) async fn refuse_password(
        &self,
        user: &User,
        new_password: &SecretString,
        client: &str,
    ) -> Result<Option<PasswordError>, Broken> {
        let rules = &self.config.password;
        let unreadable = || QueryError::DeserializationError("a damaged e-mail address".into());
        let address = Email::parse(&user.email).map_err(|_| DbError::from(unreadable()))?;
        if let Err(error) = rules.check(new_password, &address) {
            return Ok(Some(error));
        }
        let stored = Some(user.hashed_password.clone());
        let unchanged = rules.enforced && self.hasher.verify(new_password, stored, client).await?;
        Ok(unchanged.then_some(PasswordError::Unchanged))
    }

    /// For the transaction that stores it: links that were mailed die with the password they were
    /// mailed for, but for those that undo; the owner is told.
    pub(super) fn settle_new_password(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        how: How,
        now: Timestamp,
    ) -> Result<(), DbError> {
        mailed_token::void_all(conn, user.id)?;
        outbox::withdraw_links(conn, user.id)?;
        let letter = Content::Letter(self.changed_notice(conn, user, how, now, now)?);
        let note = note(Kind::PasswordChanged, user.id, now).about(how.name().to_owned());
        Ok(self.outbox.add(conn, &note, &letter, now)?)
    }

    fn changed_notice(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        how: How,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Letter, DbError> {
        let notice = PasswordChanged {
            email: user.email.clone(),
            when: at.in_words_of(user.time_zone.as_deref()),
            by_link: matches!(how, How::ByLink | How::FirstByLink),
            none_before: how == How::FirstByLink,
            others_kept: how == How::KeepingOthers,
            link: self.secure_link(conn, user, now)?,
            days: Purpose::SecureAccount.days(),
        };
        self.written(user, &notice)
    }

    /// The notice is written with the deed; here, again, because the key has changed since.
    pub(super) fn compose_changed(
        &self,
        conn: &mut AnyConnection,
        wish: &Wish<'_>,
    ) -> Result<Option<Composed>, DbError> {
        let Some(id) = wish.user else { return Ok(None) };
        let Some(user) = find_user_by(conn, UserKey::Id(id)).optional()? else { return Ok(None) };
        let how = How::parse(wish.subject);
        let letter = self.changed_notice(conn, &user, how, wish.asked_at, wish.now)?;
        Ok(Some(Composed { user: Some(id), letter: Some(letter) }))
    }
}

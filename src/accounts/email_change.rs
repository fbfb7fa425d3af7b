//! Change e-mail: the new address says yes with the link that was mailed to it, the old one hears of
//! it and can undo it.

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::email::Email;
use super::mailed_token::{self, LinkError, MailedToken, Purpose};
use super::secure_account::{is_taken, note, owner_of, reserved, set_address};
use super::session::Session;
use super::sudo::still_there;
use super::throttle::{Deed, Limited, TakeError};
use super::user::{User, UserChanges, UserKey, find_user_by, update_user};
use super::{FieldError, FieldErrors};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};
use crate::mail::messages::{AddressWanted, EmailChange, EmailChanged, EmailConfirmed};
use crate::mail::outbox::{self, Composed, Content, Note};
use crate::mail::worker::Wish;
use crate::mail::{Kind, Letter};

/// Why no link is on its way.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("refused fields")]
    Invalid(FieldErrors),
    /// The session is over, or the password another one, by now.
    #[error("overtaken")]
    Overtaken,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<QueryError> for AskError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

/// Somebody reads the mail of their account's address.
pub struct Proven {
    /// With that address.
    pub user: User,
    /// False where it had that address before.
    pub changed: bool,
}

impl From<TakeError> for AskError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Limited(limited) => limited.into(),
            TakeError::Db(error) => error.into(),
        }
    }
}

impl Auth {
    /// Judges the form of a new address. Whether it is somebody else's is told to nobody.
    pub fn check_new_address(&self, user: &User, email: &str) -> Result<Email, FieldErrors> {
        let refuse = |error| Err(FieldErrors::one("email", error));
        match Email::parse(email) {
            Err(error) => refuse(FieldError::Email(error)),
            Ok(email) if email.as_typed() == user.email => refuse(FieldError::SameEmail),
            Ok(email) if !self.is_domain_allowed(&email) => refuse(FieldError::Domain),
            Ok(email) => Ok(email),
        }
    }

    /// Leaves the wish for a link to the new address, in place of any that was asked for before: the
    /// same for a free and a taken one (B-07).
    pub async fn ask_for_email_change(
        &self,
        user: &User,
        session: &Session,
        email: &str,
        ip: &str,
        now: Timestamp,
    ) -> Result<(), AskError> {
        let email = self.check_new_address(user, email).map_err(AskError::Invalid)?;
        self.take_for_owner(Deed::ChangeEmail, user.id, now).await?;
        self.take_for_client(Deed::ChangeEmail, ip, now).await?;
        let wish = Content::Wish { email: email.as_typed().to_owned() };
        let end = now + Purpose::EmailChange.lifetime();
        let note = Note::dying_to_user(Kind::EmailChange, user.id, end);
        let (outbox, user, session) = (self.outbox.clone(), user.clone(), session.clone());
        self.db
            .write(move |conn| {
                let user = still_there(conn, &user, &session)?.ok_or(AskError::Overtaken)?;
                mailed_token::void(conn, Purpose::EmailChange, user.id)?;
                outbox::withdraw(conn, user.id, Kind::EmailChange)?;
                outbox.add(conn, &note, &wish, now).map_err(AskError::from)
            })
            .await?;
        self.bell.ring();
        Ok(())
    }

    /// What the worker mails to the new address: the link; to one that is somebody else's no more than
    /// word of it. The asker can read what is stored about them: there is a token, and the row stays
    /// theirs, whoever has the address and whether or not a mail leaves (B-07).
    pub(super) fn compose_email_change(
        &self,
        conn: &mut AnyConnection,
        wish: &Wish<'_>,
    ) -> Result<Option<Composed>, DbError> {
        let (Some(id), Ok(email)) = (wish.user, Email::parse(wish.email)) else { return Ok(None) };
        let Some(user) = find_user_by(conn, UserKey::Id(id)).optional()? else { return Ok(None) };
        let new = MailedToken {
            user_id: Some(id),
            email_key: email.key().to_owned(),
            email: email.as_typed().to_owned(),
        };
        let end = wish.asked_at + Purpose::EmailChange.lifetime();
        let token = mailed_token::issue_until(conn, Purpose::EmailChange, &new, end)?;
        let composed = |letter| Ok(Some(Composed { user: Some(id), letter }));
        // Nor is that a mail was held back told to the asker.
        if !self.may_mail_to(conn, email.key(), None, wish.now)? {
            return composed(None);
        }
        if let Some((owner, email)) = other_owner(conn, &new, wish.now)? {
            let letter = Content::Letter(self.wanted_letter(&email)?);
            // Theirs, so that nothing that the asker does takes it back.
            let note = Note::to_user(Kind::AddressWanted, owner);
            self.outbox.add(conn, &note, &letter, wish.now)?;
            return composed(None);
        }
        let letter = EmailChange {
            email: user.email,
            new_email: new.email.clone(),
            link: self.messages.link(&format!("/email_change/{}", token.expose_secret())),
            hours: Purpose::EmailChange.lifetime().as_secs() / 3600,
        };
        composed(Some(self.written(&new.email, &letter)?))
    }

    /// Tells the owner of an address that somebody wants it.
    pub(super) fn wanted_letter(&self, owner: &str) -> Result<Letter, DbError> {
        self.written(owner, &AddressWanted { email: owner.to_owned() })
    }

    /// Consumes the link: the account's address is the one that it was mailed to (B-69). Nothing
    /// changes where that is somebody else's by now.
    pub async fn change_email(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Proven, LinkError> {
        let (auth, token) = (self.clone(), token.clone());
        let proven = self.db.write(move |conn| {
            let found = mailed_token::consume(conn, Purpose::EmailChange, &token, now)?;
            auth.take_address(conn, &found.ok_or(LinkError::Dead)?, now)
        });
        let proven = proven.await?;
        self.bell.ring();
        Ok(proven)
    }

    fn take_address(
        &self,
        conn: &mut AnyConnection,
        new: &MailedToken,
        now: Timestamp,
    ) -> Result<Proven, LinkError> {
        let user = owner_of(conn, new)?.filter(|user| user.disabled_at.is_none());
        let user = user.ok_or(LinkError::Dead)?;
        // An operator's link: nobody need hear of a change.
        if new.email == user.email {
            let changes = UserChanges { confirmed_at: Some(Some(now)), ..UserChanges::default() };
            update_user(conn, user.id, &changes)?;
            return Ok(Proven { user, changed: false });
        }
        if is_taken(conn, &new.email_key, Some(user.id), now)? {
            return Err(LinkError::Dead);
        }
        self.tell_both(conn, &user, new, now)?;
        set_address(conn, user.id, new, now)?;
        mailed_token::void_all(conn, user.id)?;
        outbox::withdraw_links(conn, user.id)?;
        Ok(Proven { user: find_user_by(conn, UserKey::Id(user.id))?, changed: true })
    }

    /// Mails both addresses, before the change: the link gives back the one that `user` still has.
    fn tell_both(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        new: &MailedToken,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let when = now.in_words_of(user.time_zone.as_deref());
        let told = EmailChanged {
            email: user.email.clone(),
            new_email: new.email.clone(),
            when: when.clone(),
            link: self.secure_link(conn, user, now)?,
            days: Purpose::SecureAccount.days(),
        };
        let note = note(Kind::EmailChanged, user.id, now);
        let letter = Content::Letter(self.written(user, &told)?);
        self.outbox.add(conn, &note, &letter, now)?;
        // Of another spelling the one mailbox has heard.
        if new.email_key != user.email_key {
            let told = EmailConfirmed { email: new.email.clone(), when };
            let letter = Content::Letter(self.written(&new.email, &told)?);
            self.outbox.add(conn, &note, &letter, now)?;
        }
        Ok(())
    }
}

/// Who has the address that the account of `new` wants, or may take it back, and how they spell it.
fn other_owner(
    conn: &mut AnyConnection,
    new: &MailedToken,
    now: Timestamp,
) -> QueryResult<Option<(i64, String)>> {
    match find_user_by(conn, UserKey::Email(&new.email)).optional()? {
        Some(owner) if Some(owner.id) == new.user_id => Ok(None),
        Some(owner) => Ok(Some((owner.id, owner.email))),
        None => {
            let reserved = reserved(conn, &new.email_key, new.user_id, now)?;
            Ok(reserved.and_then(|owner| Some((owner.user_id?, owner.email))))
        }
    }
}

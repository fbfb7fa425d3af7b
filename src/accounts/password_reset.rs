//! Password reset: a mailed, single-use token lets its owner choose a new password.

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::email::Email;
use super::new_password::How;
use super::password::LOCKED;
use super::session::end_all_sessions;
use super::throttle::{Bucket, Deed, TakeError};
use super::user::{User, UserChanges, UserKey, find_user_by};
use super::{Broken, FieldError, FieldErrors, device};
use crate::audit::{self, Event};
use crate::clock::{SKEW, Timestamp};
use crate::db::schema::users;
use crate::db::{AnyConnection, DbError};
use crate::mail::messages::PasswordReset;
use crate::mail::outbox::{self, Composed, Content, Note};
use crate::mail::worker::{Compose, Wish};
use crate::mail::{Kind, Letter};
use crate::tokens::{fingerprint, generate_token};

/// Why the password is the old one still.
#[derive(Debug, thiserror::Error)]
pub enum UpdatePasswordError {
    #[error("refused fields")]
    Invalid(FieldErrors),
    /// Unknown, used or expired, or of another address than the one named.
    #[error("dead token")]
    DeadToken,
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<DbError> for UpdatePasswordError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<QueryError> for UpdatePasswordError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl Auth {
    /// Leaves the wish for a link in the outbox. One row for every address, so that neither the
    /// answer nor its time tells whether there is an account; the worker finds out and mails the
    /// stored address, or nobody.
    pub async fn ask_for_reset(
        &self,
        email: &str,
        ip: &str,
        now: Timestamp,
    ) -> Result<(), TakeError> {
        self.take_for_client(Deed::AskReset, ip, now).await?;
        let wish = Content::Wish { email: email.to_owned() };
        let note = Note::dying(Kind::PasswordReset, now + self.config.reset_lifetime);
        let outbox = self.outbox.clone();
        self.db
            .write(move |conn| outbox.add(conn, &note, &wish, now).map_err(DbError::from))
            .await?;
        self.bell.ring();
        Ok(())
    }

    /// A new single-use token for the user of that address; an unknown one is `NotFound`, and so is
    /// that of a disabled account.
    pub async fn get_reset_password_token(
        &self,
        email: &str,
        now: Timestamp,
    ) -> Result<SecretString, DbError> {
        let email = email.to_owned();
        self.db
            .write(move |conn| {
                let user = find_user_by(conn, UserKey::Email(&email))?;
                if user.disabled_at.is_some() {
                    return Err(QueryError::NotFound.into());
                }
                Ok(store_new_token(conn, &user, now, now)?.ok_or(QueryError::NotFound)?)
            })
            .await
    }

    /// Whose token that is, if it is alive. Consumes nothing: mail scanners open links too.
    pub async fn find_reset(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<User>, DbError> {
        let lifetime = self.config.reset_lifetime;
        let token = token.clone();
        let user = self
            .db
            .read(move |conn| {
                find_user_by(conn, UserKey::ResetToken(token.expose_secret()))
                    .optional()
                    .map_err(DbError::from)
            })
            .await?;
        Ok(user.filter(|user| {
            user.reset_asked_at.is_some_and(|asked| now < asked + lifetime && asked <= now + SKEW)
                && user.reset_email.as_ref() == Some(&user.email_key)
                && user.disabled_at.is_none()
        }))
    }

    /// Consumes the token, stores the new password's hash, ends every session of the user and
    /// tells them by mail. A refused password leaves the token alive.
    pub async fn update_password(
        &self,
        token: &SecretString,
        email: Option<&str>,
        new_password: &SecretString,
        now: Timestamp,
    ) -> Result<User, UpdatePasswordError> {
        self.update_password_from("", token, email, new_password, now).await
    }

    /// [`Auth::update_password`] for the client of that address.
    pub async fn update_password_from(
        &self,
        ip: &str,
        token: &SecretString,
        email: Option<&str>,
        new_password: &SecretString,
        now: Timestamp,
    ) -> Result<User, UpdatePasswordError> {
        let client = Bucket::client_key(ip);
        let user = self.find_reset(token, now).await?.ok_or(UpdatePasswordError::DeadToken)?;
        if let Some(named) = email
            && Email::parse(named).map(|named| named.key() != user.email_key).unwrap_or(true)
        {
            return Err(UpdatePasswordError::DeadToken);
        }
        if let Some(error) = self.refuse_password(&user, new_password, &client).await? {
            let error = FieldError::Password(error);
            return Err(UpdatePasswordError::Invalid(FieldErrors::one("new_password", error)));
        }
        let hashed_password = self.hasher.hash(new_password, &client).await?;
        let (auth, key) = (self.clone(), fingerprint(token.expose_secret()));
        let oldest = now - self.config.reset_lifetime;
        let user = self
            .db
            .write(move |conn| {
                consume(conn, user.id, &key, oldest, &hashed_password, now)?;
                end_all_sessions(conn, user.id)?;
                device::forget_all(conn, user.id)?;
                let had_none = user.hashed_password == LOCKED;
                let how = if had_none { How::FirstByLink } else { How::ByLink };
                auth.settle_new_password(conn, &user, how, now)?;
                Ok::<_, UpdatePasswordError>(user.clone())
            })
            .await?;
        self.bell.ring();
        Ok(user)
    }

    /// What the mail worker calls to turn wishes into letters.
    pub fn compose(&self) -> Compose {
        let auth = self.clone();
        std::sync::Arc::new(move |conn, wish| {
            let composed = auth.compose_one(conn, wish)?;
            if composed.is_none() && wish.email.is_empty() {
                audit::record(Event::MailLost, wish.user, &auth.journal.inside());
            }
            Ok(composed)
        })
    }

    fn compose_one(
        &self,
        conn: &mut AnyConnection,
        wish: &Wish<'_>,
    ) -> Result<Option<Composed>, DbError> {
        match wish.kind {
            Kind::ConfirmEmail => self.compose_confirmation(conn, wish),
            Kind::PasswordChanged => self.compose_changed(conn, wish),
            Kind::PasswordReset | Kind::Unlock => self.compose_asked(conn, wish),
            // Written with the deed they tell of, and with links that nothing can write anew.
            Kind::EmailChange => self.compose_email_change(conn, wish),
            Kind::Invitation
            | Kind::EmailChanged
            | Kind::NewLogIn
            | Kind::DeletionAsked
            | Kind::AddressWanted => Ok(None),
        }
    }

    /// What anybody may ask for by an address; its owner sees in the history that somebody did.
    fn compose_asked(
        &self,
        conn: &mut AnyConnection,
        wish: &Wish<'_>,
    ) -> Result<Option<Composed>, DbError> {
        let user = find_user_by(conn, UserKey::Email(wish.email)).optional()?;
        let user = user.filter(|user| user.disabled_at.is_none());
        let Some(user) = user else { return Ok(None) };
        let (composed, mailed) = match wish.kind {
            Kind::Unlock => (self.compose_unlock(conn, &user, wish.now)?, Event::UnlockMailed),
            _ => (self.compose_reset(conn, &user, wish)?, Event::ResetMailed),
        };
        if composed.is_some() {
            audit::record_within(conn, mailed, Some(user.id), &self.journal, wish.now)?;
        }
        Ok(composed)
    }

    fn compose_reset(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        wish: &Wish<'_>,
    ) -> Result<Option<Composed>, DbError> {
        // Held back: the link that was mailed before stays alive, or anybody could void it.
        if !self.may_mail(conn, user, wish.now)? {
            return Ok(None);
        }
        let Some(token) = store_new_token(conn, user, wish.asked_at, wish.now)? else {
            return Ok(None);
        };
        // The links of earlier mails are dead now; those still waiting need not go.
        outbox::withdraw(conn, user.id, Kind::PasswordReset)?;
        let letter = self.reset_letter(user, &token)?;
        Ok(Some(Composed { user: Some(user.id), letter: Some(letter) }))
    }

    fn reset_letter(&self, user: &User, token: &SecretString) -> Result<Letter, DbError> {
        self.written(
            user,
            &PasswordReset {
                email: user.email.clone(),
                link: self.reset_link(token),
                minutes: self.config.reset_minutes(),
            },
        )
    }

    pub(super) fn reset_link(&self, token: &SecretString) -> String {
        self.messages.link(&format!("/reset_password/{}", token.expose_secret()))
    }
}

/// Stores a new token, which voids the one before. None when a newer one was asked for already,
/// or the password has changed since `asked_at`.
pub(super) fn store_new_token(
    conn: &mut AnyConnection,
    user: &User,
    asked_at: Timestamp,
    now: Timestamp,
) -> QueryResult<Option<SecretString>> {
    let token = generate_token();
    // A moment that has not come yet was written by a clock that was wrong: it does not count.
    let newest = users::reset_asked_at
        .is_null()
        .or(users::reset_asked_at.le(asked_at))
        .or(users::reset_asked_at.gt(now + SKEW));
    let unchanged =
        users::password_changed_at.le(asked_at).or(users::password_changed_at.gt(now + SKEW));
    let stored = diesel::update(users::table.find(user.id).filter(unchanged).filter(newest))
        .set(UserChanges {
            reset_token: Some(Some(fingerprint(token.expose_secret()))),
            reset_asked_at: Some(Some(asked_at)),
            reset_email: Some(Some(user.email_key.clone())),
            ..UserChanges::default()
        })
        .execute(conn)?;
    Ok((stored == 1).then_some(token))
}

/// One conditional statement decides: of two requests with one token exactly one finds it.
fn consume(
    conn: &mut AnyConnection,
    user: i64,
    token_key: &str,
    oldest: Timestamp,
    hashed_password: &str,
    now: Timestamp,
) -> Result<(), UpdatePasswordError> {
    let changed = diesel::update(
        users::table
            .find(user)
            .filter(users::reset_token.eq(token_key))
            .filter(users::reset_asked_at.gt(oldest))
            .filter(users::reset_asked_at.le(now + SKEW))
            .filter(users::reset_email.eq(users::email_key.nullable()))
            .filter(users::disabled_at.is_null()),
    )
    .set(UserChanges::new_password(hashed_password.to_owned(), now))
    .execute(conn)?;
    if changed == 1 { Ok(()) } else { Err(UpdatePasswordError::DeadToken) }
}

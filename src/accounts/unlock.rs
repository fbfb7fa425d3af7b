//! Unlock by mail: whoever reads an account's mail gets past the limit on its log-ins.

use diesel::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::mailed_token::{self, MailedToken, Purpose};
use super::user::{User, UserKey, find_user_by};
use super::{device, throttle};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;
use crate::mail::messages::Unlock;
use crate::mail::outbox::{self, Composed, Content, Note};

/// A browser that was unlocked.
pub struct Unlocked {
    pub user: i64,
    /// What its device cookie shall hold.
    pub device: String,
}

impl Auth {
    /// Leaves the wish for a link in the outbox: one row for every address, as for a reset.
    pub async fn ask_for_unlock(
        &self,
        email: &str,
        ip: &str,
        now: Timestamp,
    ) -> Result<(), throttle::TakeError> {
        self.take_for_client(throttle::Deed::Unlock, ip, now).await?;
        let wish = Content::Wish { email: email.to_owned() };
        let outbox = self.outbox.clone();
        let note = Note::dying(Kind::Unlock, now + Purpose::Unlock.lifetime());
        self.db
            .write(move |conn| outbox.add(conn, &note, &wish, now).map_err(DbError::from))
            .await?;
        self.bell.ring();
        Ok(())
    }

    pub(super) fn compose_unlock(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> Result<Option<Composed>, DbError> {
        if !self.may_mail(conn, user, now)? {
            return Ok(None);
        }
        let owner = MailedToken::to_owner(user);
        let token = mailed_token::issue(conn, Purpose::Unlock, &owner, now)?;
        let letter = self.written(
            user,
            &Unlock {
                email: user.email.clone(),
                link: self.messages.link(&format!("/unlock/{}", token.expose_secret())),
                minutes: Purpose::Unlock.lifetime().as_secs() / 60,
            },
        )?;
        Ok(Some(Composed { user: Some(user.id), letter: Some(letter) }))
    }

    /// Whose unlock link that is, if it is alive.
    pub async fn find_unlock(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<MailedToken>, DbError> {
        let token = token.clone();
        let find = move |conn: &mut AnyConnection| {
            Ok(mailed_token::find(conn, Purpose::Unlock, &token, now)?)
        };
        self.db.read(find).await
    }

    /// Consumes the link and makes this browser a known device of the account; none when it is
    /// dead. The account stays closed to strangers.
    pub async fn unlock(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<Unlocked>, DbError> {
        let token = token.clone();
        self.db
            .write(move |conn| {
                let found = mailed_token::consume(conn, Purpose::Unlock, &token, now)?;
                let Some(found) = found else { return Ok(None) };
                // Of that account under that address: it may have another by now.
                let user = find_user_by(conn, UserKey::Email(&found.email)).optional()?;
                let Some(user) = user.filter(|user| Some(user.id) == found.user_id) else {
                    return Ok(None);
                };
                outbox::withdraw(conn, user.id, Kind::Unlock)?;
                let device = device::remember(conn, None, user.id, now)?;
                Ok(Some(Unlocked { user: user.id, device }))
            })
            .await
    }
}

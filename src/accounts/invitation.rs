//! Invitations: a mailed, single-use link lets one address sign up where sign-up is not open.

use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::email::Email;
use super::mailed_token::{self, MailedToken, Purpose};
use super::registration::SignUpPolicy;
use super::user::{UserKey, find_user_by};
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;
use crate::mail::messages::Invitation;
use crate::mail::outbox::{self, Content, Note};
use crate::tokens::fingerprint;

use diesel::prelude::*;

/// Why nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error("this is no e-mail address")]
    Email,
    #[error("this address has an account already")]
    EmailTaken,
    #[error("sign-up is closed (sign_up): nobody can be invited")]
    Closed,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Names the invitation of an address in the outbox.
pub(super) fn subject(email_key: &str) -> String {
    format!("invitation {}", fingerprint(email_key))
}

impl Auth {
    /// Mails an invitation, and returns its link for whoever has no mail server; an earlier one
    /// dies.
    pub fn invite(&self, email: &str, now: Timestamp) -> Result<SecretString, InviteError> {
        if self.config.sign_up == SignUpPolicy::Closed {
            return Err(InviteError::Closed);
        }
        let email = Email::parse(email).map_err(|_| InviteError::Email)?;
        let link = self.db.write_blocking(|conn| {
            let known = find_user_by(conn, UserKey::Email(email.as_typed())).optional();
            if known.map_err(DbError::from)?.is_some() {
                return Err(InviteError::EmailTaken);
            }
            let invited = MailedToken {
                user_id: None,
                email_key: email.key().to_owned(),
                email: email.as_typed().to_owned(),
            };
            let token = mailed_token::issue(conn, Purpose::Invitation, &invited, now)
                .map_err(DbError::from)?;
            let link = self.messages.link(&format!("/invitation/{}", token.expose_secret()));
            let letter = self.written(
                email.as_typed(),
                &Invitation {
                    email: email.as_typed().to_owned(),
                    link: link.clone(),
                    days: Purpose::Invitation.lifetime().as_secs() / 86_400,
                },
            )?;
            let subject = subject(email.key());
            outbox::withdraw_about(conn, &subject).map_err(DbError::from)?;
            let dies = now + Purpose::Invitation.lifetime();
            let note = Note::dying(Kind::Invitation, dies).about(subject);
            let content = Content::Letter(letter);
            self.outbox.add(conn, &note, &content, now).map_err(DbError::from)?;
            Ok(SecretString::from(link))
        })?;
        self.bell.ring();
        audit::record(Event::Invited, None, &self.journal.inside());
        Ok(link)
    }

    /// Whom that invitation is for, if it is alive.
    pub async fn find_invitation(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<MailedToken>, DbError> {
        let token = token.clone();
        let find = move |conn: &mut AnyConnection| {
            Ok(mailed_token::find(conn, Purpose::Invitation, &token, now)?)
        };
        self.db.read(find).await
    }
}

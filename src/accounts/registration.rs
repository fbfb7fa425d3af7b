//! Sign up: a new account from an address and a password.

use diesel::prelude::*;
use secrecy::SecretString;

use super::auth::Auth;
use super::email::Email;
use super::session::{Beginning, NewSession, start_session};
use super::user::{AddUserError, User, UserKey, add_user, find_user_by};
use super::{Broken, FieldError, FieldErrors};
use crate::clock::Timestamp;
use crate::db::DbError;

/// Why nobody was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("refused fields")]
    Invalid(FieldErrors),
    #[error("email already registered")]
    EmailTaken,
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<DbError> for RegisterError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<AddUserError> for RegisterError {
    fn from(error: AddUserError) -> Self {
        match error {
            AddUserError::EmailTaken => Self::EmailTaken,
            AddUserError::Db(error) => error.into(),
        }
    }
}

impl Auth {
    /// Registers somebody new; a taken address is [`RegisterError::EmailTaken`].
    pub async fn register_user(
        &self,
        email: &str,
        password: &SecretString,
        now: Timestamp,
    ) -> Result<User, RegisterError> {
        let email = self.check_registration(email, password)?;
        let hashed_password = self.hash_for_new_user(&email, password).await?;
        self.db.write(move |conn| Ok(add_user(conn, &email, &hashed_password, now)?)).await
    }

    /// Registers and signs in, both or neither.
    pub async fn sign_up(
        &self,
        email: &str,
        password: &SecretString,
        beginning: Beginning,
        now: Timestamp,
    ) -> Result<NewSession, RegisterError> {
        let email = self.check_registration(email, password)?;
        let hashed_password = self.hash_for_new_user(&email, password).await?;
        let limits = self.config.sessions.clone();
        self.db
            .write(move |conn| {
                let user = add_user(conn, &email, &hashed_password, now)?;
                let id = start_session(conn, user.id, &beginning, &limits, now)
                    .map_err(DbError::from)?;
                Ok(NewSession { id, user, remembered: beginning.remembered })
            })
            .await
    }

    /// Looks first, which spares a hash; the unique index in `add_user` is what decides.
    async fn hash_for_new_user(
        &self,
        email: &Email,
        password: &SecretString,
    ) -> Result<String, RegisterError> {
        let known = self
            .db
            .read(|conn| {
                find_user_by(conn, UserKey::Email(email.as_typed()))
                    .optional()
                    .map_err(DbError::from)
            })
            .await?;
        if known.is_some() {
            return Err(RegisterError::EmailTaken);
        }
        Ok(self.hasher.hash(password).await?)
    }

    fn check_registration(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<Email, RegisterError> {
        let mut errors = FieldErrors::default();
        let parsed = Email::parse(email);
        if let Err(error) = &parsed {
            errors.add("email", FieldError::Email(*error));
        }
        // Both fields are judged at once, so that nobody mends one to hear of the other.
        let stand_in = parsed.clone().or_else(|_| Email::parse("nobody@example.invalid"));
        if let Ok(email) = stand_in
            && let Err(error) = self.config.password.check(password, &email)
        {
            errors.add("password", FieldError::Password(error));
        }
        match parsed {
            Ok(email) if errors.is_empty() => Ok(email),
            _ => Err(RegisterError::Invalid(errors)),
        }
    }
}

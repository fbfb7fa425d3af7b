//! Log in: the right pair of address and password begins a session.

use diesel::prelude::*;
use secrecy::SecretString;

use super::Broken;
use super::auth::Auth;
use super::password::{MAX_BYTES, is_cheaper};
use super::session::{Beginning, NewSession, start_session};
use super::user::{User, UserChanges, UserKey, find_user_by, update_user};
use crate::clock::Timestamp;
use crate::db::DbError;

/// What a log-in brings with it.
pub struct LogIn {
    pub email: String,
    pub password: SecretString,
    pub beginning: Beginning,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    #[error("wrong email or password")]
    WrongCredentials,
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<DbError> for LogInError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl Auth {
    /// True only for the right pair. The same work is done when the address is unknown.
    pub async fn valid_login(&self, email: &str, password: &SecretString) -> Result<bool, Broken> {
        Ok(self.authenticate(email, password).await?.is_some())
    }

    /// Verifies the pair, ends this browser's former session, begins a new one.
    pub async fn log_in(&self, attempt: LogIn, now: Timestamp) -> Result<NewSession, LogInError> {
        let Some(user) = self.authenticate(&attempt.email, &attempt.password).await? else {
            return Err(LogInError::WrongCredentials);
        };
        let new_hash = if is_cheaper(&user.hashed_password, self.hasher.cost()) {
            Some(self.hasher.hash(&attempt.password).await?)
        } else {
            None
        };
        let limits = self.config.sessions.clone();
        self.db
            .write(move |conn| {
                // The password may have been changed while its hash was being compared.
                let current =
                    find_user_by(conn, UserKey::Id(user.id)).optional().map_err(DbError::from)?;
                if current.is_none_or(|now| now.hashed_password != user.hashed_password) {
                    return Err(LogInError::WrongCredentials);
                }
                if let Some(hash) = new_hash {
                    let changes =
                        UserChanges { hashed_password: Some(hash), ..UserChanges::default() };
                    update_user(conn, user.id, &changes).map_err(DbError::from)?;
                }
                let id = start_session(conn, user.id, &attempt.beginning, &limits, now)
                    .map_err(DbError::from)?;
                Ok(NewSession { id, user, remembered: attempt.beginning.remembered })
            })
            .await
    }

    /// The user of that pair. Whether the address is unknown, its hash broken or the password
    /// wrong: one look-up and one bcrypt.
    async fn authenticate(
        &self,
        email: &str,
        password: &SecretString,
    ) -> Result<Option<User>, Broken> {
        use secrecy::ExposeSecret;

        let user = self
            .db
            .read(|conn| {
                find_user_by(conn, UserKey::Email(email)).optional().map_err(DbError::from)
            })
            .await?;
        // Too long for any account: not worth a hash, and the same for every address.
        if password.expose_secret().len() > MAX_BYTES {
            return Ok(None);
        }
        let stored = user.as_ref().map(|user| user.hashed_password.clone());
        let right = self.hasher.verify(password, stored).await?;
        Ok(user.filter(|_| right))
    }
}

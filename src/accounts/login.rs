//! Log in: the right pair of address and password begins a session.

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::hasher::Place;
use super::password::{MAX_BYTES, is_cheaper};
use super::session::{Beginning, NewSession, start_known};
use super::sudo::unchanged;
use super::throttle::{Bucket, Deed, Limited, Quota, TakeError, give_back};
use super::user::{User, UserChanges, UserKey, find_user_by, update_user};
use super::{Broken, Overloaded, deletion, device};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};

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
    WrongCredentials {
        /// Where there is such an account: for the event, not for the visitor.
        user: Option<i64>,
        /// What is left of the limits.
        quota: Quota,
    },
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<DbError> for LogInError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<QueryError> for LogInError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl From<TakeError> for LogInError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Limited(limited) => limited.into(),
            TakeError::Db(error) => error.into(),
        }
    }
}

impl Auth {
    /// True only for the right pair. The same work is done when the address is unknown.
    pub async fn valid_login(&self, email: &str, password: &SecretString) -> Result<bool, Broken> {
        let email = email.to_owned();
        let user = self.db.read(move |conn| find(conn, &email)).await?;
        let right = self.is_right(self.hasher.reserve("")?, user.as_ref(), password).await?;
        Ok(right && user.is_some_and(|user| user.disabled_at.is_none()))
    }

    /// Verifies the pair, ends this browser's former session, begins a new one. What is tried too
    /// often is refused before the password is looked at.
    pub async fn log_in(&self, attempt: LogIn, now: Timestamp) -> Result<NewSession, LogInError> {
        // Late comers are not worth a look into the database.
        let client = Bucket::client_key(&attempt.beginning.device.ip);
        let place = self.hasher.reserve(&client).map_err(Broken::from)?;
        let (email, beginning) = (attempt.email, attempt.beginning.clone());
        let look = move |conn: &mut AnyConnection| look_up(conn, &email, &beginning, now);
        let (user, buckets) = self.db.read(look).await?;
        let slip = self.take(Deed::LogIn, buckets, now).await?;
        let (id, quota) = (user.as_ref().map(|user| user.id), slip.quota.clone());
        let wrong = move || LogInError::WrongCredentials { user: id, quota: quota.clone() };
        let right = match self.is_right(place, user.as_ref(), &attempt.password).await {
            Ok(right) => right,
            Err(full) => {
                // Nobody looked at it: a flood of others' must not use up an owner's tries.
                self.take_back(slip).await?;
                return Err(Broken::from(full).into());
            }
        };
        // A disabled account answers as one with another password.
        let Some(user) = user.filter(|user| right && user.disabled_at.is_none()) else {
            return Err(wrong());
        };
        let new_hash = if is_cheaper(&user.hashed_password, self.hasher.cost()) {
            // One that finds no room is made at another log-in.
            self.hasher.hash(&attempt.password, &client).await.ok()
        } else {
            None
        };
        let failures = self.failures_before(&user, now).await?;
        let limits = self.config.sessions.clone();
        let auth = self.clone();
        let session = self
            .db
            .write(move |conn| {
                // The password may have been changed while its hash was being compared.
                let Some(user) = unchanged(conn, &user)? else { return Err(wrong()) };
                if let Some(hash) = &new_hash {
                    let changes = UserChanges {
                        hashed_password: Some(hash.clone()),
                        ..UserChanges::default()
                    };
                    update_user(conn, user.id, &changes)?;
                }
                give_back(conn, &slip)?;
                // Whoever comes back stays.
                let deletion_called_off =
                    user.delete_at.is_some() && deletion::call_off(conn, user.id)?;
                let told = auth.tell_of_log_in(conn, &user, &attempt.beginning, failures, now)?;
                let session = start_known(conn, user, &attempt.beginning, &limits, now)?;
                Ok::<_, LogInError>(NewSession { told, deletion_called_off, ..session })
            })
            .await?;
        if session.told {
            self.bell.ring();
        }
        Ok(session)
    }

    /// Whether the address is unknown, its hash broken or the password wrong: one bcrypt.
    async fn is_right(
        &self,
        place: Place,
        user: Option<&User>,
        password: &SecretString,
    ) -> Result<bool, Overloaded> {
        // Too long for any account: not worth a hash, and the same for every address.
        if password.expose_secret().len() > MAX_BYTES {
            return Ok(false);
        }
        let stored = user.map(|user| user.hashed_password.clone());
        Ok(self.hasher.verify_at(place, password, stored).await? && user.is_some())
    }
}

fn find(conn: &mut AnyConnection, email: &str) -> Result<Option<User>, DbError> {
    find_user_by(conn, UserKey::Email(email)).optional().map_err(DbError::from)
}

/// The account of that address, and where this try is counted: a browser that has logged in to it
/// before is told apart from strangers, so that they cannot lock the owner out.
fn look_up(
    conn: &mut AnyConnection,
    email: &str,
    beginning: &Beginning,
    now: Timestamp,
) -> Result<(Option<User>, Vec<Bucket>), DbError> {
    let user = find(conn, email)?;
    // Nobody has a negative id: an unknown address costs the same look-up.
    let id = user.as_ref().map_or(-1, |user| user.id);
    if let Some(secret) = &beginning.known_device
        && device::is_known(conn, secret, id, now)?
    {
        return Ok((user, vec![Bucket::device(secret, id)]));
    }
    let ip = &beginning.device.ip;
    let buckets = vec![Bucket::Server, Bucket::client(ip), Bucket::account(email)];
    Ok((user, buckets))
}

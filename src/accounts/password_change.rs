//! Password change: somebody signed in gives the password they have, and chooses another.

use diesel::result::Error as QueryError;
use secrecy::SecretString;

use super::auth::Auth;
use super::new_password::How;
use super::session::{NewSession, end_other_sessions, renew_session};
use super::sudo::{Proof, ProveError, unchanged};
use super::throttle::{Bucket, Deed};
use super::user::{UserChanges, update_user};
use super::{Broken, FieldError, FieldErrors, device};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};

/// The password so far, and the one to come.
pub struct PasswordChange {
    pub proof: Proof,
    pub new_password: SecretString,
    /// The other devices stay signed in.
    pub keep_others: bool,
}

/// Why the password is the old one still.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    #[error("refused fields")]
    Invalid(FieldErrors),
    #[error(transparent)]
    Unproven(#[from] ProveError),
}

impl From<Broken> for ChangePasswordError {
    fn from(cause: Broken) -> Self {
        Self::Unproven(cause.into())
    }
}

impl From<DbError> for ChangePasswordError {
    fn from(error: DbError) -> Self {
        Self::Unproven(error.into())
    }
}

impl From<QueryError> for ChangePasswordError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl Auth {
    /// Stores the new password's hash, ends what the old one began, and tells the owner by mail.
    /// This session goes on under a new id, proven just now.
    pub async fn change_password(
        &self,
        change: PasswordChange,
        now: Timestamp,
    ) -> Result<NewSession, ChangePasswordError> {
        // Before the new one is looked at: whether that is the old one is worth a guess (B-17).
        self.prove(&change.proof, now).await?;
        let client = Bucket::client_key(&change.proof.device.ip);
        let user = &change.proof.user;
        if let Some(error) = self.refuse_password(user, &change.new_password, &client).await? {
            let errors = FieldErrors::one("new_password", FieldError::Password(error));
            return Err(ChangePasswordError::Invalid(errors));
        }
        let counted = self.take_for_owner(Deed::ChangePassword, user.id, now).await;
        counted.map_err(ProveError::from)?;
        let hash = self.hasher.hash(&change.new_password, &client).await?;
        let auth = self.clone();
        let replace = move |conn: &mut AnyConnection| auth.replace(conn, &change, &hash, now);
        let session = self.db.write(replace).await?;
        self.bell.ring();
        Ok(session)
    }

    fn replace(
        &self,
        conn: &mut AnyConnection,
        change: &PasswordChange,
        hash: &str,
        now: Timestamp,
    ) -> Result<NewSession, ChangePasswordError> {
        let PasswordChange { proof, keep_others, .. } = change;
        // Of two changes at once the second has proved a password that is none any more (B-73).
        let user = unchanged(conn, &proof.user)?.ok_or(ProveError::Overtaken)?;
        update_user(conn, user.id, &UserChanges::other_password(hash.to_owned(), now))?;
        let known_device = device::remember(conn, proof.known_device.as_deref(), user.id, now)?;
        if !keep_others {
            end_other_sessions(conn, &proof.session)?;
            device::forget_others(conn, user.id, Some(&known_device))?;
        }
        let limits = &self.config.sessions;
        let id = renew_session(conn, &proof.session, &proof.device, limits, now)?;
        let id = id.ok_or(ProveError::Overtaken)?;
        let how = if *keep_others { How::KeepingOthers } else { How::EndingOthers };
        self.settle_new_password(conn, &user, how, now)?;
        let remembered = proof.session.remembered;
        Ok(NewSession::of(id, user, remembered, known_device))
    }
}

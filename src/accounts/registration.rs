//! Sign up: a new account from an address and a password, where sign-up is open to it.

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::SecretString;

use super::auth::Auth;
use super::email::Email;
use super::hasher::Place;
use super::invitation;
use super::mailed_token::{self, Purpose};
use super::session::{Beginning, NewSession, start_known};
use super::throttle::{Bucket, Deed, Limited, TakeError, give_back};
use super::user::{AddUserError, User, UserChanges, UserKey, add_user, find_user_by, update_user};
use super::{Broken, FieldError, FieldErrors};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, DbError};

/// Who may sign up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignUpPolicy {
    Open,
    Closed,
    /// Whoever has an invitation.
    Invited,
    /// Addresses of these domains, in ASCII and lower case, and whoever has an invitation.
    Domains(Vec<String>),
}

/// What a sign-up brings with it.
pub struct SignUp {
    pub email: String,
    pub password: SecretString,
    /// A browser is signed in at once; a program asks for an account alone.
    pub beginning: Option<Beginning>,
    pub invitation: Option<SecretString>,
    /// The client's address.
    pub ip: String,
}

/// What came of it.
pub enum SignedUp {
    /// An account, and its first session where one was wanted.
    Account { user: i64, session: Option<Box<NewSession>> },
    /// The address is to be confirmed first. What the cookie of this browser shall hold.
    Pending { browser: String },
}

/// Why nobody was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    #[error("refused fields")]
    Invalid(FieldErrors),
    #[error("email already registered")]
    EmailTaken,
    /// Sign-up is closed, or by invitation.
    #[error("sign-up is not open")]
    NotOpen,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<DbError> for RegisterError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<QueryError> for RegisterError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl From<TakeError> for RegisterError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Limited(limited) => limited.into(),
            TakeError::Db(error) => error.into(),
        }
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
    /// Registers somebody new, whoever may sign up by themselves; a taken address is
    /// [`RegisterError::EmailTaken`].
    pub async fn register_user(
        &self,
        email: &str,
        password: &SecretString,
        now: Timestamp,
    ) -> Result<User, RegisterError> {
        let email = self.check_registration(email, password)?;
        let place = self.hasher.reserve("").map_err(Broken::from)?;
        let hashed_password = self.hash_for_new_user(place, &email, password).await?;
        self.db.write(move |conn| Ok(add_user(conn, &email, &hashed_password, now)?)).await
    }

    /// Signs up: by the policy, within the limits, by invitation, and to be confirmed where
    /// `confirm_email` is on.
    pub async fn sign_up(&self, wish: SignUp, now: Timestamp) -> Result<SignedUp, RegisterError> {
        let invitation = match &wish.invitation {
            Some(token) => self.find_invitation(token, now).await?,
            None => None,
        };
        if !self.may_sign_up(invitation.is_some()) {
            return Err(RegisterError::NotOpen);
        }
        let email = self.check_registration(&wish.email, &wish.password)?;
        // For any other address it is none: whoever holds one must not learn who has an account.
        let invited = invitation.is_some_and(|it| it.email_key == email.key());
        if !self.may_sign_up(invited) {
            return Err(RegisterError::NotOpen);
        }
        if !invited && !self.is_domain_allowed(&email) {
            let errors = FieldErrors::one("email", FieldError::Domain);
            return Err(RegisterError::Invalid(errors));
        }
        let client = Bucket::client_key(&wish.ip);
        let place = self.hasher.reserve(&client).map_err(Broken::from)?;
        let slip = self.take_for_client(Deed::SignUp, &wish.ip, now).await?;
        let confirms = self.config.confirm_email && !invited;
        let hashed = if confirms {
            self.hasher.hash_at(place, &wish.password).await.map_err(RegisterError::from)
        } else {
            self.hash_for_new_user(place, &email, &wish.password).await
        };
        let hashed_password = match hashed {
            // Nothing came of it: others' storm must not use up a newcomer's tries.
            Err(RegisterError::Broken(cause)) => {
                self.take_back(slip).await?;
                return Err(cause.into());
            }
            outcome => outcome?,
        };
        if confirms {
            return Ok(self.await_confirmation(email, hashed_password, now).await?);
        }
        let limits = self.config.sessions.clone();
        let invitation = wish.invitation.filter(|_| invited);
        self.db
            .write(move |conn| {
                let mut user = add_user(conn, &email, &hashed_password, now)?;
                if let Some(token) = &invitation {
                    redeem(conn, token, &mut user, now)?;
                    // An invited person is counted by nobody.
                    give_back(conn, &slip)?;
                }
                let id = user.id;
                let session = match &wish.beginning {
                    Some(beginning) => {
                        Some(Box::new(start_known(conn, user, beginning, &limits, now)?))
                    }
                    None => None,
                };
                Ok(SignedUp::Account { user: id, session })
            })
            .await
    }

    /// Whether anybody may fill in the form, with an invitation or without.
    pub fn may_sign_up(&self, invited: bool) -> bool {
        match self.config.sign_up {
            SignUpPolicy::Open | SignUpPolicy::Domains(_) => true,
            SignUpPolicy::Invited => invited,
            SignUpPolicy::Closed => false,
        }
    }

    pub(super) fn is_domain_allowed(&self, email: &Email) -> bool {
        match &self.config.sign_up {
            SignUpPolicy::Domains(domains) => domains.iter().any(|d| d == email.domain()),
            _ => true,
        }
    }

    /// Looks first, which spares a hash; the unique index in `add_user` is what decides.
    async fn hash_for_new_user(
        &self,
        place: Place,
        email: &Email,
        password: &SecretString,
    ) -> Result<String, RegisterError> {
        let address = email.as_typed().to_owned();
        let known = self
            .db
            .read(move |conn| {
                find_user_by(conn, UserKey::Email(&address)).optional().map_err(DbError::from)
            })
            .await?;
        if known.is_some() {
            return Err(RegisterError::EmailTaken);
        }
        Ok(self.hasher.hash_at(place, password).await?)
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

/// Consumes the invitation, which confirms its address.
fn redeem(
    conn: &mut AnyConnection,
    token: &SecretString,
    user: &mut User,
    now: Timestamp,
) -> Result<(), RegisterError> {
    let invited = mailed_token::consume(conn, Purpose::Invitation, token, now)?;
    if invited.is_none_or(|invited| invited.email_key != user.email_key) {
        return Err(RegisterError::NotOpen);
    }
    crate::mail::outbox::withdraw_about(conn, &invitation::subject(&user.email_key))?;
    user.confirmed_at = Some(now);
    let changes = UserChanges { confirmed_at: Some(Some(now)), ..UserChanges::default() };
    Ok(update_user(conn, user.id, &changes)?)
}

//! Who people are and how they prove it. Knows no HTTP, no HTML, no cookies.

pub mod auth;
pub mod confirmation;
pub mod deletion;
pub mod details;
pub mod device;
pub mod email;
pub mod email_change;
mod erasure;
pub mod export;
pub mod hasher;
pub mod history;
pub mod invitation;
pub mod login;
pub mod mailed_token;
mod new_log_in;
mod new_password;
pub mod operator;
pub mod password;
pub mod password_change;
pub mod password_reset;
pub mod place;
pub mod registration;
pub mod revocation;
pub mod secure_account;
#[cfg(any(debug_assertions, feature = "bench"))]
pub mod seed;
pub mod session;
pub mod sudo;
pub mod throttle;
pub mod unlock;
pub mod user;
pub mod user_agent;
mod waiting_sign_up;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::clock::zone;
use crate::db::DbError;
use crate::theme::ThemeError;

pub use auth::Auth;
pub use hasher::{Hasher, Overloaded};

/// The rules of accounts; a lifetime or a limit is a setting with its reason in `Rocket.toml`.
#[derive(Debug, Clone)]
pub struct AccountsConfig {
    pub password: password::Rules,
    pub sessions: session::Limits,
    /// How long the link to a new password lives.
    pub reset_lifetime: Duration,
    /// How long an account whose deletion was asked for can still be kept.
    pub deletion_grace: Duration,
    pub throttle: throttle::ThrottleConfig,
    pub sign_up: registration::SignUpPolicy,
    /// Whether an account begins with a link in a mail.
    pub confirm_email: bool,
    /// Tells the place of an address; none, nothing does.
    pub place_database: Option<PathBuf>,
}

impl AccountsConfig {
    /// The life of a reset link as people are told it, in whole minutes.
    pub fn reset_minutes(&self) -> u64 {
        self.reset_lifetime.as_secs().div_ceil(60)
    }
}

/// What broke: nothing that the visitor could mend, and never a reason to let anybody in.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error(transparent)]
    Overloaded(#[from] Overloaded),
    #[error("password hashing failed: {0}")]
    Hash(#[from] bcrypt::BcryptError),
    #[error(transparent)]
    Mail(#[from] ThemeError),
}

/// What is wrong with a field, for the visitor to mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldError {
    Missing,
    Twice,
    NotText,
    NotUtf8,
    Unknown,
    Email(email::EmailError),
    /// The address that the account has.
    SameEmail,
    Password(password::PasswordError),
    EmailTaken,
    /// Sign-up is for addresses of other domains.
    Domain,
    Name(details::NameError),
    TimeZone(zone::Unknown),
    /// Not the password of whoever is signed in.
    WrongPassword,
    /// The form was filled in by a program, or was left open for a day.
    NotByHand,
}

/// Errors by field; empty when nothing is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(pub BTreeMap<String, Vec<FieldError>>);

impl FieldErrors {
    pub fn one(field: &str, error: FieldError) -> Self {
        let mut errors = Self::default();
        errors.add(field, error);
        errors
    }

    pub fn add(&mut self, field: &str, error: FieldError) {
        self.0.entry(field.to_owned()).or_default().push(error);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

//! Security events: what happened, to whom, from where; one line of JSON each, never a secret.

use serde_json::{Map, json};

/// What is worth telling an operator (ASVS 16.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    SignedUp,
    SignUpRefused,
    LoggedIn,
    LogInFailed,
    LoggedOut,
    ResetAsked,
    ResetOpened,
    ResetRefused,
    PasswordChanged,
    /// A guard said no to somebody without a session.
    SignInNeeded,
    /// A request that another site made a browser send (D5).
    CrossSiteRefused,
    /// A request for a host that is not ours (D7).
    HostRefused,
    /// Work was turned away to keep the rest going.
    Overloaded,
}

impl Event {
    pub fn name(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::SignUpRefused => "sign_up_refused",
            Self::LoggedIn => "logged_in",
            Self::LogInFailed => "log_in_failed",
            Self::LoggedOut => "logged_out",
            Self::ResetAsked => "reset_asked",
            Self::ResetOpened => "reset_opened",
            Self::ResetRefused => "reset_refused",
            Self::PasswordChanged => "password_changed",
            Self::SignInNeeded => "sign_in_needed",
            Self::CrossSiteRefused => "cross_site_refused",
            Self::HostRefused => "host_refused",
            Self::Overloaded => "overloaded",
        }
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::SignedUp
            | Self::LoggedIn
            | Self::LoggedOut
            | Self::ResetAsked
            | Self::ResetOpened
            | Self::PasswordChanged => "success",
            Self::SignUpRefused
            | Self::LogInFailed
            | Self::ResetRefused
            | Self::SignInNeeded
            | Self::CrossSiteRefused
            | Self::HostRefused
            | Self::Overloaded => "refused",
        }
    }
}

/// Where an event came from.
#[derive(Debug, Clone)]
pub struct Source {
    pub ip: String,
    pub request_id: String,
}

/// Writes the event's line. `user` is an id: addresses stay out of the log.
pub fn record(event: Event, user: Option<i64>, source: &Source) {
    let mut line = Map::new();
    line.insert("event".to_owned(), json!(event.name()));
    line.insert("outcome".to_owned(), json!(event.outcome()));
    line.insert("user".to_owned(), json!(user));
    if matches!(event, Event::LoggedIn | Event::LogInFailed) {
        line.insert("factor".to_owned(), json!("password"));
    }
    line.insert("ip".to_owned(), json!(source.ip));
    line.insert("request_id".to_owned(), json!(source.request_id));
    let level = if event.outcome() == "success" { log::Level::Info } else { log::Level::Warn };
    crate::log::write(level, line);
}

//! Mail: what is written, the outbox it waits in, the ways out, and the worker that sends it.

pub mod messages;
pub mod outbox;
pub mod transport;
pub mod worker;

use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::theme::Theme;

pub use messages::Messages;
pub use outbox::{Kind, Outbox};
pub use transport::Transport;
pub use worker::Worker;

/// Where mail comes from and how it leaves.
#[derive(Debug, Clone)]
pub struct MailConfig {
    pub site_name: String,
    /// Links are built from this alone, never from a request.
    pub base_url: Url,
    pub from: Mailbox,
    pub route: Route,
    pub theme: Theme,
}

/// The way mail leaves the house.
#[derive(Debug, Clone)]
pub enum Route {
    Smtp(SmtpConfig),
    /// A folder of `.eml` files.
    Files(PathBuf),
    /// The page `/dev/mailbox` of a debug build.
    #[cfg(debug_assertions)]
    Mailbox,
}

#[derive(Debug, Clone)]
pub struct SmtpConfig {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    pub username: Option<String>,
    pub password: Option<SecretString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encryption {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// STARTTLS, or no mail (RFC 3207; nothing is sent to a server that does not offer it).
    StartTls,
    /// None, for a server on this machine.
    Loopback,
}

/// A mail, ready to send but for its headers.
#[derive(Clone, Serialize, Deserialize)]
pub struct Letter {
    pub to: String,
    pub subject: String,
    pub text: String,
    pub html: String,
}

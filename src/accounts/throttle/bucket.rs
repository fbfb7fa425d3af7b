//! Buckets: whose tries are counted together.

use std::net::IpAddr;

use super::Deed;
use crate::accounts::email::Email;
use crate::tokens::fingerprint;

/// Whose tries are counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bucket {
    /// A browser that has logged in to this account before: strangers cannot use it up.
    Device(String),
    Account(String),
    Client(String),
    Server,
}

impl Bucket {
    /// In any spelling that reaches the same account (B-20); people type passwords into the wrong
    /// field, so that only a fingerprint is kept.
    pub fn account(email: &str) -> Self {
        let key = Email::parse(email).map(|email| email.key().to_owned());
        Self::Account(fingerprint(key.as_deref().unwrap_or(email)))
    }

    /// Somebody who is signed in; strangers cannot use it up.
    pub fn owner(user: i64) -> Self {
        Self::Account(fingerprint(format!("user {user}")))
    }

    pub fn device(secret: &str, user: i64) -> Self {
        Self::Device(fingerprint(format!("{secret} {user}")))
    }

    /// One IPv4 address, or the /64 that a provider gives to one IPv6 customer (B-22).
    pub fn client(ip: &str) -> Self {
        match ip.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                Self::Client(format!("{a:x}:{b:x}:{c:x}:{d:x}::/64"))
            }
            _ => Self::Client(ip.to_owned()),
        }
    }

    /// The client of that address, as the hashing lane tells them apart.
    pub fn client_key(ip: &str) -> String {
        Self::client(ip).subject().to_owned()
    }

    /// Where what needs no password is counted. Nobody guesses a link's 244 bits: were the whole
    /// server's dead links counted, a crowd with some could close everybody's.
    pub fn of_client(deed: Deed, ip: &str) -> Vec<Self> {
        let server = (deed != Deed::UseToken).then_some(Self::Server);
        server.into_iter().chain([Self::client(ip)]).collect()
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Device(_) => "device",
            Self::Account(_) => "account",
            Self::Client(_) => "client",
            Self::Server => "server",
        }
    }

    pub fn subject(&self) -> &str {
        match self {
            Self::Device(subject) | Self::Account(subject) | Self::Client(subject) => subject,
            Self::Server => "",
        }
    }

    /// Somebody who guesses one account's password must wait longer each time.
    pub fn slows_down(&self) -> bool {
        matches!(self, Self::Device(_) | Self::Account(_))
    }
}

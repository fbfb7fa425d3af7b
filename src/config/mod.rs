//! Every setting: read from the built-in file, your file and the environment, then checked.

mod checks;
mod key;
mod source;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::accounts::AccountsConfig;
use crate::accounts::hasher::HasherConfig;
use crate::accounts::registration::SignUpPolicy;
use crate::db::{DbConfig, Place};
use crate::mail::MailConfig;
use crate::theme::Theme;
use crate::web::WebConfig;

pub use key::SecretKey;

/// One line for the operator: the key, where its value came from, what would be right.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// Rocket's profiles that mean something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
    /// The exercise's server: see the contract in the README.
    Classroom,
}

impl Profile {
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
            Self::Classroom => "classroom",
        }
    }
}

/// The settings as written; the field's meaning is in `Rocket.toml`.
#[derive(Debug, Clone, Deserialize)]
struct Settings {
    address: IpAddr,
    port: u16,
    base_url: String,
    workers: usize,
    site_name: String,
    accent_color: String,
    footer_links: Vec<String>,
    theme_dir: String,
    database_url: String,
    database_connections: u32,
    database_wait: Span,
    password_min_length: usize,
    bcrypt_cost: u32,
    hash_threads: usize,
    hash_lanes: usize,
    hash_queue: usize,
    session_idle: Span,
    session_absolute: Span,
    remembered_idle: Span,
    remembered_absolute: Span,
    sessions_per_user: usize,
    reset_lifetime: Span,
    deletion_grace: Span,
    sign_up: String,
    confirm_email: bool,
    sign_up_guard: bool,
    limit_login: String,
    limit_ask: String,
    limit_mail: String,
    allowed_hosts: Vec<String>,
    trusted_proxies: Vec<String>,
    mail_from: String,
    mail_transport: String,
    mail_folder: String,
    smtp_url: String,
    smtp_username: String,
    body_timeout: Span,
    place_database: String,
    purge_every: Span,
    metrics_port: u16,
    log_level: String,
}

/// A length of time, written `30s`, `10m`, `2h` or `14d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span(Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::invalid_value(
                serde::de::Unexpected::Str(&text),
                &"a time such as \"30s\", \"10m\", \"2h\" or \"14d\"",
            )
        })
    }
}

impl Span {
    /// At most ten years: sums with it never overflow.
    fn parse(text: &str) -> Option<Self> {
        const LONGEST: u64 = 10 * 365 * 24 * 60 * 60;
        let unit = match text.chars().last()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        let digits = &text[..text.len() - 1];
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let seconds = digits.parse::<u64>().ok()?.checked_mul(unit)?;
        (1..=LONGEST).contains(&seconds).then(|| Self(Duration::from_secs(seconds)))
    }
}

/// Everything the service needs to know, each layer's part as a value of its own.
#[derive(Debug, Clone)]
pub struct Config {
    pub profile: Profile,
    pub address: IpAddr,
    pub port: u16,
    pub workers: usize,
    pub base_url: Url,
    pub db: DbConfig,
    pub hasher: HasherConfig,
    pub accounts: AccountsConfig,
    pub mail: MailConfig,
    pub web: WebConfig,
    pub theme: Theme,
    pub purge_every: Duration,
    /// Where on 127.0.0.1 the figures are; none when they are off.
    pub metrics_port: Option<u16>,
    pub log: log::LevelFilter,
    /// As set; empty means the kept key.
    pub secret_key: Option<SecretKey>,
    /// The files that `…_FILE` variables name.
    pub secret_files: Vec<PathBuf>,
    /// Where the key is kept when none is set; nowhere with PostgreSQL.
    pub key_file: PathBuf,
}

impl Config {
    /// Reads `Rocket.toml` and the environment. Touches nothing else.
    pub fn load() -> Result<Self, ConfigError> {
        let sources = source::Sources::from_environment()?;
        Self::from_sources(&sources)
    }

    /// The database that `url` names, with the password that is set, if one is; no other setting
    /// counts. `what` is what the command line calls it.
    pub fn database(what: &str, url: &str) -> Result<Place, ConfigError> {
        let password = source::Sources::from_environment()?.secret("database_password")?;
        checks::named_place(url, password.as_ref())
            .map_err(|wrong| ConfigError(format!("{what}: {wrong}")))
    }

    /// The settings of a file's text and a list of environment variables, for tests.
    pub fn from_parts(file: &str, environment: &[(&str, &str)]) -> Result<Self, ConfigError> {
        let environment =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self::from_sources(&source::Sources::from_parts(file, environment.collect())?)
    }

    fn from_sources(sources: &source::Sources) -> Result<Self, ConfigError> {
        let settings: Settings = sources.extract()?;
        let passwords = checks::Passwords {
            smtp: sources.secret("smtp_password")?,
            database: sources.secret("database_password")?,
        };
        let secret_key = sources.secret("secret_key")?.map(SecretKey::parse).transpose();
        let secret_key = secret_key.map_err(|why| sources.error("secret_key", &why.to_string()))?;
        checks::assemble(sources, settings, passwords, secret_key)
    }

    /// What is allowed and seldom meant, with its mend: said at each start, and by `check`.
    pub fn dangers(&self) -> Vec<String> {
        let mut dangers = Vec::new();
        if self.base_url.scheme() == "https" && self.web.trusted_proxies.is_empty() {
            dangers.push(
                "https is a proxy's, and none is trusted: all visitors count as one client; \
                 set trusted_proxies to its address"
                    .to_owned(),
            );
        }
        let open = self.accounts.sign_up == SignUpPolicy::Open && !self.accounts.confirm_email;
        if self.web.forward_auth.is_some() && open {
            dangers.push(
                "anybody may sign up with any address and enter the applications of \
                 allowed_hosts: set sign_up to \"invited\" or \"closed\", or confirm_email"
                    .to_owned(),
            );
        }
        dangers
    }

    /// Makes the kept key, or reads it, when none is set.
    pub fn resolve_key(&self) -> Result<(SecretString, Option<String>), ConfigError> {
        match &self.secret_key {
            Some(key) => Ok((key.text().clone(), None)),
            None => key::load_or_create(&self.key_file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_a_number_and_a_unit() {
        assert_eq!(Span::parse("30s"), Some(Span(Duration::from_secs(30))));
        assert_eq!(Span::parse("14d"), Some(Span(Duration::from_secs(14 * 86_400))));
        for wrong in
            ["", "s", "30", "-1s", "+1s", "1.5h", "0s", "1w", "1ö", "999999999999999999d", "4000d"]
        {
            assert_eq!(Span::parse(wrong), None, "{wrong}");
        }
    }
}

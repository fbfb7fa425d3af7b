//! PostgreSQL: where the server is, and how a connection to it begins.

mod connection;
mod tls;
pub(super) mod transfer;
mod url;

use std::fmt;
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Bool;
use diesel_async::AsyncPgConnection;
use secrecy::{ExposeSecret, SecretString};

use super::AnyConnection;

pub use connection::{Fault, PgConnection};
pub use tls::{TlsFiles, TlsMode};
pub use url::UrlError;

/// A look at the network between two statements.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Where the server is, who we are to it, and how far it must prove who it is.
#[derive(Clone)]
pub struct Server {
    config: tokio_postgres::Config,
    tls: TlsMode,
    files: TlsFiles,
    /// Hosts and database, for people.
    name: String,
}

/// Shows where it is, never the password.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("tls", &self.tls).finish()
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("{0}")]
    Tls(#[from] tls::TlsError),
    #[error("{0}")]
    Server(String),
    #[error("no answer in time")]
    Timeout,
}

impl Server {
    /// Reads `postgresql://user@host1,host2:5432/name?sslmode=verify-full&…`, as libpq writes it
    /// (PostgreSQL 15, 34.1.1.2). `password` is for a URL without one.
    pub fn parse(text: &str, password: Option<&SecretString>) -> Result<Self, UrlError> {
        let mut server = url::parse(text)?;
        if let Some(password) = password {
            if server.config.get_password().is_some() {
                return Err(UrlError::TwoPasswords);
            }
            server.config.password(password.expose_secret());
        }
        Ok(server)
    }

    pub fn has_password(&self) -> bool {
        self.config.get_password().is_some()
    }

    /// A connection, ready to work: `patience` bounds the way there, and each answer on it.
    pub fn connect(&self, patience: Duration) -> Result<PgConnection, ConnectError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| ConnectError::Server(cause.to_string()))?;
        let mut config = self.config.clone();
        if config.get_connect_timeout().is_none() {
            // For each host of several; the whole is bounded below.
            config.connect_timeout(patience);
        }
        config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(3);
        let tls = tls::connector(self.tls, &self.files)?;
        let hosts = u32::try_from(config.get_hosts().len().max(1)).unwrap_or(1);
        let inner = runtime.block_on(async {
            let making = async {
                let (client, connection) =
                    config.connect(tls).await.map_err(|error| in_words(&error))?;
                AsyncPgConnection::try_from_client_and_connection(client, connection)
                    .await
                    .map_err(|error| error.to_string())
            };
            tokio::time::timeout(patience * hosts, making).await
        });
        let inner = match inner {
            Ok(made) => made.map_err(ConnectError::Server)?,
            Err(_) => return Err(ConnectError::Timeout),
        };
        let mut conn = PgConnection::new(inner, runtime, patience);
        let millis = patience.as_millis();
        conn.batch_execute(&format!(
            "SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {}",
            millis * 2
        ))
        .map_err(|error| ConnectError::Server(error.to_string()))?;
        Ok(conn)
    }
}

/// tokio-postgres says "error connecting to server" and keeps the reason to itself.
fn in_words(error: &tokio_postgres::Error) -> String {
    use std::error::Error as _;

    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Advisory locks are numbers; these begin with "gate".
const ALONE: i64 = 0x6761_7465_0000_0001;

/// Begins a transaction that waits until no other process is in such a one, and sees what it did.
pub(super) fn begin_alone(conn: &mut PgConnection) -> QueryResult<()> {
    conn.begin("BEGIN ISOLATION LEVEL READ COMMITTED")?;
    conn.batch_execute(&format!("SELECT pg_advisory_xact_lock({ALONE})"))
}

/// Takes the lock of that name until `conn` is closed; false when somebody else has it.
pub(super) fn try_lock(conn: &mut AnyConnection, name: &str) -> QueryResult<bool> {
    let number = name
        .bytes()
        .fold(ALONE, |number, byte| number.wrapping_mul(31).wrapping_add(i64::from(byte)));
    diesel::select(diesel::dsl::sql::<Bool>(&format!("pg_try_advisory_lock({number})")))
        .get_result(conn)
}

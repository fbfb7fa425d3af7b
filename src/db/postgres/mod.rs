//! PostgreSQL: where the server is, and how a connection to it begins.

mod connection;
mod tls;
pub(super) mod transfer;
mod url;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Integer};
use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::AnyConnection;

pub use connection::{Fault, PgConnection};
pub use tls::{TlsFiles, TlsMode};
pub use url::UrlError;

/// The server gives a statement up by itself; only when it does not say so in time, we give up the
/// connection.
const GRACE: Duration = Duration::from_millis(500);
/// Below it there is no promise that what is here works.
pub const OLDEST: i32 = 150_000;

/// Where the server is, who we are to it, and how far it must prove who it is.
#[derive(Clone)]
pub struct Server {
    hosts: Vec<Host>,
    /// The place of the host that answered last: the others are tried after it, so that a dead one
    /// costs time once.
    good: Arc<AtomicUsize>,
    tls: TlsMode,
    files: TlsFiles,
    /// Hosts and database, for people.
    name: String,
}

/// One of several servers.
#[derive(Clone)]
struct Host {
    name: String,
    is_local: bool,
    config: tokio_postgres::Config,
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
    /// Settings to mend: a wrong password, a certificate that we do not trust.
    #[error("{0}")]
    Refused(String),
    /// It may pass.
    #[error("{0}")]
    Away(String),
}

impl From<tls::TlsError> for ConnectError {
    fn from(error: tls::TlsError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Server {
    /// Reads `postgresql://user@host1,host2:5432/name?sslmode=verify-full&…`, as libpq writes it
    /// (PostgreSQL 15, 34.1.1.2). `password` is for a URL without one.
    pub fn parse(text: &str, password: Option<&SecretString>) -> Result<Self, UrlError> {
        let mut server = url::parse(text)?;
        for host in &mut server.hosts {
            let Some(password) = password else { break };
            if host.config.get_password().is_some() {
                return Err(UrlError::TwoPasswords);
            }
            host.config.password(password.expose_secret());
        }
        Ok(server)
    }

    pub fn has_password(&self) -> bool {
        self.hosts.iter().any(|host| host.config.get_password().is_some())
    }

    /// Whether strangers on the network can neither read along nor answer in the server's place.
    pub fn is_private(&self) -> bool {
        self.tls == TlsMode::VerifyFull || self.hosts.iter().all(|host| host.is_local)
    }

    /// A connection, ready to work: `patience` bounds the way there, and each answer on it.
    pub fn connect(&self, patience: Duration) -> Result<PgConnection, ConnectError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|cause| ConnectError::Away(cause.to_string()))?;
        let tls = tls::connector(self.tls, &self.files)?;
        // A host that takes connections and never answers must leave time for the next one.
        let share = patience / u32::try_from(self.hosts.len()).unwrap_or(1);
        let good = self.good.load(Ordering::Relaxed);
        let mut refusals = Vec::new();
        for place in (good..self.hosts.len()).chain(0..good) {
            let host = &self.hosts[place];
            let making = host.begin(tls.clone(), patience);
            let outcome = runtime.block_on(async { timeout(share, making).await });
            match outcome.unwrap_or_else(|_| Err(ConnectError::Away("no answer in time".into()))) {
                Ok(inner) => {
                    self.good.store(place, Ordering::Relaxed);
                    return Ok(PgConnection::new(inner, runtime, patience + GRACE));
                }
                Err(refusal) => refusals.push((&host.name, refusal)),
            }
        }
        Err(together(refusals))
    }
}

/// Each host's reason, and whether waiting may help.
fn together(mut refusals: Vec<(&String, ConnectError)>) -> ConnectError {
    if refusals.len() == 1 {
        return refusals.remove(0).1;
    }
    let said: Vec<String> = refusals.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    if refusals.iter().all(|(_, why)| matches!(why, ConnectError::Refused(_))) {
        ConnectError::Refused(said.join("; "))
    } else {
        ConnectError::Away(said.join("; "))
    }
}

impl Host {
    async fn begin(
        &self,
        tls: MakeRustlsConnect,
        patience: Duration,
    ) -> Result<AsyncPgConnection, ConnectError> {
        let (client, connection) = self.config.connect(tls).await.map_err(said)?;
        let millis = patience.as_millis();
        let limits = format!(
            "SET statement_timeout = {millis}; SET idle_in_transaction_session_timeout = {}",
            millis * 2
        );
        let failed = |error: &dyn fmt::Display| ConnectError::Away(error.to_string());
        let mut conn = AsyncPgConnection::try_from_client_and_connection(client, connection)
            .await
            .map_err(|error| failed(&error))?;
        conn.batch_execute(&limits).await.map_err(|error| failed(&error))?;
        Ok(conn)
    }
}

/// What waiting does not mend: a wrong user or password, no such database, no TLS.
fn said(error: tokio_postgres::Error) -> ConnectError {
    let words = in_words(&error);
    match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("53300") => ConnectError::Away(format!(
            "{words}: the nodes' database_connections together must stay below the server's \
             max_connections"
        )),
        Some(code) if ["28", "3D", "42"].iter().any(|class| code.starts_with(class)) => {
            ConnectError::Refused(words)
        }
        None if words.contains("password missing") => {
            ConnectError::Refused(format!("{words}: set database_password"))
        }
        None if ["TLS", "authentication", "configuration"].iter().any(|it| words.contains(it)) => {
            ConnectError::Refused(words)
        }
        _ => ConnectError::Away(words),
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

/// How long the server works on one statement, a wait for others' locks included.
pub(super) fn set_patience(conn: &mut PgConnection, wait: Duration) -> QueryResult<()> {
    // 0 would be for ever.
    let millis = wait.as_millis().max(1);
    conn.batch_execute(&format!("SET statement_timeout = {millis}"))
}

/// Takes the lock of that name until `conn` is closed; false when somebody else has it.
pub(super) fn try_lock(conn: &mut AnyConnection, name: &str) -> QueryResult<bool> {
    let number = name
        .bytes()
        .fold(ALONE, |number, byte| number.wrapping_mul(31).wrapping_add(i64::from(byte)));
    diesel::select(diesel::dsl::sql::<Bool>(&format!("pg_try_advisory_lock({number})")))
        .get_result(conn)
}

/// What `gatehouse check` looks at: the server's version, as a number, and its clock, in
/// milliseconds since 1970.
pub fn version_and_clock(conn: &mut AnyConnection) -> QueryResult<(i32, i64)> {
    let version = diesel::dsl::sql::<Integer>("current_setting('server_version_num')::integer");
    let clock =
        diesel::dsl::sql::<BigInt>("(extract(epoch FROM clock_timestamp()) * 1000)::bigint");
    diesel::select((version, clock)).get_result(conn)
}

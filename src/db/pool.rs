//! The pool: connections of either kind, thrown away as soon as one of them turns out to be dead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::r2d2::{Error as PoolError, ManageConnection, R2D2Connection};
use diesel::result::ConnectionError;

use super::connection::AnyConnection;
use super::postgres::{Fault, Server};
use super::sqlite::File;

/// What connections are made of.
pub(super) enum Source {
    File(File),
    Server(Box<Server>),
}

pub(super) struct Manager {
    pub source: Arc<Source>,
    pub wait: Duration,
    pub age: Age,
    pub outage: Outage,
}

/// Lasts from the first connection that could not be made to the next one that could; the log has
/// two lines of it, however many visitors it keeps waiting.
#[derive(Clone, Default)]
pub(super) struct Outage(Arc<AtomicBool>);

impl Outage {
    pub fn lasts(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self, error: Option<&PoolError>) {
        let lasted = self.0.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !lasted => {
                log::error!("no connection to the database, tried until there is one: {error}");
            }
            None if lasted => log::warn!("there is a connection to the database again"),
            _ => {}
        }
    }
}

/// Rises when a connection was found dead: after a restart of the server, or while a disk was full,
/// the others of that age are no better, and each would cost somebody a request.
#[derive(Clone, Default)]
pub(super) struct Age(Arc<AtomicU64>);

impl Age {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Unless somebody else has said so since that connection was made.
    pub fn is_over(&self, conn: &Pooled) {
        let (then, next) = (conn.age, conn.age + 1);
        let _ = self.0.compare_exchange(then, next, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A connection and the age it was made in.
pub(super) struct Pooled {
    pub conn: AnyConnection,
    age: u64,
}

impl Source {
    pub fn connect(&self, wait: Duration) -> Result<AnyConnection, PoolError> {
        match self {
            Self::File(file) => file.connect(wait).map(AnyConnection::Sqlite),
            Self::Server(server) => match server.connect(wait) {
                Ok(conn) => Ok(AnyConnection::Postgres(conn)),
                Err(error) => Err(ConnectionError::BadConnection(error.to_string()).into()),
            },
        }
    }
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = PoolError;

    fn connect(&self) -> Result<Pooled, PoolError> {
        let age = self.age.now();
        let made = self.source.connect(self.wait);
        self.outage.note(made.as_ref().err());
        Ok(Pooled { conn: made?, age })
    }

    /// Asks nobody: a look at the server for each use would cost more than the use.
    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), PoolError> {
        if pooled.age == self.age.now() {
            return Ok(());
        }
        Err(ConnectionError::BadConnection("made before the trouble".to_owned()).into())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        if std::thread::panicking() || pooled.age != self.age.now() {
            return true;
        }
        match &mut pooled.conn {
            AnyConnection::Sqlite(conn) => R2D2Connection::is_broken(conn),
            AnyConnection::Postgres(conn) => {
                conn.take_fault() >= Some(Fault::ReadOnly) || R2D2Connection::is_broken(conn)
            }
        }
    }
}

impl Pooled {
    /// See [`PgConnection::answers_by`].
    ///
    /// [`PgConnection::answers_by`]: super::postgres::PgConnection::answers_by
    pub fn answers_by(&mut self, end: Option<Instant>) {
        if let AnyConnection::Postgres(conn) = &mut self.conn {
            conn.answers_by(end);
        }
    }

    /// What went wrong on it; SQLite's own errors say it all.
    pub fn take_fault(&mut self) -> Option<Fault> {
        match &mut self.conn {
            AnyConnection::Sqlite(_) => None,
            AnyConnection::Postgres(conn) => conn.take_fault(),
        }
    }
}

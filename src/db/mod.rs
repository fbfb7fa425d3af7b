//! The database: one connection type, a bounded pool, reads and writes that never block the web.

pub mod backup;
pub mod batches;
pub mod connection;
mod error;
pub mod migrations;
mod moment;
mod pool;
pub mod postgres;
pub mod schema;
mod sqlite;
mod traces;
pub mod transaction;
pub mod transfer;
mod turns;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use diesel::r2d2::{NopErrorHandler, Pool, PooledConnection};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use pool::{Age, Manager, Outage, Pooled, Source};
use postgres::{ConnectError, Fault, Server};
use transaction::{Isolation, begin, finish, rest_after, set_patience};
use turns::{Turn, Turns, Use};

pub use connection::AnyConnection;
pub use error::{DbError, OpenError};

/// How often a transaction is tried while others are in its way, if there is time.
const TRIES: u32 = 50;
/// How often beside others; then all other writes wait for it.
const TRIES_BESIDE_OTHERS: u32 = 2;
/// And when the server gives another reason, of which some pass: a deadlock, a restart.
const TRIES_FOR_OTHER_REASONS: u32 = 4;
/// Threads that serve no requests (mail, events) find a connection, too.
const CONNECTIONS_FOR_THREADS: u32 = 2;

/// Where the data lives.
#[derive(Debug, Clone)]
pub enum Place {
    /// The SQLite file.
    File(PathBuf),
    /// The PostgreSQL server.
    Server(Box<Server>),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Server(server) => write!(f, "{server}"),
        }
    }
}

/// Where the data lives and how long anybody waits for it.
#[derive(Debug, Clone)]
pub struct DbConfig {
    pub place: Place,
    /// Connections open at once. SQLite's readers need no more than there are worker threads.
    pub pool_size: u32,
    /// The longest wait for a connection, for the writer's turn, for another process's lock or for
    /// the server's answer; after it the visitor hears 503 rather than nothing.
    pub wait: Duration,
}

impl DbConfig {
    /// Refuses a file that others on this machine can read (B-105); fine while there is none.
    pub fn check_private(&self) -> Result<(), OpenError> {
        match &self.place {
            Place::File(path) if sqlite::is_shared(path) => {
                let place = path.display().to_string();
                let cause = format!("it can be read by others: chmod 600 {place}");
                Err(OpenError { place, cause })
            }
            _ => Ok(()),
        }
    }

    /// Waits `most` for a server that is on its way up, and says so once. Whatever else is wrong
    /// with it, [`Db::open`] tells.
    pub fn wait_for_server(&self, most: Duration, say: impl Fn(&str)) {
        let Place::Server(server) = &self.place else { return };
        let end = Instant::now() + most;
        let mut said = false;
        while let Err(ConnectError::Away(cause)) = server.connect(self.wait) {
            if !said {
                say(&format!("waits up to {} s for {server}: {cause}", most.as_secs()));
                said = true;
            }
            if Instant::now() >= end {
                return;
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// The SQLite file, where it is one.
    pub fn file(&self) -> Option<&PathBuf> {
        match &self.place {
            Place::File(path) => Some(path),
            Place::Server(_) => None,
        }
    }
}

/// A handle to the database; clones share one pool.
#[derive(Clone)]
pub struct Db {
    pool: Pool<Manager>,
    source: Arc<Source>,
    age: Age,
    outage: Outage,
    turns: Turns,
    wait: Duration,
}

impl Db {
    /// Opens the database: makes the SQLite file and its folder if they are missing, connects to
    /// the PostgreSQL server.
    pub fn open(config: &DbConfig) -> Result<Self, OpenError> {
        let (source, turns) = match &config.place {
            Place::File(path) => {
                let file = sqlite::File::open(path, config.wait)?;
                (Source::File(file), Turns::of_file())
            }
            Place::Server(server) => {
                // Its error says what is wrong, the pool's only that time is up.
                server.connect(config.wait).map_err(|error| OpenError {
                    place: server.to_string(),
                    cause: error.to_string(),
                })?;
                let seats = config.pool_size.saturating_sub(CONNECTIONS_FOR_THREADS).max(1);
                (Source::Server(server.clone()), Turns::of_server(seats as usize))
            }
        };
        let (source, age, outage) = (Arc::new(source), Age::default(), Outage::default());
        let (wait, of_pool) = (config.wait, outage.clone());
        let manager = Manager { source: source.clone(), wait, age: age.clone(), outage: of_pool };
        let pool = Pool::builder()
            .max_size(config.pool_size)
            .min_idle(Some(1))
            .connection_timeout(config.wait)
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(manager);
        Ok(Self { pool, source, age, outage, turns, wait })
    }

    /// Whether it is the embedded SQLite.
    pub fn is_embedded(&self) -> bool {
        matches!(*self.source, Source::File(_))
    }

    /// Runs a read, again where the connection turned out to be dead. A keyed look-up in a local
    /// SQLite file takes microseconds, less than handing it to another thread would; so it runs
    /// right here. Waiting for a connection or for a server does not: it would hold up every other
    /// request of this thread.
    pub async fn read<T, E>(
        &self,
        query: impl Fn(&mut AnyConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let end = Instant::now() + self.wait;
        let turn = match &self.turns {
            Turns::Writer(_) => {
                if let Some(mut pooled) = self.pool.try_get() {
                    return query(&mut pooled.conn);
                }
                None
            }
            Turns::Connections { .. } => Some(self.turn(Use::Read).await?),
        };
        let db = self.clone();
        off_the_worker(move || {
            let _turn = turn;
            db.read_before(end, Some(end + db.wait), query)
        })
        .await
    }

    /// Runs a write on a thread that may block, in a transaction: SQLite's takes the write lock at
    /// its beginning (one that reads first and writes later can fail at once, whatever the
    /// time-out), PostgreSQL's is serializable and tried again when another one was in its way.
    /// So `deed` may run more than once; an error rolls everything back.
    pub async fn write<T, E>(
        &self,
        deed: impl Fn(&mut AnyConnection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
    {
        let end = Instant::now() + self.wait;
        let turn = self.turn(Use::Write).await?;
        let db = self.clone();
        off_the_worker(move || {
            let _turn = turn;
            db.write_before(end, Some(end + db.wait), deed)
        })
        .await
    }

    /// [`Db::write`] for threads that serve no requests: the mail worker, the command line.
    pub fn write_blocking<T, E>(
        &self,
        deed: impl Fn(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        let _turn = match &self.turns {
            Turns::Writer(writer) => Some(writer.blocking_lock()),
            Turns::Connections { .. } => None,
        };
        self.write_before(Instant::now() + self.wait, None, deed)
    }

    /// [`Db::read`] for threads that serve no requests.
    pub fn read_blocking<T, E>(
        &self,
        query: impl Fn(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        self.read_before(Instant::now() + self.wait, None, query)
    }

    /// One transaction that takes the time it needs, on a connection of its own, never twice, and
    /// in one process at a time: a migration, a restore.
    pub fn write_alone<T, E>(
        &self,
        deed: impl FnOnce(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E>
    where
        E: From<DbError>,
    {
        let mut conn = self.patient_connection()?;
        begin(&mut conn, Isolation::Alone).map_err(DbError::from)?;
        finish(&mut conn, deed).0
    }

    /// Runs `work` if no other process is doing the same; none when one is.
    pub fn if_alone<T>(&self, name: &str, work: impl FnOnce() -> T) -> Result<Option<T>, DbError> {
        let mut conn = match *self.source {
            Source::File(_) => return Ok(Some(work())),
            Source::Server(_) => self.patient_connection()?,
        };
        // It ends with its connection, also when this process is killed.
        if postgres::try_lock(&mut conn, name)? { Ok(Some(work())) } else { Ok(None) }
    }

    /// A connection beside the pool, without time-outs.
    pub fn patient_connection(&self) -> Result<AnyConnection, DbError> {
        self.check_file()?;
        let mut conn = self.source.connect(self.wait).map_err(|error| {
            log::error!("no connection to the database: {error}");
            DbError::Busy
        })?;
        if let AnyConnection::Postgres(conn) = &mut conn {
            conn.be_patient()?;
        }
        Ok(conn)
    }

    /// A file that was removed or replaced still takes writes, and nobody would ever see them
    /// again.
    pub fn check_file(&self) -> Result<(), DbError> {
        match &*self.source {
            Source::File(file) if !file.is_the_same() => Err(DbError::Vanished),
            _ => Ok(()),
        }
    }

    async fn turn(&self, purpose: Use) -> Result<Turn, DbError> {
        let turn = timeout(self.wait, self.turns.next(purpose)).await;
        turn.ok().flatten().ok_or(DbError::Busy)
    }

    fn read_before<T, E: From<DbError>>(
        &self,
        end: Instant,
        over: Option<Instant>,
        query: impl Fn(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        for tries in 1.. {
            let mut pooled = self.connection(end)?;
            pooled.answers_by(over);
            let outcome = query(&mut pooled.conn);
            let fault = pooled.take_fault();
            if outcome.is_err() && self.again(fault, tries, end, &pooled) {
                continue;
            }
            return outcome;
        }
        Err(DbError::Busy.into())
    }

    /// A visitor waits once, not for the turn, for a connection and for the file as long each.
    fn write_before<T, E: From<DbError>>(
        &self,
        end: Instant,
        over: Option<Instant>,
        deed: impl Fn(&mut AnyConnection) -> Result<T, E>,
    ) -> Result<T, E> {
        self.check_file()?;
        for tries in 1.. {
            let mut pooled = self.connection(end)?;
            pooled.answers_by(over);
            let left = end.saturating_duration_since(Instant::now());
            let shortened = left < self.wait - self.wait / 10;
            if shortened {
                set_patience(&mut pooled.conn, left).map_err(DbError::from)?;
            }
            let beside = tries <= TRIES_BESIDE_OTHERS;
            let isolation = if beside { Isolation::Serializable } else { Isolation::AllByItself };
            let (outcome, committing) = match begin(&mut pooled.conn, isolation) {
                Ok(()) => finish(&mut pooled.conn, &deed),
                Err(error) => {
                    let error = DbError::from(error);
                    if matches!(error, DbError::Fault(_)) {
                        self.age.is_over(&pooled);
                    }
                    (Err(error.into()), false)
                }
            };
            if shortened && let Err(error) = set_patience(&mut pooled.conn, self.wait) {
                log::warn!("a connection waits shorter than it should: {error}");
            }
            let fault = pooled.take_fault();
            // Whether a commit was carried out whose answer never came, nobody knows: twice may be
            // once too often.
            let unknown = committing && fault == Some(Fault::Closed);
            let failed = outcome.is_err();
            if failed && self.again(fault, tries, end, &pooled) && !unknown {
                continue;
            }
            return match fault {
                Some(Fault::Conflict) if failed => Err(DbError::Busy.into()),
                _ => outcome,
            };
        }
        Err(DbError::Busy.into())
    }

    /// Whether what failed may succeed at another try, after a moment's rest.
    fn again(&self, fault: Option<Fault>, tries: u32, end: Instant, pooled: &Pooled) -> bool {
        let most = match fault {
            None => return false,
            Some(Fault::Conflict) => TRIES,
            Some(Fault::Other) => TRIES_FOR_OTHER_REASONS,
            Some(Fault::ReadOnly | Fault::Closed) => {
                self.age.is_over(pooled);
                TRIES_FOR_OTHER_REASONS
            }
        };
        let rest = rest_after(tries);
        if tries >= most || Instant::now() + rest >= end {
            return false;
        }
        thread::sleep(rest);
        true
    }

    fn connection(&self, end: Instant) -> Result<PooledConnection<Manager>, DbError> {
        let left = end.saturating_duration_since(Instant::now());
        let why = |_| if self.outage.lasts() { DbError::Away } else { DbError::Busy };
        self.pool.get_timeout(left).map_err(why)
    }
}

/// A panic there is a panic here.
async fn off_the_worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

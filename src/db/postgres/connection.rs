//! A blocking Diesel connection over the asynchronous driver: every wait has an end, and what
//! failed is remembered, so that the pool knows what to throw away and a deed what to try again.

use std::future::Future;
use std::time::{Duration, Instant};

use diesel::RunQueryDsl;
use diesel::connection::{
    CacheSize, Connection, Instrumentation, LoadConnection, SimpleConnection, TransactionManager,
    TransactionManagerStatus,
};
use diesel::dsl::sql;
use diesel::internal::derives::multiconnection::{ConnectionSealed, MultiConnectionHelper};
use diesel::migration::{CREATE_MIGRATIONS_TABLE, MigrationConnection};
use diesel::pg::{Pg, PgMetadataLookup, PgTypeMetadata};
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::r2d2::R2D2Connection;
use diesel::result::{
    ConnectionError, ConnectionResult, DatabaseErrorKind, Error as QueryError, QueryResult,
};
use diesel::sql_types::Bool;
use diesel_async::{
    AnsiTransactionManager, AsyncConnection, AsyncConnectionCore, AsyncPgConnection,
    SimpleAsyncConnection, TransactionManager as AsyncTransactionManager,
};
use futures_util::TryStreamExt;
use tokio::runtime::Runtime;
use tokio::time::timeout;

/// What went wrong on a connection since it was last asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server says so in words of its own: a deadlock, a lock waited for too long, its end.
    Other,
    /// Another transaction was in the way (40001). The same again may succeed.
    Conflict,
    /// The server will not take it here: it has become a read-only standby.
    ReadOnly,
    /// There is no answer, and this connection will bring none any more.
    Closed,
}

impl Fault {
    fn of(error: &QueryError) -> Option<Self> {
        let QueryError::DatabaseError(kind, info) = error else { return None };
        match kind {
            // Its last words on this connection.
            DatabaseErrorKind::Unknown if info.message().contains("terminating connection") => {
                Some(Self::Closed)
            }
            DatabaseErrorKind::Unknown => Some(Self::Other),
            DatabaseErrorKind::SerializationFailure => Some(Self::Conflict),
            DatabaseErrorKind::ReadOnlyTransaction => Some(Self::ReadOnly),
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => {
                Some(Self::Closed)
            }
            _ => None,
        }
    }
}

/// Ten years: for ever, in a number that clocks can add.
const PATIENT: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// One connection to a PostgreSQL server. Its socket is driven by whoever waits for an answer, on
/// the same thread; in between nobody does.
pub struct PgConnection {
    inner: AsyncPgConnection,
    /// None once it is dropped.
    runtime: Option<Runtime>,
    /// No single answer is waited for longer.
    patience: Duration,
    /// Somebody waits, and all of it must be over by then.
    end: Option<Instant>,
    fault: Option<Fault>,
    /// The transaction has failed: PostgreSQL would answer COMMIT with a silent rollback.
    spoilt: bool,
}

impl PgConnection {
    pub(super) fn new(inner: AsyncPgConnection, runtime: Runtime, patience: Duration) -> Self {
        Self { inner, runtime: Some(runtime), patience, end: None, fault: None, spoilt: false }
    }

    /// The worst that happened since the last call.
    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    /// However many answers there are to wait for, none is waited for after `end`.
    pub fn answers_by(&mut self, end: Option<Instant>) {
        self.end = end;
    }

    /// No time-outs from now on: for what takes its time. A server that is gone is noticed by the
    /// network's own means.
    pub fn be_patient(&mut self) -> QueryResult<()> {
        self.patience = PATIENT;
        self.batch_execute("SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0")
    }

    /// Begins a transaction in which others' deeds happened before it or after it, never meanwhile
    /// (PostgreSQL 15, 13.2.3): what SQLite's write lock is to the same code.
    pub fn begin_beside_others(&mut self) -> QueryResult<()> {
        self.begin_with_lock("ROW EXCLUSIVE")
    }

    /// The same while nobody else writes: whoever has begun is waited for, whoever comes waits.
    pub fn begin_all_by_itself(&mut self) -> QueryResult<()> {
        self.begin_with_lock("SHARE ROW EXCLUSIVE")
    }

    /// The first mode is in the way of the second alone, the second of both (PostgreSQL 15,
    /// 13.3.1). A lock taken before anything is read does not freeze the view (PostgreSQL 15, LOCK).
    fn begin_with_lock(&mut self, mode: &str) -> QueryResult<()> {
        let lock = format!("LOCK TABLE __diesel_schema_migrations IN {mode} MODE");
        let begun = self.begin(&format!("BEGIN ISOLATION LEVEL SERIALIZABLE; {lock}"));
        // It may have begun, with the lock refused.
        begun.inspect_err(|_| drop(self.batch_execute("ROLLBACK")))
    }

    pub(super) fn begin(&mut self, statement: &str) -> QueryResult<()> {
        self.spoilt = false;
        self.wait(|inner| AnsiTransactionManager::begin_transaction_sql(inner, statement))
    }

    fn wait<'a, T, F>(
        &'a mut self,
        ask: impl FnOnce(&'a mut AsyncPgConnection) -> F,
    ) -> QueryResult<T>
    where
        F: Future<Output = QueryResult<T>> + 'a,
    {
        let Self { inner, runtime, patience, end, fault, spoilt } = self;
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let patience = left.map_or(*patience, |left| left.min(*patience));
        let outcome = match runtime {
            Some(runtime) if *fault < Some(Fault::Closed) => {
                let answer = ask(inner);
                runtime
                    .block_on(async { timeout(patience, answer).await })
                    .unwrap_or_else(|_| Err(closed("the database server did not answer in time")))
            }
            _ => Err(closed("the connection to the database server is closed")),
        };
        if let Err(error) = &outcome {
            *fault = (*fault).max(Fault::of(error));
            *spoilt |= matches!(error, QueryError::DatabaseError(..));
        }
        outcome
    }
}

fn closed(why: &str) -> QueryError {
    QueryError::DatabaseError(DatabaseErrorKind::ClosedConnection, Box::new(why.to_owned()))
}

impl Drop for PgConnection {
    fn drop(&mut self) {
        // The last handle of a pool may go on a thread that must not block.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl SimpleConnection for PgConnection {
    fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.wait(|inner| inner.batch_execute(query))
    }
}

impl ConnectionSealed for PgConnection {}

impl Connection for PgConnection {
    type Backend = Pg;
    type TransactionManager = Transactions;

    /// Connections are made by [`super::Server::connect`], which knows about TLS and time-outs.
    fn establish(_: &str) -> ConnectionResult<Self> {
        Err(ConnectionError::BadConnection("not by URL alone".to_owned()))
    }

    fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
    where
        T: QueryFragment<Pg> + QueryId,
    {
        self.wait(|inner| inner.execute_returning_count(source))
    }

    fn transaction_state(&mut self) -> &mut AnsiTransactionManager {
        self.inner.transaction_state()
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.inner.instrumentation()
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        self.inner.set_instrumentation(instrumentation);
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        self.inner.set_prepared_statement_cache_size(size);
    }
}

type Row<'conn, 'query> = <AsyncPgConnection as AsyncConnectionCore>::Row<'conn, 'query>;

impl LoadConnection for PgConnection {
    type Cursor<'conn, 'query> = std::vec::IntoIter<QueryResult<Row<'conn, 'query>>>;
    type Row<'conn, 'query> = Row<'conn, 'query>;

    /// All rows at once: no list here is longer than a page or a batch.
    fn load<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> QueryResult<Self::Cursor<'conn, 'query>>
    where
        T: Query + QueryFragment<Pg> + QueryId + 'query,
        Pg: diesel::expression::QueryMetadata<T::SqlType>,
    {
        let rows: Vec<_> =
            self.wait(|inner| async move { inner.load(source).await?.try_collect().await })?;
        Ok(rows.into_iter().map(Ok).collect::<Vec<_>>().into_iter())
    }
}

/// Diesel's transactions, through [`PgConnection::wait`].
pub struct Transactions;

type Inner = AnsiTransactionManager;

impl TransactionManager<PgConnection> for Transactions {
    type TransactionStateData = AnsiTransactionManager;

    fn begin_transaction(conn: &mut PgConnection) -> QueryResult<()> {
        conn.wait(<Inner as AsyncTransactionManager<_>>::begin_transaction)
    }

    fn rollback_transaction(conn: &mut PgConnection) -> QueryResult<()> {
        conn.wait(<Inner as AsyncTransactionManager<_>>::rollback_transaction)?;
        // To the savepoint or all of it: what had failed is undone.
        conn.spoilt = false;
        Ok(())
    }

    fn commit_transaction(conn: &mut PgConnection) -> QueryResult<()> {
        if conn.spoilt {
            let why = "something in the transaction had failed".to_owned();
            return Err(QueryError::RollbackErrorOnCommit {
                rollback_error: Box::new(QueryError::RollbackTransaction),
                commit_error: Box::new(QueryError::DatabaseError(
                    DatabaseErrorKind::Unknown,
                    Box::new(why),
                )),
            });
        }
        conn.wait(<Inner as AsyncTransactionManager<_>>::commit_transaction)
    }

    fn transaction_manager_status_mut(conn: &mut PgConnection) -> &mut TransactionManagerStatus {
        <Inner as AsyncTransactionManager<_>>::transaction_manager_status_mut(&mut conn.inner)
    }

    fn is_broken_transaction_manager(conn: &mut PgConnection) -> bool {
        <Inner as AsyncTransactionManager<_>>::is_broken_transaction_manager(&mut conn.inner)
    }
}

impl MigrationConnection for PgConnection {
    /// Every look at the migrations begins with it, also one at a server that is read-only.
    fn setup(&mut self) -> QueryResult<usize> {
        let is_there = sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL");
        if diesel::select(is_there).get_result(self)? {
            return Ok(0);
        }
        self.batch_execute(CREATE_MIGRATIONS_TABLE).map(|()| 0)
    }
}

impl R2D2Connection for PgConnection {
    fn ping(&mut self) -> QueryResult<()> {
        self.batch_execute("SELECT 1")
    }

    fn is_broken(&mut self) -> bool {
        Transactions::is_broken_transaction_manager(self)
    }
}

/// Our columns have PostgreSQL's own types, whose numbers are known: nothing is ever looked up.
struct NoLookup;

impl PgMetadataLookup for NoLookup {
    fn lookup_type(&mut self, _: &str, _: Option<&str>) -> PgTypeMetadata {
        PgTypeMetadata::new(0, 0)
    }
}

impl MultiConnectionHelper for PgConnection {
    fn to_any<'a, 'b>(
        _: &'b mut (dyn PgMetadataLookup + 'static),
    ) -> &'b mut (dyn std::any::Any + 'a) {
        // It has no size, so nothing leaks.
        Box::leak(Box::new(NoLookup))
    }

    fn from_any(lookup: &mut dyn std::any::Any) -> Option<&mut (dyn PgMetadataLookup + 'static)> {
        lookup.downcast_mut::<NoLookup>().map(|lookup| lookup as &mut dyn PgMetadataLookup)
    }
}

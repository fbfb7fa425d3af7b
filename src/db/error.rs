//! Why the database gave no answer, and what that means to whoever asked.

use diesel::result::{DatabaseErrorKind, Error as QueryError};

/// What the databases say when the fault is the file's, the disk's or the server's, not the
/// query's. (PostgreSQL says it in the language of its `lc_messages`.)
const FAULTS: [&str; 14] = [
    "disk is full",
    "disk I/O error",
    "readonly database",
    "unable to open database",
    "malformed",
    "not a database",
    "locking protocol",
    "out of memory",
    "No space left on device",
    "deadlock detected",
    "canceling statement",
    "terminating connection",
    "the database system is",
    "remaining connection slots",
];

/// The database cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the database {place}: {cause}")]
pub struct OpenError {
    pub place: String,
    pub cause: String,
}

/// Why the database gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    #[error("the database is busy")]
    Busy,
    #[error("there is no connection to the database")]
    Away,
    #[error("the database file was removed or replaced while in use: restart with the right one")]
    Vanished,
    #[error("the database cannot be used until it is mended: {0}")]
    Fault(QueryError),
    #[error("the database failed: {0}")]
    Query(QueryError),
}

impl DbError {
    /// Whether the database did answer: there is no such row.
    pub fn is_nobody(&self) -> bool {
        matches!(self, Self::Query(QueryError::NotFound))
    }
}

impl From<QueryError> for DbError {
    fn from(error: QueryError) -> Self {
        use DatabaseErrorKind::{
            ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand,
            Unknown,
        };

        let said = match &error {
            QueryError::DatabaseError(SerializationFailure, _) => return Self::Busy,
            QueryError::DatabaseError(
                ClosedConnection | UnableToSendCommand | ReadOnlyTransaction,
                _,
            ) => return Self::Fault(error),
            QueryError::DatabaseError(Unknown, info) => info.message(),
            _ => "",
        };
        if said.contains("locked") {
            Self::Busy
        } else if FAULTS.iter().any(|fault| said.contains(fault)) {
            Self::Fault(error)
        } else {
            Self::Query(error)
        }
    }
}

//! The embedded migrations: run at start, refused when the database is newer than the program.

use std::collections::HashSet;

use diesel::migration::{Migration, MigrationSource};
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::MultiBackend;
use super::{AnyConnection, Db, DbError};

diesel::table! {
    /// Diesel's own record of what has run.
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRESQL: EmbeddedMigrations = embed_migrations!("migrations/postgresql");

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(
        "the database was made by a newer version of Gatehouse (it has migration {0}): \
         start that version, or restore a backup made before it"
    )]
    Newer(String),
    #[error("{0} was left by an older version of Gatehouse: run `gatehouse migrate` on it first")]
    Older(String),
    #[error("a migration failed: {0}")]
    Failed(String),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Runs what is pending, all or nothing, and returns the names of what ran.
pub fn run(db: &Db) -> Result<Vec<String>, MigrateError> {
    // A look at a server makes the table of migrations where there is none, which two would do at
    // once.
    if db.is_embedded() && db.read_blocking(pending)?.is_empty() {
        return Ok(Vec::new());
    }
    // Of two processes that start at once, the second waits and finds nothing to do.
    db.write_alone(|conn| {
        if pending(conn)?.is_empty() {
            return Ok(Vec::new());
        }
        let source = of(conn);
        let ran = conn.run_pending_migrations(source).map_err(failed)?;
        Ok(ran.iter().map(ToString::to_string).collect())
    })
}

/// The versions that the program has and the database lacks.
pub fn pending(conn: &mut AnyConnection) -> Result<Vec<String>, MigrateError> {
    let applied = conn.applied_migrations().map_err(failed)?;
    lacking(conn, applied.iter().map(ToString::to_string).collect())
}

/// [`pending`] for a database that must stay as it is: nothing is made in it.
pub fn missing(conn: &mut AnyConnection) -> Result<Vec<String>, MigrateError> {
    let applied: Vec<String> = __diesel_schema_migrations::table
        .select(__diesel_schema_migrations::version)
        .load(conn)
        .map_err(DbError::from)?;
    lacking(conn, applied.into_iter().collect())
}

/// Whether nothing was ever made in the database.
pub fn is_fresh(db: &Db) -> Result<bool, MigrateError> {
    let applied = db.read_blocking(|conn| conn.applied_migrations().map_err(failed))?;
    Ok(applied.is_empty())
}

fn lacking(conn: &AnyConnection, applied: HashSet<String>) -> Result<Vec<String>, MigrateError> {
    let known: Vec<Box<dyn Migration<MultiBackend>>> = of(conn).migrations().map_err(failed)?;
    let known: Vec<String> =
        known.iter().map(|migration| migration.name().version().to_string()).collect();
    if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
        return Err(MigrateError::Newer(newer.clone()));
    }
    Ok(known.into_iter().filter(|version| !applied.contains(version)).collect())
}

fn of(conn: &AnyConnection) -> EmbeddedMigrations {
    match conn {
        AnyConnection::Sqlite(_) => SQLITE,
        AnyConnection::Postgres(_) => POSTGRESQL,
    }
}

fn failed(cause: impl ToString) -> MigrateError {
    MigrateError::Failed(cause.to_string())
}

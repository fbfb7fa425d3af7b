//! What moving a whole database needs of PostgreSQL alone.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;

use super::PgConnection;

/// A transaction that sees what was there when it began (PostgreSQL 15, 13.2.2).
pub fn begin_snapshot(conn: &mut PgConnection) -> QueryResult<()> {
    conn.begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
}

/// Nobody else reads or writes until the transaction ends.
pub fn lock_tables(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute(
        "LOCK TABLE users, sessions, pending_forms, outbox, limits, devices, tokens, sign_ups, \
         events IN ACCESS EXCLUSIVE MODE",
    )
}

pub fn clear_tables(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute(
        "TRUNCATE users, sessions, pending_forms, outbox, limits, devices, tokens, sign_ups, \
         events",
    )
}

pub fn defer_references(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute(
        "ALTER TABLE users ALTER CONSTRAINT users_session_id_fkey DEFERRABLE INITIALLY DEFERRED",
    )
}

/// Checks what was deferred, and leaves the constraint as it was.
pub fn check_references(conn: &mut PgConnection) -> QueryResult<()> {
    conn.batch_execute(
        "SET CONSTRAINTS ALL IMMEDIATE; \
         ALTER TABLE users ALTER CONSTRAINT users_session_id_fkey NOT DEFERRABLE",
    )
}

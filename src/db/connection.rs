//! The one connection type of every query: SQLite or PostgreSQL.

use diesel::sqlite::SqliteConnection;

pub use super::postgres::PgConnection;

/// Which of the two it is was decided by the scheme of `database_url`; queries do not ask.
#[derive(diesel::MultiConnection)]
#[expect(clippy::large_enum_variant, reason = "a handful of them exist, in the pool")]
pub enum AnyConnection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

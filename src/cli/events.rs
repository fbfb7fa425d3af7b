//! `gatehouse events`: what happened, newest first.

use super::service::{StartError, must_exist};
use crate::audit::journal;
use crate::config::Config;
use crate::db::{Db, DbError};

/// One line an event: when, what, whose account, from where, how often at that moment.
pub fn run(user: Option<i64>, most: u32, config: &Config) -> Result<(), StartError> {
    must_exist(config)?;
    let rows = Db::open(&config.db)?
        .read_blocking(|conn| journal::newest(conn, user, most.into()).map_err(DbError::from))
        .map_err(|error| StartError::Other(error.to_string()))?;
    for row in &rows {
        println!(
            "{}  {:<18}  user {}  from {}  {} times  request {}  {}",
            row.at.rfc3339(),
            row.event,
            row.user_id.map_or("-".to_owned(), |id| id.to_string()),
            if row.ip.is_empty() { "-" } else { &row.ip },
            row.times,
            if row.request_id.is_empty() { "-" } else { &row.request_id },
            // A browser writes what it likes; a terminal obeys control characters.
            crate::log::harmless(&row.user_agent)
        );
    }
    if rows.is_empty() {
        println!("no event is kept");
    }
    Ok(())
}

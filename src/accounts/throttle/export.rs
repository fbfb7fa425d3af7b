//! What is counted for one account, for its owner to see.

use diesel::prelude::*;
use serde::Serialize;

use super::{ThrottleConfig, Window};
use crate::accounts::user::User;
use crate::db::AnyConnection;
use crate::db::schema::limits;

/// Tries of one kind in one window of time.
#[derive(Debug, Serialize)]
pub struct Counted {
    what: String,
    window_seconds: u64,
    tries: i64,
    started_at: String,
    ends_at: String,
    last_at: String,
}

/// All of it is there under names that can be made from the account alone. What is counted for a
/// client's address or a browser's secret cannot be told to be anybody's.
pub(in crate::accounts) fn counted(
    conn: &mut AnyConnection,
    config: &ThrottleConfig,
    user: &User,
) -> QueryResult<Vec<Counted>> {
    let kinds = config.kinds(user);
    let keys: Vec<&str> = kinds.iter().map(|kind| kind.key.as_str()).collect();
    let rows: Vec<Window> = limits::table
        .filter(limits::bucket.eq_any(keys))
        .order(limits::bucket)
        .select(Window::as_select())
        .load(conn)?;
    let told = |row: Window| {
        let kind = kinds.iter().find(|kind| kind.key == row.bucket)?;
        Some(Counted {
            what: kind.what.to_owned(),
            window_seconds: kind.rate.per.as_secs(),
            tries: row.tries,
            started_at: row.started_at.rfc3339(),
            ends_at: row.ends_at.rfc3339(),
            last_at: row.last_at.rfc3339(),
        })
    };
    Ok(rows.into_iter().filter_map(told).collect())
}

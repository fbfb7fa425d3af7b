//! Known devices: browsers that have logged in before. Their log-ins are counted apart from
//! strangers', so that nobody locks an owner out by guessing.

use std::time::Duration;

use diesel::prelude::*;

use super::auth::Auth;
use crate::clock::Timestamp;
use crate::db::batches::BATCH;
use crate::db::schema::devices;
use crate::db::{AnyConnection, DbError};
use crate::tokens::{fingerprint, generate_uuid};

/// Longer than most holidays; a browser unused for so long is a stranger again.
pub const LIFETIME: Duration = Duration::from_secs(180 * 24 * 60 * 60);
/// Devices remembered for one account; the one unused for longest goes first.
const PER_USER: i64 = 20;

/// Whether the cookie's `secret` stands for a browser that `user` has logged in with.
pub(super) fn is_known(
    conn: &mut AnyConnection,
    secret: &str,
    user: i64,
    now: Timestamp,
) -> QueryResult<bool> {
    let row = devices::table.find((fingerprint(secret), user));
    let alive = row.filter(devices::last_used_at.gt(now - LIFETIME));
    diesel::select(diesel::dsl::exists(alive)).get_result(conn)
}

/// Remembers this browser for `user`; returns what its cookie shall hold. One that the user has
/// not logged in with gets a new secret: it may be somebody else's, planted.
pub(super) fn remember(
    conn: &mut AnyConnection,
    secret: Option<&str>,
    user: i64,
    now: Timestamp,
) -> QueryResult<String> {
    if let Some(secret) = secret {
        let row = devices::table.find((fingerprint(secret), user));
        if diesel::update(row).set(devices::last_used_at.eq(now)).execute(conn)? == 1 {
            return Ok(secret.to_owned());
        }
    }
    let secret = generate_uuid();
    diesel::insert_into(devices::table)
        .values((
            devices::id.eq(fingerprint(&secret)),
            devices::user_id.eq(user),
            devices::last_used_at.eq(now),
        ))
        .execute(conn)?;
    let surplus: Vec<String> = devices::table
        .filter(devices::user_id.eq(user))
        .order(devices::last_used_at.desc())
        .offset(PER_USER)
        .limit(100)
        .select(devices::id)
        .load(conn)?;
    let surplus = devices::id.eq_any(surplus).and(devices::user_id.eq(user));
    diesel::delete(devices::table.filter(surplus)).execute(conn)?;
    Ok(secret)
}

/// Forgets every device of `user`: after a reset all are strangers.
pub(super) fn forget_all(conn: &mut AnyConnection, user: i64) -> QueryResult<()> {
    diesel::delete(devices::table.filter(devices::user_id.eq(user))).execute(conn).map(drop)
}

/// Forgets every device of `user` but the one with that secret, if there is any.
pub(super) fn forget_others(
    conn: &mut AnyConnection,
    user: i64,
    secret: Option<&str>,
) -> QueryResult<()> {
    let Some(secret) = secret else { return forget_all(conn, user) };
    let others = devices::user_id.eq(user).and(devices::id.ne(fingerprint(secret)));
    diesel::delete(devices::table.filter(others)).execute(conn).map(drop)
}

impl Auth {
    /// Makes a browser known whose owner has proved to read the account's mail; returns what its
    /// cookie shall hold.
    pub async fn trust_device(&self, user: i64, now: Timestamp) -> Result<String, DbError> {
        self.db.write(move |conn| Ok(remember(conn, None, user, now)?)).await
    }

    /// Forgets devices unused for long; returns how many.
    pub async fn purge_devices(&self, now: Timestamp) -> Result<usize, DbError> {
        self.db
            .write_in_batches(move |conn| {
                let is_old = devices::last_used_at.le(now - LIFETIME);
                let old: Vec<String> = devices::table
                    .filter(is_old)
                    .order(devices::last_used_at)
                    .limit(BATCH)
                    .select(devices::id)
                    .load(conn)?;
                // One browser may be known to two people, and to one of them still.
                let old = devices::table.filter(devices::id.eq_any(old).and(is_old));
                Ok(diesel::delete(old).execute(conn)?)
            })
            .await
    }
}

//! The end of every session and every mailed link at once: after a backup was put back, which may
//! hold what was ended since it was made (B-89c).

use diesel::prelude::*;

use crate::db::schema::{devices, limits, outbox, sessions, sign_ups, tokens, users};
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;
use crate::mail::outbox::SENT;

/// How many came to their end.
pub struct Revoked {
    pub sessions: usize,
    pub links: usize,
    pub devices: usize,
}

/// Accounts, sign-ups that wait for their confirmation, events and notices stay. Known browsers go
/// too: a new password makes them strangers, and it may be newer than the backup.
pub fn revoke_everything(conn: &mut AnyConnection) -> Result<Revoked, DbError> {
    let resets = diesel::update(users::table.filter(users::reset_token.is_not_null()))
        .set((
            users::reset_token.eq(None::<String>),
            users::reset_asked_at.eq(None::<i64>),
            users::reset_email.eq(None::<String>),
        ))
        .execute(conn)?;
    let confirmations = diesel::update(sign_ups::table.filter(sign_ups::token.is_not_null()))
        .set((sign_ups::token.eq(None::<String>), sign_ups::token_expires_at.eq(None::<i64>)))
        .execute(conn)?;
    let links = resets + confirmations + diesel::delete(tokens::table).execute(conn)?;
    // Notices that wait stay.
    let with_link = outbox::kind.eq_any(Kind::LINKS.map(Kind::as_str));
    diesel::delete(outbox::table.filter(with_link.or(outbox::state.eq(SENT)))).execute(conn)?;
    diesel::delete(limits::table).execute(conn)?;
    let devices = diesel::delete(devices::table).execute(conn)?;
    let sessions = diesel::delete(sessions::table).execute(conn)?;
    Ok(Revoked { sessions, links, devices })
}

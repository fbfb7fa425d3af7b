//! Sign-ups that wait for their confirmation, found by their address.

use diesel::prelude::*;
use secrecy::SecretString;

use super::confirmation::{LIFETIME, Pending, store_token, subject};
use super::email::Email;
use crate::clock::Timestamp;
use crate::db::AnyConnection;
use crate::db::schema::sign_ups;
use crate::mail::outbox;
use crate::tokens::generate_token;

/// A new link for the newest sign-up with that address, and the address as it was typed; the link
/// that was mailed dies. Whoever opens it chooses the password anew: it does not matter who signed up.
pub(super) fn new_link(
    conn: &mut AnyConnection,
    email: &str,
    now: Timestamp,
) -> QueryResult<Option<(String, SecretString)>> {
    let key = Email::parse(email).map(|email| email.key().to_owned()).unwrap_or_default();
    let pending: Option<Pending> = sign_ups::table
        .filter(sign_ups::email_key.eq(key).and(sign_ups::created_at.gt(now - LIFETIME)))
        .order(sign_ups::id.desc())
        .select(Pending::as_select())
        .first(conn)
        .optional()?;
    let Some(pending) = pending else { return Ok(None) };
    let token = generate_token();
    store_token(conn, pending.id, &token, now)?;
    outbox::withdraw_about(conn, &subject(pending.id))?;
    Ok(Some((pending.email, token)))
}

/// Forgets the sign-ups for an address, with their mails.
pub(super) fn forget(conn: &mut AnyConnection, email_key: &str) -> QueryResult<()> {
    let of_address = sign_ups::table.filter(sign_ups::email_key.eq(email_key));
    for id in of_address.select(sign_ups::id).load::<i64>(conn)? {
        outbox::withdraw_about(conn, &subject(id))?;
    }
    diesel::delete(of_address).execute(conn).map(drop)
}

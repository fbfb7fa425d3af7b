//! Erasure: an account goes with everything that is stored about its owner; what happened stays, and
//! names nobody (B-110).

use diesel::prelude::*;

use super::auth::Auth;
use super::user::{User, UserKey, find_user_by};
use super::{invitation, mailed_token, waiting_sign_up};
use crate::audit::{self, Event, journal};
use crate::clock::Timestamp;
use crate::db::batches::BATCH;
use crate::db::schema::users;
use crate::db::{AnyConnection, DbError};
use crate::mail::outbox;

impl Auth {
    /// Erases the accounts whose grace is over, each in a transaction of its own; returns how many.
    pub async fn erase_due(&self, now: Timestamp) -> Result<usize, DbError> {
        let mut erased = 0;
        loop {
            let due = self.db.read(move |conn| Ok::<_, DbError>(find_due(conn, now)?)).await?;
            if due.is_empty() {
                return Ok(erased);
            }
            for id in due {
                let auth = self.clone();
                // A log-in a moment ago has called it off.
                let is_due = move |user: &User| user.delete_at.is_some_and(|at| at <= now);
                let erase = move |conn: &mut AnyConnection| auth.erase_if(conn, id, is_due);
                if self.db.write(erase).await? {
                    erased += 1;
                    audit::record(Event::AccountDeleted, None, &self.journal.inside());
                }
            }
        }
    }

    /// Erases the account if it is there and `condition` holds of it; whether it did.
    pub(super) fn erase_if(
        &self,
        conn: &mut AnyConnection,
        id: i64,
        condition: impl Fn(&User) -> bool,
    ) -> Result<bool, DbError> {
        let user = find_user_by(conn, UserKey::Id(id)).optional()?;
        let Some(user) = user.filter(condition) else { return Ok(false) };
        outbox::withdraw_about(conn, &invitation::subject(&user.email_key))?;
        waiting_sign_up::forget(conn, &user.email_key)?;
        mailed_token::forget_address(conn, &user.email_key)?;
        self.config.throttle.forget(conn, &user)?;
        journal::make_anonymous(conn, id)?;
        // Sessions, with forms that wait in them, known devices, tokens and mails go with it.
        diesel::delete(users::table.find(id)).execute(conn)?;
        Ok(true)
    }
}

fn find_due(conn: &mut AnyConnection, now: Timestamp) -> QueryResult<Vec<i64>> {
    users::table
        .filter(users::delete_at.le(now))
        .order(users::delete_at)
        .limit(BATCH)
        .select(users::id)
        .load(conn)
}

//! Erasure: an account goes with everything that is stored about its owner; what happened stays, and
//! names nobody (B-110).

use diesel::prelude::*;

use super::auth::Auth;
use super::user::{User, UserChanges, UserKey, find_user_by, update_user};
use super::{invitation, mailed_token, secure_account, waiting_sign_up};
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
                let erase = move |conn: &mut AnyConnection| auth.erase_if_due(conn, id, now);
                if self.db.write(erase).await? {
                    erased += 1;
                    audit::record(Event::AccountDeleted, None, &self.journal.inside());
                }
            }
        }
    }

    /// Whether it went. A log-in a moment ago has called it off; and one that can be given back to the
    /// address it had waits for that long: else whoever took it away would have it erased before its
    /// owner has read the mail.
    fn erase_if_due(
        &self,
        conn: &mut AnyConnection,
        id: i64,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let user = find_user_by(conn, UserKey::Id(id)).optional()?;
        let user = user.filter(|user| user.delete_at.is_some_and(|at| at <= now));
        let Some(user) = user else { return Ok(false) };
        if let Some(end) = secure_account::given_back_until(conn, &user, now)? {
            let later = UserChanges { delete_at: Some(Some(end)), ..UserChanges::default() };
            update_user(conn, id, &later)?;
            return Ok(false);
        }
        self.erase(conn, &user)?;
        Ok(true)
    }

    /// Erases the account, whatever waits for it.
    pub(super) fn erase(&self, conn: &mut AnyConnection, user: &User) -> Result<(), DbError> {
        outbox::withdraw_about(conn, &invitation::subject(&user.email_key))?;
        waiting_sign_up::forget(conn, &user.email_key)?;
        mailed_token::forget_address(conn, &user.email_key)?;
        self.config.throttle.forget(conn, user)?;
        journal::make_anonymous(conn, user.id)?;
        // Sessions, with forms that wait in them, known devices, tokens and mails go with it.
        diesel::delete(users::table.find(user.id)).execute(conn)?;
        Ok(())
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

//! A log-in that its owner should hear of: from a browser that is new to the account, or after many
//! that failed (ASVS 6.3.5).

use std::time::Duration;

use diesel::prelude::*;

use super::auth::Auth;
use super::mailed_token::Purpose;
use super::secure_account::note;
use super::session::Beginning;
use super::user::User;
use super::{device, user_agent};
use crate::audit::journal;
use crate::clock::{SKEW, Timestamp};
use crate::db::schema::devices;
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;
use crate::mail::messages::NewLogIn;
use crate::mail::outbox::Content;

/// More than an owner mistypes.
const MANY_FAILURES: i64 = 5;
/// Failures of another day were another story.
const FAILURES_COUNT: Duration = Duration::from_secs(24 * 60 * 60);
/// Whoever signs up logs in for the first time within this.
const FIRST_DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Auth {
    /// How many log-ins failed before this one. Not in its transaction: with every failure that is
    /// written down meanwhile it would have to begin anew.
    pub(super) async fn failures_before(
        &self,
        user: &User,
        now: Timestamp,
    ) -> Result<i64, DbError> {
        let id = user.id;
        self.db.read(move |conn| Ok(journal::failures_since(conn, id, now - FAILURES_COUNT)?)).await
    }

    /// Mails the owner where there is something to tell; true when it did. For the transaction of
    /// the log-in, before its session begins.
    pub(super) fn tell_of_log_in(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        beginning: &Beginning,
        failures: i64,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        // The classroom has no mail.
        if !self.config.throttle.enforced {
            return Ok(false);
        }
        let new_browser = is_new_browser(conn, user, beginning, now)?;
        let failures = if failures < MANY_FAILURES { 0 } else { failures };
        if !new_browser && failures == 0 || !self.may_tell(conn, user, now)? {
            return Ok(false);
        }
        let told = NewLogIn {
            email: user.email.clone(),
            when: now.in_words_of(user.time_zone.as_deref()),
            ip: beginning.device.ip.clone(),
            device: user_agent::in_words(&beginning.device.user_agent),
            new_browser,
            failures,
            link: self.secure_link(conn, user, now)?,
            days: Purpose::SecureAccount.days(),
        };
        let letter = Content::Letter(self.written(user, &told)?);
        self.outbox.add(conn, &note(Kind::NewLogIn, user.id, now), &letter, now)?;
        Ok(true)
    }
}

/// Whether this browser is none that the account is used with. The first after sign-up is its
/// owner's; of an old account that no browser is known to, the owner was away for long, or an
/// operator cleared what was known.
fn is_new_browser(
    conn: &mut AnyConnection,
    user: &User,
    beginning: &Beginning,
    now: Timestamp,
) -> QueryResult<bool> {
    if let Some(secret) = &beginning.known_device
        && device::is_known(conn, secret, user.id, now)?
    {
        return Ok(false);
    }
    // One that began on a day to come was written by a clock that was wrong.
    let young = now.since(user.created_at) < FIRST_DAY && user.created_at <= now + SKEW;
    let known = devices::table.filter(devices::user_id.eq(user.id));
    Ok(!young || diesel::select(diesel::dsl::exists(known)).get_result(conn)?)
}

//! Limits on what strangers may try (ASVS 6.3.1, 2.4.1), counted in the database: exact when many
//! come at once, the same for every process, and still there after a restart.

mod bucket;
mod deed;
mod export;
mod forget;
mod quota;
mod rates;

use std::time::Duration;

use diesel::prelude::*;

use super::auth::Auth;
use super::user::User;
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::db::batches::BATCH;
use crate::db::schema::limits;
use crate::db::{AnyConnection, DbError};
use crate::tokens::fingerprint;

pub(super) use bucket::Bucket;
pub use deed::Deed;
pub use export::Counted;
pub(super) use export::counted;
pub use quota::Quota;
pub use rates::{Rate, Rates};

use quota::{quota, when_refused};

/// A client's address is shared by a household or an office.
const CLIENT_FACTOR: u32 = 5;
/// Many accounts tried from many addresses: beyond what a service of this size sees by itself.
const SERVER_FACTOR: u32 = 200;
/// Of two requests at once the later one may be counted first; more is a clock that was set back.
const SKEW: Duration = Duration::from_secs(1);

/// How much is allowed; each is a setting.
#[derive(Debug, Clone)]
pub struct ThrottleConfig {
    /// Log-ins that fail, for one account.
    pub log_in: Rates,
    /// What needs no password, from one client address, and what mails an owner something, for one
    /// account: for each [`Deed`].
    pub ask: Rates,
    /// Mails that strangers can cause, to one address.
    pub mail: Rates,
    /// False in the classroom profile alone.
    pub enforced: bool,
}

/// Mails are counted beside deeds, under names of their own.
const MAIL: &str = "mail";
const TELL: &str = "tell";

/// What was counted, to be given back when it turns out to be no guess.
#[derive(Debug, Clone, Default)]
pub struct Slip {
    keys: Vec<String>,
    pub quota: Quota,
}

/// Too often: nothing was done and nothing was counted.
#[derive(Debug, Clone, thiserror::Error)]
#[error("tried too often")]
pub struct Limited {
    pub retry_after: Duration,
    pub quota: Quota,
    /// The whole server's limit, not this client's or account's.
    pub whole_server: bool,
}

/// Why a try may not go on.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Db(#[from] DbError),
}

/// A row of `limits`.
#[derive(Debug, Clone, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = limits)]
struct Window {
    bucket: String,
    tries: i64,
    started_at: Timestamp,
    ends_at: Timestamp,
    last_at: Timestamp,
}

/// One window of one bucket, and what of it is used.
struct Count {
    name: String,
    rate: Rate,
    window: Window,
    wait: Duration,
    /// Where each try waits longer than the one before: what this one and the next must wait.
    pauses: Option<(Duration, Duration)>,
    is_server: bool,
    /// The row was written by a clock that has been set back since.
    was_ahead: bool,
}

impl Auth {
    /// Counts a try in every bucket, or in none when one of them is full.
    pub(super) async fn take(
        &self,
        deed: Deed,
        buckets: Vec<Bucket>,
        now: Timestamp,
    ) -> Result<Slip, TakeError> {
        if !self.config.throttle.enforced {
            return Ok(Slip::default());
        }
        let rates = self.config.throttle.rates(deed);
        // A flood of refusals reads and does not queue for the writer.
        let look = move |conn: &mut AnyConnection| look(conn, deed, &buckets, &rates, now);
        let counts = self.db.read(look.clone()).await?;
        if let Some(limited) = refusal(&counts, now) {
            if counts.iter().any(|count| count.was_ahead) {
                let mend = move |conn: &mut AnyConnection| {
                    let counts = look(conn)?;
                    set_right(conn, &counts)
                };
                self.db.write(mend).await?;
            }
            return Err(limited.into());
        }
        self.db
            .write(move |conn| {
                let counts = look(conn)?;
                match refusal(&counts, now) {
                    Some(limited) => Err(limited.into()),
                    None => Ok(count(conn, counts, now)?),
                }
            })
            .await
    }

    /// [`Auth::take`] for what needs no password, by client address.
    pub async fn take_for_client(
        &self,
        deed: Deed,
        ip: &str,
        now: Timestamp,
    ) -> Result<Slip, TakeError> {
        self.take(deed, Bucket::of_client(deed, ip), now).await
    }

    /// [`Auth::take`] for what an owner does and is mailed of: whoever knows the password must not
    /// bury the mail that matters under many.
    pub(super) async fn take_for_owner(
        &self,
        deed: Deed,
        user: i64,
        now: Timestamp,
    ) -> Result<Slip, TakeError> {
        self.take(deed, vec![Bucket::owner(user)], now).await
    }

    /// See [`give_back`].
    pub(super) async fn take_back(&self, slip: Slip) -> Result<(), DbError> {
        self.db.write(move |conn| Ok(give_back(conn, &slip)?)).await
    }

    /// Forgets windows that have ended; returns how many.
    pub async fn purge_limits(&self, now: Timestamp) -> Result<usize, DbError> {
        self.db
            .write_in_batches(move |conn| {
                let ended: Vec<String> = limits::table
                    .filter(limits::ends_at.le(now))
                    .order(limits::ends_at)
                    .limit(BATCH)
                    .select(limits::bucket)
                    .load(conn)?;
                let ended = limits::table.filter(limits::bucket.eq_any(ended));
                Ok(diesel::delete(ended).execute(conn)?)
            })
            .await
    }

    /// [`Auth::may_mail_to`] for somebody with an account.
    pub(super) fn may_mail(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.may_mail_to(conn, &user.email_key, Some(user.id), now)
    }

    /// Counts a mail that a stranger can cause; false when its address has had enough (B-18). For
    /// the transaction that writes the mail.
    pub(super) fn may_mail_to(
        &self,
        conn: &mut AnyConnection,
        email_key: &str,
        user: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.may_write(conn, MAIL, email_key, user, now)
    }

    /// The same for what tells an owner of a log-in, counted apart: strangers who ask for mails must
    /// not silence it, nor it the link that somebody asks for.
    pub(super) fn may_tell(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        self.may_write(conn, TELL, &user.email_key, Some(user.id), now)
    }

    fn may_write(
        &self,
        conn: &mut AnyConnection,
        name: &str,
        email_key: &str,
        user: Option<i64>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let throttle = &self.config.throttle;
        if !throttle.enforced {
            return Ok(true);
        }
        let bucket = Bucket::Account(fingerprint(email_key));
        let look = |rate| look_at(conn, name, &bucket, rate, now);
        let counts = throttle.mail.iter().map(look).collect::<Result<Vec<_>, _>>()?;
        if counts.iter().any(|count| !count.wait.is_zero()) {
            set_right(conn, &counts)?;
            audit::record(Event::MailHeld, user, &self.journal.inside());
            return Ok(false);
        }
        count(conn, counts, now)?;
        Ok(true)
    }
}

impl ThrottleConfig {
    fn rates(&self, deed: Deed) -> Rates {
        if deed.is_guess() { self.log_in.clone() } else { self.ask.clone() }
    }
}

/// How full each window is. For log-in the rates are an account's; a client address stands for
/// several people.
fn look(
    conn: &mut AnyConnection,
    deed: Deed,
    buckets: &[Bucket],
    rates: &Rates,
    now: Timestamp,
) -> Result<Vec<Count>, DbError> {
    let mut counts = Vec::new();
    for bucket in buckets {
        let rates = match bucket {
            // A crowd must not close the service to everybody for longer than it is there.
            Bucket::Server => rates.shortest().times(SERVER_FACTOR),
            Bucket::Client(_) if deed == Deed::LogIn => rates.times(CLIENT_FACTOR),
            _ => rates.clone(),
        };
        for rate in rates.iter() {
            counts.push(look_at(conn, deed.name(), bucket, rate, now)?);
        }
        if deed.is_guess()
            && bucket.slows_down()
            && let Some(longest) = counts.last_mut()
        {
            let tries = longest.window.tries;
            let left = rates.delay_after(tries).saturating_sub(now.since(longest.window.last_at));
            longest.wait = longest.wait.max(left);
            longest.pauses = Some((left, rates.delay_after(tries + 1)));
        }
    }
    Ok(counts)
}

/// Names the row that counts `deed` in one window of a bucket.
fn key(deed: &str, bucket: &Bucket, rate: Rate) -> String {
    format!("{deed}/{}/{}/{}", bucket.name(), rate.per.as_secs(), bucket.subject())
}

fn look_at(
    conn: &mut AnyConnection,
    deed: &str,
    bucket: &Bucket,
    rate: Rate,
    now: Timestamp,
) -> Result<Count, DbError> {
    let key = key(deed, bucket, rate);
    let found: Option<Window> =
        limits::table.find(&key).select(Window::as_select()).first(conn).optional()?;
    // Damage locks nobody out for good, lets nobody try for ever, and adds up (B-89b).
    let found = found.map(|window| Window {
        ends_at: window.ends_at.min(window.started_at + rate.per),
        tries: window.tries.clamp(0, i64::from(u32::MAX)),
        ..window
    });
    let mut window = found.filter(|window| window.ends_at > now).unwrap_or(Window {
        bucket: key,
        tries: 0,
        started_at: now,
        ends_at: now + rate.per,
        last_at: now,
    });
    let was_ahead = window.last_at > now + SKEW;
    // A clock that was set back must neither lock anybody for ever nor let anybody pass (B-23).
    if window.started_at > now {
        (window.started_at, window.ends_at) = (now, now + rate.per);
    }
    window.last_at = window.last_at.min(now);
    let full = window.tries >= i64::from(rate.tries);
    let wait = if full { window.ends_at.since(now) } else { Duration::ZERO };
    let name = format!("{}-{}s", bucket.name(), rate.per.as_secs());
    let is_server = *bucket == Bucket::Server;
    Ok(Count { name, rate, window, wait, pauses: None, is_server, was_ahead })
}

fn refusal(counts: &[Count], now: Timestamp) -> Option<Limited> {
    let longest = counts.iter().max_by_key(|count| count.wait)?;
    if longest.wait.is_zero() {
        return None;
    }
    Some(Limited {
        // Whole seconds, so that whoever waits them is not refused for a fraction.
        retry_after: Duration::from_secs(longest.wait.as_millis().div_ceil(1000) as u64),
        quota: when_refused(counts, now),
        whole_server: longest.is_server,
    })
}

/// Writes down windows as they are after the clock was set back, else each look would begin the
/// wait anew until the clock has caught up.
fn set_right(conn: &mut AnyConnection, counts: &[Count]) -> Result<(), DbError> {
    for Count { window, .. } in counts.iter().filter(|count| count.was_ahead) {
        diesel::update(limits::table.find(&window.bucket)).set(window).execute(conn)?;
    }
    Ok(())
}

fn count(conn: &mut AnyConnection, counts: Vec<Count>, now: Timestamp) -> Result<Slip, DbError> {
    let quota = quota(&counts, now, true);
    let mut keys = Vec::new();
    for Count { mut window, .. } in counts {
        window.tries += 1;
        window.last_at = now;
        // The write lock is ours: nobody inserts the row in between.
        let known =
            diesel::update(limits::table.find(&window.bucket)).set(&window).execute(conn)?;
        if known == 0 {
            diesel::insert_into(limits::table).values(&window).execute(conn)?;
        }
        keys.push(window.bucket);
    }
    Ok(Slip { keys, quota })
}

/// Takes back what was counted for a try that was no guess; other tries stay counted, else an
/// attacker's own account would clear the way between guesses (B-15).
pub(super) fn give_back(conn: &mut AnyConnection, slip: &Slip) -> QueryResult<()> {
    let counted = limits::table.filter(limits::bucket.eq_any(&slip.keys).and(limits::tries.gt(0)));
    diesel::update(counted).set(limits::tries.eq(limits::tries - 1)).execute(conn).map(drop)
}

//! The worker: takes mails from the outbox, composes what is still a wish, sends, tries again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::Letter;
use super::outbox::{self, Composed, Content, Kind, Outbox, Row};
use super::transport::{Parcel, Transport};
use crate::clock::Timestamp;
use crate::db::{AnyConnection, Db, DbError};
use crate::tokens::{Unsealable, random_bytes};

/// Another process on the same database may leave mail too: the worker looks at least this often.
const LOOK_EVERY: Duration = Duration::from_secs(15);

/// Writes the letter that a wish asks for, with whatever the deed needs (a token), in one
/// transaction; `None` when there is nobody to write to.
pub type Compose =
    Arc<dyn Fn(&mut AnyConnection, &Wish<'_>) -> Result<Option<Composed>, DbError> + Send + Sync>;

/// A mail that was asked for and is not written yet.
pub struct Wish<'a> {
    pub kind: Kind,
    /// Empty where it was sealed under another key.
    pub email: &'a str,
    /// Whose account it is about, once that is known.
    pub user: Option<i64>,
    /// Where there is no account, which sign-up; else what there is to say of it.
    pub subject: Option<&'a str>,
    pub asked_at: Timestamp,
    pub now: Timestamp,
}

/// None where its kind is one that this version does not write.
fn wish<'a>(row: &'a Row, email: &'a str, now: Timestamp) -> Option<Wish<'a>> {
    let (subject, user) = (row.subject.as_deref(), row.user_id);
    Some(Wish {
        kind: Kind::parse(&row.kind)?,
        email,
        user,
        subject,
        asked_at: row.created_at,
        now,
    })
}

/// What became of a row's letter.
enum Written {
    Letter(Letter),
    /// Nobody has that address, or a newer link was asked for.
    ToNobody,
    /// It cannot be written, or somebody has dropped it.
    Never,
}

/// Before a worker turns to new mail it waits up to this long, by chance: else what it does for a
/// known address could be felt in the next request's time (D8).
const LONGEST_PAUSE_MILLIS: u64 = 1500;

fn random_pause() -> Duration {
    let chance = u64::from(u32::from_be_bytes(random_bytes()));
    Duration::from_millis(chance * LONGEST_PAUSE_MILLIS / u64::from(u32::MAX))
}

pub struct Worker {
    pub db: Db,
    pub outbox: Outbox,
    pub transport: Arc<Transport>,
    pub compose: Compose,
}

/// Wakes a worker when there is mail, and stops it.
#[derive(Clone)]
pub struct Bell {
    ring: SyncSender<()>,
    stopped: Arc<AtomicBool>,
}

/// What a worker hears.
pub struct Ear {
    rung: Receiver<()>,
    stopped: Arc<AtomicBool>,
}

impl Bell {
    /// A bell and who hears it.
    pub fn new() -> (Self, Ear) {
        let (ring, rung) = sync_channel(1);
        let stopped = Arc::new(AtomicBool::new(false));
        (Self { ring, stopped: stopped.clone() }, Ear { rung, stopped })
    }

    pub fn ring(&self) {
        // Full means that it is ringing already.
        let _ = self.ring.try_send(());
    }

    /// The worker finishes the mail in its hands and ends.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        self.ring();
    }
}

impl Ear {
    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Waits for a ring, a stop or the end of `span`; true when somebody rang.
    fn wait(&self, span: Duration) -> bool {
        self.rung.recv_timeout(span).is_ok()
    }

    /// Waits `span`, however often somebody rings; a stop ends it.
    fn rest(&self, span: Duration) {
        let end = Instant::now() + span;
        while !self.is_stopped() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            self.wait(left);
        }
    }
}

impl Worker {
    /// Works on a thread of its own until the [`Bell`] says stop.
    pub fn start(self: Arc<Self>, ear: Ear) -> std::io::Result<JoinHandle<()>> {
        thread::Builder::new().name("mail-worker".to_owned()).spawn(move || {
            let mut rung = true;
            while !ear.is_stopped() {
                let next = || self.deliver_next(Timestamp::now());
                match catch_unwind(AssertUnwindSafe(next)) {
                    Ok(Ok(Some(_))) => continue,
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => log::warn!("mail waits: {error}"),
                    // One mail that breaks the worker must not end it for all the others.
                    Err(_) => log::error!("the mail worker goes on after a panic"),
                }
                // Somebody rang: a link may have been used.
                if rung && let Err(error) = self.remove_dead_files() {
                    log::warn!("files of dead mails stay for now: {error}");
                }
                rung = ear.wait(self.pause(Timestamp::now()));
                if rung {
                    ear.rest(random_pause());
                }
            }
        })
    }

    fn pause(&self, now: Timestamp) -> Duration {
        let due = self.db.read_blocking(|conn| outbox::next_due(conn).map_err(DbError::from));
        match due {
            Ok(Some(due)) => due.since(now).clamp(Duration::from_secs(1), LOOK_EVERY),
            _ => LOOK_EVERY,
        }
    }

    /// Handles every mail that is due; returns how many were sent. `now` is when it begins.
    pub fn deliver_due(&self, now: Timestamp) -> Result<usize, DbError> {
        let began = Instant::now();
        let mut sent = 0;
        while let Some(left) = self.deliver_next(now + began.elapsed())? {
            sent += usize::from(left);
        }
        Ok(sent)
    }

    /// Handles the next mail that is due: whether it left; `None` when none is due.
    fn deliver_next(&self, now: Timestamp) -> Result<Option<bool>, DbError> {
        let row = self.db.write_blocking(|conn| outbox::claim(conn, now).map_err(DbError::from))?;
        row.map(|row| self.deliver(&row, now)).transpose()
    }

    /// True when the mail left.
    fn deliver(&self, row: &Row, now: Timestamp) -> Result<bool, DbError> {
        if row.expires_at.is_some_and(|end| end <= now) {
            log::info!("mail {} dropped: its link has died", row.message_id);
            self.drop_row(row)?;
            return Ok(false);
        }
        let letter = match self.letter(row, now)? {
            Written::Letter(letter) => letter,
            // As many commits as a mail that leaves, so that whoever waits for the database's
            // writer next does not learn whether there was anybody to write to.
            Written::ToNobody => {
                self.write_down_as_sent(row)?;
                return Ok(false);
            }
            Written::Never => return Ok(false),
        };
        let parcel = Parcel { letter: &letter, message_id: &row.message_id, kind: &row.kind };
        match self.transport.send(&parcel) {
            Ok(()) => {
                self.write_down_as_sent(row)?;
                Ok(true)
            }
            Err(error) => {
                log::warn!("mail {} not sent (try {}): {error}", row.message_id, row.attempts);
                self.db.write_blocking(|conn| {
                    outbox::mark_unsent(conn, row, &error.reason, error.for_ever, now)
                        .map_err(DbError::from)
                })?;
                Ok(false)
            }
        }
    }

    /// Tried for as long as the row is ours: a mail that left and is not known to have left would
    /// leave again.
    fn write_down_as_sent(&self, row: &Row) -> Result<(), DbError> {
        let end = Instant::now() + outbox::LEASE / 2;
        loop {
            match self
                .db
                .write_blocking(|conn| outbox::mark_sent(conn, row.id).map_err(DbError::from))
            {
                Err(error) if Instant::now() < end => {
                    log::warn!("mail {} left, not written down yet: {error}", row.message_id);
                    thread::sleep(Duration::from_secs(1));
                }
                outcome => return outcome,
            }
        }
    }

    /// The letter of a row.
    fn letter(&self, row: &Row, now: Timestamp) -> Result<Written, DbError> {
        // Nobody has that address; who found out died before writing it down.
        if row.content.is_empty() {
            return Ok(Written::ToNobody);
        }
        let email = match self.outbox.open(row) {
            Ok(Content::Letter(letter)) => return Ok(Written::Letter(letter)),
            Ok(Content::Wish { email }) => email,
            Err(unsealable) => return self.write_anew(row, &unsealable, now),
        };
        let Some(wish) = wish(row, &email, now) else {
            self.drop_row(row)?;
            return Ok(Written::Never);
        };
        self.db.write_blocking(|conn| {
            // Withdrawn for a newer one, whose link must not die of this.
            if !outbox::exists(conn, &row.message_id)? {
                return Ok(Written::Never);
            }
            let composed = (self.compose)(conn, &wish)?;
            let there = self.outbox.fulfil(conn, row, composed.as_ref())?;
            Ok(match composed.and_then(|composed| composed.letter) {
                Some(letter) if there => Written::Letter(letter),
                Some(_) => Written::Never,
                None => Written::ToNobody,
            })
        })
    }

    /// The key is another one: what the rest of the row and the database tell is enough for some
    /// mails, a notice above all. The others are given up as they are: the right key opens them
    /// still (`gatehouse mail queue retry`).
    fn write_anew(
        &self,
        row: &Row,
        unsealable: &Unsealable,
        now: Timestamp,
    ) -> Result<Written, DbError> {
        let written = self.db.write_blocking(|conn| {
            let composed = match wish(row, "", now) {
                Some(wish) => (self.compose)(conn, &wish)?,
                None => None,
            };
            let letter = composed.as_ref().and_then(|composed| composed.letter.clone());
            let Some(letter) = letter else {
                outbox::mark_unsent(conn, row, &unsealable.to_string(), true, now)?;
                return Ok(Written::Never);
            };
            let there = self.outbox.fulfil(conn, row, composed.as_ref())?;
            Ok::<_, DbError>(if there { Written::Letter(letter) } else { Written::Never })
        })?;
        match written {
            Written::Letter(_) => log::warn!("mail {} written anew: {unsealable}", row.message_id),
            _ => log::error!(
                "mail {} ({}) given up: {unsealable}; whoever asked for it can ask again",
                row.message_id,
                row.kind
            ),
        }
        Ok(written)
    }

    fn drop_row(&self, row: &Row) -> Result<(), DbError> {
        self.db.write_blocking(|conn| outbox::drop_mail(conn, row.id).map_err(DbError::from))?;
        Ok(())
    }

    /// Removes what is over: dead rows, and `.eml` files whose link has died. Returns how many rows.
    pub fn purge(&self, now: Timestamp) -> Result<usize, DbError> {
        let rows = self
            .db
            .write_in_batches_blocking(|conn| outbox::purge(conn, now).map_err(DbError::from))?;
        self.remove_old_files(now);
        self.remove_dead_files()?;
        Ok(rows)
    }

    /// Mails without a link that nobody collected.
    fn remove_old_files(&self, now: Timestamp) {
        let Some(folder) = self.transport.folder() else { return };
        for file in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = file.path();
            let is_mail = path.extension().is_some_and(|extension| extension == "eml");
            let written = file.metadata().and_then(|found| found.modified()).ok();
            let age = written
                .and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok())
                .map(|at| now.since(Timestamp::from_millis(0) + at));
            if is_mail
                && age.is_some_and(|age| age > outbox::KEEP_FAILED)
                && let Err(cause) = std::fs::remove_file(&path)
            {
                log::warn!("cannot remove an old mail: {cause}");
            }
        }
    }

    /// An `.eml` file lives as long as the link in it.
    fn remove_dead_files(&self) -> Result<(), DbError> {
        let Some(folder) = self.transport.folder() else { return Ok(()) };
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        for path in files.map(|file| file.path()) {
            let name = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
            let Some((kind, message_id)) = name.split_once('-') else { continue };
            if Kind::parse(kind).is_none() {
                continue;
            }
            let alive = self
                .db
                .read_blocking(|conn| outbox::exists(conn, message_id).map_err(DbError::from))?;
            if !alive && let Err(cause) = std::fs::remove_file(&path) {
                log::warn!("cannot remove a mail whose link has died: {cause}");
            }
        }
        Ok(())
    }
}

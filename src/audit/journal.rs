//! The stored events: written in batches by a thread of its own, so that no request waits for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as QueryError};

use super::{Event, Figures, Source};
use crate::clock::Timestamp;
use crate::db::batches::BATCH;
use crate::db::schema::events;
use crate::db::transaction::savepoint;
use crate::db::{AnyConnection, Db, DbError};

/// Long enough to trace a break-in that was noticed late, short enough to forget people again.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Rows of nobody's account are kept up to this many: strangers must not fill the disk (B-78h).
const MOST_OF_NOBODY: i64 = 1_000_000;
/// Events wait here while the database is busy; what comes beyond is in the log alone.
const QUEUE: usize = 4096;
/// How long a first event waits for others to share its commit.
const GATHER: Duration = Duration::from_millis(100);
const USER_AGENT_MAX: usize = 256;

/// A handle to the journal; clones write to the same one, whose thread ends with the last of them.
#[derive(Clone)]
pub struct Journal {
    sender: SyncSender<Message>,
    figures: Arc<Figures>,
}

enum Message {
    Entry(Entry),
    /// Answered once everything before it is written.
    Flush(SyncSender<()>),
    /// The same; and the thread ends, and lets go of the database.
    Close(SyncSender<()>),
}

struct Entry {
    at: Timestamp,
    event: Event,
    user: Option<i64>,
    ip: String,
    user_agent: String,
    request_id: String,
    times: i64,
}

impl Entry {
    /// Of nobody, from nowhere.
    fn anonymous(event: Event, at: Timestamp, times: i64) -> Self {
        let none = String::new;
        let (ip, user_agent, request_id) = (none(), none(), none());
        Self { at, event, user: None, ip, user_agent, request_id, times }
    }
}

/// A row of `events`.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = events)]
pub struct Row {
    pub id: i64,
    pub at: Timestamp,
    pub event: String,
    pub user_id: Option<i64>,
    pub ip: String,
    pub user_agent: String,
    pub request_id: String,
    /// How many there were at that moment.
    pub times: i64,
}

impl Journal {
    pub fn start(db: Db) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE);
        let figures = Arc::new(Figures::default());
        let counted = figures.clone();
        thread::Builder::new().name("journal".to_owned()).spawn(move || {
            let closed = write_all(&db, &receiver, &counted);
            drop(db);
            if let Some(closed) = closed {
                let _ = closed.send(());
            }
        })?;
        Ok(Self { sender, figures })
    }

    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// An event that no request brought about.
    pub fn inside(&self) -> Source {
        let none = String::new();
        let journal = self.clone();
        Source { ip: none.clone(), user_agent: none.clone(), request_id: none, journal }
    }

    pub(super) fn add(&self, event: Event, user: Option<i64>, source: &Source) {
        self.figures.count(event);
        let entry = Entry {
            at: Timestamp::now(),
            event,
            user,
            ip: source.ip.clone(),
            user_agent: source.user_agent.chars().take(USER_AGENT_MAX).collect(),
            request_id: source.request_id.clone(),
            times: 1,
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.sender.try_send(Message::Entry(entry))
        {
            self.figures.count_lost();
        }
    }

    /// Returns once everything recorded so far is written, or could not be.
    pub fn flush(&self) {
        self.wait_for(Message::Flush);
    }

    /// [`Journal::flush`] for the end of the service: a database that somebody holds is not closed
    /// in order. What comes later is in the log alone.
    pub fn close(&self) {
        self.wait_for(Message::Close);
    }

    fn wait_for(&self, message: fn(SyncSender<()>) -> Message) {
        let (done, written) = sync_channel(1);
        if self.sender.send(message(done)).is_ok() {
            let _ = written.recv();
        }
    }

    /// Forgets what is old, and what is too much; returns how many rows.
    pub async fn purge(db: &Db, now: Timestamp) -> Result<usize, DbError> {
        let old = db.write_in_batches(move |conn| {
            let old: Vec<i64> = events::table
                .filter(events::at.le(now - KEPT))
                .order(events::at)
                .limit(BATCH)
                .select(events::id)
                .load(conn)?;
            delete(conn, &old)
        });
        let old = old.await?;
        Ok(old + db.write_in_batches(|conn| delete_surplus(conn, MOST_OF_NOBODY)).await?)
    }
}

/// Deletes a batch of nobody's rows that have `most` younger ones of anybody's.
fn delete_surplus(conn: &mut AnyConnection, most: i64) -> Result<usize, DbError> {
    let newest: Option<i64> = events::table.select(diesel::dsl::max(events::id)).first(conn)?;
    let oldest = newest.unwrap_or(0) - most;
    let end: Option<Timestamp> = events::table
        .filter(events::id.le(oldest))
        .order(events::id.desc())
        .select(events::at)
        .first(conn)
        .optional()?;
    let Some(end) = end else { return Ok(0) };
    // In the order of the index on both columns: in any other, everybody's rows would be looked at.
    let surplus: Vec<i64> = events::table
        .filter(events::user_id.is_null().and(events::at.le(end)).and(events::id.le(oldest)))
        .order((events::user_id, events::at))
        .limit(BATCH)
        .select(events::id)
        .load(conn)?;
    delete(conn, &surplus)
}

fn delete(conn: &mut AnyConnection, ids: &[i64]) -> Result<usize, DbError> {
    Ok(diesel::delete(events::table.filter(events::id.eq_any(ids))).execute(conn)?)
}

/// The newest events, of one person or of all.
pub fn newest(conn: &mut AnyConnection, user: Option<i64>, most: i64) -> QueryResult<Vec<Row>> {
    let mut rows = events::table
        .select(Row::as_select())
        .order((events::at.desc(), events::id.desc()))
        .into_boxed();
    if let Some(user) = user {
        rows = rows.filter(events::user_id.eq(user));
    }
    rows.limit(most).load(conn)
}

/// Log-ins of one person that failed since the last that went well, or since `start`.
pub fn failures_since(conn: &mut AnyConnection, user: i64, start: Timestamp) -> QueryResult<i64> {
    const MOST: i64 = 100;
    let failed = Event::LogInFailed.name();
    let rows: Vec<(String, i64)> = events::table
        .filter(events::user_id.eq(user).and(events::at.gt(start)))
        .filter(events::event.eq_any([failed, Event::LoggedIn.name()]))
        .order((events::at.desc(), events::id.desc()))
        .limit(MOST)
        .select((events::event, events::times))
        .load(conn)?;
    Ok(rows.iter().take_while(|(event, _)| event == failed).map(|(_, times)| times).sum())
}

/// The newest events of a person; those before `before`, where that is one of them.
pub fn of_user(
    conn: &mut AnyConnection,
    user: i64,
    before: Option<i64>,
    most: i64,
) -> QueryResult<Vec<Row>> {
    let last = match before {
        Some(id) => find(conn, user, id)?,
        None => None,
    };
    let mut rows = events::table
        .filter(events::user_id.eq(user))
        .select(Row::as_select())
        .order((events::at.desc(), events::id.desc()))
        .into_boxed();
    if let Some(last) = last {
        let earlier = events::at.lt(last.at).or(events::id.lt(last.id));
        rows = rows.filter(events::at.le(last.at).and(earlier));
    }
    rows.limit(most).load(conn)
}

/// One event, where it is one of `user`'s.
pub fn find(conn: &mut AnyConnection, user: i64, id: i64) -> QueryResult<Option<Row>> {
    let own = events::table.find(id).filter(events::user_id.eq(user));
    own.select(Row::as_select()).get_result(conn).optional()
}

/// An event that no request brought about, in the transaction of its deed.
pub fn write_with(
    conn: &mut AnyConnection,
    event: Event,
    user: Option<i64>,
    at: Timestamp,
) -> QueryResult<()> {
    insert_one(conn, &Entry::anonymous(event, at, 1), user)
}

/// What happened to `user` names nobody from now on, and tells nothing of where they were.
pub fn make_anonymous(conn: &mut AnyConnection, user: i64) -> QueryResult<()> {
    let nothing = String::new();
    diesel::update(events::table.filter(events::user_id.eq(user)))
        .set((
            events::user_id.eq(None::<i64>),
            events::ip.eq(&nothing),
            events::user_agent.eq(&nothing),
            events::request_id.eq(&nothing),
        ))
        .execute(conn)
        .map(drop)
}

/// Whom to tell once the database is let go of; nobody when the last handle is gone.
fn write_all(db: &Db, receiver: &Receiver<Message>, figures: &Figures) -> Option<SyncSender<()>> {
    while let Ok(first) = receiver.recv() {
        let (mut batch, mut waiting, mut closed) = (Vec::new(), Vec::new(), None);
        if matches!(first, Message::Entry(_)) {
            thread::sleep(GATHER);
        }
        for message in std::iter::once(first).chain(receiver.try_iter()) {
            match message {
                Message::Entry(entry) => batch.push(entry),
                Message::Flush(done) => waiting.push(done),
                Message::Close(done) => closed = Some(done),
            }
        }
        let batch = merged(batch);
        if let Err(error) = db.write_blocking(|conn| insert(conn, &batch).map_err(DbError::from)) {
            batch.iter().for_each(|_| figures.count_lost());
            log::error!("{} events are in the log alone: {error}", batch.len());
        }
        for done in waiting {
            let _ = done.send(());
        }
        if closed.is_some() {
            return closed;
        }
    }
    None
}

/// The same event of the same person from the same address is one row: a flood of refusals must
/// not become a flood of rows.
fn merged(batch: Vec<Entry>) -> Vec<Entry> {
    let mut places: HashMap<(Event, Option<i64>, String), usize> = HashMap::new();
    let mut rows: Vec<Entry> = Vec::new();
    for entry in batch {
        let key = (entry.event, entry.user, entry.ip.clone());
        match places.get(&key) {
            Some(place) => rows[*place].times += 1,
            None => {
                places.insert(key, rows.len());
                rows.push(entry);
            }
        }
    }
    rows
}

fn insert(conn: &mut AnyConnection, batch: &[Entry]) -> QueryResult<()> {
    for entry in batch {
        match savepoint(conn, |conn| insert_one(conn, entry, entry.user)) {
            // The account was erased meanwhile, and so is what the event tells of its owner.
            Err(QueryError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _)) => {
                insert_one(conn, &Entry::anonymous(entry.event, entry.at, entry.times), None)?;
            }
            outcome => outcome?,
        }
    }
    Ok(())
}

fn insert_one(conn: &mut AnyConnection, entry: &Entry, user: Option<i64>) -> QueryResult<()> {
    diesel::insert_into(events::table)
        .values((
            events::at.eq(entry.at),
            events::event.eq(entry.event.name()),
            events::user_id.eq(user),
            events::ip.eq(&entry.ip),
            events::user_agent.eq(&entry.user_agent),
            events::request_id.eq(&entry.request_id),
            events::times.eq(entry.times),
        ))
        .execute(conn)
        .map(drop)
}

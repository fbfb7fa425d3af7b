//! Security events: what happened, to whom, from where. Each is a line of JSON in the log, a row for
//! the person and the operator, and a figure to draw; none holds a secret.

mod event;
pub mod figures;
pub mod journal;

use diesel::QueryResult;
use serde_json::{Map, json};

use crate::clock::Timestamp;
use crate::db::AnyConnection;

pub use event::Event;
pub use figures::Figures;
pub use journal::Journal;

/// Where an event came from, and where it is written.
#[derive(Clone)]
pub struct Source {
    pub ip: String,
    pub user_agent: String,
    pub request_id: String,
    pub journal: Journal,
}

/// Writes the event's line and row. `user` is an id: addresses stay out of the log.
pub fn record(event: Event, user: Option<i64>, source: &Source) {
    write_line(event, user, source);
    source.journal.add(event, user, source);
}

/// [`record`] for what no request brought about, in the transaction of its deed. A commit more could
/// be felt by whoever waits for the writer, and would tell that there was something to do (D8).
pub fn record_within(
    conn: &mut AnyConnection,
    event: Event,
    user: Option<i64>,
    journal: &Journal,
    now: Timestamp,
) -> QueryResult<()> {
    write_line(event, user, &journal.inside());
    journal.figures().count(event);
    journal::write_with(conn, event, user, now)
}

fn write_line(event: Event, user: Option<i64>, source: &Source) {
    let mut line = Map::new();
    line.insert("event".to_owned(), json!(event.name()));
    line.insert("outcome".to_owned(), json!(event.outcome()));
    line.insert("user".to_owned(), json!(user));
    if let Some(factor) = event.factor() {
        line.insert("factor".to_owned(), json!(factor));
    }
    line.insert("ip".to_owned(), json!(source.ip));
    line.insert("request_id".to_owned(), json!(source.request_id));
    let level = if event.outcome() == "success" { log::Level::Info } else { log::Level::Warn };
    crate::log::write(level, line);
}

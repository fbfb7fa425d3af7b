//! Which statements were asked, and by which line of the source. A line that was not reached is a
//! query that nobody has looked at.

use std::backtrace::Backtrace;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use diesel::connection::{Instrumentation, InstrumentationEvent, set_default_instrumentation};

use crate::place::Kind;

/// Where queries are written (the import rule); what moves whole tables is in `db`.
const LAYERS: [&str; 3] = ["src/accounts", "src/audit", "src/mail"];
/// They fill or empty whole tables.
const WHOLE_TABLES: [&str; 2] = ["src/accounts/seed", "src/accounts/revocation.rs"];
/// What stands between a query and its connection.
const BETWEEN: [&str; 2] = ["src/db/connection.rs", "src/db/postgres/connection.rs"];
/// What asks the database, when something is handed to it.
const ASKS: [&str; 6] = ["execute", "load", "first", "get_result", "get_results", "load_iter"];

/// A file of the source and a line of it.
pub type Site = (String, usize);

/// Each statement, for each database, and the lines that asked it.
static SEEN: Mutex<BTreeMap<(Kind, String), BTreeSet<Site>>> = Mutex::new(BTreeMap::new());

struct Recorder;

impl Instrumentation for Recorder {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let InstrumentationEvent::StartQuery { query, .. } = event else { return };
        let Some(site) = asking_line(&Backtrace::force_capture().to_string()) else { return };
        if LAYERS.iter().any(|layer| site.0.starts_with(layer)) && !writes_whole_tables(&site.0) {
            let text = query.to_string();
            let text = text.rsplit_once(" -- binds").map_or(text.as_str(), |(sql, _)| sql);
            // How each of them quotes names.
            let kind = if text.contains('`') { Kind::Sqlite } else { Kind::Postgresql };
            seen().entry((kind, text.to_owned())).or_default().insert(site);
        }
    }
}

fn writes_whole_tables(name: &str) -> bool {
    WHOLE_TABLES.iter().any(|file| name.starts_with(file))
}

/// Every connection made from now on, in this process, tells what it is asked.
pub fn listen() {
    set_default_instrumentation(|| Some(Box::new(Recorder))).expect("settable");
}

/// What one database was asked so far.
pub fn statements(kind: Kind) -> BTreeMap<String, BTreeSet<Site>> {
    let seen = seen();
    let of_kind = seen.iter().filter(|((other, _), _)| *other == kind);
    of_kind.map(|((_, sql), sites)| (sql.clone(), sites.clone())).collect()
}

fn seen() -> MutexGuard<'static, BTreeMap<(Kind, String), BTreeSet<Site>>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The innermost line of ours, as a backtrace shows it: `at ./src/accounts/user.rs:112:10`.
fn asking_line(backtrace: &str) -> Option<Site> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/");
    let places = backtrace.lines().filter_map(|line| line.trim().strip_prefix("at "));
    let ours = places.filter_map(|place| place.strip_prefix("./").or(place.strip_prefix(root)));
    let mut ours = ours.filter(|place| place.starts_with("src/"));
    let place = ours.find(|place| !BETWEEN.iter().any(|file| place.starts_with(file)))?;
    let mut parts = place.split(':');
    Some((parts.next()?.to_owned(), parts.next()?.parse().ok()?))
}

/// Every line of the source that asks the database.
pub fn sites() -> BTreeSet<Site> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    let mut folders: Vec<PathBuf> = LAYERS.iter().map(|layer| root.join(layer)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("inside").display().to_string();
            if writes_whole_tables(&name) {
            } else if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let program = text.lines().take_while(|line| *line != "#[cfg(test)]");
                let asking = (1..).zip(program).filter(|(_, line)| asks(line));
                found.extend(asking.map(|(number, _)| (name.clone(), number)));
            }
        }
    }
    found
}

/// Whether a line calls one of [`ASKS`] with something, which is a connection unless it is an
/// atomic's ordering.
fn asks(line: &str) -> bool {
    ASKS.iter().any(|name| {
        let called = format!(".{name}");
        line.match_indices(&called).any(|(at, _)| {
            let rest = &line[at + called.len()..];
            let end_of_turbofish = rest.starts_with("::<").then(|| rest.find(">(")).flatten();
            let rest = end_of_turbofish.map_or(rest, |end| &rest[end + 1..]);
            rest.starts_with('(') && !rest.starts_with("()") && !rest.contains("Ordering::")
        })
    })
}

//! Every query of the service has been looked at, and none reads a growing table as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Once;

use diesel::connection::SimpleConnection;
use gatehouse::db::AnyConnection;

use crate::explain::{GROWING, findings, indexes, unindexed_keys};
use crate::place::{Kind, Place, multiply};
use crate::record::{self, Site, sites};
use crate::tour;

/// Enough for statistics that say what a large table's say.
const USERS: i64 = 5_000;

/// What the service asks of that kind of database; the tour is made once in this process.
fn asked(kind: Kind) -> BTreeMap<String, BTreeSet<Site>> {
    static TOURS: [Once; 2] = [const { Once::new() }; 2];
    record::listen();
    TOURS[kind as usize].call_once(|| tour::take(kind));
    record::statements(kind)
}

/// What is wrong with the queries that name `about`, or with a foreign key.
fn check(kind: Kind, conn: &mut AnyConnection, about: &str) -> Vec<String> {
    let asked = asked(kind);
    let named = asked.keys().filter(|statement| statement.contains(about));
    let mut found: Vec<String> = named.flat_map(|statement| findings(conn, statement)).collect();
    found.extend(unindexed_keys(conn));
    found
}

fn check_all(kind: Kind, conn: &mut AnyConnection) -> Vec<String> {
    check(kind, conn, "")
}

fn every_line_was_reached(kind: Kind) {
    let reached: BTreeSet<Site> = asked(kind).into_values().flatten().collect();
    let missing: Vec<String> =
        sites().difference(&reached).map(|(file, line)| format!("{file}:{line}")).collect();
    assert!(missing.is_empty(), "the tour leaves out queries:\n{}", missing.join("\n"));
    // Whoever asks in a way that the source does not show is seen, too.
    let hidden: Vec<String> =
        reached.difference(&sites()).map(|(file, line)| format!("{file}:{line}")).collect();
    assert!(hidden.is_empty(), "queries that the search does not find:\n{}", hidden.join("\n"));
}

#[test]
fn the_tour_asks_every_query_of_the_source_on_sqlite() {
    every_line_was_reached(Kind::Sqlite);
}

#[test]
fn the_tour_asks_every_query_of_the_source_on_postgresql() {
    every_line_was_reached(Kind::Postgresql);
}

#[test]
fn no_query_reads_a_growing_table_as_a_whole_on_sqlite() {
    let place = Place::seeded(Kind::Sqlite, USERS);
    let conn = &mut place.connection();
    multiply(conn);
    let found = check_all(Kind::Sqlite, conn);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // An owner may have made statistics, which we never do: of the outbox, where most mails are in
    // one state, they tell SQLite that an index is not worth it.
    conn.batch_execute("ANALYZE").expect("analysed");
    let mut found = check_all(Kind::Sqlite, &mut place.connection());
    found.retain(|finding| !finding.contains(" outbox"));
    assert!(found.is_empty(), "after ANALYZE:\n{}", found.join("\n"));
}

#[test]
fn no_query_reads_a_growing_table_as_a_whole_on_postgresql() {
    let place = Place::seeded(Kind::Postgresql, USERS);
    let conn = &mut place.connection();
    multiply(conn);
    conn.batch_execute("ANALYZE").expect("analysed");
    let found = check_all(Kind::Postgresql, conn);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Each index is there for a query or a foreign key: without it there is a finding.
fn a_dropped_index_is_noticed(kind: Kind, but: &[&str]) {
    let place = Place::seeded(kind, USERS);
    let conn = &mut place.connection();
    multiply(conn);
    if kind == Kind::Postgresql {
        conn.batch_execute("ANALYZE").expect("analysed");
    }
    let names = indexes(conn);
    assert!(names.len() > 20, "{names:?}");
    let mut unnoticed = Vec::new();
    for name in names {
        conn.batch_execute(&format!("BEGIN; DROP INDEX {name}")).expect("dropped");
        let table = GROWING.into_iter().find(|table| name.starts_with(table)).expect("its table");
        if check(kind, conn, table).is_empty() {
            unnoticed.push(name);
        }
        conn.batch_execute("ROLLBACK").expect("back");
    }
    assert_eq!(unnoticed, but);
}

#[test]
fn a_dropped_index_is_noticed_on_sqlite() {
    a_dropped_index_is_noticed(Kind::Sqlite, &[]);
}

#[test]
fn a_dropped_index_is_noticed_on_postgresql() {
    a_dropped_index_is_noticed(Kind::Postgresql, &[]);
}

#[test]
fn a_scan_is_a_finding() {
    let statements = [
        "SELECT * FROM users WHERE email = 'a'",
        "SELECT count(*) FROM sessions",
        "DELETE FROM events WHERE ip = ''",
        "SELECT * FROM outbox WHERE state <> 'sent' ORDER BY id LIMIT 10",
    ];
    for kind in [Kind::Sqlite, Kind::Postgresql] {
        let place = Place::seeded(kind, USERS);
        let conn = &mut place.connection();
        for statement in statements {
            assert_eq!(findings(conn, statement).len(), 1, "{kind:?}: {statement}");
        }
    }
}

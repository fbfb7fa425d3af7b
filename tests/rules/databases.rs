//! Every test runs on both databases, unless its name says which one it is about.

use super::evidence;
use crate::{Source, none, sources};

/// `script/test` runs these on both, and the rest once.
const ON_BOTH: [&str; 3] = ["tests/web/", "tests/binary/", "tests/browser/"];
/// What `script/test` leaves out on PostgreSQL, wherever it stands in the name.
const SQLITE: &str = "sqlite";
/// What it leaves out on SQLite, where a name begins with it.
const POSTGRESQL: &str = "postgresql_";
/// What only SQLite understands or has.
const SQLITES: [&str; 9] = [
    "PRAGMA",
    "BEGIN IMMEDIATE",
    "BEGIN EXCLUSIVE",
    "sqlite_master",
    "RAISE(",
    "zeroblob",
    "gatehouse.db\"",
    "\"data/secret_key\"",
    "chmod(\"data",
];
/// The same of PostgreSQL.
const POSTGRESQLS: [&str; 4] = ["pg_", "SET enable_", "LOCK TABLE", "plpgsql"];
/// A test that asks which one it runs on.
const ASKS: &str = "on_postgresql()";

/// The tests of a file, each with its text.
fn tests_of(source: &Source) -> Vec<(String, String)> {
    let names = evidence::tests_of(source);
    let mut found = Vec::new();
    for name in names {
        let start = format!("fn {name}(");
        let from = source.lines.iter().skip_while(|line| !line.code.starts_with(&start));
        let lines = from.take_while(|line| line.text != "}").map(|line| line.text.as_str());
        found.push((name, lines.collect::<Vec<_>>().join("\n")));
    }
    found
}

#[test]
fn what_only_one_database_understands_is_in_tests_that_bear_its_name() {
    let mut findings = Vec::new();
    for source in sources("tests") {
        if !ON_BOTH.iter().any(|folder| source.path.starts_with(folder)) {
            continue;
        }
        for (name, text) in tests_of(&source) {
            let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
            let asks = text.contains(ASKS);
            if says(&SQLITES) && !asks && !name.contains(SQLITE) {
                findings.push(format!("{}: {name} is about SQLite", source.path));
            }
            if says(&POSTGRESQLS) && !asks && !name.starts_with(POSTGRESQL) {
                findings.push(format!("{}: {name} is about PostgreSQL", source.path));
            }
            let alone = [
                (name.contains(SQLITE), "for_sqlite_alone();"),
                (name.starts_with(POSTGRESQL), "for_postgresql_alone();"),
            ];
            for (is_one, says_so) in alone {
                if is_one && !text.contains(says_so) {
                    findings.push(format!("{}: {name} does not begin with {says_so}", source.path));
                }
            }
        }
    }
    none("name the database in the test's name, or write what both understand", findings);
}

#[test]
fn every_test_is_run_by_script_test() {
    let mut findings = Vec::new();
    for (name, path) in evidence::tests() {
        let on_both = ON_BOTH.iter().any(|folder| path.starts_with(folder));
        if name.starts_with(POSTGRESQL) && (!on_both || name.contains(SQLITE)) {
            findings.push(format!("{path}: {name}"));
        }
    }
    none("left out on SQLite, and not run on PostgreSQL", findings);
}

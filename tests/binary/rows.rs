//! What the database holds, read past the service.

use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use gatehouse::db::AnyConnection;

#[derive(QueryableByName)]
struct Cell {
    #[diesel(sql_type = Nullable<Text>)]
    value: Option<String>,
}

/// The column `value` of every row.
#[track_caller]
pub fn select(conn: &mut AnyConnection, query: &str) -> Vec<String> {
    let rows: Vec<Cell> = diesel::sql_query(query).load(conn).expect(query);
    rows.into_iter().map(|row| row.value.unwrap_or_default()).collect()
}

/// What SQLite says of its own file: `ok`.
#[track_caller]
pub fn integrity(conn: &mut AnyConnection) -> String {
    select(conn, "SELECT integrity_check AS value FROM pragma_integrity_check").join("; ")
}

/// Every row of every table but those, as text: to see that nothing changed.
#[track_caller]
pub fn dump(conn: &mut AnyConnection, but: &[&str]) -> String {
    let tables = "SELECT name AS value FROM sqlite_master WHERE type = 'table' ORDER BY name";
    let tables = select(conn, tables);
    let mut text = String::new();
    for table in tables.iter().filter(|table| !but.contains(&table.as_str())) {
        let columns = format!("SELECT name AS value FROM pragma_table_info('{table}')");
        let columns = select(conn, &columns);
        let row: Vec<String> = columns.iter().map(|name| format!("quote(\"{name}\")")).collect();
        let rows = format!("SELECT {} AS value FROM \"{table}\"", row.join("||', '||"));
        let mut rows = select(conn, &rows);
        rows.sort_unstable();
        text.push_str(&format!("{table}\n  {}\n", rows.join("\n  ")));
    }
    text
}

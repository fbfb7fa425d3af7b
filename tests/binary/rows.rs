//! What the database holds, read past the service.

use diesel::connection::SimpleConnection as _;
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

/// What the database says of its own files: `ok`.
#[track_caller]
pub fn integrity(conn: &mut AnyConnection) -> String {
    if let AnyConnection::Postgres(_) = conn {
        conn.batch_execute("CREATE EXTENSION IF NOT EXISTS amcheck").expect("installed with it");
        let indexes = "SELECT bt_index_parent_check(indexrelid, true)::text AS value FROM pg_index \
                       WHERE indexrelid >= 16384";
        select(conn, indexes);
        let tables = "SELECT msg AS value FROM pg_class, verify_heapam(oid) \
                      WHERE relkind = 'r' AND pg_class.oid >= 16384";
        let found = select(conn, tables).join("; ");
        return if found.is_empty() { "ok".to_owned() } else { found };
    }
    select(conn, "SELECT integrity_check AS value FROM pragma_integrity_check").join("; ")
}

/// The names of a table's columns.
#[track_caller]
pub fn columns(conn: &mut AnyConnection, table: &str) -> Vec<String> {
    let query = match conn {
        AnyConnection::Sqlite(_) => {
            format!("SELECT name AS value FROM pragma_table_info('{table}')")
        }
        AnyConnection::Postgres(_) => format!(
            "SELECT column_name::text AS value FROM information_schema.columns \
             WHERE table_schema = 'public' AND table_name = '{table}'"
        ),
    };
    select(conn, &query)
}

/// Every row of every table but those, as text: to see that nothing changed.
#[track_caller]
pub fn dump(conn: &mut AnyConnection, but: &[&str]) -> String {
    let on_server = matches!(conn, AnyConnection::Postgres(_));
    let tables = match on_server {
        false => "SELECT name AS value FROM sqlite_master WHERE type = 'table' ORDER BY name",
        true => {
            "SELECT tablename::text AS value FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        }
    };
    let tables = select(conn, tables);
    let mut text = String::new();
    for table in tables.iter().filter(|table| !but.contains(&table.as_str())) {
        let row = match on_server {
            true => format!("\"{table}\"::text"),
            false => {
                let columns = columns(conn, table);
                let values = columns.iter().map(|name| format!("quote(\"{name}\")"));
                values.collect::<Vec<_>>().join("||', '||")
            }
        };
        let mut rows = select(conn, &format!("SELECT {row} AS value FROM \"{table}\""));
        rows.sort_unstable();
        text.push_str(&format!("{table}\n  {}\n", rows.join("\n  ")));
    }
    text
}

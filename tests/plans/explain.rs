//! What a database says it would do for a statement, and what of that is too much: a table that
//! grows with the number of users or of their visits is never read from end to end.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use gatehouse::db::AnyConnection;
use serde_json::Value;

/// Tables that grow. All but Diesel's own, which lists the migrations.
pub const GROWING: [&str; 9] = [
    "users",
    "sessions",
    "pending_forms",
    "devices",
    "events",
    "limits",
    "outbox",
    "tokens",
    "sign_ups",
];

#[derive(QueryableByName)]
struct Detail {
    #[diesel(sql_type = Text)]
    detail: String,
}

#[derive(QueryableByName)]
struct Plan {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    plan: String,
}

/// What is wrong with the plan of `statement`, if anything.
pub fn findings(conn: &mut AnyConnection, statement: &str) -> Vec<String> {
    // A list of none: SQLite calls it a scan and reads nothing.
    if statement.ends_with("WHERE (1=0)") {
        return Vec::new();
    }
    let mut found = match conn {
        AnyConnection::Sqlite(_) => of_sqlite(conn, statement),
        AnyConnection::Postgres(_) => of_postgresql(conn, statement),
    };
    found.iter_mut().for_each(|finding| *finding = format!("{finding}\n    {statement}"));
    found
}

/// SQLite says `SCAN` for whatever it reads from end to end, `SEARCH` where it goes to a place. One
/// that begins somewhere and has no end (`expires_at>?`) may be as long: it must stop after a few.
fn of_sqlite(conn: &mut AnyConnection, statement: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let steps: Vec<Detail> = diesel::sql_query(explain).load(conn).expect(statement);
    let sorts = steps.iter().any(|step| step.detail.contains("TEMP B-TREE"));
    let few = statement.contains(" ORDER BY ") && statement.contains(" LIMIT ") && !sorts;
    let reads_all = |step: &&Detail| {
        let mut words = step.detail.split(' ');
        let (how, table) = (words.next(), words.next().unwrap_or_default());
        let condition = step.detail.split_once(" (").map(|(_, condition)| condition);
        let excess = match how {
            Some("SCAN") => !few || statement.contains(" WHERE "),
            Some("SEARCH") => condition.is_some_and(|text| !text.contains('=')) && !few,
            _ => false,
        };
        excess && GROWING.contains(&table)
    };
    steps.iter().filter(reads_all).map(|step| step.detail.clone()).collect()
}

/// A generic plan, as a prepared statement gets after a few uses: it holds for every value.
/// PostgreSQL reads small tables from end to end because that is cheapest; only where it does so
/// against the ban (`enable_seqscan`) there is no other way.
fn of_postgresql(conn: &mut AnyConnection, statement: &str) -> Vec<String> {
    conn.batch_execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
        .expect("set");
    conn.batch_execute(&format!("PREPARE asked AS {statement}")).expect(statement);
    let parameters = (1..).take_while(|number| names_parameter(statement, *number)).count();
    let nothing = vec!["NULL"; parameters].join(", ");
    let values = if parameters == 0 { String::new() } else { format!("({nothing})") };
    let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE asked{values}");
    let plan: Plan = diesel::sql_query(explain).get_result(conn).expect(statement);
    conn.batch_execute("DEALLOCATE asked").expect("forgotten");
    let plan: Value = serde_json::from_str(&plan.plan).expect("JSON");
    let mut found = Vec::new();
    walk(&plan[0]["Plan"], false, &mut found);
    found
}

fn names_parameter(statement: &str, number: usize) -> bool {
    let name = format!("${number}");
    statement.match_indices(&name).any(|(at, _)| {
        !statement[at + name.len()..].starts_with(|next: char| next.is_ascii_digit())
    })
}

fn walk(node: &Value, limited: bool, found: &mut Vec<String>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let kind = text("Node Type");
    let by_index = kind.contains("Index") && kind.contains("Scan");
    // To one value's place; what only begins somewhere (`expires_at > $1`) may be as long as all.
    let condition = text("Index Cond");
    let to_a_place = condition.contains(" = ") || condition.contains(" IS N");
    let few = limited && node.get("Filter").is_none();
    let reads_all = kind == "Seq Scan" || (by_index && !to_a_place && !few);
    // A bitmap's index scan names its index alone, which begins with its table's name.
    let name = format!("{}{}", text("Relation Name"), text("Index Name"));
    if reads_all && GROWING.iter().any(|table| name.starts_with(table)) {
        let (table, index) = (text("Relation Name"), text("Index Name"));
        found.push(format!("{kind} {table} {index} {condition} {}", text("Filter")));
    }
    // What sorts, or gathers places first, has read everything before.
    let gathers = ["Sort", "Aggregate", "Bitmap Heap Scan"].contains(&kind);
    let limited = kind == "Limit" || (limited && !gathers);
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, limited, found);
    }
}

/// A foreign key whose columns no index begins with: the row it refers to cannot be deleted
/// without reading the table. No plan shows it.
pub fn unindexed_keys(conn: &mut AnyConnection) -> Vec<String> {
    let query = match conn {
        AnyConnection::Sqlite(_) => {
            "SELECT t.name || '.' || k.\"from\" AS detail FROM sqlite_master AS t, \
             pragma_foreign_key_list(t.name) AS k WHERE t.type = 'table' AND NOT EXISTS \
             (SELECT 1 FROM pragma_index_list(t.name) AS i, pragma_index_info(i.name) AS c \
              WHERE c.seqno = 0 AND c.name = k.\"from\")"
        }
        AnyConnection::Postgres(_) => {
            "SELECT conrelid::regclass || '.' || conname AS detail FROM pg_constraint \
             WHERE contype = 'f' AND NOT EXISTS (SELECT 1 FROM pg_index \
             WHERE indrelid = conrelid AND indkey[0] = conkey[1])"
        }
    };
    let keys: Vec<Detail> = diesel::sql_query(query).load(conn).expect("the catalogue");
    keys.into_iter().map(|key| format!("no index for the foreign key {}", key.detail)).collect()
}

/// The indexes that are no primary key's.
pub fn indexes(conn: &mut AnyConnection) -> Vec<String> {
    let query = match conn {
        AnyConnection::Sqlite(_) => {
            "SELECT name AS detail FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL \
             ORDER BY 1"
        }
        AnyConnection::Postgres(_) => {
            "SELECT indexrelid::regclass::text AS detail FROM pg_index JOIN pg_class \
             ON pg_class.oid = indexrelid WHERE NOT indisprimary \
             AND relnamespace = 'public'::regnamespace ORDER BY 1"
        }
    };
    let names: Vec<Detail> = diesel::sql_query(query).load(conn).expect("the catalogue");
    names.into_iter().map(|name| name.detail).collect()
}

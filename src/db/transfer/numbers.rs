//! The numbers of new rows: a number that was given once is never given again, wherever the
//! database has moved, also when its row has gone.

use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};

use crate::db::AnyConnection;

/// The tables whose rows are numbered.
const NUMBERED: [&str; 4] = ["users", "outbox", "sign_ups", "events"];

diesel::table! {
    sqlite_sequence (name) {
        name -> Text,
        seq -> BigInt,
    }
}

diesel::table! {
    pg_sequences (sequencename) {
        sequencename -> Text,
        last_value -> Nullable<BigInt>,
    }
}

diesel::define_sql_function! {
    fn pg_get_serial_sequence(table: Text, column: Text) -> Text;
}
diesel::define_sql_function! {
    fn setval(sequence: Text, value: BigInt, is_called: Bool) -> BigInt;
}

/// The highest number given in each table; 0 where none was.
pub(super) fn highest(conn: &mut AnyConnection) -> QueryResult<[i64; 4]> {
    let mut found = [0; 4];
    for (number, table) in found.iter_mut().zip(NUMBERED) {
        *number = match conn {
            AnyConnection::Sqlite(conn) => {
                let row = sqlite_sequence::table.find(table).select(sqlite_sequence::seq);
                let last: Option<i64> = row.first(conn).optional()?;
                last.unwrap_or(0)
            }
            AnyConnection::Postgres(conn) => {
                let name = format!("{table}_id_seq");
                let here = sql::<Bool>("schemaname = current_schema()");
                let row = pg_sequences::table.find(name).filter(here);
                let last: Option<Option<i64>> =
                    row.select(pg_sequences::last_value).first(conn).optional()?;
                last.flatten().unwrap_or(0)
            }
        };
    }
    Ok(found)
}

/// New rows get numbers behind all of those.
pub(super) fn go_on_behind(
    conn: &mut AnyConnection,
    ours: &[i64; 4],
    theirs: &[i64; 4],
) -> QueryResult<()> {
    for (place, table) in NUMBERED.into_iter().enumerate() {
        let number = ours[place].max(theirs[place]);
        if number == 0 {
            continue;
        }
        match conn {
            AnyConnection::Sqlite(conn) => {
                diesel::delete(sqlite_sequence::table.find(table)).execute(conn)?;
                diesel::insert_into(sqlite_sequence::table)
                    .values((sqlite_sequence::name.eq(table), sqlite_sequence::seq.eq(number)))
                    .execute(conn)?;
            }
            AnyConnection::Postgres(conn) => {
                let sequence = pg_get_serial_sequence(table, "id");
                diesel::select(setval(sequence, number, true)).get_result::<i64>(conn)?;
            }
        }
    }
    Ok(())
}

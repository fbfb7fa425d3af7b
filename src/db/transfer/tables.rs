//! The rows of every table, all columns of each: how a page of them is read and written.

use diesel::prelude::*;
use diesel::{Insertable, Queryable};
use serde::Serialize;

use crate::db::AnyConnection;
use crate::db::schema::{
    devices, events, limits, outbox, pending_forms, sessions, sign_ups, tokens, users,
};

/// Rows of one read and one insert; with twelve columns far from SQLite's limit of 32,766 bind
/// parameters and PostgreSQL's of 65,535.
pub const PAGE: i64 = 1000;

/// A row of a table, as it moves from one database to the other. It is serialized for its
/// checksum alone.
pub(super) trait Table: Serialize + Sized {
    /// The rows behind `after`, in the order of the key, which is the same on both databases.
    fn page(conn: &mut AnyConnection, after: Option<&Self>) -> QueryResult<Vec<Self>>;
    fn insert(conn: &mut AnyConnection, rows: &[Self]) -> QueryResult<usize>;
    fn count(conn: &mut AnyConnection) -> QueryResult<i64>;
    fn clear(conn: &mut AnyConnection) -> QueryResult<usize>;
}

/// What does not depend on the key. A column that a row lacks does not compile: rows are read
/// without naming columns.
macro_rules! same_for_any_key_of {
    ($table:ident) => {
        fn insert(conn: &mut AnyConnection, rows: &[Self]) -> QueryResult<usize> {
            let insert = diesel::insert_into($table::table).values(rows);
            match conn {
                AnyConnection::Sqlite(conn) => insert.execute(conn),
                AnyConnection::Postgres(conn) => insert.execute(conn),
            }
        }
        fn count(conn: &mut AnyConnection) -> QueryResult<i64> {
            $table::table.count().get_result(conn)
        }
        fn clear(conn: &mut AnyConnection) -> QueryResult<usize> {
            diesel::delete($table::table).execute(conn)
        }
    };
}

/// A table whose key is one column.
macro_rules! table_of {
    ($row:ident, $table:ident, $key:ident) => {
        impl Table for $row {
            fn page(conn: &mut AnyConnection, after: Option<&Self>) -> QueryResult<Vec<Self>> {
                let mut page = $table::table.order($table::$key).limit(PAGE).into_boxed();
                if let Some(last) = after {
                    page = page.filter($table::$key.gt(last.$key.clone()));
                }
                page.load(conn)
            }
            same_for_any_key_of!($table);
        }
    };
}

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = users, treat_none_as_default_value = false)]
pub(super) struct User {
    id: i64,
    email: String,
    email_key: String,
    hashed_password: String,
    session_id: Option<String>,
    reset_token: Option<String>,
    reset_asked_at: Option<i64>,
    reset_email: Option<String>,
    created_at: i64,
    password_changed_at: i64,
    confirmed_at: Option<i64>,
    display_name: Option<String>,
    time_zone: Option<String>,
    disabled_at: Option<i64>,
    delete_at: Option<i64>,
}
table_of!(User, users, id);

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = sessions, treat_none_as_default_value = false)]
pub(super) struct Session {
    id: String,
    user_id: i64,
    created_at: i64,
    last_seen_at: i64,
    authenticated_at: i64,
    expires_at: i64,
    remembered: bool,
    user_agent: String,
    ip: String,
    door_key: Option<String>,
    failed_proofs: i32,
}
table_of!(Session, sessions, id);

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = pending_forms, treat_none_as_default_value = false)]
pub(super) struct PendingForm {
    session_id: String,
    content: Vec<u8>,
    expires_at: i64,
}
table_of!(PendingForm, pending_forms, session_id);

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
pub(super) struct Mail {
    id: i64,
    message_id: String,
    kind: String,
    user_id: Option<i64>,
    content: Vec<u8>,
    state: String,
    created_at: i64,
    expires_at: Option<i64>,
    next_attempt_at: i64,
    attempts: i32,
    last_error: Option<String>,
    subject: Option<String>,
}
table_of!(Mail, outbox, id);

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = limits, treat_none_as_default_value = false)]
pub(super) struct Limit {
    bucket: String,
    tries: i64,
    started_at: i64,
    ends_at: i64,
    last_at: i64,
}
table_of!(Limit, limits, bucket);

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = devices, treat_none_as_default_value = false)]
pub(super) struct Device {
    id: String,
    user_id: i64,
    last_used_at: i64,
}

impl Table for Device {
    fn page(conn: &mut AnyConnection, after: Option<&Self>) -> QueryResult<Vec<Self>> {
        let order = (devices::id, devices::user_id);
        let mut page = devices::table.order(order).limit(PAGE).into_boxed();
        if let Some(last) = after {
            let behind = devices::id.gt(last.id.clone()).or(devices::user_id.gt(last.user_id));
            // The first of the two is what an index can begin at.
            page = page.filter(devices::id.ge(last.id.clone()).and(behind));
        }
        page.load(conn)
    }
    same_for_any_key_of!(devices);
}

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = tokens, treat_none_as_default_value = false)]
pub(super) struct Token {
    id: String,
    purpose: String,
    user_id: Option<i64>,
    email_key: String,
    email: String,
    expires_at: i64,
}
table_of!(Token, tokens, id);

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = sign_ups, treat_none_as_default_value = false)]
pub(super) struct SignUp {
    id: i64,
    email: String,
    email_key: String,
    hashed_password: String,
    browser: String,
    token: Option<String>,
    token_expires_at: Option<i64>,
    created_at: i64,
}
table_of!(SignUp, sign_ups, id);

#[derive(Queryable, Insertable, Serialize)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
pub(super) struct Event {
    id: i64,
    at: i64,
    event: String,
    user_id: Option<i64>,
    ip: String,
    user_agent: String,
    request_id: String,
    times: i64,
}
table_of!(Event, events, id);

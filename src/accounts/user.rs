//! The user: a row of `users`, and the plain functions that add, find and change one.

use std::fmt;

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as QueryError};

use super::email::Email;
use super::secure_account;
use crate::clock::Timestamp;
use crate::db::schema::{sessions, users};
use crate::db::{AnyConnection, DbError};
use crate::tokens::fingerprint;

/// More disabled accounts than anybody looks through.
const MOST_DISABLED: i64 = 10_000;

/// Somebody with an account. Never serialized: pages name the fields they show.
#[derive(Clone, Queryable, Selectable, Identifiable)]
pub struct User {
    pub id: i64,
    /// As typed at sign-up.
    pub email: String,
    /// Folded; unique.
    pub email_key: String,
    pub hashed_password: String,
    /// The key of the most recent session.
    pub session_id: Option<String>,
    /// SHA-256 of the outstanding reset token.
    pub reset_token: Option<String>,
    pub reset_asked_at: Option<Timestamp>,
    /// The folded address that the token went to.
    pub reset_email: Option<String>,
    pub created_at: Timestamp,
    pub password_changed_at: Timestamp,
    /// When the owner last proved that mail to the address reaches them.
    pub confirmed_at: Option<Timestamp>,
    /// What the owner calls themselves.
    pub display_name: Option<String>,
    /// The IANA name of the zone that times are shown in; none is UTC.
    pub time_zone: Option<String>,
    /// Since when an operator keeps the owner out.
    pub disabled_at: Option<Timestamp>,
    /// When the account will be erased, unless its owner comes back before.
    pub delete_at: Option<Timestamp>,
}

/// Shows who it is and hides what could be misused.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("email", &self.email)
            .finish_non_exhaustive()
    }
}

/// One way to name one user.
#[derive(Clone, Copy)]
pub enum UserKey<'a> {
    Id(i64),
    /// In any spelling.
    Email(&'a str),
    /// As in the cookie.
    SessionId(&'a str),
    /// As in the mailed link.
    ResetToken(&'a str),
}

/// What may be changed of a user; `None` leaves a column as it is, `Some(None)` empties it.
#[derive(Default, AsChangeset)]
#[diesel(table_name = users)]
pub struct UserChanges {
    pub hashed_password: Option<String>,
    pub password_changed_at: Option<Timestamp>,
    pub session_id: Option<Option<String>>,
    pub reset_token: Option<Option<String>>,
    pub reset_asked_at: Option<Option<Timestamp>>,
    pub reset_email: Option<Option<String>>,
    pub confirmed_at: Option<Option<Timestamp>>,
    pub email: Option<String>,
    pub email_key: Option<String>,
    pub display_name: Option<Option<String>>,
    pub time_zone: Option<Option<String>>,
    pub disabled_at: Option<Option<Timestamp>>,
    pub delete_at: Option<Option<Timestamp>>,
}

impl UserChanges {
    /// A new password from a mailed link, which proves that mail reaches the owner.
    pub fn new_password(hashed_password: String, now: Timestamp) -> Self {
        Self { confirmed_at: Some(Some(now)), ..Self::other_password(hashed_password, now) }
    }

    /// Another password: the outstanding reset token dies with the one before.
    pub fn other_password(hashed_password: String, now: Timestamp) -> Self {
        Self {
            hashed_password: Some(hashed_password),
            password_changed_at: Some(now),
            reset_token: Some(None),
            reset_asked_at: Some(None),
            reset_email: Some(None),
            ..Self::default()
        }
    }
}

/// Why a user could not be added.
#[derive(Debug, thiserror::Error)]
pub enum AddUserError {
    #[error("the e-mail address has an account already")]
    EmailTaken,
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Inserts a user. The unique index on the folded address decides who is first, also when two
/// requests race. An address that its last owner may still take back counts as taken.
pub fn add_user(
    conn: &mut AnyConnection,
    email: &Email,
    hashed_password: &str,
    now: Timestamp,
) -> Result<User, AddUserError> {
    if secure_account::is_taken(conn, email.key(), None, now).map_err(DbError::from)? {
        return Err(AddUserError::EmailTaken);
    }
    diesel::insert_into(users::table)
        .values((
            users::email.eq(email.as_typed()),
            users::email_key.eq(email.key()),
            users::hashed_password.eq(hashed_password),
            users::created_at.eq(now),
            users::password_changed_at.eq(now),
        ))
        .returning(users::all_columns)
        .get_result(conn)
        .map_err(|error| match error {
            QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                AddUserError::EmailTaken
            }
            other => DbError::from(other).into(),
        })
}

/// Finds one user. Nobody is `NotFound`; any other error means that we do not know.
pub fn find_user_by(conn: &mut AnyConnection, key: UserKey<'_>) -> QueryResult<User> {
    match key {
        UserKey::Id(id) => users::table.find(id).select(users::all_columns).first(conn),
        UserKey::Email(email) => {
            // What is no address is nobody's.
            let key = Email::parse(email).map(|email| email.key().to_owned()).unwrap_or_default();
            users::table.filter(users::email_key.eq(key)).select(users::all_columns).first(conn)
        }
        UserKey::SessionId(id) => users::table
            .inner_join(sessions::table.on(sessions::user_id.eq(users::id)))
            .filter(sessions::id.eq(fingerprint(id)))
            .select(users::all_columns)
            .first(conn),
        UserKey::ResetToken(token) => users::table
            .filter(users::reset_token.eq(fingerprint(token)))
            .select(users::all_columns)
            .first(conn),
    }
}

/// Up to `most` users with a number above `after`, by their numbers; disabled ones alone, if so.
pub fn list_users(
    conn: &mut AnyConnection,
    after: i64,
    most: i64,
    disabled: bool,
) -> QueryResult<Vec<User>> {
    if !disabled {
        let rest = users::table.filter(users::id.gt(after)).order(users::id);
        return rest.limit(most).select(users::all_columns).load(conn);
    }
    // An order by number would make the database walk along all that are not disabled.
    let since = users::disabled_at.gt(Timestamp::from_millis(0));
    let mut found: Vec<User> = users::table
        .filter(since)
        .order(users::disabled_at)
        .limit(MOST_DISABLED)
        .select(users::all_columns)
        .load(conn)?;
    found.retain(|user| user.id > after);
    found.sort_by_key(|user| user.id);
    found.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    Ok(found)
}

/// Changes the named attributes, in one statement; an unknown id is `NotFound`.
pub fn update_user(conn: &mut AnyConnection, id: i64, changes: &UserChanges) -> QueryResult<()> {
    match diesel::update(users::table.find(id)).set(changes).execute(conn)? {
        0 => Err(QueryError::NotFound),
        _ => Ok(()),
    }
}

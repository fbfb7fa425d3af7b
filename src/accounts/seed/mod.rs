//! A database of any size, made by the database itself: people with sessions, devices, events and
//! limits in the numbers that a service of that size has. Not in a release build.

mod postgresql;
mod sqlite;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use secrecy::SecretString;

use super::password::hash_password;
use crate::clock::Timestamp;
use crate::db::schema::users;
use crate::db::{AnyConnection, Db, DbError};

/// Everybody's, so that a log-in as `user-0000001@example.org` works.
pub const PASSWORD: &str = "a quiet harbour";
/// Rows of one statement, which is one transaction.
const BATCH: i64 = 50_000;
/// Numbers are permuted by multiplying; more would not fit.
pub const MOST: i64 = 1_000_000_000;

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    #[error("there are users already: seeding is for an empty database")]
    NotEmpty,
    #[error("make 1 to {MOST} users")]
    Number,
    #[error("password hashing failed: {0}")]
    Hash(#[from] bcrypt::BcryptError),
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<diesel::result::Error> for SeedError {
    fn from(error: diesel::result::Error) -> Self {
        DbError::from(error).into()
    }
}

/// What one statement fills, and how many rows there are of it for so many users.
struct Step {
    table: &'static str,
    rows: fn(i64) -> i64,
    /// Its parameters: first and last number, the moment, the users and what permutes them, the
    /// hash. Statements of one database's own: no query of the service is written so.
    insert: &'static str,
}

/// How a database is filled fast.
struct Recipe {
    before: &'static str,
    /// Lists what drops the indexes, and what makes them anew at the end, by sorting: kept up row
    /// by row they cost several times as much.
    taken_away: &'static str,
    put_back: &'static str,
    steps: [Step; 8],
    after: &'static [&'static str],
}

/// One column of text.
#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

/// What is told while it goes on: the table, rows made of it, rows there will be.
pub type Progress<'a> = &'a mut dyn FnMut(&str, i64, i64);

fn everybody(users: i64) -> i64 {
    users
}

/// Every fifth has a second device.
fn sessions(users: i64) -> i64 {
    users + users / 5
}

/// Tried often enough to be counted.
fn counted(users: i64) -> i64 {
    users / 20
}

/// Waits for a mail, has one, wants an account.
fn a_few(users: i64) -> i64 {
    users / 200
}

/// Makes `users` users and what goes with them, in an empty database; returns the rows of each
/// table. One that is interrupted leaves a database without its indexes: throw it away.
pub fn seed(
    db: &Db,
    users: i64,
    cost: u32,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Vec<(&'static str, i64)>, SeedError> {
    if !(1..=MOST).contains(&users) {
        return Err(SeedError::Number);
    }
    let mut conn = db.patient_connection()?;
    let anybody: Option<i64> = users::table.select(users::id).first(&mut conn).optional()?;
    if anybody.is_some() {
        return Err(SeedError::NotEmpty);
    }
    let hash = hash_password(&SecretString::from(PASSWORD.to_owned()), cost)?;
    let recipe = match &conn {
        AnyConnection::Sqlite(_) => &sqlite::RECIPE,
        AnyConnection::Postgres(_) => &postgresql::RECIPE,
    };
    conn.batch_execute(recipe.before)?;
    let indexes: Vec<Line> = diesel::sql_query(recipe.put_back).load(&mut conn)?;
    let drops: Vec<Line> = diesel::sql_query(recipe.taken_away).load(&mut conn)?;
    for Line { line } in &drops {
        conn.batch_execute(line)?;
    }
    let (step, back) = permutation(users);
    let mut made = Vec::new();
    for Step { table, rows, insert } in &recipe.steps {
        let rows = rows(users);
        for first in (1..=rows).step_by(BATCH as usize) {
            let last = rows.min(first + BATCH - 1);
            diesel::sql_query(*insert)
                .bind::<BigInt, _>(first)
                .bind::<BigInt, _>(last)
                .bind::<BigInt, _>(now.millis())
                .bind::<BigInt, _>(users)
                .bind::<BigInt, _>(step)
                .bind::<BigInt, _>(back)
                .bind::<Text, _>(&hash)
                .execute(&mut conn)?;
            progress(table, last, rows);
        }
        made.push((*table, rows));
    }
    for (done, Line { line }) in (1..).zip(&indexes) {
        conn.batch_execute(line)?;
        progress("indexes", done, indexes.len() as i64);
    }
    for statement in recipe.after {
        conn.batch_execute(statement)?;
    }
    Ok(made)
}

/// A number that has no divisor in common with `users`, and the one that undoes it: the user of
/// row n is `n * step % users`, so that neighbours in one table are none in another.
fn permutation(users: i64) -> (i64, i64) {
    let golden = (users as f64 * 0.618) as i64;
    for step in golden.max(1).. {
        if let Some(back) = inverse(step, users) {
            return (step, back);
        }
    }
    (1, 1)
}

/// What `step` is multiplied with to give 1 (Euclid's extended algorithm).
fn inverse(step: i64, modulus: i64) -> Option<i64> {
    let (mut old, mut rest) = (step % modulus, modulus);
    let (mut factor, mut next) = (1, 0);
    while rest != 0 {
        let quotient = old / rest;
        (old, rest) = (rest, old - quotient * rest);
        (factor, next) = (next, factor - quotient * next);
    }
    (old == 1 || modulus == 1).then(|| factor.rem_euclid(modulus))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_one_place_in_the_permutation() {
        for users in [1, 2, 5, 10, 997, 1000, 1024] {
            let (step, back) = permutation(users);
            let mut places: Vec<i64> = (0..users).map(|n| n * step % users).collect();
            assert!((0..users).all(|n| (n * step % users) * back % users == n), "{users}");
            places.sort_unstable();
            assert_eq!(places, (0..users).collect::<Vec<_>>(), "{users}");
        }
    }
}

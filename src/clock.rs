//! Moments in time: milliseconds since the Unix epoch, as the database stores them.

pub mod zone;

use std::ops::{Add, Sub};
use std::time::Duration;

use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::BigInt;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// How far the clocks of two machines may be apart. What was written later than this ahead of now
/// was written by a clock that was wrong.
pub const SKEW: Duration = Duration::from_secs(60);

/// A moment, in milliseconds since 1970-01-01T00:00:00Z. Rules take it as an argument, so that a
/// test can stand at any moment without sleeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = BigInt)]
pub struct Timestamp(i64);

impl Timestamp {
    pub fn now() -> Self {
        Self((OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000) as i64)
    }

    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub fn millis(self) -> i64 {
        self.0
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// RFC 3339 in UTC, such as `2030-01-31T12:00:00Z`.
    pub fn rfc3339(self) -> String {
        self.date_time().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
    }

    /// For people, in UTC: `31 January 2030, 12:00 UTC`.
    pub fn in_words(self) -> String {
        let format =
            format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
        self.date_time().and_then(|at| at.format(format).ok()).unwrap_or_default()
    }

    /// For people, in the zone of that IANA name: `31 January 2030, 13:00 CET`. None is UTC, and so is
    /// one that the compiled-in rules do not know.
    pub fn in_words_of(self, zone: Option<&str>) -> String {
        let shown = zone.and_then(|zone| zone::shown(self, zone));
        shown.unwrap_or_else(|| self.in_words())
    }

    fn date_time(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).ok()
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl<DB> ToSql<BigInt, DB> for Timestamp
where
    DB: Backend,
    i64: ToSql<BigInt, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB> FromSql<BigInt, DB> for Timestamp
where
    DB: Backend,
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_for_machines_and_people() {
        let at = Timestamp::from_millis(1_895_918_400_000);
        assert_eq!(at.rfc3339(), "2030-01-29T12:00:00Z");
        assert_eq!(at.in_words(), "29 January 2030, 12:00 UTC");
    }

    #[test]
    fn sums_do_not_overflow() {
        let late = Timestamp::from_millis(i64::MAX) + Duration::MAX;
        assert_eq!(late.millis(), i64::MAX);
        assert_eq!(Timestamp::from_millis(0).since(late), Duration::ZERO);
    }
}

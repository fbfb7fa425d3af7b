//! What is counted against one account, and how it is forgotten.

use diesel::prelude::*;

use super::{Bucket, Deed, MAIL, Rate, Rates, TELL, ThrottleConfig, key};
use crate::accounts::user::User;
use crate::db::AnyConnection;
use crate::db::schema::limits;

/// A window that is counted for one account.
pub(super) struct Kind {
    pub key: String,
    pub what: &'static str,
    pub rate: Rate,
}

impl ThrottleConfig {
    /// Everything that is counted by the account or its address.
    pub(super) fn kinds(&self, user: &User) -> Vec<Kind> {
        let mails = [MAIL, TELL].into_iter().flat_map(|name| kinds(name, &self.mail, user));
        mails.chain(Deed::ALL.into_iter().flat_map(|deed| self.kinds_of(deed, user))).collect()
    }

    /// Forgets all that is counted by the account or its address. (What a browser of theirs has
    /// tried is counted by what its cookie alone tells, and is gone in a day.)
    pub(in crate::accounts) fn forget(
        &self,
        conn: &mut AnyConnection,
        user: &User,
    ) -> QueryResult<()> {
        delete(conn, self.kinds(user))
    }

    /// Forgets the passwords that were tried, by strangers and by the owner.
    pub(in crate::accounts) fn forget_guesses(
        &self,
        conn: &mut AnyConnection,
        user: &User,
    ) -> QueryResult<()> {
        let deeds = [Deed::LogIn, Deed::Prove].into_iter();
        delete(conn, deeds.flat_map(|deed| self.kinds_of(deed, user)).collect())
    }

    fn kinds_of(&self, deed: Deed, user: &User) -> Vec<Kind> {
        kinds(deed.name(), &self.rates(deed), user)
    }
}

fn kinds(what: &'static str, rates: &Rates, user: &User) -> Vec<Kind> {
    let buckets = [Bucket::account(&user.email), Bucket::owner(user.id)];
    let of = |bucket: &Bucket| {
        rates.iter().map(|rate| Kind { key: key(what, bucket, rate), what, rate }).collect()
    };
    buckets.iter().flat_map(|bucket| -> Vec<Kind> { of(bucket) }).collect()
}

fn delete(conn: &mut AnyConnection, kinds: Vec<Kind>) -> QueryResult<()> {
    let keys: Vec<String> = kinds.into_iter().map(|kind| kind.key).collect();
    diesel::delete(limits::table.filter(limits::bucket.eq_any(keys))).execute(conn).map(drop)
}

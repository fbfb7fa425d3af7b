//! What is counted against one account, and how it is forgotten.

use diesel::prelude::*;

use super::{Bucket, Deed, MAIL, Rates, TELL, ThrottleConfig, key};
use crate::accounts::user::User;
use crate::db::AnyConnection;
use crate::db::schema::limits;

impl ThrottleConfig {
    /// Forgets all that is counted by the account or its address. (What a browser of theirs has
    /// tried is counted by what its cookie alone tells, and is gone in a day.)
    pub(in crate::accounts) fn forget(
        &self,
        conn: &mut AnyConnection,
        user: &User,
    ) -> QueryResult<()> {
        let mails = [MAIL, TELL].into_iter().flat_map(|name| keys(name, &self.mail, user));
        let deeds = Deed::ALL.into_iter().flat_map(|deed| self.keys(deed, user));
        delete(conn, mails.chain(deeds).collect())
    }

    /// Forgets the passwords that were tried, by strangers and by the owner.
    pub(in crate::accounts) fn forget_guesses(
        &self,
        conn: &mut AnyConnection,
        user: &User,
    ) -> QueryResult<()> {
        let deeds = [Deed::LogIn, Deed::Prove].into_iter();
        delete(conn, deeds.flat_map(|deed| self.keys(deed, user)).collect())
    }

    fn keys(&self, deed: Deed, user: &User) -> Vec<String> {
        keys(deed.name(), &self.rates(deed), user)
    }
}

fn keys(deed: &str, rates: &Rates, user: &User) -> Vec<String> {
    let buckets = [Bucket::account(&user.email), Bucket::owner(user.id)];
    buckets.iter().flat_map(|bucket| rates.iter().map(|rate| key(deed, bucket, rate))).collect()
}

fn delete(conn: &mut AnyConnection, keys: Vec<String>) -> QueryResult<()> {
    diesel::delete(limits::table.filter(limits::bucket.eq_any(keys))).execute(conn).map(drop)
}

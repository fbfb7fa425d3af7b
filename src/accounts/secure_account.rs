//! Secure my account: one link in every mail that tells an owner of something throws out whoever
//! should not be there, and undoes what they did.

use diesel::prelude::*;
use secrecy::ExposeSecret;

use super::auth::Auth;
use super::mailed_token::{self, MailedToken, Purpose};
use super::user::User;
use crate::clock::Timestamp;
use crate::db::AnyConnection;

impl Auth {
    /// The link for a mail to the address that `user` has at this moment. For the transaction that
    /// writes the mail.
    pub(super) fn secure_link(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> QueryResult<String> {
        let owner = MailedToken::to_owner(user);
        let token = mailed_token::issue(conn, Purpose::SecureAccount, &owner, now)?;
        Ok(self.messages.link(&format!("/secure_account/{}", token.expose_secret())))
    }
}

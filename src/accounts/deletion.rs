//! Deletion: its owner asks for it, and can call it off until its grace is over; `erasure` carries it
//! out.

use diesel::prelude::*;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::mailed_token::{self, MailedToken, Purpose};
use super::session::{Session, end_all_sessions};
use super::sudo::{still_there, unchanged};
use super::throttle::{Deed, TakeError};
use super::user::{User, UserChanges, update_user};
use crate::clock::Timestamp;
use crate::db::schema::users;
use crate::db::{AnyConnection, DbError};
use crate::mail::messages::DeletionAsked;
use crate::mail::outbox::{self, Content, Note};
use crate::mail::{Kind, Letter};

impl Auth {
    /// Sets the day on which the account is erased, logs out every device and tells the owner by
    /// mail, with a link that keeps the account. None when the session is over, or the password
    /// another one, by now.
    pub async fn ask_for_deletion(
        &self,
        user: &User,
        session: &Session,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, TakeError> {
        self.take_for_owner(Deed::AskDeletion, user.id, now).await?;
        let (auth, user, session) = (self.clone(), user.clone(), session.clone());
        let ask = move |conn: &mut AnyConnection| {
            // Of two that ask at once the first has said when, and its mail holds the link.
            let leaving = unchanged(conn, &user)?.and_then(|user| user.delete_at);
            if leaving.is_some() {
                return Ok(leaving);
            }
            match still_there(conn, &user, &session)? {
                Some(user) => auth.ask_in(conn, &user, now).map(Some),
                None => Ok(None),
            }
        };
        let delete_at = self.db.write::<_, DbError>(ask).await?;
        self.bell.ring();
        Ok(delete_at)
    }

    fn ask_in(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> Result<Timestamp, DbError> {
        let delete_at = now + self.config.deletion_grace;
        let changes = UserChanges {
            delete_at: Some(Some(delete_at)),
            reset_token: Some(None),
            reset_asked_at: Some(None),
            reset_email: Some(None),
            ..UserChanges::default()
        };
        update_user(conn, user.id, &changes)?;
        end_all_sessions(conn, user.id)?;
        mailed_token::void_all(conn, user.id)?;
        outbox::withdraw_links(conn, user.id)?;
        let notice = Content::Letter(self.deletion_notice(conn, user, delete_at, now)?);
        let note = Note::dying_to_user(Kind::DeletionAsked, user.id, delete_at);
        self.outbox.add(conn, &note, &notice, now)?;
        Ok(delete_at)
    }

    fn deletion_notice(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        delete_at: Timestamp,
        now: Timestamp,
    ) -> Result<Letter, DbError> {
        let owner = MailedToken::to_owner(user);
        let token = mailed_token::issue_until(conn, Purpose::KeepAccount, &owner, delete_at)?;
        let secure_url = self.secure_link(conn, user, now)?;
        let notice = DeletionAsked {
            email: user.email.clone(),
            when: delete_at.in_words_of(user.time_zone.as_deref()),
            link: self.messages.link(&format!("/keep_account/{}", token.expose_secret())),
            secure_url,
            days: Purpose::SecureAccount.days(),
        };
        self.written(user, &notice)
    }

    /// Consumes the link that keeps an account; whose it was, or none when the link is dead.
    pub async fn keep_account(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<i64>, DbError> {
        let token = token.clone();
        self.db
            .write(move |conn| {
                let found = mailed_token::consume(conn, Purpose::KeepAccount, &token, now)?;
                let Some(user) = found.and_then(|found| found.user_id) else { return Ok(None) };
                Ok(call_off(conn, user)?.then_some(user))
            })
            .await
    }
}

/// The account stays, and the link that would have kept it has done its work. False when nobody had
/// asked for a deletion. (The mail that told of it leaves all the same: it is news to the owner.)
pub(super) fn call_off(conn: &mut AnyConnection, user: i64) -> QueryResult<bool> {
    let leaving = users::table.find(user).filter(users::delete_at.is_not_null());
    let changed = diesel::update(leaving).set(users::delete_at.eq(None::<i64>)).execute(conn)?;
    mailed_token::void(conn, Purpose::KeepAccount, user)?;
    Ok(changed == 1)
}

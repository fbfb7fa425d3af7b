//! Secure my account: one link in every mail that tells an owner of something throws out whoever
//! should not be there, and undoes what they did.

use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error as QueryError};
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::device;
use super::mailed_token::{self, LinkError, MailedToken, Purpose};
use super::password::LOCKED;
use super::password_reset::store_new_token;
use super::session::{Session, end_all_sessions};
use super::sudo::still_there;
use super::user::{User, UserChanges, UserKey, find_user_by, update_user};
use crate::clock::{SKEW, Timestamp};
use crate::db::schema::{tokens, users};
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;
use crate::mail::messages::{AccountSecured, AddressGivenBack};
use crate::mail::outbox::{self, Content, Note};

/// An account that nobody is in any more.
pub struct Secured {
    /// As it is now.
    pub user: User,
    /// It was to be deleted, and is not.
    pub kept: bool,
}

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

    /// Consumes the link, gives the account back the address that it was mailed to, and shuts it to
    /// everybody but who reads mail there. Links that were mailed earlier stay: a thief who changed
    /// the address must not void the owner's with a later one of their own.
    pub async fn secure_by_link(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Secured, LinkError> {
        let (auth, token) = (self.clone(), token.clone());
        let secured = self.db.write(move |conn| {
            let end = mailed_token::end_of(conn, &token)?.ok_or(LinkError::Dead)?;
            let found = mailed_token::consume(conn, Purpose::SecureAccount, &token, now)?;
            let found = found.ok_or(LinkError::Dead)?;
            let user = owner_of(conn, &found)?.ok_or(LinkError::Dead)?;
            let given_back = user.email_key != found.email_key;
            if given_back {
                auth.tell_of_giving_back(conn, &user, now)?;
                set_address(conn, user.id, &found, now)?;
            }
            Ok::<_, LinkError>(auth.shut(conn, user.id, given_back, end, now)?)
        });
        let secured = secured.await?;
        self.bell.ring();
        Ok(secured)
    }

    /// The same for somebody who is signed in, under the address that the account has: a thief who
    /// does it throws out nobody but themselves. None when the session is over by now: whoever was
    /// thrown out must not shut the account to its owner.
    pub async fn secure(
        &self,
        user: &User,
        session: &Session,
        now: Timestamp,
    ) -> Result<Option<Secured>, DbError> {
        let (auth, user, session) = (self.clone(), user.clone(), session.clone());
        let end = now + Purpose::SecureAccount.lifetime();
        let shut = move |conn: &mut AnyConnection| match still_there(conn, &user, &session)? {
            Some(user) => auth.shut(conn, user.id, false, end, now).map(Some),
            None => Ok(None),
        };
        let secured = self.db.write(shut).await?;
        self.bell.ring();
        Ok(secured)
    }

    /// Ends all that lets anybody in, and mails the link to a new password. Of the links that secure
    /// the account those that die before `end` stay.
    fn shut(
        &self,
        conn: &mut AnyConnection,
        id: i64,
        given_back: bool,
        end: Timestamp,
        now: Timestamp,
    ) -> Result<Secured, DbError> {
        let kept = find_user_by(conn, UserKey::Id(id))?.delete_at.is_some();
        let changes = UserChanges {
            // Nobody has read a mail of this very deed yet.
            confirmed_at: None,
            delete_at: Some(None),
            ..UserChanges::new_password(LOCKED.to_owned(), now)
        };
        update_user(conn, id, &changes)?;
        end_all_sessions(conn, id)?;
        device::forget_all(conn, id)?;
        mailed_token::void_since(conn, id, end)?;
        outbox::withdraw_links(conn, id)?;
        let secured = Secured { user: find_user_by(conn, UserKey::Id(id))?, kept };
        if secured.user.disabled_at.is_none() {
            self.mail_new_start(conn, &secured, given_back, now)?;
        }
        Ok(secured)
    }

    /// Tells what was done, with the link to a new password. No limit holds it back: whoever used up
    /// its mails would keep the owner out.
    fn mail_new_start(
        &self,
        conn: &mut AnyConnection,
        secured: &Secured,
        given_back: bool,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let Secured { user, kept } = secured;
        let token = store_new_token(conn, user, now, now)?.ok_or(QueryError::NotFound)?;
        let told = AccountSecured {
            email: user.email.clone(),
            given_back,
            kept: *kept,
            link: self.reset_link(&token),
            minutes: self.config.reset_minutes(),
            reset_url: self.messages.link("/reset_password"),
        };
        // A newer link to a new password takes its place.
        let end = now + self.config.reset_lifetime;
        let note = Note::dying_to_user(Kind::PasswordReset, user.id, end);
        let letter = Content::Letter(self.written(user, &told)?);
        Ok(self.outbox.add(conn, &note, &letter, now)?)
    }

    /// Tells the address that the account is about to lose (ASVS 6.3.7). It may be a thief's, and
    /// gets neither a link that does anything nor the owner's name.
    fn tell_of_giving_back(
        &self,
        conn: &mut AnyConnection,
        user: &User,
        now: Timestamp,
    ) -> Result<(), DbError> {
        let when = now.in_words_of(user.time_zone.as_deref());
        let told = AddressGivenBack { email: user.email.clone(), when };
        let letter = Content::Letter(self.written(&user.email, &told)?);
        let note = Note::to_user(Kind::EmailChanged, user.id);
        Ok(self.outbox.add(conn, &note, &letter, now)?)
    }
}

/// For a mail that tells an owner of something: it means something for as long as its link lives.
pub(super) fn note(kind: Kind, user: i64, now: Timestamp) -> Note {
    Note::dying_to_user(kind, user, now + Purpose::SecureAccount.lifetime())
}

/// The account of a token, whatever address it has by now.
pub(super) fn owner_of(conn: &mut AnyConnection, token: &MailedToken) -> QueryResult<Option<User>> {
    match token.user_id {
        Some(id) => find_user_by(conn, UserKey::Id(id)).optional(),
        None => Ok(None),
    }
}

/// Makes the address that a token was mailed to the account's: whoever brings it reads mail there.
/// A reset that waits went to another address, and dies.
pub(super) fn set_address(
    conn: &mut AnyConnection,
    user: i64,
    token: &MailedToken,
    now: Timestamp,
) -> Result<(), LinkError> {
    let changes = UserChanges {
        email: Some(token.email.clone()),
        email_key: Some(token.email_key.clone()),
        confirmed_at: Some(Some(now)),
        reset_token: Some(None),
        reset_asked_at: Some(None),
        reset_email: Some(None),
        ..UserChanges::default()
    };
    update_user(conn, user, &changes).map_err(|error| match error {
        QueryError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => LinkError::Dead,
        other => other.into(),
    })
}

/// Whether somebody else than `user` has that address, or may take it back. In one transaction with
/// the change: whoever gives it up at that moment is seen either with it or with the link.
pub(super) fn is_taken(
    conn: &mut AnyConnection,
    email_key: &str,
    user: Option<i64>,
    now: Timestamp,
) -> QueryResult<bool> {
    let others = users::email_key.eq(email_key).and(users::id.ne(user.unwrap_or(NOBODY)));
    let others = users::table.filter(others);
    let has: bool = diesel::select(diesel::dsl::exists(others)).get_result(conn)?;
    Ok(has || reserved(conn, email_key, user, now)?.is_some())
}

/// No user has it.
const NOBODY: i64 = -1;

/// Whose that address was, as its last owner spells it, while they may take it back with a link: else
/// a thief who changed it would sign up with it, and there would be nothing to give back.
pub(super) fn reserved(
    conn: &mut AnyConnection,
    email_key: &str,
    user: Option<i64>,
    now: Timestamp,
) -> QueryResult<Option<MailedToken>> {
    let latest = now + Purpose::SecureAccount.lifetime() + SKEW;
    tokens::table
        .inner_join(users::table.on(tokens::user_id.eq(users::id.nullable())))
        .filter(tokens::email_key.eq(email_key))
        .filter(tokens::purpose.eq(Purpose::SecureAccount.name()))
        .filter(tokens::expires_at.gt(now).and(tokens::expires_at.le(latest)))
        .filter(users::id.ne(user.unwrap_or(NOBODY)))
        .filter(users::email_key.ne(email_key))
        .select(MailedToken::as_select())
        .first(conn)
        .optional()
}

/// Until when somebody can give the account of `user` back to an address that it had, if so.
pub(super) fn given_back_until(
    conn: &mut AnyConnection,
    user: &User,
    now: Timestamp,
) -> QueryResult<Option<Timestamp>> {
    let latest = now + Purpose::SecureAccount.lifetime() + SKEW;
    tokens::table
        .filter(tokens::user_id.eq(user.id))
        .filter(tokens::purpose.eq(Purpose::SecureAccount.name()))
        .filter(tokens::email_key.ne(&user.email_key))
        .filter(tokens::expires_at.gt(now).and(tokens::expires_at.le(latest)))
        .select(diesel::dsl::max(tokens::expires_at))
        .first(conn)
}

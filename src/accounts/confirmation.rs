//! Confirmation: an account begins when the owner of its address says so. Until then there is a row
//! of `sign_ups` and nothing that anybody could log in to, so that nothing an impostor set up under
//! somebody else's address survives (B-09).

use std::time::Duration;

use diesel::prelude::*;
use diesel::result::Error as QueryError;
use secrecy::{ExposeSecret, SecretString};

use super::auth::Auth;
use super::email::Email;
use super::registration::SignedUp;
use super::session::{Beginning, NewSession, start_known};
use super::throttle::{Bucket, Deed, Limited, TakeError};
use super::user::{AddUserError, UserChanges, UserKey, add_user, find_user_by, update_user};
use super::{Broken, FieldError, FieldErrors, secure_account};
use crate::clock::{SKEW, Timestamp};
use crate::db::batches::BATCH;
use crate::db::schema::sign_ups;
use crate::db::{AnyConnection, DbError};
use crate::mail::Kind;
use crate::mail::messages::{AlreadyRegistered, ConfirmEmail};
use crate::mail::outbox::{self, Composed, Content, Note};
use crate::mail::worker::Wish;
use crate::tokens::{fingerprint, generate_token, generate_uuid};

/// A link lives for a day; the sign-up itself a week, in which it can be sent again.
pub const LINK_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A row of `sign_ups`.
#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = sign_ups)]
pub struct Pending {
    pub id: i64,
    pub email: String,
    pub email_key: String,
    hashed_password: String,
    browser: String,
    token: Option<String>,
}

impl Pending {
    /// Whether the browser with that cookie is the one that signed up.
    pub fn is_of(&self, browser: Option<&str>) -> bool {
        browser.is_some_and(|browser| fingerprint(browser) == self.browser)
    }
}

/// Why an address is not confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmError {
    #[error("refused fields")]
    Invalid(FieldErrors),
    /// Unknown, used or expired; or the address has an account by now.
    #[error("dead link")]
    Dead,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl From<DbError> for ConfirmError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<QueryError> for ConfirmError {
    fn from(error: QueryError) -> Self {
        DbError::from(error).into()
    }
}

impl From<TakeError> for ConfirmError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Limited(limited) => limited.into(),
            TakeError::Db(error) => error.into(),
        }
    }
}

/// Somebody with a link, at some browser.
pub struct Confirmation {
    pub token: SecretString,
    /// What this browser got when it signed up.
    pub browser: Option<String>,
    /// Chosen anew: the one from the sign-up may be somebody else's.
    pub new_password: Option<SecretString>,
    /// A browser is signed in at once.
    pub beginning: Option<Beginning>,
    /// The client's address.
    pub ip: String,
}

/// An account that has begun.
pub struct Confirmed {
    pub user: i64,
    pub email: String,
    pub session: Option<NewSession>,
}

/// Names a sign-up in the outbox.
pub(super) fn subject(sign_up: i64) -> String {
    format!("sign-up {sign_up}")
}

impl Auth {
    /// Keeps the sign-up and leaves the wish for its mail; the same for a new and a taken address.
    pub(super) async fn await_confirmation(
        &self,
        email: Email,
        hashed_password: String,
        now: Timestamp,
    ) -> Result<SignedUp, DbError> {
        let browser = generate_uuid();
        let (outbox, key) = (self.outbox.clone(), fingerprint(&browser));
        self.db
            .write(move |conn| {
                let id: i64 = diesel::insert_into(sign_ups::table)
                    .values((
                        sign_ups::email.eq(email.as_typed()),
                        sign_ups::email_key.eq(email.key()),
                        sign_ups::hashed_password.eq(&hashed_password),
                        sign_ups::browser.eq(&key),
                        sign_ups::created_at.eq(now),
                    ))
                    .returning(sign_ups::id)
                    .get_result(conn)?;
                wish_for_mail(conn, &outbox, id, email.as_typed(), now)
            })
            .await?;
        self.bell.ring();
        Ok(SignedUp::Pending { browser })
    }

    /// The sign-up of the browser with that cookie.
    pub async fn find_pending(
        &self,
        browser: &str,
        now: Timestamp,
    ) -> Result<Option<Pending>, DbError> {
        let key = fingerprint(browser);
        self.db
            .read(move |conn| {
                sign_ups::table
                    .filter(sign_ups::browser.eq(&key))
                    .filter(sign_ups::created_at.gt(now - LIFETIME))
                    .select(Pending::as_select())
                    .first(conn)
                    .optional()
                    .map_err(DbError::from)
            })
            .await
    }

    /// The sign-up whose link that is, if it is alive. Consumes nothing.
    pub async fn find_confirmation(
        &self,
        token: &SecretString,
        now: Timestamp,
    ) -> Result<Option<Pending>, DbError> {
        let token = token.clone();
        self.db.read(move |conn| Ok(find_by_token(conn, &token, now)?)).await
    }

    /// Sends the link again, to a corrected address where `email` is another; the link mailed
    /// before dies. The same for a new and a taken address.
    pub async fn send_confirmation_again(
        &self,
        pending: &Pending,
        email: &str,
        ip: &str,
        now: Timestamp,
    ) -> Result<(), ConfirmError> {
        let email = Email::parse(email).map_err(|error| {
            ConfirmError::Invalid(FieldErrors::one("email", FieldError::Email(error)))
        })?;
        if !self.is_domain_allowed(&email) {
            let errors = FieldErrors::one("email", FieldError::Domain);
            return Err(ConfirmError::Invalid(errors));
        }
        self.take_for_client(Deed::SendAgain, ip, now).await?;
        let (outbox, id) = (self.outbox.clone(), pending.id);
        let moved = email.key() != pending.email_key;
        self.db
            .write(move |conn| {
                if moved {
                    diesel::update(sign_ups::table.find(id))
                        .set((
                            sign_ups::email.eq(email.as_typed()),
                            sign_ups::email_key.eq(email.key()),
                            // It went to another mailbox.
                            sign_ups::token.eq(None::<String>),
                        ))
                        .execute(conn)?;
                    outbox::withdraw_about(conn, &subject(id))?;
                }
                wish_for_mail(conn, &outbox, id, email.as_typed(), now)
            })
            .await?;
        self.bell.ring();
        Ok(())
    }

    /// What the worker mails for a sign-up: the link, or to the owner of a taken address that
    /// somebody tried.
    pub(super) fn compose_confirmation(
        &self,
        conn: &mut AnyConnection,
        wish: &Wish<'_>,
    ) -> Result<Option<Composed>, DbError> {
        let id = wish.subject.and_then(|subject| subject.strip_prefix("sign-up "));
        let Some(id) = id.and_then(|id| id.parse::<i64>().ok()) else { return Ok(None) };
        let row = sign_ups::table.find(id).select(Pending::as_select());
        let Some(pending) = row.first(conn).optional()? else { return Ok(None) };
        let owner = find_user_by(conn, UserKey::Email(&pending.email)).optional()?;
        let user = owner.as_ref().map(|user| user.id);
        if !self.may_mail_to(conn, &pending.email_key, user, wish.now)? {
            return Ok(None);
        }
        // This mail takes their place.
        outbox::withdraw_about_in(conn, &subject(id), outbox::SENT)?;
        if let Some(owner) = owner {
            let letter = self.written(
                &owner,
                &AlreadyRegistered {
                    email: owner.email.clone(),
                    login_url: self.messages.link("/login"),
                    reset_url: self.messages.link("/reset_password"),
                },
            )?;
            return Ok(Some(Composed { user: Some(owner.id), letter: Some(letter) }));
        }
        if let Some(owner) = secure_account::reserved(conn, &pending.email_key, None, wish.now)? {
            let letter = self.wanted_letter(&owner.email)?;
            return Ok(Some(Composed { user: None, letter: Some(letter) }));
        }
        let token = generate_token();
        store_token(conn, id, &token, wish.asked_at)?;
        let letter = self.written(
            &pending.email,
            &ConfirmEmail {
                email: pending.email.clone(),
                link: self.messages.link(&format!("/confirm/{}", token.expose_secret())),
                hours: LINK_LIFETIME.as_secs() / 3600,
            },
        )?;
        Ok(Some(Composed { user: None, letter: Some(letter) }))
    }

    /// Consumes the link and begins the account. In any other browser than the one that signed up
    /// the password is chosen anew: whoever signed up may have been somebody else.
    pub async fn confirm(
        &self,
        wish: Confirmation,
        now: Timestamp,
    ) -> Result<Confirmed, ConfirmError> {
        let found = self.find_confirmation(&wish.token, now).await?;
        let pending = found.ok_or(ConfirmError::Dead)?;
        let hashed_password = if pending.is_of(wish.browser.as_deref()) {
            pending.hashed_password.clone()
        } else {
            self.hash_chosen_anew(&pending, wish.new_password.as_ref(), &wish.ip).await?
        };
        let limits = self.config.sessions.clone();
        self.db
            .write(move |conn| {
                let row = sign_ups::table.find(pending.id);
                let consumed = row.filter(sign_ups::token.eq(&pending.token));
                if diesel::delete(consumed).execute(conn)? != 1 {
                    return Err(ConfirmError::Dead);
                }
                begin_account(
                    conn,
                    &pending,
                    &hashed_password,
                    wish.beginning.as_ref(),
                    &limits,
                    now,
                )
            })
            .await
    }

    async fn hash_chosen_anew(
        &self,
        pending: &Pending,
        new_password: Option<&SecretString>,
        ip: &str,
    ) -> Result<String, ConfirmError> {
        let refuse = |error| ConfirmError::Invalid(FieldErrors::one("new_password", error));
        let password = new_password
            .filter(|password| !password.expose_secret().is_empty())
            .ok_or_else(|| refuse(FieldError::Missing))?;
        let email = Email::parse(&pending.email).map_err(|_| ConfirmError::Dead)?;
        let checked = self.config.password.check(password, &email);
        checked.map_err(|error| refuse(FieldError::Password(error)))?;
        Ok(self.hasher.hash(password, &Bucket::client_key(ip)).await?)
    }

    /// Forgets sign-ups that nobody confirmed; returns how many.
    pub async fn purge_sign_ups(&self, now: Timestamp) -> Result<usize, DbError> {
        self.db
            .write_in_batches(move |conn| {
                let old: Vec<i64> = sign_ups::table
                    .filter(sign_ups::created_at.le(now - LIFETIME))
                    .order(sign_ups::created_at)
                    .limit(BATCH)
                    .select(sign_ups::id)
                    .load(conn)?;
                Ok(diesel::delete(sign_ups::table.filter(sign_ups::id.eq_any(old)))
                    .execute(conn)?)
            })
            .await
    }
}

fn find_by_token(
    conn: &mut AnyConnection,
    token: &SecretString,
    now: Timestamp,
) -> QueryResult<Option<Pending>> {
    sign_ups::table
        .filter(sign_ups::token.eq(fingerprint(token.expose_secret())))
        .filter(sign_ups::token_expires_at.gt(now))
        .filter(sign_ups::token_expires_at.le(now + LINK_LIFETIME + SKEW))
        .select(Pending::as_select())
        .first(conn)
        .optional()
}

/// The link that was mailed before is dead from now on.
pub(super) fn store_token(
    conn: &mut AnyConnection,
    sign_up: i64,
    token: &SecretString,
    asked_at: Timestamp,
) -> QueryResult<()> {
    diesel::update(sign_ups::table.find(sign_up))
        .set((
            sign_ups::token.eq(fingerprint(token.expose_secret())),
            sign_ups::token_expires_at.eq(asked_at + LINK_LIFETIME),
        ))
        .execute(conn)
        .map(drop)
}

/// Leaves the wish for a sign-up's mail; one that still waits does not leave too. One that has left
/// holds a link that lives until the new one is written.
fn wish_for_mail(
    conn: &mut AnyConnection,
    outbox: &crate::mail::Outbox,
    sign_up: i64,
    email: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    outbox::withdraw_about_in(conn, &subject(sign_up), outbox::WAITING)?;
    let note = Note::dying(Kind::ConfirmEmail, now + LINK_LIFETIME).about(subject(sign_up));
    outbox.add(conn, &note, &Content::Wish { email: email.to_owned() }, now)?;
    Ok(())
}

/// The account, its first session, and the end of everything else that was under way for the
/// address.
fn begin_account(
    conn: &mut AnyConnection,
    pending: &Pending,
    hashed_password: &str,
    beginning: Option<&Beginning>,
    limits: &super::session::Limits,
    now: Timestamp,
) -> Result<Confirmed, ConfirmError> {
    let email = Email::parse(&pending.email).map_err(|_| ConfirmError::Dead)?;
    let mut user = add_user(conn, &email, hashed_password, now).map_err(|error| match error {
        AddUserError::EmailTaken => ConfirmError::Dead,
        AddUserError::Db(error) => error.into(),
    })?;
    let changes = UserChanges { confirmed_at: Some(Some(now)), ..UserChanges::default() };
    update_user(conn, user.id, &changes)?;
    user.confirmed_at = Some(now);
    outbox::withdraw_about(conn, &subject(pending.id))?;
    let same_address = sign_ups::table.filter(sign_ups::email_key.eq(&pending.email_key));
    diesel::delete(same_address).execute(conn)?;
    let (id, email) = (user.id, user.email.clone());
    let session = match beginning {
        Some(beginning) => Some(start_known(conn, user, beginning, limits, now)?),
        None => None,
    };
    Ok(Confirmed { user: id, email, session })
}

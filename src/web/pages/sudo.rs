//! Sudo: a sensitive deed waits, sealed, until its sender has given the password again, and is then
//! carried out without being sent a second time.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rocket::http::Status;
use rocket::{delete, get, post};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{deletion, email_change, sessions};
use crate::accounts::sudo::{FORM_LIFETIME, ProveError, Proven};
use crate::accounts::{FieldError, FieldErrors};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::web::error::{WebError, refused};
use crate::web::guards::Owner;
use crate::web::input::{BadInput, Fields, Form, Input, Refused};
use crate::web::next;
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::{private_cookie, session_cookie, words};

/// Holds the secret of the form that waits, so that this browser alone can have it carried out.
const COOKIE: &str = "waiting_form";

/// What nobody may do with a stolen cookie alone. It is serialized to be sealed, and for nothing else.
#[derive(Serialize, Deserialize)]
pub enum Deed {
    EndOtherSessions,
    ChangeEmail { email: String },
    EndSession { id: String },
    AskDeletion,
}

impl Deed {
    /// Names the deed to the template, which has its words.
    fn name(&self) -> &'static str {
        match self {
            Self::EndOtherSessions => "end_other_sessions",
            Self::ChangeEmail { .. } => "change_email",
            Self::EndSession { .. } => "end_session",
            Self::AskDeletion => "ask_deletion",
        }
    }

    async fn carry_out(self, owner: &Owner<'_>) -> Result<Reply, WebError> {
        match self {
            Self::EndOtherSessions => sessions::end_others(owner).await,
            Self::ChangeEmail { email } => email_change::ask(owner, email).await,
            Self::EndSession { id } => sessions::end(owner, &id).await,
            Self::AskDeletion => deletion::carry_out(owner).await,
        }
    }
}

pub struct PasswordForm {
    password: SecretString,
    next: Option<String>,
}

impl Form for PasswordForm {
    const FIELDS: &'static [&'static str] = &["password", "next"];
    const SHOWN_AGAIN: &'static [&'static str] = &["next"];

    fn read(fields: &mut Fields) -> Self {
        Self { password: fields.secret("password"), next: fields.optional("next") }
    }
}

/// Carries the deed out, or keeps it and asks a browser for the password first. A program is told
/// to give it and to come again.
pub async fn proven(deed: Deed, owner: &Owner<'_>) -> Result<Reply, WebError> {
    let now = Timestamp::now();
    if owner.session.is_fresh(now) {
        return deed.carry_out(owner).await;
    }
    if owner.browser {
        let form = serde_json::to_vec(&deed).expect("text always becomes JSON");
        let secret = owner.auth.keep_form(&owner.session, &form, now).await?;
        private_cookie::set(owner.jar, owner.site, COOKIE, secret, Some(FORM_LIFETIME));
    }
    Ok(Reply::see_other("/sudo", (Status::Forbidden, message(words::PROVE_FIRST))))
}

/// Where a browser gives the password before it may read `path`.
pub fn way_to(path: &str) -> String {
    format!("/sudo?next={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
}

#[get("/sudo?<next>")]
pub async fn show(owner: Owner<'_>, next: Option<&str>) -> Result<Reply, WebError> {
    let page = match next.and_then(next::local_path) {
        Some(path) => page(None).form(&with_next(path)),
        None => match waiting(&owner).await? {
            Some(deed) => page(Some(&deed)),
            None => return Ok(Reply::see_other("/profile", prove_by_post())),
        },
    };
    Ok(Reply::page(page, prove_by_post()))
}

#[post("/sudo", data = "<form>")]
pub async fn submit(
    owner: Owner<'_>,
    form: Result<Input<PasswordForm>, BadInput>,
) -> Result<Reply, WebError> {
    let Input(form) = match form {
        Ok(input) => input,
        Err(bad) => return again(&owner, refused(bad)?).await,
    };
    let next = form.next.as_deref().and_then(next::local_path).map(str::to_owned);
    let secret = private_cookie::get(owner.jar, owner.site, COOKIE);
    let proof = owner.proof(form.password);
    match owner.auth.sudo(proof, secret.as_deref(), Timestamp::now()).await {
        Ok(proven) => {
            owner.record(Event::PasswordConfirmed);
            go_on(owner, proven, next).await
        }
        Err(error) => {
            let here = next.as_deref().map_or_else(|| "/sudo".to_owned(), way_to);
            match refuse(&owner, error, "password", &here)? {
                Refusal::Over(reply) => Ok(reply),
                Refusal::TryAgain(errors) => {
                    let kept = next.as_deref().map(with_next).unwrap_or_default().kept;
                    again(&owner, Refused { kept, errors }).await
                }
            }
        }
    }
}

/// "Cancel": the form that waits is forgotten.
#[delete("/sudo")]
pub async fn cancel(owner: Owner<'_>) -> Result<Reply, WebError> {
    owner.auth.forget_form(&owner.session).await?;
    private_cookie::remove(owner.jar, owner.site, COOKIE);
    Ok(Reply::see_other("/profile", (Status::Ok, message(words::DEED_FORGOTTEN))))
}

/// What the right password was asked for.
async fn go_on(
    mut owner: Owner<'_>,
    proven: Proven,
    next: Option<String>,
) -> Result<Reply, WebError> {
    let id = proven.session.id.clone();
    session_cookie::begin(owner.jar, owner.site, owner.auth, proven.session);
    let had_form = private_cookie::get(owner.jar, owner.site, COOKIE).is_some();
    private_cookie::remove(owner.jar, owner.site, COOKIE);
    // Whoever wanted to read something has given up the form from before.
    if let Some(path) = next {
        return Ok(Reply::see_other(path, (Status::Ok, message(words::PROVEN))));
    }
    if !owner.browser {
        return Ok(Reply::see_other("/profile", (Status::Ok, message(words::PROVEN))));
    }
    let found = owner.auth.find_session(&id, Timestamp::now()).await?;
    let deed = proven.form.and_then(|form| serde_json::from_slice::<Deed>(&form).ok());
    match (deed, found) {
        (Some(deed), Some((user, session))) => {
            (owner.user, owner.session) = (user, session);
            deed.carry_out(&owner).await
        }
        _ => {
            // Reloaded, or sent once more, it waits no longer.
            let told = if had_form { Notice::FormGone } else { Notice::PasswordConfirmed };
            notice::leave(owner.jar, owner.site, told);
            Ok(Reply::redirect("/profile"))
        }
    }
}

/// What is left to somebody who has proven nothing.
pub enum Refusal {
    /// The form again, with what is wrong with it.
    TryAgain(FieldErrors),
    Over(Reply),
}

/// Why nothing was proven, for every page that asks for the password: in `field`, at the path
/// `here`.
pub fn refuse(
    owner: &Owner<'_>,
    error: ProveError,
    field: &str,
    here: &str,
) -> Result<Refusal, WebError> {
    match error {
        ProveError::Wrong { quota, ended } => {
            owner.record(Event::PasswordConfirmFailed);
            owner.client.answer.quota(quota);
            if ended {
                owner.record(Event::SessionGuessedAt);
                return Ok(Refusal::Over(thrown_out(owner, Notice::GuessedAt)));
            }
            Ok(Refusal::TryAgain(FieldErrors::one(field, FieldError::WrongPassword)))
        }
        ProveError::Overtaken => Ok(Refusal::Over(thrown_out(owner, Notice::Overtaken))),
        ProveError::Limited(limited) => {
            Ok(Refusal::Over(super::limited(&owner.client, limited, here, None)))
        }
        ProveError::Broken(cause) => Err(cause.into()),
    }
}

/// This browser's session is over.
pub fn thrown_out(owner: &Owner<'_>, notice: Notice) -> Reply {
    session_cookie::remove(owner.jar, owner.site);
    notice::leave(owner.jar, owner.site, notice);
    Reply::see_other("/login", (Status::Forbidden, message(words::FORBIDDEN)))
}

async fn again(owner: &Owner<'_>, refused: Refused) -> Result<Reply, WebError> {
    let deed = match refused.kept.contains_key("next") {
        true => None,
        false => waiting(owner).await?,
    };
    Ok(Reply::form_again(page(deed.as_ref()), &refused))
}

async fn waiting(owner: &Owner<'_>) -> Result<Option<Deed>, WebError> {
    let Some(secret) = private_cookie::get(owner.jar, owner.site, COOKIE) else { return Ok(None) };
    let form = owner.auth.find_form(&owner.session, &secret, Timestamp::now()).await?;
    Ok(form.and_then(|form| serde_json::from_slice(&form).ok()))
}

fn with_next(path: &str) -> Refused {
    Refused { kept: [("next".to_owned(), path.to_owned())].into(), ..Refused::default() }
}

fn page(deed: Option<&Deed>) -> Page {
    Page::new("sudo").with("deed", deed.map(Deed::name)).script()
}

fn prove_by_post() -> (Status, serde_json::Value) {
    (Status::NotAcceptable, message(words::PROVE_BY_POST))
}

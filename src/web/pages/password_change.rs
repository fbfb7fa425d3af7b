//! Password change: the one they have and a new one, from somebody signed in.

use rocket::http::Status;
use rocket::{get, put};
use secrecy::SecretString;
use serde_json::json;

use super::sudo::{self, Refusal};
use crate::accounts::FieldErrors;
use crate::accounts::password_change::{ChangePasswordError, PasswordChange};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::web::error::{WebError, refused};
use crate::web::guards::Owner;
use crate::web::input::{BadInput, Fields, Form, Input, Refused};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply};
use crate::web::{session_cookie, words};

/// A box that is not ticked is not sent, nor is one that a program does not know: what is safe
/// happens without it.
pub struct ChangeForm {
    current_password: SecretString,
    new_password: SecretString,
    keep_others: bool,
}

impl Form for ChangeForm {
    const FIELDS: &'static [&'static str] = &["current_password", "new_password", "keep_others"];
    const SHOWN_AGAIN: &'static [&'static str] = &["keep_others"];

    fn read(fields: &mut Fields) -> Self {
        Self {
            current_password: fields.secret("current_password"),
            new_password: fields.secret("new_password"),
            keep_others: fields.flag("keep_others"),
        }
    }
}

#[get("/account/password")]
pub fn show(owner: Owner<'_>) -> Reply {
    Reply::form_page(page(&owner), words::CHANGE_PASSWORD_BY_PUT)
}

#[put("/account/password", data = "<form>")]
pub async fn submit(
    owner: Owner<'_>,
    form: Result<Input<ChangeForm>, BadInput>,
) -> Result<Reply, WebError> {
    let Input(form) = match form {
        Ok(input) => input,
        Err(bad) => return Ok(Reply::form_again(page(&owner), &refused(bad)?)),
    };
    let keep_others = form.keep_others;
    let change = PasswordChange {
        proof: owner.proof(form.current_password),
        new_password: form.new_password,
        keep_others,
    };
    match owner.auth.change_password(change, Timestamp::now()).await {
        Ok(session) => {
            owner.record(Event::PasswordChanged);
            session_cookie::begin(owner.jar, owner.site, owner.auth, session);
            let changed = if keep_others {
                Notice::PasswordChanged
            } else {
                Notice::PasswordChangedOthersEnded
            };
            notice::leave(owner.jar, owner.site, changed);
            let updated = json!({ "email": owner.user.email, "message": words::PASSWORD_UPDATED });
            Ok(Reply::see_other("/profile", (Status::Ok, updated)))
        }
        Err(ChangePasswordError::Invalid(errors)) => Ok(again(&owner, keep_others, errors)),
        Err(ChangePasswordError::Unproven(error)) => {
            match sudo::refuse(&owner, error, "current_password", "/account/password")? {
                Refusal::TryAgain(errors) => Ok(again(&owner, keep_others, errors)),
                Refusal::Over(reply) => Ok(reply),
            }
        }
    }
}

fn again(owner: &Owner<'_>, keep_others: bool, errors: FieldErrors) -> Reply {
    let kept = keep_others.then(|| ("keep_others".to_owned(), "yes".to_owned()));
    Reply::form_again(page(owner), &Refused { kept: kept.into_iter().collect(), errors })
}

fn page(owner: &Owner<'_>) -> Page {
    let shortest = owner.auth.config().password.shortest();
    Page::new("password_change").with("min_length", shortest).script()
}

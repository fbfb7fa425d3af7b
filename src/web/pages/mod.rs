//! A file per capability: its forms and handlers, show before submit.

#[cfg(debug_assertions)]
pub mod dev_mailbox;
pub mod login;
pub mod logout;
pub mod password_reset;
pub mod profile;
pub mod registration;
pub mod welcome;

use std::convert::Infallible;

use rocket::Request;
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};

use super::error::WebError;
use super::reply::{Reply, message, wants_page};

/// Whether a browser asks, for the few handlers that do more for one.
pub struct Browser(pub bool);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Browser {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        Outcome::Success(Self(wants_page(request)))
    }
}

/// The answer to a GET where only a POST means something: somebody reloaded after an error.
fn posted_only(browser: Browser, form: &str) -> Result<Reply, WebError> {
    if browser.0 {
        Ok(Reply::redirect(form))
    } else {
        Err(WebError::Status(Status::MethodNotAllowed))
    }
}

/// A form that means nothing to somebody who is signed in; a program hears what it would anyway.
fn already_signed_in(instead: &str) -> Reply {
    Reply::see_other("/profile", (Status::NotAcceptable, message(instead)))
}

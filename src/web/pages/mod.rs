//! A file per capability: its forms and handlers, show before submit.

pub mod confirmation;
pub mod deletion;
pub mod details;
#[cfg(debug_assertions)]
pub mod dev_mailbox;
pub mod email_change;
pub mod export;
pub mod history;
pub mod invitation;
pub mod login;
pub mod logout;
mod mailed_link;
pub mod password_change;
pub mod password_reset;
pub mod profile;
pub mod registration;
pub mod secure_account;
pub mod sessions;
pub mod sudo;
pub mod unlock;
pub mod welcome;

use std::convert::Infallible;
use std::time::Duration;

use rocket::http::{CookieJar, Header, Status};
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, Responder};

use serde_json::json;

use super::client::Client;
use super::error::{WebError, told_to_wait};
use super::input::{Fields, Form, WITHOUT_PASSWORD};
use super::notice::{self, Notice};
use super::reply::{Page, Reply, message, wants_page};
use super::{Site, session_cookie, words};
use crate::accounts::Auth;
use crate::accounts::throttle::{Deed, Limited, TakeError};
use crate::audit::{self, Event};
use crate::clock::Timestamp;

/// Holds an invitation's token between the link and the sign-up form.
const INVITATION_COOKIE: &str = "invitation";

/// Holds what tells the browser that signed up from others, until the address is confirmed.
const SIGN_UP_COOKIE: &str = "sign_up";

/// Holds the address that a reset's link was mailed to, for the page "Look into your mail".
const RESET_ASKED_COOKIE: &str = "reset_asked";
const RESET_ASKED_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// Asks for an address and nothing else.
pub struct AddressForm {
    email: String,
}

impl Form for AddressForm {
    const FIELDS: &'static [&'static str] = &["email"];
    const SHOWN_AGAIN: &'static [&'static str] = &["email"];
    const LONGEST: usize = WITHOUT_PASSWORD;

    fn read(fields: &mut Fields) -> Self {
        Self { email: fields.required("email") }
    }
}

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

/// Tells the browser to forget what it kept of the pages (W3C, Clear Site Data).
#[derive(Responder)]
pub struct Farewell {
    reply: Reply,
    forget: Header<'static>,
}

impl Farewell {
    fn new(reply: Reply) -> Self {
        Self { reply, forget: Header::new("Clear-Site-Data", "\"cache\", \"storage\"") }
    }
}

/// This browser's session has just ended, as its owner wished.
fn farewell(
    reply: Reply,
    user: i64,
    jar: &CookieJar<'_>,
    site: &Site,
    client: &Client<'_>,
) -> Farewell {
    audit::record(Event::LoggedOut, Some(user), &client.source);
    session_cookie::remove(jar, site);
    notice::leave(jar, site, Notice::LoggedOut);
    Farewell::new(reply)
}

/// A form that means nothing to somebody who is signed in; a program hears what it would anyway.
fn already_signed_in(instead: &str) -> Reply {
    Reply::see_other("/profile", (Status::NotAcceptable, message(instead)))
}

/// A link that opens nothing is counted: it may be a guess. A live one always opens, or whoever
/// shares an address with a guesser could be kept from theirs.
async fn dead_link(
    auth: &Auth,
    client: &Client<'_>,
    event: Event,
    reply: Reply,
) -> Result<Reply, WebError> {
    audit::record(event, None, &client.source);
    match auth.take_for_client(Deed::UseToken, &client.source.ip, Timestamp::now()).await {
        Err(TakeError::Limited(why)) => Ok(limited(client, why, "/", None)),
        outcome => {
            outcome?;
            Ok(reply)
        }
    }
}

/// Tried too often: how long to wait, the way back, and for a log-in the way past the limit.
fn limited(client: &Client<'_>, limited: Limited, back: &str, unlock: Option<&str>) -> Reply {
    let seconds = told_to_wait(&client.source, client.answer, &limited);
    let status = Status::TooManyRequests;
    let page = Page::new("limited")
        .with("seconds", seconds)
        .with("wait", words::span(seconds))
        .with("back", back)
        .with("unlock", unlock)
        .script()
        .status(status);
    let told = json!({ "message": words::status(status), "retry_after": seconds });
    Reply::page(page, (status, told))
}

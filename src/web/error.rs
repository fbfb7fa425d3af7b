//! What broke (`WebError`), and the one catcher that puts every error into words.

use std::io::Cursor;

use rocket::http::Status;
use rocket::response::{self, Responder};
use rocket::{Request, Response, catch};
use serde_json::json;

use super::input::BadInput;
use super::reply::{Page, json_response, message, see_other, wants_page};
use super::{Site, client, guards, headers, next, pages, session_cookie, words};
use crate::accounts::Broken;
use crate::accounts::throttle::{Limited, TakeError};
use crate::audit::{self, Event, Source};
use crate::db::DbError;

/// A busy database is free again in a moment.
const BUSY_RETRY_SECONDS: u64 = 2;

/// What the visitor cannot mend: logged with its cause, shown without it.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    #[error(transparent)]
    Broken(#[from] Broken),
    /// Too often, where a page has no words of its own for it.
    #[error(transparent)]
    Limited(#[from] Limited),
    /// An error the catcher has words for.
    #[error("status {0}")]
    Status(Status),
}

impl From<DbError> for WebError {
    fn from(error: DbError) -> Self {
        Self::Broken(error.into())
    }
}

impl From<TakeError> for WebError {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Limited(limited) => limited.into(),
            TakeError::Db(error) => error.into(),
        }
    }
}

impl WebError {
    /// Logs the cause under the request's id; the status for the catcher.
    pub fn report(&self, request: &Request<'_>) -> Status {
        let broken = match self {
            Self::Status(status) => return *status,
            Self::Limited(limited) => {
                told_to_wait(&client::source(request), headers::wishes(request), limited, None);
                return Status::TooManyRequests;
            }
            Self::Broken(broken) => broken,
        };
        match broken {
            Broken::Overloaded(full) => {
                audit::record(Event::Overloaded, None, &client::source(request));
                headers::retry_after(request, full.retry_after.as_secs().max(1));
                Status::ServiceUnavailable
            }
            Broken::Db(DbError::Busy | DbError::Away | DbError::Vanished | DbError::Fault(_)) => {
                audit::record(Event::Broken, None, &client::source(request));
                log::error!("request {}: {broken}", client::request_id(request));
                headers::retry_after(request, BUSY_RETRY_SECONDS);
                Status::ServiceUnavailable
            }
            _ => {
                audit::record(Event::Broken, None, &client::source(request));
                log::error!("request {}: {broken}", client::request_id(request));
                Status::InternalServerError
            }
        }
    }
}

impl WebError {
    /// In words at once, without the catcher.
    pub fn answer(self, request: &Request<'_>) -> response::Result<'static> {
        ErrorAnswer(self.report(request)).respond_to(request)
    }
}

impl<'r> Responder<'r, 'static> for WebError {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        Err(self.report(request))
    }
}

/// Notes the event, of `user` where that is known, and sets what a refusal's headers say; returns
/// the seconds to wait.
pub fn told_to_wait(
    source: &Source,
    answer: &headers::Wishes,
    limited: &Limited,
    user: Option<i64>,
) -> u64 {
    match limited.whole_server {
        true => audit::record(Event::UnderAttack, None, source),
        false => audit::record(Event::TriedTooOften, user, source),
    }
    let seconds = limited.retry_after.as_secs().max(1);
    answer.retry_after(seconds);
    answer.quota(limited.quota.clone());
    seconds
}

/// Turns a body that cannot be read into its status; refused fields are the page's to show.
pub fn refused(bad: BadInput) -> Result<super::input::Refused, WebError> {
    match bad {
        BadInput::Fields(refused) => Ok(refused),
        BadInput::Body(status) => Err(WebError::Status(status)),
    }
}

/// An error in words, whatever it was.
pub struct ErrorAnswer(Status);

#[catch(default)]
pub fn catch(status: Status, _: &Request<'_>) -> ErrorAnswer {
    ErrorAnswer(status)
}

impl<'r> Responder<'r, 'static> for ErrorAnswer {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        if self.0 == Status::ServiceUnavailable && headers::wanted_retry_after(request).is_none() {
            headers::retry_after(request, BUSY_RETRY_SECONDS);
        }
        let mut response = match (self.0, wants_page(request)) {
            (Status::Unauthorized, browser) => sign_in_needed(request, browser)?,
            (Status::Forbidden, browser) if guards::lacks_proof(request) => {
                proof_needed(request, browser)?
            }
            (status, true) => page(request, status)?,
            (status, false) => json_error(request, status)?,
        };
        // Rocket answers an unreadable request without running any fairing.
        headers::set(request, &mut response);
        client::write_down_unheard(request, response.status());
        Ok(response)
    }
}

/// The guard `SignedIn` found nobody: a browser is asked to log in and comes back, a program is
/// told. A cookie that opens nothing is removed; the guard cannot, since its changes are dropped.
fn sign_in_needed(request: &Request<'_>, browser: bool) -> response::Result<'static> {
    audit::record(Event::SignInNeeded, None, &client::source(request));
    if let Some(site) = request.rocket().state::<Site>() {
        session_cookie::remove(request.cookies(), site);
    }
    if !browser {
        return json_response(Status::Forbidden, &message(words::FORBIDDEN));
    }
    if request.method() == rocket::http::Method::Get {
        see_other(&format!("/login?next={}", next::encoded(&way_back(request))))
    } else {
        see_other("/login")
    }
}

/// The guard `RecentlySignedIn` found that the last proof is too old: a browser gives the password and
/// comes back, a program is told to.
fn proof_needed(request: &Request<'_>, browser: bool) -> response::Result<'static> {
    if browser {
        see_other(&pages::sudo::way_to(&way_back(request)))
    } else {
        json_response(Status::Forbidden, &message(words::PROVE_FIRST))
    }
}

/// The page that was asked for, with its query, if that leads nowhere else (B-52). For a file it is the
/// page before it: a browser that begins a download leaves the form with the password standing.
fn way_back(request: &Request<'_>) -> String {
    let path = request.uri().path().as_str();
    let page = path.strip_suffix(".json").unwrap_or(path);
    let whole = request.uri().query().map(|query| format!("{page}?{query}"));
    whole.filter(|way| next::local_path(way).is_some()).unwrap_or_else(|| page.to_owned())
}

fn page(request: &Request<'_>, status: Status) -> response::Result<'static> {
    let page = Page::new("error")
        .with("status", status.code)
        .with("request_id", client::request_id(request))
        .with("retry_after", headers::wanted_retry_after(request))
        .status(status)
        .respond_to(request);
    // A broken template must not cost the visitor the status.
    page.or_else(|_| {
        let text = words::status(status);
        Response::build().status(status).sized_body(text.len(), Cursor::new(text)).ok()
    })
}

fn json_error(request: &Request<'_>, status: Status) -> response::Result<'static> {
    let mut body = message(words::status(status));
    if status.code >= 500 {
        body["error_id"] = json!(client::request_id(request));
    }
    if status == Status::TooManyRequests {
        body["retry_after"] = json!(headers::wanted_retry_after(request));
    }
    json_response(status, &body)
}

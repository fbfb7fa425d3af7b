//! Guards: a handler's signature carries its authority. Guards only read.

mod owner;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::Status;
use rocket::request::{FromRequest, Outcome};
use rocket::{Request, Response};

use super::client::{device, source};
use super::error::WebError;
use super::{Site, door_cookie, session_cookie};
use crate::accounts::Auth;
use crate::accounts::session::Session;
use crate::accounts::user::User;
use crate::audit::{self, Event};
use crate::clock::Timestamp;

pub use owner::{Owner, RecentlySignedIn, lacks_proof};

/// Somebody with a live session; nobody gets past it without one.
#[derive(Clone)]
pub struct SignedIn {
    pub user: User,
    pub session: Session,
}

/// Anybody; signed in or not.
pub struct Visitor(pub Option<SignedIn>);

/// What the guards found out about this request, once.
#[derive(Default)]
struct Found {
    looked: AtomicBool,
    signed_in: Mutex<Option<SignedIn>>,
}

/// The e-mail of whoever is signed in, as far as a guard has looked.
pub fn account(request: &Request<'_>) -> Option<String> {
    let found = request.local_cache(Found::default).signed_in.lock();
    found.unwrap_or_else(PoisonError::into_inner).as_ref().map(|found| found.user.email.clone())
}

/// Whether the request brought a session's cookie that opens nothing.
pub fn is_stale(request: &Request<'_>, site: &Site) -> bool {
    let looked = request.local_cache(Found::default).looked.load(Ordering::Relaxed);
    looked && session_cookie::was_sent(request.cookies(), site) && account(request).is_none()
}

async fn look(request: &Request<'_>) -> Result<Option<SignedIn>, WebError> {
    let broken = || WebError::Status(Status::InternalServerError);
    let site = request.rocket().state::<Site>().ok_or_else(broken)?;
    let auth = request.rocket().state::<Auth>().ok_or_else(broken)?;
    let found = match session_cookie::get(request.cookies(), site) {
        Some(id) => auth.find_session(&id, Timestamp::now()).await?,
        None => None,
    };
    let signed_in = remember(request, found);
    if signed_in.is_none() && session_cookie::was_sent(request.cookies(), site) {
        audit::record(Event::SessionRefused, None, &source(request));
    }
    Ok(signed_in)
}

/// Keeps what was found for the answer, and for the session's last use.
fn remember(request: &Request<'_>, found: Option<(User, Session)>) -> Option<SignedIn> {
    let signed_in = found.map(|(user, session)| SignedIn { user, session });
    let cache = request.local_cache(Found::default);
    cache.looked.store(true, Ordering::Relaxed);
    *cache.signed_in.lock().unwrap_or_else(PoisonError::into_inner) = signed_in.clone();
    signed_in
}

/// Somebody at another application's door, or nobody.
pub struct AtTheDoor(pub Option<SignedIn>);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for AtTheDoor {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let site = request.rocket().state::<Site>().expect("managed from the start");
        let auth = request.rocket().state::<Auth>().expect("managed from the start");
        let Some(token) = door_cookie::get(request.cookies(), site) else {
            return Outcome::Success(Self(None));
        };
        match auth.find_by_door(&token, Timestamp::now()).await {
            Ok(found) => Outcome::Success(Self(remember(request, found))),
            Err(error) => Outcome::Error((WebError::from(error).report(request), ())),
        }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for SignedIn {
    type Error = ();

    /// A database that does not answer is an error and never "nobody".
    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match look(request).await {
            Ok(Some(signed_in)) => Outcome::Success(signed_in),
            Ok(None) => Outcome::Error((Status::Unauthorized, ())),
            Err(error) => Outcome::Error((error.report(request), ())),
        }
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Visitor {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match look(request).await {
            Ok(signed_in) => Outcome::Success(Self(signed_in)),
            Err(error) => Outcome::Error((error.report(request), ())),
        }
    }
}

/// Writes down, after the answer, that a session was used: at most once a minute.
pub struct TouchSessions;

#[rocket::async_trait]
impl Fairing for TouchSessions {
    fn info(&self) -> Info {
        Info { name: "last seen", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, _: &mut Response<'r>) {
        let now = Timestamp::now();
        let found = request.local_cache(Found::default).signed_in.lock();
        let found = found.unwrap_or_else(PoisonError::into_inner);
        let session = found.as_ref().map(|found| &found.session);
        let session = session.filter(|session| session.wants_touch(now)).cloned();
        if let (Some(session), Some(auth)) = (session, request.rocket().state::<Auth>().cloned()) {
            let device = device(&source(request));
            rocket::tokio::spawn(async move {
                if let Err(error) = auth.touch_session(&session, &device, now).await {
                    log::warn!("a session's last use was not written down: {error}");
                }
            });
        }
    }
}

//! The owner of an account, at work on it: who it is, and all that a handler needs to answer.

use rocket::Request;
use rocket::http::{CookieJar, Status};
use rocket::request::{FromRequest, Outcome};

use super::SignedIn;
use crate::accounts::Auth;
use crate::accounts::session::Session;
use crate::accounts::sudo::Proof;
use crate::accounts::user::User;
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::reply::wants_page;
use crate::web::{Site, session_cookie};
use secrecy::SecretString;

/// Somebody with a live session, at a page of their account.
pub struct Owner<'r> {
    pub user: User,
    pub session: Session,
    pub auth: &'r Auth,
    pub site: &'r Site,
    pub jar: &'r CookieJar<'r>,
    pub client: Client<'r>,
    /// Whether it is a browser that asks.
    pub browser: bool,
}

/// The same, whose last proof is no older than ten minutes; for what is only read. (A form is kept
/// until the proof is there: see `pages::sudo`.)
pub struct RecentlySignedIn<'r>(pub Owner<'r>);

/// Set where a proof is all that is missing, for the catcher.
struct ProofNeeded;

impl Owner<'_> {
    /// Writes down what the owner did or tried.
    pub fn record(&self, event: Event) {
        audit::record(event, Some(self.user.id), &self.client.source);
    }

    /// The password once more, from this browser.
    pub fn proof(&self, password: SecretString) -> Proof {
        Proof {
            user: self.user.clone(),
            session: self.session.clone(),
            password,
            device: self.client.device.clone(),
            known_device: session_cookie::device(self.jar, self.site),
        }
    }
}

/// Whether the request was refused for want of a proof alone.
pub fn lacks_proof(request: &Request<'_>) -> bool {
    request.local_cache(|| None::<ProofNeeded>).is_some()
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Owner<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        let SignedIn { user, session } = match SignedIn::from_request(request).await {
            Outcome::Success(signed_in) => signed_in,
            Outcome::Error(error) => return Outcome::Error(error),
            Outcome::Forward(status) => return Outcome::Forward(status),
        };
        let site = request.rocket().state::<Site>().expect("managed from the start");
        let auth = request.rocket().state::<Auth>().expect("managed from the start");
        let Outcome::Success(client) = Client::from_request(request).await else {
            return Outcome::Error((Status::InternalServerError, ()));
        };
        let (jar, browser) = (request.cookies(), wants_page(request));
        Outcome::Success(Self { user, session, auth, site, jar, client, browser })
    }
}

#[rocket::async_trait]
impl<'r> FromRequest<'r> for RecentlySignedIn<'r> {
    type Error = ();

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, ()> {
        match Owner::from_request(request).await {
            Outcome::Success(owner) if owner.session.is_fresh(Timestamp::now()) => {
                Outcome::Success(Self(owner))
            }
            Outcome::Success(_) => {
                request.local_cache(|| Some(ProofNeeded));
                Outcome::Error((Status::Forbidden, ()))
            }
            Outcome::Error(error) => Outcome::Error(error),
            Outcome::Forward(status) => Outcome::Forward(status),
        }
    }
}

//! Invitations: the link, which leads to the sign-up form.

use rocket::http::{CookieJar, Status};
use rocket::{State, get};
use secrecy::{ExposeSecret, SecretString};

use crate::accounts::Auth;
use crate::accounts::mailed_token::Purpose;
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::WebError;
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, private_cookie, words};

/// The mailed link. Consumes nothing; the token waits in a cookie for the form.
#[get("/invitation/<token>")]
pub async fn open_link(
    token: &str,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let token = SecretString::from(token.to_owned());
    if auth.find_invitation(&token, Timestamp::now()).await?.is_none() {
        let page = Page::new("invitation").status(Status::Forbidden);
        let dead = Reply::page(page, (Status::Forbidden, message(words::FORBIDDEN)));
        return super::dead_link(auth, &client, Event::InvitationRefused, dead).await;
    }
    audit::record(Event::InvitationOpened, None, &client.source);
    let lifetime = Some(Purpose::Invitation.lifetime());
    let cookie = super::INVITATION_COOKIE;
    private_cookie::set(jar, site, cookie, token.expose_secret().to_owned(), lifetime);
    Ok(Reply::see_other("/signup", (Status::Ok, message(words::INVITATION_LIVE))))
}

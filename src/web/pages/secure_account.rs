//! Secure my account: a page that says what its button does, for whoever brings a link from a mail
//! and for whoever is signed in.

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use serde_json::json;

use super::mailed_link::{MailedLink, TokenForm};
use super::sudo;
use super::{RESET_ASKED_COOKIE, RESET_ASKED_LIFETIME};
use crate::accounts::Auth;
use crate::accounts::mailed_token::{LinkError, Purpose};
use crate::accounts::secure_account::Secured;
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::{Owner, Visitor};
use crate::web::input::{BadInput, Input};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply};
use crate::web::sighting::event_for_page;
use crate::web::{Site, private_cookie, session_cookie, words};

const LINK: MailedLink = MailedLink {
    purpose: Purpose::SecureAccount,
    cookie: "secure_account_token",
    page: "/secure_account/confirm",
    live: words::SECURE_LIVE,
    dead: "secure_account/dead",
    refused: Event::SecureRefused,
};

/// `event` is one of the owner's history that "this wasn't me" was said of.
#[get("/account/secure?<event>")]
pub async fn show(owner: Owner<'_>, event: Option<i64>) -> Result<Reply, WebError> {
    let event = match event {
        Some(id) => owner.auth.find_event(owner.user.id, id).await?,
        None => None,
    };
    let page = Page::new("secure_account/confirm")
        .with("event", event.map(|row| event_for_page(&owner, &row)))
        .with("email", owner.user.email);
    Ok(Reply::form_page(page, words::SECURE_BY_POST))
}

/// Asks for no password: it is the safe direction, and its owner may be locked out soon.
#[post("/account/secure")]
pub async fn submit(owner: Owner<'_>) -> Result<Reply, WebError> {
    let secured = owner.auth.secure(&owner.user, &owner.session, Timestamp::now()).await?;
    let Some(secured) = secured else { return Ok(sudo::overtaken(&owner)) };
    session_cookie::remove(owner.jar, owner.site);
    Ok(look_into_mail(secured, owner.site, owner.jar, &owner.client))
}

#[get("/secure_account/<token>")]
pub async fn open_link(
    token: &str,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    LINK.open(token, auth, site, jar, &client).await
}

#[get("/secure_account/confirm")]
pub async fn show_confirm(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    let Some(link) = LINK.brought(auth, site, jar).await? else { return Ok(LINK.dead()) };
    let Some(user) = auth.account_of(&link).await? else { return Ok(LINK.dead()) };
    let restored = (user.email_key != link.email_key).then_some(link.email);
    let page = Page::new("secure_account/confirm")
        .with("from_mail", true)
        .with("email", user.email)
        .with("restored", restored);
    Ok(Reply::form_page(page, words::SECURE_LIVE))
}

#[post("/secure_account/confirm", data = "<form>")]
pub async fn submit_confirm(
    visitor: Visitor,
    form: Result<Input<TokenForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => return Ok(Reply::form_again(LINK.dead_page(), &refused(bad)?)),
    };
    let Some(token) = LINK.take(form, site, jar) else {
        return LINK.refuse(auth, site, jar, &client).await;
    };
    let secured = match auth.secure_by_link(&token, Timestamp::now()).await {
        Ok(secured) => secured,
        Err(LinkError::Dead) => return LINK.refuse(auth, site, jar, &client).await,
        Err(LinkError::Db(error)) => return Err(error.into()),
    };
    // Of this account no session is left; somebody else may be signed in here.
    if visitor.0.is_some_and(|signed_in| signed_in.user.id == secured.user.id) {
        session_cookie::remove(jar, site);
    }
    Ok(look_into_mail(secured, site, jar, &client))
}

/// The link to a new password is on its way.
fn look_into_mail(
    secured: Secured,
    site: &Site,
    jar: &CookieJar<'_>,
    client: &Client<'_>,
) -> Reply {
    let Secured { user, kept } = secured;
    audit::record(Event::AccountSecured, Some(user.id), &client.source);
    if kept {
        audit::record(Event::DeletionCalledOff, Some(user.id), &client.source);
    }
    notice::leave(jar, site, Notice::AccountSecured);
    let (email, lifetime) = (user.email.clone(), Some(RESET_ASKED_LIFETIME));
    private_cookie::set(jar, site, RESET_ASKED_COOKIE, email, lifetime);
    let told = json!({ "email": user.email, "message": words::ACCOUNT_SECURED });
    Reply::see_other("/reset_password/sent", (Status::Ok, told))
}

//! Change e-mail: ask, look into the mail of the new address, open the link, say yes.

use std::time::Duration;

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use serde_json::json;

use super::mailed_link::{MailedLink, TokenForm};
use super::sudo::{self, Deed};
use super::{AddressForm, owner_limited};
use crate::accounts::Auth;
use crate::accounts::email_change::{AskError, Proven};
use crate::accounts::mailed_token::{LinkError, Purpose};
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::{Owner, Visitor};
use crate::web::input::{BadInput, Input, Refused};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply};
use crate::web::{Site, private_cookie, words};

/// Holds the new address for the page "Look into your mail".
const ASKED_COOKIE: &str = "email_change_asked";
const ASKED_LIFETIME: Duration = Duration::from_secs(10 * 60);

const LINK: MailedLink = MailedLink {
    purpose: Purpose::EmailChange,
    cookie: "email_change_token",
    page: "/email_change/confirm",
    live: words::EMAIL_CHANGE_LIVE,
    dead: "email_change/dead",
    refused: Event::EmailChangeRefused,
};

#[get("/account/email")]
pub fn show_ask(_owner: Owner<'_>) -> Reply {
    Reply::form_page(Page::new("email_change/ask"), words::EMAIL_BY_POST)
}

/// What is no address is refused before the password is asked for.
#[post("/account/email", data = "<form>")]
pub async fn submit_ask(
    owner: Owner<'_>,
    form: Result<Input<AddressForm>, BadInput>,
) -> Result<Reply, WebError> {
    let email = match form {
        Ok(Input(form)) => form.email,
        Err(bad) => return Ok(ask_again(&refused(bad)?)),
    };
    match owner.auth.check_new_address(&owner.user, &email) {
        Ok(_) => sudo::proven(Deed::ChangeEmail { email }, &owner).await,
        Err(errors) => Ok(ask_again(&Refused::keeping(email, errors))),
    }
}

/// The same answer, after the same work, for every address (B-07).
pub(super) async fn ask(owner: &Owner<'_>, email: String) -> Result<Reply, WebError> {
    let ip = &owner.client.source.ip;
    let (user, session, now) = (&owner.user, &owner.session, Timestamp::now());
    match owner.auth.ask_for_email_change(user, session, &email, ip, now).await {
        Ok(()) => {}
        Err(AskError::Invalid(errors)) => {
            return Ok(ask_again(&Refused::keeping(email, errors)));
        }
        Err(AskError::Overtaken) => return Ok(sudo::overtaken(owner)),
        Err(AskError::Limited(why)) => {
            return Ok(owner_limited(owner, &why, "/account/email"));
        }
        Err(AskError::Db(error)) => return Err(error.into()),
    }
    owner.record(Event::EmailChangeAsked);
    private_cookie::set(owner.jar, owner.site, ASKED_COOKIE, email.clone(), Some(ASKED_LIFETIME));
    let asked = json!({ "email": email, "message": words::EMAIL_ASKED });
    Ok(Reply::see_other("/account/email/sent", (Status::Ok, asked)))
}

#[get("/account/email/sent")]
pub fn show_sent(owner: Owner<'_>) -> Reply {
    let Some(email) = private_cookie::get(owner.jar, owner.site, ASKED_COOKIE) else {
        return Reply::redirect("/account/email");
    };
    let hours = Purpose::EmailChange.lifetime().as_secs() / 3600;
    let page = Page::new("email_change/sent").with("email", email).with("hours", hours);
    Reply::form_page(page, words::EMAIL_BY_POST)
}

#[get("/email_change/<token>")]
pub async fn open_link(
    token: &str,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    LINK.open(token, auth, site, jar, &client).await
}

#[get("/email_change/confirm")]
pub async fn show_confirm(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    let Some(new) = LINK.brought(auth, site, jar).await? else { return Ok(LINK.dead()) };
    let Some(user) = auth.account_of(&new).await? else { return Ok(LINK.dead()) };
    let page =
        Page::new("email_change/confirm").with("email", user.email).with("new_email", new.email);
    Ok(Reply::form_page(page, words::EMAIL_CHANGE_LIVE))
}

/// Signs nobody in: whoever reads the new address' mail has not proved more than that.
#[post("/email_change/confirm", data = "<form>")]
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
    let Proven { user, changed } = match auth.change_email(&token, Timestamp::now()).await {
        Ok(proven) => proven,
        Err(LinkError::Dead) => return LINK.refuse(auth, site, jar, &client).await,
        Err(LinkError::Db(error)) => return Err(error.into()),
    };
    let (event, told, message) = if changed {
        (Event::EmailChanged, Notice::EmailChanged, words::EMAIL_CHANGED)
    } else {
        (Event::EmailConfirmed, Notice::EmailConfirmed, words::EMAIL_CONFIRMED)
    };
    audit::record(event, Some(user.id), &client.source);
    notice::leave(jar, site, told);
    let is_theirs = visitor.0.is_some_and(|signed_in| signed_in.user.id == user.id);
    let next = if is_theirs { "/profile" } else { "/login" };
    let told = json!({ "email": user.email, "message": message });
    Ok(Reply::see_other(next, (Status::Ok, told)))
}

fn ask_again(refused: &Refused) -> Reply {
    Reply::form_again(Page::new("email_change/ask"), refused)
}

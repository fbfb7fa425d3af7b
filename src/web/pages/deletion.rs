//! Delete your account: what will happen, the deed itself, and the link that keeps the account.

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use serde_json::json;

use super::mailed_link::{MailedLink, TokenForm};
use super::owner_limited;
use super::sudo::{self, Deed};
use crate::accounts::Auth;
use crate::accounts::mailed_token::Purpose;
use crate::accounts::throttle::TakeError;
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::{Owner, Visitor};
use crate::web::input::{BadInput, Input};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply};
use crate::web::{Site, session_cookie, words};

const LINK: MailedLink = MailedLink {
    purpose: Purpose::KeepAccount,
    cookie: "keep_token",
    page: "/keep_account/confirm",
    live: words::KEEP_LIVE,
    dead: "deletion/dead",
    refused: Event::KeepRefused,
};

#[get("/account/deletion")]
pub fn show(owner: Owner<'_>) -> Reply {
    let delete_at = Timestamp::now() + owner.auth.config().deletion_grace;
    let page = Page::new("deletion/ask")
        .with("email", owner.user.email.as_str())
        .with("delete_at", delete_at.in_words_of(owner.user.time_zone.as_deref()));
    Reply::form_page(page, words::DELETE_BY_POST)
}

#[post("/account/deletion")]
pub async fn submit(owner: Owner<'_>) -> Result<Reply, WebError> {
    sudo::proven(Deed::AskDeletion, &owner).await
}

/// Every device is logged out, this one too.
pub async fn carry_out(owner: &Owner<'_>) -> Result<Reply, WebError> {
    let now = Timestamp::now();
    let delete_at = match owner.auth.ask_for_deletion(&owner.user, &owner.session, now).await {
        Ok(Some(delete_at)) => delete_at,
        Ok(None) => return Ok(sudo::overtaken(owner)),
        Err(TakeError::Limited(why)) => {
            return Ok(owner_limited(owner, &why, "/account/deletion"));
        }
        Err(TakeError::Db(error)) => return Err(error.into()),
    };
    owner.record(Event::DeletionAsked);
    session_cookie::remove(owner.jar, owner.site);
    notice::leave(owner.jar, owner.site, Notice::DeletionAsked);
    let told = json!({ "message": words::DELETION_ASKED, "delete_at": delete_at.rfc3339() });
    Ok(Reply::see_other("/", (Status::Ok, told)))
}

/// The mailed link.
#[get("/keep_account/<token>")]
pub async fn open_link(
    token: &str,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    LINK.open(token, auth, site, jar, &client).await
}

#[get("/keep_account/confirm")]
pub async fn show_keep(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    Ok(match LINK.brought(auth, site, jar).await? {
        Some(found) => {
            let page = Page::new("deletion/keep").with("email", found.email);
            Reply::form_page(page, words::KEEP_LIVE)
        }
        None => LINK.dead(),
    })
}

#[post("/keep_account/confirm", data = "<form>")]
pub async fn submit_keep(
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
    let kept = match LINK.take(form, site, jar) {
        Some(token) => auth.keep_account(&token, Timestamp::now()).await?,
        None => None,
    };
    let Some(user) = kept else {
        return LINK.refuse(auth, site, jar, &client).await;
    };
    audit::record(Event::DeletionCalledOff, Some(user), &client.source);
    notice::leave(jar, site, Notice::AccountKept);
    Ok(Reply::see_other("/login", (Status::Ok, json!({ "message": words::ACCOUNT_KEPT }))))
}

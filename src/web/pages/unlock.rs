//! Unlock by mail: whoever reads an account's mail gets past the limit on its log-ins.

use std::time::Duration;

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::AddressForm;
use crate::accounts::email::Email;
use crate::accounts::mailed_token::Purpose;
use crate::accounts::throttle::TakeError;
use crate::accounts::{Auth, FieldError, FieldErrors};
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::Visitor;
use crate::web::input::{BadInput, Fields, Form, Input, Refused, WITHOUT_PASSWORD};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, private_cookie, session_cookie, words};

/// Holds the token between the link and its button.
const COOKIE: &str = "unlock_token";
/// Holds the address for the page "Look into your mail".
const ASKED_COOKIE: &str = "unlock_asked";
const ASKED_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// A browser's form is empty: the cookie stands for the token.
pub struct OpenForm {
    unlock_token: Option<String>,
}

impl Form for OpenForm {
    const FIELDS: &'static [&'static str] = &["unlock_token"];
    const SHOWN_AGAIN: &'static [&'static str] = &[];
    const LONGEST: usize = WITHOUT_PASSWORD;

    fn read(fields: &mut Fields) -> Self {
        Self { unlock_token: fields.optional("unlock_token") }
    }
}

/// The same answer, after the same work, for every address (D8).
#[post("/unlock", data = "<form>")]
pub async fn submit_ask(
    form: Result<Input<AddressForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let again = |refused: &Refused| Reply::form_again(Page::new("login").script(), refused);
    let email = match form {
        Ok(Input(form)) => form.email,
        Err(bad) => return Ok(again(&refused(bad)?)),
    };
    if let Err(error) = Email::parse(&email) {
        let errors = FieldErrors::one("email", FieldError::Email(error));
        return Ok(again(&Refused::keeping(email, errors)));
    }
    match auth.ask_for_unlock(&email, &client.source.ip, Timestamp::now()).await {
        Err(TakeError::Limited(limited)) => {
            return Ok(super::limited(&client, limited, "/login", None));
        }
        outcome => outcome?,
    }
    audit::record(Event::UnlockAsked, None, &client.source);
    private_cookie::set(jar, site, ASKED_COOKIE, email.clone(), Some(ASKED_LIFETIME));
    let asked = json!({ "email": email, "message": words::RESET_ASKED });
    Ok(Reply::see_other("/unlock/sent", (Status::Ok, asked)))
}

#[get("/unlock/sent")]
pub fn show_sent(_visitor: Visitor, site: &State<Site>, jar: &CookieJar<'_>) -> Reply {
    let Some(email) = private_cookie::get(jar, site, ASKED_COOKIE) else {
        return Reply::redirect("/login");
    };
    let minutes = Purpose::Unlock.lifetime().as_secs() / 60;
    let page = Page::new("unlock/sent").with("email", email).with("minutes", minutes);
    Reply::form_page(page, words::UNLOCK_BY_POST)
}

/// The mailed link. Consumes nothing: mail scanners open links before people do.
#[get("/unlock/<token>")]
pub async fn open_link(
    token: &str,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let token = SecretString::from(token.to_owned());
    if auth.find_unlock(&token, Timestamp::now()).await?.is_none() {
        return super::dead_link(auth, &client, Event::UnlockRefused, dead()).await;
    }
    let lifetime = Some(Purpose::Unlock.lifetime());
    private_cookie::set(jar, site, COOKIE, token.expose_secret().to_owned(), lifetime);
    Ok(Reply::see_other("/unlock/open", (Status::Ok, message(words::UNLOCK_LIVE))))
}

#[get("/unlock/open")]
pub async fn show_open(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    let token = private_cookie::get(jar, site, COOKIE).map(SecretString::from);
    let found = match token {
        Some(token) => auth.find_unlock(&token, Timestamp::now()).await?,
        None => None,
    };
    Ok(match found {
        Some(found) => {
            let page = Page::new("unlock/open").with("email", found.email);
            Reply::form_page(page, words::UNLOCK_LIVE)
        }
        None => dead(),
    })
}

#[post("/unlock/open", data = "<form>")]
pub async fn submit_open(
    form: Result<Input<OpenForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => return Ok(Reply::form_again(dead_page(), &refused(bad)?)),
    };
    let token = form.unlock_token.or_else(|| private_cookie::get(jar, site, COOKIE));
    private_cookie::remove(jar, site, COOKIE);
    let unlocked = match token {
        Some(token) => auth.unlock(&SecretString::from(token), Timestamp::now()).await?,
        None => None,
    };
    let Some(unlocked) = unlocked else {
        return super::dead_link(auth, &client, Event::UnlockRefused, dead()).await;
    };
    audit::record(Event::Unlocked, Some(unlocked.user), &client.source);
    session_cookie::set_device(jar, site, unlocked.device);
    notice::leave(jar, site, Notice::Unlocked);
    Ok(Reply::see_other("/login", (Status::Ok, message(words::UNLOCKED))))
}

fn dead_page() -> Page {
    Page::new("unlock/dead").status(Status::Forbidden)
}

fn dead() -> Reply {
    Reply::page(dead_page(), (Status::Forbidden, message(words::FORBIDDEN)))
}

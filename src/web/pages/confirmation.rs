//! Confirm an address: look into your mail, send it again, open the link, begin the account.

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::AddressForm;
use crate::accounts::confirmation::{ConfirmError, Confirmation, LINK_LIFETIME, Pending};
use crate::accounts::session::Beginning;
use crate::accounts::{Auth, FieldErrors};
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::db::DbError;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::Visitor;
use crate::web::input::{BadInput, Fields, Form, Input, Refused};
use crate::web::next::{self, Next};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, private_cookie, session_cookie, words};

use super::SIGN_UP_COOKIE;

/// Holds the token between the link and the form.
const COOKIE: &str = "confirm_token";

pub struct ConfirmForm {
    confirm_token: Option<String>,
    new_password: Option<SecretString>,
}

impl Form for ConfirmForm {
    const FIELDS: &'static [&'static str] = &["confirm_token", "new_password", "email"];
    const SHOWN_AGAIN: &'static [&'static str] = &[];

    fn read(fields: &mut Fields) -> Self {
        // For password managers alone; the link says whose address it is.
        fields.optional("email");
        Self {
            confirm_token: fields.optional("confirm_token"),
            new_password: fields.optional("new_password").map(SecretString::from),
        }
    }
}

/// "Look into your mail", with the address to correct and a button to send it again.
#[get("/confirm/sent")]
pub async fn show_sent(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    Ok(match pending(auth, site, jar).await? {
        Some(pending) => {
            let form = Refused::keeping(pending.email.clone(), FieldErrors::default());
            Reply::form_page(sent_page(&pending).form(&form), words::SIGN_UP_BY_POST)
        }
        None => Reply::redirect("/signup"),
    })
}

/// Sends the link again, to a corrected address where it is another one.
#[post("/confirm/sent", data = "<form>")]
pub async fn send_again(
    form: Result<Input<AddressForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let Some(pending) = pending(auth, site, jar).await? else {
        return Ok(Reply::see_other("/signup", (Status::Forbidden, message(words::FORBIDDEN))));
    };
    let email = match form {
        Ok(Input(form)) => form.email,
        Err(bad) => return Ok(Reply::form_again(sent_page(&pending), &refused(bad)?)),
    };
    let (ip, now) = (&client.source.ip, Timestamp::now());
    match auth.send_confirmation_again(&pending, &email, ip, now).await {
        Ok(()) => {
            audit::record(Event::SignUpAsked, None, &client.source);
            notice::leave(jar, site, Notice::SentAgain);
            let told = json!({ "email": email, "message": words::CONFIRM_FIRST });
            Ok(Reply::see_other("/confirm/sent", (Status::Ok, told)))
        }
        Err(ConfirmError::Invalid(errors)) => {
            let refused = Refused::keeping(email, errors);
            Ok(Reply::form_again(sent_page(&pending), &refused))
        }
        Err(ConfirmError::Limited(limited)) => {
            Ok(super::limited(&client, limited, "/confirm/sent", None))
        }
        Err(ConfirmError::Dead) => Ok(dead()),
        Err(ConfirmError::Broken(cause)) => Err(cause.into()),
    }
}

/// The mailed link. Consumes nothing: mail scanners open links before people do.
#[get("/confirm/<token>")]
pub async fn open_link(
    token: &str,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let token = SecretString::from(token.to_owned());
    if auth.find_confirmation(&token, Timestamp::now()).await?.is_none() {
        return super::dead_link(auth, &client, Event::ConfirmRefused, dead()).await;
    }
    private_cookie::set(jar, site, COOKIE, token.expose_secret().to_owned(), Some(LINK_LIFETIME));
    Ok(Reply::see_other("/confirm/new", (Status::Ok, message(words::CONFIRM_BY_POST))))
}

#[get("/confirm/new")]
pub async fn show_new(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    Ok(match handed_over(auth, site, jar).await? {
        Some(pending) => {
            let next = next::kept(jar, site);
            let page = new_page(auth, site, jar, &pending).leads_to(next.as_ref());
            Reply::form_page(page, words::CONFIRM_BY_POST)
        }
        None => dead(),
    })
}

#[post("/confirm", data = "<form>")]
pub async fn submit(
    form: Result<Input<ConfirmForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
    browser: super::Browser,
) -> Result<Reply, WebError> {
    let handed_over = handed_over(auth, site, jar).await?;
    let page = || match &handed_over {
        Some(pending) => new_page(auth, site, jar, pending),
        None => dead_page(),
    };
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => return Ok(Reply::form_again(page(), &refused(bad)?)),
    };
    let Some(token) = form.confirm_token.or_else(|| private_cookie::get(jar, site, COOKIE)) else {
        audit::record(Event::ConfirmRefused, None, &client.source);
        return Ok(dead());
    };
    let beginning = browser.0.then(|| Beginning {
        device: client.device.clone(),
        previous: session_cookie::get(jar, site),
        known_device: session_cookie::device(jar, site),
        remembered: false,
    });
    let wish = Confirmation {
        token: SecretString::from(token),
        browser: private_cookie::get(jar, site, SIGN_UP_COOKIE),
        new_password: form.new_password,
        beginning,
        ip: client.source.ip.clone(),
    };
    match auth.confirm(wish, Timestamp::now()).await {
        Ok(confirmed) => {
            audit::record(Event::EmailConfirmed, Some(confirmed.user), &client.source);
            audit::record(Event::SignedUp, Some(confirmed.user), &client.source);
            private_cookie::remove(jar, site, COOKIE);
            private_cookie::remove(jar, site, SIGN_UP_COOKIE);
            if let Some(session) = confirmed.session {
                session_cookie::begin(jar, site, auth, session);
                notice::leave(jar, site, Notice::SignedUp);
            }
            let told = json!({ "email": confirmed.email, "message": words::EMAIL_CONFIRMED });
            let next = next::take(jar, site);
            let next = next.as_ref().map_or("/profile", Next::as_str);
            Ok(Reply::see_other(next, (Status::Ok, told)))
        }
        Err(ConfirmError::Invalid(errors)) => {
            let refused = Refused { errors, ..Refused::default() };
            Ok(Reply::form_again(page(), &refused))
        }
        Err(ConfirmError::Dead) => {
            private_cookie::remove(jar, site, COOKIE);
            super::dead_link(auth, &client, Event::ConfirmRefused, dead()).await
        }
        Err(ConfirmError::Limited(limited)) => {
            Ok(super::limited(&client, limited, "/confirm/new", None))
        }
        Err(ConfirmError::Broken(cause)) => Err(cause.into()),
    }
}

/// The sign-up of this browser.
async fn pending(
    auth: &Auth,
    site: &Site,
    jar: &CookieJar<'_>,
) -> Result<Option<Pending>, DbError> {
    match private_cookie::get(jar, site, SIGN_UP_COOKIE) {
        Some(browser) => auth.find_pending(&browser, Timestamp::now()).await,
        None => Ok(None),
    }
}

/// The sign-up whose live link this browser brought from its mail.
async fn handed_over(
    auth: &Auth,
    site: &Site,
    jar: &CookieJar<'_>,
) -> Result<Option<Pending>, DbError> {
    let Some(token) = private_cookie::get(jar, site, COOKIE) else { return Ok(None) };
    auth.find_confirmation(&SecretString::from(token), Timestamp::now()).await
}

fn sent_page(pending: &Pending) -> Page {
    Page::new("confirmation/sent")
        .with("email", pending.email.as_str())
        .with("hours", LINK_LIFETIME.as_secs() / 3600)
}

fn new_page(auth: &Auth, site: &Site, jar: &CookieJar<'_>, pending: &Pending) -> Page {
    let browser = private_cookie::get(jar, site, SIGN_UP_COOKIE);
    Page::new("confirmation/new")
        .with("email", pending.email.as_str())
        .with("same_browser", pending.is_of(browser.as_deref()))
        .with("min_length", auth.config().password.shortest())
        .script()
}

fn dead_page() -> Page {
    Page::new("confirmation/dead").status(Status::Forbidden)
}

fn dead() -> Reply {
    Reply::page(dead_page(), (Status::Forbidden, message(words::FORBIDDEN)))
}

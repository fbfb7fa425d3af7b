//! Password reset: ask for a link, open it, choose a new password.

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post, put};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::{AddressForm, RESET_ASKED_COOKIE, RESET_ASKED_LIFETIME};
use crate::accounts::email::Email;
use crate::accounts::password_reset::UpdatePasswordError;
use crate::accounts::throttle::TakeError;
use crate::accounts::user::User;
use crate::accounts::{Auth, FieldError, FieldErrors};
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::db::DbError;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::Visitor;
use crate::web::input::{BadInput, Fields, Form, Input, Refused};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, private_cookie, session_cookie, words};

/// Holds the token between the link and the form, so that no URL, history or Referer does.
const COOKIE: &str = "reset_token";

pub struct NewPasswordForm {
    email: Option<String>,
    reset_token: Option<String>,
    new_password: SecretString,
}

impl Form for NewPasswordForm {
    const FIELDS: &'static [&'static str] = &["email", "reset_token", "new_password"];
    const SHOWN_AGAIN: &'static [&'static str] = &["email"];

    fn read(fields: &mut Fields) -> Self {
        Self {
            email: fields.optional("email"),
            reset_token: fields.optional("reset_token"),
            new_password: fields.secret("new_password"),
        }
    }
}

#[get("/reset_password")]
pub fn show_ask(visitor: Visitor) -> Reply {
    let email = visitor.0.map(|signed_in| signed_in.user.email).unwrap_or_default();
    let form = Refused::keeping(email, FieldErrors::default());
    Reply::form_page(Page::new("password_reset/ask").form(&form), words::RESET_BY_POST)
}

/// The same answer, after the same work, for every address (D8).
#[post("/reset_password", data = "<form>")]
pub async fn submit_ask(
    _visitor: Visitor,
    form: Result<Input<AddressForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let ask_again = |refused: &Refused| Reply::form_again(Page::new("password_reset/ask"), refused);
    let email = match form {
        Ok(Input(form)) => form.email,
        Err(bad) => return Ok(ask_again(&refused(bad)?)),
    };
    if site.config.classroom {
        return hand_out_token(auth, &email, &client).await;
    }
    if let Err(error) = Email::parse(&email) {
        let errors = FieldErrors::one("email", FieldError::Email(error));
        return Ok(ask_again(&Refused::keeping(email, errors)));
    }
    match auth.ask_for_reset(&email, &client.source.ip, Timestamp::now()).await {
        Err(TakeError::Limited(limited)) => {
            return Ok(super::limited(&client, limited, "/reset_password", None));
        }
        outcome => outcome?,
    }
    audit::record(Event::ResetAsked, None, &client.source);
    private_cookie::set(jar, site, RESET_ASKED_COOKIE, email.clone(), Some(RESET_ASKED_LIFETIME));
    let asked = json!({ "email": email, "message": words::RESET_ASKED });
    Ok(Reply::see_other("/reset_password/sent", (Status::Ok, asked)))
}

/// "Look into your mail": a page of its own, so that a reload does not ask again, which would void
/// the link on its way.
#[get("/reset_password/sent")]
pub fn show_sent(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Reply {
    let Some(email) = private_cookie::get(jar, site, RESET_ASKED_COOKIE) else {
        return Reply::redirect("/reset_password");
    };
    let page = Page::new("password_reset/sent")
        .with("email", email)
        .with("minutes", auth.config().reset_minutes());
    Reply::form_page(page, words::RESET_BY_POST)
}

/// The exercise's answer. A hole, which is why the classroom profile stays on loopback.
async fn hand_out_token(auth: &Auth, email: &str, client: &Client<'_>) -> Result<Reply, WebError> {
    match auth.get_reset_password_token(email, Timestamp::now()).await {
        Ok(token) => {
            audit::record(Event::ResetAsked, None, &client.source);
            let token = token.expose_secret();
            let handed = json!({ "email": email, "reset_token": token });
            Ok(Reply::see_other(format!("/reset_password/{token}"), (Status::Ok, handed)))
        }
        Err(error) if error.is_nobody() => Err(WebError::Status(Status::Forbidden)),
        Err(error) => Err(error.into()),
    }
}

/// The mailed link. Consumes nothing: mail scanners open links before people do.
#[get("/reset_password/<token>")]
pub async fn open_link(
    token: &str,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let token = SecretString::from(token.to_owned());
    let Some(user) = auth.find_reset(&token, Timestamp::now()).await? else {
        return super::dead_link(auth, &client, Event::ResetRefused, dead()).await;
    };
    audit::record(Event::ResetOpened, Some(user.id), &client.source);
    let lifetime = auth.config().reset_lifetime;
    private_cookie::set(jar, site, COOKIE, token.expose_secret().to_owned(), Some(lifetime));
    Ok(Reply::see_other("/reset_password/new", (Status::Ok, message(words::RESET_LIVE))))
}

#[get("/reset_password/new")]
pub async fn show_new(
    _visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    Ok(match handed_over(auth, site, jar).await? {
        Some(user) => {
            let form = Refused::keeping(user.email, FieldErrors::default());
            Reply::form_page(new_page(auth).form(&form), words::RESET_BY_PUT)
        }
        None => dead(),
    })
}

#[put("/reset_password", data = "<form>")]
pub async fn submit_new(
    _visitor: Visitor,
    form: Result<Input<NewPasswordForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => return Ok(Reply::form_again(new_page(auth), &refused(bad)?)),
    };
    let token = match &form.reset_token {
        Some(token) => Some(SecretString::from(token.clone())),
        None => private_cookie::get(jar, site, COOKIE).map(SecretString::from),
    };
    let outcome = match token {
        Some(token) => {
            let (email, new_password) = (form.email.as_deref(), &form.new_password);
            let ip = &client.source.ip;
            auth.update_password_from(ip, &token, email, new_password, Timestamp::now()).await
        }
        None => Err(UpdatePasswordError::DeadToken),
    };
    match outcome {
        Ok(user) => {
            audit::record(Event::PasswordChanged, Some(user.id), &client.source);
            private_cookie::remove(jar, site, COOKIE);
            // Every session of the user has ended, this browser's too. Its owner reads the
            // account's mail, and must not be kept out by strangers who guess.
            session_cookie::remove(jar, site);
            match auth.trust_device(user.id, Timestamp::now()).await {
                Ok(device) => session_cookie::set_device(jar, site, device),
                Err(error) => log::warn!("a device is not known after its reset: {error}"),
            }
            notice::leave(jar, site, Notice::PasswordUpdated);
            let email = form.email.unwrap_or(user.email);
            let updated = json!({ "email": email, "message": words::PASSWORD_UPDATED });
            Ok(Reply::see_other("/login", (Status::Ok, updated)))
        }
        Err(UpdatePasswordError::Invalid(errors)) => {
            let refused = Refused::keeping(form.email.unwrap_or_default(), errors);
            Ok(Reply::form_again(new_page(auth), &refused))
        }
        Err(UpdatePasswordError::DeadToken) => {
            private_cookie::remove(jar, site, COOKIE);
            super::dead_link(auth, &client, Event::ResetRefused, dead()).await
        }
        Err(UpdatePasswordError::Broken(cause)) => Err(cause.into()),
    }
}

/// Whose live token this browser brought from its mail.
async fn handed_over(
    auth: &Auth,
    site: &Site,
    jar: &CookieJar<'_>,
) -> Result<Option<User>, DbError> {
    let Some(token) = private_cookie::get(jar, site, COOKIE) else { return Ok(None) };
    auth.find_reset(&SecretString::from(token), Timestamp::now()).await
}

fn new_page(auth: &Auth) -> Page {
    Page::new("password_reset/new").with("min_length", auth.config().password.shortest()).script()
}

/// A used, expired or wrong link, and the way to a new one.
fn dead() -> Reply {
    let page = Page::new("password_reset/dead").status(Status::Forbidden);
    Reply::page(page, (Status::Forbidden, message(words::FORBIDDEN)))
}

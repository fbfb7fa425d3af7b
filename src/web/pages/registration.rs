//! Sign up.

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use secrecy::SecretString;
use serde_json::json;

use crate::accounts::registration::{RegisterError, SignUp, SignedUp};
use crate::accounts::session::Beginning;
use crate::accounts::{Auth, FieldError, FieldErrors, confirmation};
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
use crate::web::{Site, form_guard, private_cookie, session_cookie, words};

use super::{INVITATION_COOKIE, SIGN_UP_COOKIE};

pub struct RegistrationForm {
    email: String,
    password: SecretString,
    /// A browser's is in its cookie.
    invitation: Option<String>,
    /// The field that people do not see.
    website: Option<String>,
}

impl Form for RegistrationForm {
    const FIELDS: &'static [&'static str] = &["email", "password", "invitation", "website"];
    const SHOWN_AGAIN: &'static [&'static str] = &["email"];

    fn read(fields: &mut Fields) -> Self {
        Self {
            email: fields.required("email"),
            password: fields.secret("password"),
            invitation: fields.optional("invitation"),
            website: fields.optional("website"),
        }
    }
}

#[get("/signup")]
pub async fn show(
    visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    if visitor.0.is_some() {
        return Ok(super::already_signed_in(words::SIGN_UP_BY_POST));
    }
    let invited = invited(auth, site, jar).await?;
    if !auth.may_sign_up(invited.is_some()) {
        return Ok(not_open(auth));
    }
    form_guard::begin(jar, site);
    let address = invited.clone().unwrap_or_default();
    let form = Refused::keeping(address, FieldErrors::default());
    let page = page(auth, site, invited.as_deref(), &form);
    let page = page.leads_to(next::kept(jar, site).as_ref()).form(&form);
    Ok(Reply::form_page(page, words::SIGN_UP_BY_POST))
}

#[post("/users", data = "<form>")]
pub async fn submit(
    form: Result<Input<RegistrationForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
    browser: super::Browser,
) -> Result<Reply, WebError> {
    let invited = invited(auth, site, jar).await?;
    let again =
        |form: &Refused| Reply::form_again(page(auth, site, invited.as_deref(), form), form);
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => return Ok(again(&refused(bad)?)),
    };
    if !form_guard::is_by_hand(jar, site, form.website.as_deref()) {
        audit::record(Event::SignUpRefused, None, &client.source);
        form_guard::begin(jar, site);
        let errors = FieldErrors::one("form", FieldError::NotByHand);
        return Ok(again(&Refused::keeping(form.email, errors)));
    }
    let beginning = browser.0.then(|| Beginning {
        device: client.device.clone(),
        remembered: false,
        previous: session_cookie::get(jar, site),
        known_device: session_cookie::device(jar, site),
    });
    let cookie = private_cookie::get(jar, site, INVITATION_COOKIE);
    let wish = SignUp {
        email: form.email.clone(),
        password: form.password,
        beginning,
        invitation: form.invitation.or(cookie).map(SecretString::from),
        ip: client.source.ip.clone(),
    };
    match auth.sign_up(wish, Timestamp::now()).await {
        Ok(signed_up) => Ok(welcome(signed_up, form.email, auth, site, jar, &client)),
        Err(error) => refuse(error, form.email, invited.as_deref(), auth, site, &client),
    }
}

/// Somebody new, or somebody to be.
fn welcome(
    signed_up: SignedUp,
    email: String,
    auth: &Auth,
    site: &Site,
    jar: &CookieJar<'_>,
    client: &Client<'_>,
) -> Reply {
    match signed_up {
        SignedUp::Account { user, session } => {
            audit::record(Event::SignedUp, Some(user), &client.source);
            if let Some(session) = session {
                session_cookie::begin(jar, site, auth, *session);
                notice::leave(jar, site, Notice::SignedUp);
            }
            if private_cookie::get(jar, site, INVITATION_COOKIE).is_some() {
                private_cookie::remove(jar, site, INVITATION_COOKIE);
            }
            let created = json!({ "email": email, "message": words::USER_CREATED });
            let next = next::take(jar, site);
            let next = next.as_ref().map_or("/profile", Next::as_str);
            Reply::see_other(next, (Status::Ok, created))
        }
        SignedUp::Pending { browser } => {
            audit::record(Event::SignUpAsked, None, &client.source);
            private_cookie::set(jar, site, SIGN_UP_COOKIE, browser, Some(confirmation::LIFETIME));
            let asked = json!({ "email": email, "message": words::CONFIRM_FIRST });
            Reply::see_other("/confirm/sent", (Status::Ok, asked))
        }
    }
}

fn refuse(
    error: RegisterError,
    email: String,
    invited: Option<&str>,
    auth: &Auth,
    site: &Site,
    client: &Client<'_>,
) -> Result<Reply, WebError> {
    match error {
        RegisterError::Invalid(errors) => {
            audit::record(Event::SignUpRefused, None, &client.source);
            let form = Refused::keeping(email, errors);
            Ok(Reply::form_again(page(auth, site, invited, &form), &form))
        }
        RegisterError::EmailTaken => {
            audit::record(Event::SignUpRefused, None, &client.source);
            let errors = FieldErrors::one("email", FieldError::EmailTaken);
            let form = Refused::keeping(email, errors);
            let page = page(auth, site, None, &form).form(&form).status(Status::BadRequest);
            Ok(Reply::page(page, (Status::BadRequest, message(words::EMAIL_TAKEN))))
        }
        RegisterError::NotOpen => {
            audit::record(Event::SignUpRefused, None, &client.source);
            Ok(not_open(auth))
        }
        RegisterError::Limited(limited) => Ok(super::limited(client, limited, "/signup", None)),
        RegisterError::Broken(cause) => Err(cause.into()),
    }
}

#[get("/users")]
pub fn reloaded(browser: super::Browser) -> Result<Reply, WebError> {
    super::posted_only(browser, "/signup")
}

/// The address of a live invitation that this browser has opened.
async fn invited(auth: &Auth, site: &Site, jar: &CookieJar<'_>) -> Result<Option<String>, DbError> {
    let Some(token) = private_cookie::get(jar, site, INVITATION_COOKIE) else { return Ok(None) };
    let found = auth.find_invitation(&SecretString::from(token), Timestamp::now()).await?;
    Ok(found.map(|invited| invited.email))
}

/// The address of whoever is invited is not theirs to change.
fn page(auth: &Auth, site: &Site, invited: Option<&str>, form: &Refused) -> Page {
    let invited = invited.is_some() && form.kept.get("email").map(String::as_str) == invited;
    Page::new("registration")
        .with("invited", invited)
        .with("min_length", auth.config().password.shortest())
        .with("guard", site.config.sign_up_guard)
        .script()
}

/// Closed, or by invitation.
fn not_open(auth: &Auth) -> Reply {
    let by_invitation = auth.may_sign_up(true);
    let page =
        Page::new("sign_up_closed").with("by_invitation", by_invitation).status(Status::Forbidden);
    let why = if by_invitation { words::BY_INVITATION } else { words::SIGN_UP_CLOSED };
    Reply::page(page, (Status::Forbidden, message(why)))
}

//! Sign up.

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use secrecy::SecretString;
use serde_json::json;

use crate::accounts::registration::RegisterError;
use crate::accounts::session::Beginning;
use crate::accounts::{Auth, FieldError, FieldErrors};
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::Visitor;
use crate::web::input::{BadInput, Fields, Form, Input, Refused};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, session_cookie, words};

pub struct RegistrationForm {
    email: String,
    password: SecretString,
}

impl Form for RegistrationForm {
    const FIELDS: &'static [&'static str] = &["email", "password"];
    const SHOWN_AGAIN: &'static [&'static str] = &["email"];

    fn read(fields: &mut Fields) -> Self {
        Self { email: fields.required("email"), password: fields.secret("password") }
    }
}

#[get("/signup")]
pub fn show(visitor: Visitor, auth: &State<Auth>) -> Reply {
    match visitor.0 {
        Some(_) => super::already_signed_in(words::SIGN_UP_BY_POST),
        None => Reply::form_page(page(auth), words::SIGN_UP_BY_POST),
    }
}

#[post("/users", data = "<form>")]
pub async fn submit(
    form: Result<Input<RegistrationForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client,
    browser: super::Browser,
) -> Result<Reply, WebError> {
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => return Ok(Reply::form_again(page(auth), &refused(bad)?)),
    };
    let now = Timestamp::now();
    let outcome = if browser.0 {
        let previous = session_cookie::get(jar, site);
        let beginning = Beginning { device: client.device, remembered: false, previous };
        auth.sign_up(&form.email, &form.password, beginning, now).await.map(|session| {
            session_cookie::set(jar, site, auth, session.id, false);
            notice::leave(jar, site, Notice::SignedUp);
            session.user
        })
    } else {
        // A program asked for an account alone; it logs in when it wants to.
        auth.register_user(&form.email, &form.password, now).await
    };
    match outcome {
        Ok(user) => {
            audit::record(Event::SignedUp, Some(user.id), &client.source);
            let created = json!({ "email": form.email, "message": words::USER_CREATED });
            Ok(Reply::see_other("/profile", (Status::Ok, created)))
        }
        Err(RegisterError::Invalid(errors)) => {
            audit::record(Event::SignUpRefused, None, &client.source);
            Ok(Reply::form_again(page(auth), &Refused::keeping(form.email, errors)))
        }
        Err(RegisterError::EmailTaken) => {
            audit::record(Event::SignUpRefused, None, &client.source);
            let errors = FieldErrors::one("email", FieldError::EmailTaken);
            let page =
                page(auth).form(&Refused::keeping(form.email, errors)).status(Status::BadRequest);
            Ok(Reply::page(page, (Status::BadRequest, message(words::EMAIL_TAKEN))))
        }
        Err(RegisterError::Broken(cause)) => Err(cause.into()),
    }
}

#[get("/users")]
pub fn reloaded(browser: super::Browser) -> Result<Reply, WebError> {
    super::posted_only(browser, "/signup")
}

fn page(auth: &Auth) -> Page {
    Page::new("registration").with("min_length", auth.config().password.shortest()).script()
}

//! Log in.

use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use secrecy::SecretString;
use serde_json::json;

use crate::accounts::Auth;
use crate::accounts::login::{LogIn, LogInError};
use crate::accounts::session::Beginning;
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::Visitor;
use crate::web::input::{BadInput, Fields, Form, Input, Refused};
use crate::web::next::local_path;
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, session_cookie, words};

pub struct LoginForm {
    email: String,
    password: SecretString,
    remember: bool,
    next: Option<String>,
}

impl Form for LoginForm {
    const FIELDS: &'static [&'static str] = &["email", "password", "remember", "next"];
    const SHOWN_AGAIN: &'static [&'static str] = &["email", "remember", "next"];

    fn read(fields: &mut Fields) -> Self {
        Self {
            email: fields.required("email"),
            password: fields.secret("password"),
            remember: fields.flag("remember"),
            next: fields.optional("next"),
        }
    }
}

#[get("/login?<next>")]
pub fn show(visitor: Visitor, next: Option<&str>) -> Reply {
    match visitor.0 {
        Some(_) => super::already_signed_in(words::LOG_IN_BY_POST),
        None => {
            let next = next.and_then(local_path).unwrap_or_default();
            let kept = [("next".to_owned(), next.to_owned())].into();
            let form = Refused { kept, ..Refused::default() };
            Reply::form_page(page().form(&form), words::LOG_IN_BY_POST)
        }
    }
}

#[post("/sessions", data = "<form>")]
pub async fn submit(
    form: Result<Input<LoginForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client,
) -> Result<Reply, WebError> {
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => return Ok(Reply::form_again(page(), &refused(bad)?)),
    };
    let previous = session_cookie::get(jar, site);
    let attempt = LogIn {
        email: form.email.clone(),
        password: form.password,
        beginning: Beginning { device: client.device, remembered: form.remember, previous },
    };
    match auth.log_in(attempt, Timestamp::now()).await {
        Ok(session) => {
            audit::record(Event::LoggedIn, Some(session.user.id), &client.source);
            session_cookie::set(jar, site, auth, session.id, session.remembered);
            let next = form.next.as_deref().and_then(local_path).unwrap_or("/profile");
            let logged_in = json!({ "email": form.email, "message": words::LOGGED_IN });
            Ok(Reply::see_other(next, (Status::Ok, logged_in)))
        }
        // One answer for every cause: it must not tell which addresses have accounts.
        Err(LogInError::WrongCredentials) => {
            audit::record(Event::LogInFailed, None, &client.source);
            let refusal = (Status::Unauthorized, message(words::WRONG_CREDENTIALS));
            Ok(Reply::page(refused_page(form.email, form.remember, form.next), refusal))
        }
        Err(LogInError::Broken(cause)) => Err(cause.into()),
    }
}

#[get("/sessions")]
pub fn reloaded(browser: super::Browser) -> Result<Reply, WebError> {
    super::posted_only(browser, "/login")
}

fn page() -> Page {
    Page::new("login").script()
}

fn refused_page(email: String, remember: bool, next: Option<String>) -> Page {
    let mut kept: std::collections::BTreeMap<_, _> = [("email".to_owned(), email)].into();
    kept.extend(remember.then(|| ("remember".to_owned(), "yes".to_owned())));
    kept.extend(next.map(|next| ("next".to_owned(), next)));
    let text = words::WRONG_CREDENTIALS_ON_PAGE;
    page()
        .form(&Refused { kept, ..Refused::default() })
        .with("errors", json!({ "form": [text] }))
        .with("summary", json!([{ "href": "", "text": text }]))
        .status(Status::Unauthorized)
}

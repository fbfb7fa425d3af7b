//! Log in.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rocket::http::{CookieJar, Status};
use rocket::{State, get, post};
use secrecy::SecretString;
use serde_json::json;
use url::Url;

use crate::accounts::Auth;
use crate::accounts::login::{LogIn, LogInError};
use crate::accounts::session::Beginning;
use crate::audit::{self, Event};
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::{WebError, refused};
use crate::web::guards::Visitor;
use crate::web::input::{BadInput, Fields, Form, Input, Refused};
use crate::web::next::{self, Next};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, door_cookie, session_cookie, words};

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
pub async fn show(
    visitor: Visitor,
    next: Option<&str>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
) -> Result<Reply, WebError> {
    let next = next.and_then(|next| Next::parse(next, site.config.forward_auth.as_ref()));
    let Some(signed_in) = visitor.0 else {
        next::keep(jar, site, next.as_ref());
        let next = next.or_else(|| next::kept(jar, site));
        let kept = next.iter().map(kept).collect();
        let form = Refused { kept, ..Refused::default() };
        let page = page().leads_to(next.as_ref()).form(&form);
        return Ok(Reply::form_page(page, words::LOG_IN_BY_POST));
    };
    match (next, session_cookie::get(jar, site)) {
        // Signed in here and not yet there: the door's cookie was lost, or there was none.
        (Some(Next::Application(url)), Some(id)) => {
            if door_cookie::was_tried(jar, site) {
                return Ok(shut(site, &url));
            }
            if signed_in.session.door_key.is_none() {
                auth.add_door(&id).await?;
            }
            door_cookie::set(jar, site, auth, &id, signed_in.session.remembered);
            Ok(Reply::redirect(url))
        }
        _ => Ok(super::already_signed_in(words::LOG_IN_BY_POST)),
    }
}

#[post("/sessions", data = "<form>")]
pub async fn submit(
    form: Result<Input<LoginForm>, BadInput>,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Reply, WebError> {
    let applications = site.config.forward_auth.as_ref();
    let form = match form {
        Ok(Input(form)) => form,
        Err(bad) => {
            let mut refused = refused(bad)?;
            let next = refused.kept.remove("next").and_then(|it| Next::parse(&it, applications));
            refused.kept.extend(next.iter().map(kept));
            return Ok(Reply::form_again(page().leads_to(next.as_ref()), &refused));
        }
    };
    let attempt = LogIn {
        email: form.email.clone(),
        password: form.password,
        beginning: Beginning {
            device: client.device.clone(),
            remembered: form.remember,
            previous: session_cookie::get(jar, site),
            known_device: session_cookie::device(jar, site),
        },
    };
    let next = form.next.as_deref().and_then(|next| Next::parse(next, applications));
    match auth.log_in(attempt, Timestamp::now()).await {
        Ok(session) => {
            audit::record(Event::LoggedIn, Some(session.user.id), &client.source);
            if session.told {
                audit::record(Event::NewLogInTold, Some(session.user.id), &client.source);
            }
            if session.deletion_called_off {
                audit::record(Event::DeletionCalledOff, Some(session.user.id), &client.source);
                notice::leave(jar, site, Notice::DeletionCalledOff);
            }
            session_cookie::begin(jar, site, auth, session);
            let kept = next::take(jar, site);
            let next = next.or(kept);
            let next = next.as_ref().map_or("/profile", Next::as_str);
            let logged_in = json!({ "email": form.email, "message": words::LOGGED_IN });
            Ok(Reply::see_other(next, (Status::Ok, logged_in)))
        }
        // One answer for every cause: it must not tell which addresses have accounts.
        Err(LogInError::WrongCredentials { user, quota }) => {
            audit::record(Event::LogInFailed, user, &client.source);
            client.answer.quota(quota);
            let refusal = (Status::Unauthorized, message(words::WRONG_CREDENTIALS));
            Ok(Reply::page(refused_page(form.email, form.remember, next.as_ref()), refusal))
        }
        Err(LogInError::Limited(limited)) => {
            let way_back = next.as_ref().map_or("/login".to_owned(), |next| {
                let next = utf8_percent_encode(next.as_str(), NON_ALPHANUMERIC);
                format!("/login?next={next}")
            });
            Ok(super::limited(&client, limited, &way_back, Some(&form.email)))
        }
        Err(LogInError::Broken(cause)) => Err(cause.into()),
    }
}

/// Sent to an application a moment ago and back at once: a browser that refuses the cookie would go
/// round in circles.
fn shut(site: &Site, target: &Url) -> Reply {
    let domain = site.config.forward_auth.as_ref().map(|it| it.domain.as_str());
    let page = Page::new("door_shut")
        .with("host", target.host_str())
        .with("domain", domain)
        .with("target", target.as_str());
    Reply::form_page(page, words::LOG_IN_BY_POST)
}

fn kept(next: &Next) -> (String, String) {
    ("next".to_owned(), next.as_str().to_owned())
}

#[get("/sessions")]
pub fn reloaded(browser: super::Browser) -> Result<Reply, WebError> {
    super::posted_only(browser, "/login")
}

fn page() -> Page {
    Page::new("login").script()
}

fn refused_page(email: String, remember: bool, next: Option<&Next>) -> Page {
    let mut again: std::collections::BTreeMap<_, _> = [("email".to_owned(), email)].into();
    again.extend(remember.then(|| ("remember".to_owned(), "yes".to_owned())));
    again.extend(next.map(kept));
    let text = words::WRONG_CREDENTIALS_ON_PAGE;
    page()
        .leads_to(next)
        .form(&Refused { kept: again, ..Refused::default() })
        .with("errors", json!({ "form": [text] }))
        .with("summary", json!([{ "href": "", "text": text }]))
        .status(Status::Unauthorized)
}

//! Log out.

use rocket::http::{CookieJar, Header, Status};
use rocket::{Responder, State, delete, get};

use crate::accounts::Auth;
use crate::audit::{self, Event};
use crate::web::client::Client;
use crate::web::error::WebError;
use crate::web::guards::Visitor;
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, session_cookie, words};

/// Tells the browser to forget what it kept of the pages (W3C, Clear Site Data).
#[derive(Responder)]
pub struct Farewell {
    reply: Reply,
    forget: Header<'static>,
}

/// For links from other applications: a link must not log anybody out by itself.
#[get("/logout")]
pub fn show(visitor: Visitor) -> Reply {
    match visitor.0 {
        Some(_) => Reply::form_page(Page::new("logout"), words::LOG_OUT_BY_DELETE),
        None => Reply::see_other("/", (Status::NotAcceptable, message(words::LOG_OUT_BY_DELETE))),
    }
}

#[delete("/sessions")]
pub async fn submit(
    visitor: Visitor,
    auth: &State<Auth>,
    site: &State<Site>,
    jar: &CookieJar<'_>,
    client: Client<'_>,
) -> Result<Farewell, WebError> {
    let ended = match session_cookie::get(jar, site) {
        Some(id) if visitor.0.is_some() => auth.destroy_session(&id).await?,
        _ => false,
    };
    session_cookie::remove(jar, site);
    let reply = if ended {
        let user = visitor.0.map(|signed_in| signed_in.user.id);
        audit::record(Event::LoggedOut, user, &client.source);
        notice::leave(jar, site, Notice::LoggedOut);
        Reply::redirect("/")
    } else {
        // Nobody was signed in: a browser is where it wanted to be, a program is told.
        Reply::see_other("/", (Status::Forbidden, message(words::FORBIDDEN)))
    };
    Ok(Farewell { reply, forget: Header::new("Clear-Site-Data", "\"cache\", \"storage\"") })
}

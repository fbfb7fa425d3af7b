//! Log out.

use rocket::http::{CookieJar, Status};
use rocket::{State, delete, get};

use super::{Farewell, farewell};
use crate::accounts::Auth;
use crate::web::client::Client;
use crate::web::error::WebError;
use crate::web::guards::Visitor;
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, session_cookie, words};

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
    if let (Some(signed_in), Some(id)) = (visitor.0, session_cookie::get(jar, site))
        && auth.destroy_session(&id).await?
    {
        return Ok(farewell(Reply::redirect("/"), signed_in.user.id, jar, site, &client));
    }
    session_cookie::remove(jar, site);
    // Nobody was signed in: a browser is where it wanted to be, a program is told.
    Ok(Farewell::new(Reply::see_other("/", (Status::Forbidden, message(words::FORBIDDEN)))))
}

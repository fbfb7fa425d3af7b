//! A mailed link on its way: the link moves its token into a cookie, so that no URL, history or
//! Referer keeps it; a page shows what its button does; the form alone consumes it (D6).

use std::time::Duration;

use rocket::http::{CookieJar, Status};
use secrecy::{ExposeSecret, SecretString};

use crate::accounts::Auth;
use crate::accounts::mailed_token::{MailedToken, Purpose};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::web::client::Client;
use crate::web::error::WebError;
use crate::web::input::{Fields, Form, WITHOUT_PASSWORD};
use crate::web::reply::{Page, Reply, message};
use crate::web::{Site, private_cookie, words};

/// From the link to its button. Whoever comes later opens the link again, which lives on.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// One kind of link.
pub struct MailedLink {
    pub purpose: Purpose,
    /// Holds the token between the link and its button.
    pub cookie: &'static str,
    /// The path of the page with the button.
    pub page: &'static str,
    /// What a program is told to send.
    pub live: &'static str,
    /// The template for a link that opens nothing, and the event.
    pub dead: &'static str,
    pub refused: Event,
}

/// A browser's form is empty: the cookie stands for the token.
pub struct TokenForm {
    token: Option<String>,
}

impl Form for TokenForm {
    const FIELDS: &'static [&'static str] = &["token"];
    const SHOWN_AGAIN: &'static [&'static str] = &[];
    const LONGEST: usize = WITHOUT_PASSWORD;

    fn read(fields: &mut Fields) -> Self {
        Self { token: fields.optional("token") }
    }
}

impl MailedLink {
    /// Answers the link itself. Consumes nothing: mail scanners open links before people do.
    pub async fn open(
        &self,
        token: &str,
        auth: &Auth,
        site: &Site,
        jar: &CookieJar<'_>,
        client: &Client<'_>,
    ) -> Result<Reply, WebError> {
        let token = SecretString::from(token.to_owned());
        if auth.find_mailed(self.purpose, &token, Timestamp::now()).await?.is_none() {
            return self.refuse(auth, site, jar, client).await;
        }
        let lifetime = Some(LIFETIME.min(self.purpose.lifetime()));
        private_cookie::set(jar, site, self.cookie, token.expose_secret().to_owned(), lifetime);
        Ok(Reply::see_other(self.page, (Status::Ok, message(self.live))))
    }

    /// Whose link this browser brought from its mail, for the page with the button.
    pub async fn brought(
        &self,
        auth: &Auth,
        site: &Site,
        jar: &CookieJar<'_>,
    ) -> Result<Option<MailedToken>, WebError> {
        let Some(token) = private_cookie::get(jar, site, self.cookie) else { return Ok(None) };
        let token = SecretString::from(token);
        Ok(auth.find_mailed(self.purpose, &token, Timestamp::now()).await?)
    }

    /// The token that the form brings, in itself or in the cookie, which has done its work.
    pub fn take(&self, form: TokenForm, site: &Site, jar: &CookieJar<'_>) -> Option<SecretString> {
        let token = form.token.or_else(|| private_cookie::get(jar, site, self.cookie));
        private_cookie::remove(jar, site, self.cookie);
        token.map(SecretString::from)
    }

    /// A link that opens nothing: counted, it may be a guess.
    pub async fn refuse(
        &self,
        auth: &Auth,
        site: &Site,
        jar: &CookieJar<'_>,
        client: &Client<'_>,
    ) -> Result<Reply, WebError> {
        private_cookie::remove(jar, site, self.cookie);
        super::dead_link(auth, client, self.refused, self.dead()).await
    }

    /// What a browser sees that brings no live link.
    pub fn dead(&self) -> Reply {
        Reply::page(self.dead_page(), (Status::Forbidden, message(words::FORBIDDEN)))
    }

    pub fn dead_page(&self) -> Page {
        Page::new(self.dead).status(Status::Forbidden)
    }
}

//! The cookie that opens other applications of the same parent domain: a token of its own, never the
//! account's session, since every application there can read it.

use std::time::Duration;

use rocket::http::{Cookie, CookieJar, SameSite};

use super::{Site, private_cookie};
use crate::accounts::Auth;
use crate::accounts::session::door_token;

/// Browsers take a `__Secure-` cookie over https alone.
const NAME: &str = "__Secure-gatehouse";
/// Says that a browser with a session was sent on to an application.
const TRIED: &str = "door_tried";
/// Long enough for a redirect there and back.
const MOMENT: Duration = Duration::from_secs(10);

/// Sets it, where there are applications.
pub fn set(jar: &CookieJar<'_>, site: &Site, auth: &Auth, session_id: &str, remembered: bool) {
    let Some(mut cookie) = attributes(site, door_token(session_id)) else { return };
    let lifetime = remembered.then(|| auth.config().sessions.remembered_absolute);
    private_cookie::keep(&mut cookie, lifetime);
    jar.add_private(cookie);
}

/// Whether this browser was sent to an application a moment ago; the next answer is no.
pub fn was_tried(jar: &CookieJar<'_>, site: &Site) -> bool {
    let tried = private_cookie::get(jar, site, TRIED).is_some();
    if tried {
        private_cookie::remove(jar, site, TRIED);
    } else {
        private_cookie::set(jar, site, TRIED, "yes".to_owned(), Some(MOMENT));
    }
    tried
}

/// The token, if it was sealed by us.
pub fn get(jar: &CookieJar<'_>, site: &Site) -> Option<String> {
    site.config.forward_auth.as_ref()?;
    jar.get_private(NAME).map(|cookie| cookie.value().to_owned())
}

/// Removes it; browsers want the same attributes again.
pub fn remove(jar: &CookieJar<'_>, site: &Site) {
    if let Some(cookie) = attributes(site, String::new()) {
        jar.remove_private(cookie);
    }
}

fn attributes(site: &Site, value: String) -> Option<Cookie<'static>> {
    let domain = site.config.forward_auth.as_ref()?.domain.clone();
    let cookie = Cookie::build((NAME, value))
        .path("/")
        .domain(domain)
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Lax);
    Some(cookie.build())
}

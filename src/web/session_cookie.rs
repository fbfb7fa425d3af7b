//! The cookie of a session: its UUID, sealed.

use rocket::http::CookieJar;

use super::{Site, private_cookie};
use crate::accounts::Auth;

const NAME: &str = "session_id";

pub fn set(jar: &CookieJar<'_>, site: &Site, auth: &Auth, id: String, remembered: bool) {
    let lifetime = remembered.then(|| auth.config().sessions.remembered_absolute);
    private_cookie::set(jar, site, NAME, id, lifetime);
}

pub fn get(jar: &CookieJar<'_>, site: &Site) -> Option<String> {
    private_cookie::get(jar, site, NAME)
}

/// Whether the browser sent one, whatever it is worth.
pub fn was_sent(jar: &CookieJar<'_>, site: &Site) -> bool {
    jar.get(&private_cookie::name(site, NAME)).is_some()
}

pub fn remove(jar: &CookieJar<'_>, site: &Site) {
    private_cookie::remove(jar, site, NAME);
}

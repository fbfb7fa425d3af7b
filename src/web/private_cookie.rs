//! Private cookies (encrypted and authenticated by Rocket), all with the same attributes (D4).

use std::time::Duration;

use rocket::http::{Cookie, CookieJar, SameSite};
use rocket::time;

use super::Site;

/// Over https the `__Host-` prefix makes browsers refuse the cookie from anybody but this host.
pub fn name(site: &Site, name: &str) -> String {
    if site.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

/// The value, if it was sealed by us under this very name.
pub fn get(jar: &CookieJar<'_>, site: &Site, cookie: &str) -> Option<String> {
    jar.get_private(&name(site, cookie)).map(|cookie| cookie.value().to_owned())
}

/// Sets it, to be kept as [`keep`] says.
pub fn set(
    jar: &CookieJar<'_>,
    site: &Site,
    cookie: &str,
    value: String,
    lifetime: Option<Duration>,
) {
    let mut cookie = attributes(site, cookie, value);
    keep(&mut cookie, lifetime);
    jar.add_private(cookie);
}

/// Until `lifetime` has passed, or without one until the browser closes.
pub fn keep(cookie: &mut Cookie<'_>, lifetime: Option<Duration>) {
    match lifetime {
        Some(lifetime) => {
            let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
            cookie.set_max_age(time::Duration::seconds(seconds));
            cookie.set_expires(time::OffsetDateTime::now_utc() + lifetime);
        }
        // Said outright: Rocket would make it a week.
        None => cookie.set_expires(None),
    }
}

/// Removes it; the attributes are repeated, or browsers would keep a `__Host-` cookie.
pub fn remove(jar: &CookieJar<'_>, site: &Site, cookie: &str) {
    jar.remove_private(attributes(site, cookie, String::new()));
}

fn attributes(site: &Site, cookie: &str, value: String) -> Cookie<'static> {
    Cookie::build((name(site, cookie), value))
        .path("/")
        .secure(site.is_https())
        .http_only(true)
        // Strict would make the click in a mail look logged out; D5 guards what changes things.
        .same_site(SameSite::Lax)
        .build()
}

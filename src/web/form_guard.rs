//! Looks out for programs that fill in forms (ASVS 2.4.2), without a script: a field that people do
//! not see, and the time it took.

use std::time::Duration;

use rocket::http::CookieJar;

use super::{Site, private_cookie};
use crate::clock::Timestamp;

/// Holds when the form was shown, sealed.
const COOKIE: &str = "form_shown";
/// No person types an address and a password in less, not even with a password manager.
const SOONEST: Duration = Duration::from_secs(2);
/// A form left open longer is shown anew.
const LATEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Notes when the form is shown.
pub fn begin(jar: &CookieJar<'_>, site: &Site) {
    if site.config.sign_up_guard {
        let now = Timestamp::now().millis().to_string();
        private_cookie::set(jar, site, COOKIE, now, Some(LATEST));
    }
}

/// Whether a person may have filled it in; `trap` is the field that people do not see. Always, where
/// nobody looks out.
pub fn is_by_hand(jar: &CookieJar<'_>, site: &Site, trap: Option<&str>) -> bool {
    if !site.config.sign_up_guard {
        return true;
    }
    let shown = private_cookie::get(jar, site, COOKIE).and_then(|text| text.parse().ok());
    let age = shown.map(|shown| Timestamp::now().since(Timestamp::from_millis(shown)));
    trap.unwrap_or_default().is_empty() && age.is_some_and(|age| (SOONEST..=LATEST).contains(&age))
}

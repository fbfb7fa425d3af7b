//! The cookies of somebody who is signed in: the session's UUID, what makes this browser a known
//! device, what opens other applications. All sealed.

use rocket::http::CookieJar;

use super::{Site, door_cookie, private_cookie};
use crate::accounts::session::NewSession;
use crate::accounts::{Auth, device};

const NAME: &str = "session_id";
const DEVICE: &str = "device";

/// Signs this browser in.
pub fn begin(jar: &CookieJar<'_>, site: &Site, auth: &Auth, session: NewSession) {
    door_cookie::set(jar, site, auth, &session.id, session.remembered);
    set_device(jar, site, session.known_device);
    let lifetime = session.remembered.then(|| auth.config().sessions.remembered_absolute);
    private_cookie::set(jar, site, NAME, session.id, lifetime);
}

pub fn get(jar: &CookieJar<'_>, site: &Site) -> Option<String> {
    private_cookie::get(jar, site, NAME)
}

/// Whether the browser sent one, whatever it is worth.
pub fn was_sent(jar: &CookieJar<'_>, site: &Site) -> bool {
    jar.get(&private_cookie::name(site, NAME)).is_some()
}

/// Signs it out; it stays a known device.
pub fn remove(jar: &CookieJar<'_>, site: &Site) {
    private_cookie::remove(jar, site, NAME);
    door_cookie::remove(jar, site);
}

/// What makes this browser a known device.
pub fn device(jar: &CookieJar<'_>, site: &Site) -> Option<String> {
    private_cookie::get(jar, site, DEVICE)
}

pub fn set_device(jar: &CookieJar<'_>, site: &Site, secret: String) {
    private_cookie::set(jar, site, DEVICE, secret, Some(device::LIFETIME));
}

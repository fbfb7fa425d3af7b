//! The headers of every answer (D11), errors and redirects included.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Header, Status};
use rocket::{Request, Response};

use super::{Site, client, door};

/// What the handler or a guard wants said in the answer, whoever writes it.
#[derive(Default)]
struct Wishes {
    script: AtomicBool,
    retry_after: Mutex<Option<u64>>,
}

fn wishes<'r>(request: &'r Request<'_>) -> &'r Wishes {
    request.local_cache(Wishes::default)
}

/// The page has a script; no other page may run one.
pub fn permit_script(request: &Request<'_>) {
    wishes(request).script.store(true, Ordering::Relaxed);
}

/// Seconds for a 503's `Retry-After`.
pub fn retry_after(request: &Request<'_>, seconds: u64) {
    *wishes(request).retry_after.lock().unwrap_or_else(PoisonError::into_inner) = Some(seconds);
}

/// The seconds set by [`retry_after`].
pub fn wanted_retry_after(request: &Request<'_>) -> Option<u64> {
    *wishes(request).retry_after.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Headers;

#[rocket::async_trait]
impl Fairing for Headers {
    fn info(&self) -> Info {
        Info { name: "headers", kind: Kind::Response }
    }

    async fn on_response<'r>(&self, request: &'r Request<'_>, response: &mut Response<'r>) {
        set(request, response);
    }
}

/// Sets them all; the catcher calls it too, since Rocket sends its answers to unreadable requests
/// past every fairing.
pub fn set(request: &Request<'_>, response: &mut Response<'_>) {
    let wishes = wishes(request);
    let script = if wishes.script.load(Ordering::Relaxed) { " script-src 'self';" } else { "" };
    let policy = format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:;{script} connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    let mut say = |name: &'static str, value: String| {
        response.set_header(Header::new(name, value));
    };
    say("Content-Security-Policy", policy);
    say("X-Request-Id", client::request_id(request).to_owned());
    say("X-Content-Type-Options", "nosniff".to_owned());
    say("X-Frame-Options", "DENY".to_owned());
    // With no-referrer browsers would send `Origin: null`, and older ones could post no form.
    say("Referrer-Policy", "same-origin".to_owned());
    say("Cross-Origin-Opener-Policy", "same-origin".to_owned());
    say("Cross-Origin-Resource-Policy", "same-origin".to_owned());
    say(
        "Permissions-Policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()"
            .to_owned(),
    );
    let https = request.rocket().state::<Site>().is_some_and(Site::is_https);
    if https {
        say("Strict-Transport-Security", "max-age=31536000".to_owned());
    }
    if response.status() == Status::MethodNotAllowed {
        // RFC 9110, 15.5.6.
        response.set_header(Header::new("Allow", door::other_methods(request).join(", ")));
    }
    if let Some(seconds) = wanted_retry_after(request) {
        response.set_header(Header::new("Retry-After", seconds.to_string()));
    }
    if !response.headers().contains("Cache-Control") {
        response.set_header(Header::new("Cache-Control", "no-store"));
        response.set_header(Header::new("Vary", "Accept, Cookie"));
    }
}

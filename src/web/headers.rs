//! The headers of every answer (D11), errors and redirects included.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rocket::fairing::{Fairing, Info, Kind};
use rocket::http::{Header, Status};
use rocket::{Request, Response};

use super::{Site, client, gate};
use crate::accounts::throttle::Quota;

/// What the handler or a guard wants said in the answer, whoever writes it.
#[derive(Default)]
pub struct Wishes {
    script: AtomicBool,
    retry_after: Mutex<Option<u64>>,
    quota: Mutex<Option<Quota>>,
    /// Another site that a form of this page leads to in the end.
    form_target: Mutex<Option<String>>,
}

impl Wishes {
    /// Seconds for `Retry-After`.
    pub fn retry_after(&self, seconds: u64) {
        *lock(&self.retry_after) = Some(seconds);
    }

    /// What is left of the client's limits.
    pub fn quota(&self, quota: Quota) {
        *lock(&self.quota) = Some(quota);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn wishes<'r>(request: &'r Request<'_>) -> &'r Wishes {
    request.local_cache(Wishes::default)
}

/// The page has a script; no other page may run one.
pub fn permit_script(request: &Request<'_>) {
    wishes(request).script.store(true, Ordering::Relaxed);
}

/// Lets the page's form end on another site: browsers hold a form's redirects to the policy too.
pub fn permit_form_target(request: &Request<'_>, origin: &str) {
    *lock(&wishes(request).form_target) = Some(origin.to_owned());
}

/// Seconds for a 503's `Retry-After`.
pub fn retry_after(request: &Request<'_>, seconds: u64) {
    wishes(request).retry_after(seconds);
}

/// The seconds set by [`retry_after`].
pub fn wanted_retry_after(request: &Request<'_>) -> Option<u64> {
    *lock(&wishes(request).retry_after)
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
    response.set_header(Header::new("Content-Security-Policy", policy(wishes)));
    response.set_header(Header::new("X-Request-Id", client::request_id(request).to_owned()));
    let mut say = |name: &'static str, value: &'static str| {
        response.set_header(Header::new(name, value));
    };
    say("X-Content-Type-Options", "nosniff");
    say("X-Frame-Options", "DENY");
    // With no-referrer browsers would send `Origin: null`, and older ones could post no form.
    say("Referrer-Policy", "same-origin");
    say("Cross-Origin-Opener-Policy", "same-origin");
    say("Cross-Origin-Resource-Policy", "same-origin");
    say(
        "Permissions-Policy",
        "camera=(), geolocation=(), microphone=(), payment=(), usb=(), interest-cohort=()",
    );
    let https = request.rocket().state::<Site>().is_some_and(Site::is_https);
    if https {
        say("Strict-Transport-Security", "max-age=31536000");
    }
    if response.status() == Status::MethodNotAllowed {
        // RFC 9110, 15.5.6.
        response.set_header(Header::new("Allow", gate::other_methods(request).join(", ")));
    }
    if let Some(seconds) = wanted_retry_after(request) {
        response.set_header(Header::new("Retry-After", seconds.to_string()));
    }
    if let Some(quota) = lock(&wishes.quota).take() {
        set_quota(response, &quota);
    }
    if !response.headers().contains("Cache-Control") {
        response.set_header(Header::new("Cache-Control", "no-store"));
        response.set_header(Header::new("Vary", "Accept, Cookie"));
    }
}

/// What the page may load, run and send to.
fn policy(wishes: &Wishes) -> String {
    let script = if wishes.script.load(Ordering::Relaxed) { " script-src 'self';" } else { "" };
    let target = lock(&wishes.form_target);
    let (space, target) = target.as_ref().map_or(("", ""), |origin| (" ", origin.as_str()));
    format!(
        "default-src 'none'; style-src 'self'; img-src 'self' data:;{script} connect-src 'self'; \
         form-action 'self'{space}{target}; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// `RateLimit-Policy` and `RateLimit` as draft-ietf-httpapi-ratelimit-headers-11 writes them: lists
/// of names with the quota and window, and with what is left and for how long, in seconds.
fn set_quota(response: &mut Response<'_>, quota: &Quota) {
    let policies: Vec<String> = quota
        .policies
        .iter()
        .map(|(name, rate)| {
            format!("\"{name}\";q={};w={}", rate.tries, rate.per.as_millis().div_ceil(1000))
        })
        .collect();
    if !policies.is_empty() {
        response.set_header(Header::new("RateLimit-Policy", policies.join(", ")));
    }
    if let Some((name, left, until)) = &quota.left {
        let seconds = until.as_millis().div_ceil(1000);
        response.set_header(Header::new("RateLimit", format!("\"{name}\";r={left};t={seconds}")));
    }
}

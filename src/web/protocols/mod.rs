//! Answers to machines: probes, crawlers, password managers.

pub mod forward_auth;
pub mod metrics;

use rocket::http::{ContentType, Status};
use rocket::{State, get};
use serde_json::{Value, json};

use super::Site;
use super::reply::Reply;
use crate::accounts::Auth;
use crate::db::migrations;

/// JSON for whoever asks: the same in a browser.
type Json = (ContentType, String);

fn json(value: &Value) -> Json {
    (ContentType::JSON, value.to_string())
}

/// The process is there.
#[get("/health")]
pub fn health() -> Json {
    json(&json!({ "status": "ok" }))
}

/// The service can do its work: the database answers and has every migration.
#[get("/ready")]
pub async fn ready(auth: &State<Auth>) -> (Status, Json) {
    if let Err(error) = auth.db.check_file() {
        return not_ready(&error.to_string());
    }
    match auth.db.read(migrations::pending).await {
        Ok(pending) if pending.is_empty() => (Status::Ok, json(&json!({ "status": "ok" }))),
        Ok(_) => not_ready("migrations are pending"),
        Err(error) => not_ready(&error.to_string()),
    }
}

/// The cause is the operator's to read.
fn not_ready(cause: &str) -> (Status, Json) {
    log::error!("not ready: {cause}");
    (Status::ServiceUnavailable, json(&json!({ "status": "not ready" })))
}

/// Where password managers send people (W3C, "A Well-Known URL for Changing Passwords").
#[get("/.well-known/change-password")]
pub fn change_password() -> Reply {
    Reply::redirect("/account/password")
}

#[get("/robots.txt")]
pub fn robots() -> (ContentType, &'static str) {
    (ContentType::Plain, "User-agent: *\nDisallow: /\n")
}

/// Pages carry their icon; this is for what asks without reading one.
#[get("/favicon.ico")]
pub fn favicon(site: &State<Site>) -> Option<(ContentType, Vec<u8>)> {
    site.assets.icon().map(|icon| (ContentType::SVG, icon.to_vec()))
}

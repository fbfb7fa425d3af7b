//! Rocket answering a constant: `constant PORT`.

use rocket::config::{Config, LogLevel, SecretKey};
use rocket::{get, routes};

#[get("/")]
fn constant() -> &'static str {
    "Bienvenue"
}

#[rocket::main]
async fn main() {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).expect("a port");
    // A release build insists on a key; there are no cookies to seal.
    let secret_key = SecretKey::derive_from(&[1; 32]);
    let config = Config { port, log_level: LogLevel::Off, secret_key, ..Config::release_default() };
    rocket::custom(config).mount("/", routes![constant]).launch().await.expect("a clean end");
}

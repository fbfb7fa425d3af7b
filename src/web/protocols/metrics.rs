//! Figures for Prometheus, on a loopback port of their own: no visitor reaches them.

use std::fmt::Write as _;

use rocket::figment::Figment;
use rocket::http::ContentType;
use rocket::{Build, Rocket, State, get, routes};

use crate::accounts::Auth;
use crate::audit::figures;

/// The small service that answers `GET /metrics`.
pub fn rocket(figment: Figment, auth: Auth) -> Rocket<Build> {
    rocket::custom(figment).manage(auth).mount("/", routes![show])
}

#[get("/metrics")]
async fn show(auth: &State<Auth>) -> (ContentType, String) {
    let mut text = auth.journal().figures().text();
    let mut gauge = |name: &str, help: &str, value: i64| {
        figures::head(&mut text, name, "gauge", help);
        let _ = writeln!(text, "{name} {value}");
    };
    let waiting = i64::try_from(auth.waiting_hashes()).unwrap_or(i64::MAX);
    gauge("gatehouse_hashes_waiting", "Passwords that wait to be hashed.", waiting);
    match auth.waiting_mails().await {
        Ok(mails) => gauge("gatehouse_mails_waiting", "Mails that have not left yet.", mails),
        Err(error) => log::warn!("a figure is missing: {error}"),
    }
    (
        ContentType::new("text", "plain").with_params([("version", "0.0.4"), ("charset", "utf-8")]),
        text,
    )
}

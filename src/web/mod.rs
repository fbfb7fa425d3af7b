//! How the web shows the service: pages for browsers, JSON for programs, at the same URLs.

pub mod accept;
mod assets;
mod client;
mod door_cookie;
mod error;
mod form_guard;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod guards;
mod headers;
pub mod in_flight;
mod input;
mod next;
mod notice;
mod pages;
mod private_cookie;
pub mod protocols;
mod reply;
mod session_cookie;
mod sighting;
mod site;
mod templates;
mod words;

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use rocket::figment::Figment;
use rocket::shield::Shield;
use rocket::{Build, Rocket, Route, catchers, routes};
use url::Url;

use crate::accounts::Auth;
use crate::mail::Transport;
use crate::theme::{Theme, ThemeError};

pub use assets::Color;
pub use protocols::forward_auth::ForwardAuth;
pub use site::{FooterLink, Site};

/// What the web layer needs to know.
#[derive(Debug, Clone)]
pub struct WebConfig {
    pub site_name: String,
    pub accent_color: Color,
    pub footer_links: Vec<FooterLink>,
    pub base_url: Url,
    /// The exercise's server: tokens in answers, no mail.
    pub classroom: bool,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// Applications that ask who is there.
    pub forward_auth: Option<ForwardAuth>,
    /// Whose `X-Forwarded-…` headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Whether sign-up looks out for programs.
    pub sign_up_guard: bool,
    pub theme: Theme,
}

/// The service, ready to launch. `figment` is Rocket's own configuration, checked before.
pub fn rocket(
    figment: Figment,
    config: WebConfig,
    auth: Auth,
    transport: Arc<Transport>,
) -> Result<Rocket<Build>, ThemeError> {
    let site = Site::new(config, &transport)?;
    let (figment, templates, clear_up) = templates::fairing(figment, &site.config.theme)?;
    Ok(rocket::custom(figment)
        .attach(templates)
        .attach(clear_up)
        // Rocket's own headers would be written and then overwritten.
        .attach(Shield::new())
        .attach(headers::Headers)
        .attach(client::RequestLog)
        .attach(guards::TouchSessions)
        .manage(site)
        .manage(auth)
        .manage(transport)
        .mount("/", gate::behind(routes()))
        .register("/", catchers![error::catch]))
}

/// THE table of routes.
fn routes() -> Vec<Route> {
    let mut routes = routes![
        pages::welcome::show,
        pages::registration::show,
        pages::registration::submit,
        pages::registration::reloaded,
        pages::login::show,
        pages::login::submit,
        pages::login::reloaded,
        pages::logout::submit,
        pages::logout::show,
        pages::unlock::submit_ask,
        pages::unlock::show_sent,
        pages::unlock::open_link,
        pages::unlock::show_open,
        pages::unlock::submit_open,
        pages::confirmation::show_sent,
        pages::confirmation::send_again,
        pages::confirmation::open_link,
        pages::confirmation::show_new,
        pages::confirmation::submit,
        pages::invitation::open_link,
        pages::profile::show,
        pages::details::show,
        pages::details::submit,
        pages::export::show,
        pages::export::download,
        pages::sessions::show,
        pages::sessions::submit_end,
        pages::history::show,
        pages::sudo::show,
        pages::sudo::submit,
        pages::sudo::cancel,
        pages::password_change::show,
        pages::password_change::submit,
        pages::sessions::submit_end_others,
        pages::email_change::show_ask,
        pages::email_change::submit_ask,
        pages::email_change::show_sent,
        pages::email_change::open_link,
        pages::email_change::show_confirm,
        pages::email_change::submit_confirm,
        pages::secure_account::show,
        pages::secure_account::submit,
        pages::secure_account::open_link,
        pages::secure_account::show_confirm,
        pages::secure_account::submit_confirm,
        pages::deletion::show,
        pages::deletion::submit,
        pages::deletion::open_link,
        pages::deletion::show_keep,
        pages::deletion::submit_keep,
        pages::password_reset::show_ask,
        pages::password_reset::submit_ask,
        pages::password_reset::show_sent,
        pages::password_reset::open_link,
        pages::password_reset::show_new,
        pages::password_reset::submit_new,
        protocols::health,
        protocols::ready,
        protocols::change_password,
        protocols::robots,
        protocols::favicon,
        protocols::forward_auth::check,
        assets::serve,
    ];
    #[cfg(debug_assertions)]
    routes.extend(routes![pages::dev_mailbox::show]);
    routes.extend(gate::everything_else());
    routes
}

/// Whether the page templates, those of `theme_dir` included, can be read.
pub fn check_templates(theme: &Theme) -> Result<(), ThemeError> {
    templates::check(theme)
}

//! Checks of where the site is and how it looks.

use url::{Host, Url};

use crate::config::source::Sources;
use crate::config::{ConfigError, Profile, Settings};
use crate::web::{Color, FooterLink};

pub fn base_url(sources: &Sources, settings: &Settings, port: u16) -> Result<Url, ConfigError> {
    let wrong = |what: &str| sources.error("base_url", what);
    if settings.base_url.is_empty() {
        return Url::parse(&format!("http://127.0.0.1:{port}")).map_err(|e| wrong(&e.to_string()));
    }
    let url = Url::parse(&settings.base_url).map_err(|e| {
        wrong(&format!("is no address such as \"https://login.example.org\" ({e})"))
    })?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err(wrong("must begin with https:// or, for loopback alone, http://"));
    }
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must be a scheme and a host, with no path, query or user"));
    }
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err(wrong("is plain http, which sends passwords in clear: must be https://"));
    }
    Ok(url)
}

/// Whether the URL names this very machine (`localhost`, 127.0.0.0/8, `::1`).
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

pub fn check_address(sources: &Sources, settings: &Settings) -> Result<(), ConfigError> {
    let ip = settings.address;
    if ip.is_loopback() {
        return Ok(());
    }
    let what = match sources.profile {
        Profile::Classroom => "the classroom profile hands out reset tokens: must be 127.0.0.1",
        Profile::Debug => {
            "a debug build shows its mailbox to everybody: must be 127.0.0.1, or build with --release"
        }
        Profile::Release
            if settings.base_url.is_empty() || settings.base_url.starts_with("http:") =>
        {
            "is reachable from outside: set base_url to the https:// address people use, too"
        }
        Profile::Release => return Ok(()),
    };
    Err(sources.error("address", &format!("is {ip}; {what}")))
}

pub fn accent_color(sources: &Sources, text: &str) -> Result<Color, ConfigError> {
    let color = Color::parse(text)
        .ok_or_else(|| sources.error("accent_color", "must be a colour such as \"#0b5f4b\""))?;
    let contrast = color.contrast_with_white();
    if contrast < 4.5 {
        let what = format!(
            "is too light: white text on it has a contrast of {contrast:.1}, must be 4.5 (WCAG 1.4.3)"
        );
        return Err(sources.error("accent_color", &what));
    }
    Ok(color)
}

pub fn footer_links(sources: &Sources, links: &[String]) -> Result<Vec<FooterLink>, ConfigError> {
    links
        .iter()
        .map(|link| {
            let (text, url) = link.trim().rsplit_once(' ').unwrap_or_default();
            let web = url.starts_with("https://") || url.starts_with("http://");
            let safe = web || url.starts_with("mailto:") || url.starts_with('/');
            if text.trim().is_empty() || !safe {
                let what = "each must be a text, a space and an address: \"Imprint https://…\"";
                return Err(sources.error("footer_links", what));
            }
            Ok(FooterLink { text: text.trim().to_owned(), url: url.to_owned() })
        })
        .collect()
}

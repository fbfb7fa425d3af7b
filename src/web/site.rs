//! What every page shows of the site, and which addresses are its own.

use serde_json::{Value, json};
use url::{Host, Url};

use super::WebConfig;
use super::assets::Assets;
use crate::mail::Transport;
use crate::theme::ThemeError;

/// A link at the foot of every page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FooterLink {
    pub text: String,
    pub url: String,
}

/// The site as configured.
pub struct Site {
    pub config: WebConfig,
    pub(super) assets: Assets,
    dev_mailbox: bool,
    /// What `Host` says where nobody plays tricks.
    usual_host: String,
}

impl Site {
    pub(super) fn new(config: WebConfig, transport: &Transport) -> Result<Self, ThemeError> {
        let assets = Assets::load(&config.theme, config.accent_color)?;
        let usual_host = config.base_url.authority().to_owned();
        Ok(Self { config, assets, dev_mailbox: has_dev_mailbox(transport), usual_host })
    }

    /// The `site` of every page's context.
    pub fn context(&self) -> Value {
        let links: Vec<Value> = self
            .config
            .footer_links
            .iter()
            .map(|link| json!({ "text": link.text, "url": link.url }))
            .collect();
        json!({
            "name": self.config.site_name,
            "css": self.assets.css_url(),
            "js": self.assets.js_url(),
            "footer_links": links,
            "dev_mailbox": self.dev_mailbox,
        })
    }

    /// Over https cookies are `Secure` and bear the `__Host-` prefix.
    pub fn is_https(&self) -> bool {
        self.config.base_url.scheme() == "https"
    }

    /// Whether a `Host` header (RFC 9110, 7.2) names this site.
    pub fn is_own_host(&self, host: &str) -> bool {
        if host == self.usual_host {
            return true;
        }
        let scheme = self.config.base_url.scheme();
        // Nothing but a host and a port: no user, no path.
        let plain = !host.contains(['/', '@', '?', '#', '\\']) && !host.is_empty();
        plain && Url::parse(&format!("{scheme}://{host}")).is_ok_and(|url| self.is_own_origin(&url))
    }

    /// Whether an `Origin` header (RFC 6454, 7) names this site. `null` does not.
    pub fn is_own_origin_text(&self, origin: &str) -> bool {
        // Browsers write an origin in one way: nothing but scheme, host and port.
        Url::parse(origin).is_ok_and(|url| {
            url.origin().ascii_serialization() == origin && self.is_own_origin(&url)
        })
    }

    fn is_own_origin(&self, url: &Url) -> bool {
        let own = &self.config.base_url;
        let same_door = url.scheme() == own.scheme()
            && url.port_or_known_default() == own.port_or_known_default();
        same_door && (url.host() == own.host() || (self.is_local(own) && self.is_local(url)))
    }

    /// With a loopback `base_url` every name of this machine is as good as another.
    fn is_local(&self, url: &Url) -> bool {
        match url.host() {
            // The exercise's clients connect to 0.0.0.0.
            Some(Host::Ipv4(ip)) => {
                ip.is_loopback() || (self.config.classroom && ip.is_unspecified())
            }
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }
}

#[cfg(debug_assertions)]
fn has_dev_mailbox(transport: &Transport) -> bool {
    transport.mailbox().is_some()
}

#[cfg(not(debug_assertions))]
fn has_dev_mailbox(_: &Transport) -> bool {
    false
}

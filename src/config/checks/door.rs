//! Checks of the door to other applications and of the proxies in front.

use ipnet::IpNet;
use url::{Host, Url};

use crate::config::source::Sources;
use crate::config::{ConfigError, Settings};
use crate::web::ForwardAuth;

/// The applications' hosts and the domain that their cookie is for; none when there are none.
pub fn forward_auth(
    sources: &Sources,
    settings: &Settings,
    base_url: &Url,
) -> Result<Option<ForwardAuth>, ConfigError> {
    let wrong = |what: &str| sources.error("allowed_hosts", what);
    if settings.allowed_hosts.is_empty() {
        return Ok(None);
    }
    if base_url.scheme() != "https" {
        return Err(wrong("is set: base_url must be the https:// address people use, too"));
    }
    let mut hosts = Vec::new();
    for text in &settings.allowed_hosts {
        let url = Url::parse(&format!("https://{text}")).ok();
        let plain = |url: &Url| {
            let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            bare && url.username().is_empty() && !text.contains(['/', '@', '*', ' '])
        };
        let url = url
            .filter(plain)
            .ok_or_else(|| wrong(&format!("\"{text}\" is no host such as \"app.example.org\"")))?;
        hosts.push(url);
    }
    let names = hosts.iter().chain([base_url]).map(|url| match url.host() {
        Some(Host::Domain(name)) => Some(name),
        _ => None,
    });
    let names: Option<Vec<&str>> = names.collect();
    let domain = names.and_then(|names| common_parent(&names)).ok_or_else(|| {
        let own = base_url.host_str().unwrap_or_default();
        wrong(&format!("must share a parent domain, such as example.org, with {own} (base_url)"))
    })?;
    Ok(Some(ForwardAuth { hosts, domain }))
}

/// The longest name that all end with, of two labels at least: a cookie for `org` is nobody's.
fn common_parent(names: &[&str]) -> Option<String> {
    let mut labels: Vec<&str> = names.first()?.rsplit('.').collect();
    for name in names {
        let same = labels.iter().zip(name.rsplit('.')).take_while(|(a, b)| **a == *b).count();
        labels.truncate(same);
    }
    labels.reverse();
    (labels.len() >= 2).then(|| labels.join("."))
}

/// Addresses and networks.
pub fn trusted_proxies(sources: &Sources, settings: &Settings) -> Result<Vec<IpNet>, ConfigError> {
    let wrong = |what: String| sources.error("trusted_proxies", &what);
    settings
        .trusted_proxies
        .iter()
        .map(|text| {
            let one = || text.parse::<std::net::IpAddr>().map(IpNet::from).ok();
            let net: IpNet = text.parse().ok().or_else(one).ok_or_else(|| {
                wrong(format!("\"{text}\" is no address or network such as \"10.0.0.0/8\""))
            })?;
            // Whoever may write the header may call themselves anybody (B-105).
            if net.prefix_len() == 0 {
                return Err(wrong(format!("\"{text}\" is everybody: name your proxy alone")));
            }
            Ok(net.trunc())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cookies_domain_is_the_longest_parent_of_all() {
        let parent = |names: &[&str]| common_parent(names);
        assert_eq!(
            parent(&["app.example.org", "login.example.org"]).as_deref(),
            Some("example.org")
        );
        assert_eq!(parent(&["a.b.example.org", "b.example.org"]).as_deref(), Some("b.example.org"));
        assert_eq!(parent(&["example.org", "login.example.org"]).as_deref(), Some("example.org"));
        assert_eq!(parent(&["app.example.net", "login.example.org"]), None);
        assert_eq!(parent(&["app.org", "login.org"]), None);
        assert_eq!(parent(&["myexample.org", "login.example.org"]), None);
    }
}

//! Where to go after log-in: a path of this site, or a page of a listed application.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rocket::http::CookieJar;
use url::Url;

use super::{ForwardAuth, Site, private_cookie};

/// Longer ones are no page of ours.
const LONGEST: usize = 1024;
/// Applications have longer ones; browsers and proxies carry this much.
const LONGEST_URL: usize = 4096;
/// How often a target may be percent-encoded before we stop looking.
const DECODINGS: usize = 3;

/// A target that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Here(String),
    Application(Url),
}

impl Next {
    /// None for anything that leads anywhere else.
    pub fn parse(text: &str, applications: Option<&ForwardAuth>) -> Option<Self> {
        let here = || local_path(text).map(|path| Self::Here(path.to_owned()));
        let fits = text.len() <= LONGEST_URL;
        let there = applications.filter(|_| fits).and_then(|it| it.target(text));
        there.map(Self::Application).or_else(here)
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Here(path) => path,
            Self::Application(url) => url.as_str(),
        }
    }

    /// The other site that it leads to.
    pub fn origin(&self) -> Option<String> {
        match self {
            Self::Here(_) => None,
            Self::Application(url) => Some(url.origin().ascii_serialization()),
        }
    }
}

/// Holds the application's page that somebody wants while they sign up, or look into their mail.
const COOKIE: &str = "next";
const KEPT: Duration = Duration::from_secs(60 * 60);

/// Keeps the way back to an application; a path of this site is not worth it, and no cookie holds a
/// very long one.
pub fn keep(jar: &CookieJar<'_>, site: &Site, next: Option<&Next>) {
    if let Some(Next::Application(url)) = next
        && url.as_str().len() <= LONGEST
    {
        private_cookie::set(jar, site, COOKIE, url.as_str().to_owned(), Some(KEPT));
    }
}

/// What was kept, if it is still an application's.
pub fn kept(jar: &CookieJar<'_>, site: &Site) -> Option<Next> {
    let applications = site.config.forward_auth.as_ref()?;
    Next::parse(&private_cookie::get(jar, site, COOKIE)?, Some(applications))
}

/// What was kept, once: for somebody who has come in.
pub fn take(jar: &CookieJar<'_>, site: &Site) -> Option<Next> {
    let next = kept(jar, site)?;
    private_cookie::remove(jar, site, COOKIE);
    Some(next)
}

/// What a path needs in the value of a query, and no more: people read their address bar.
const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'_').remove(b'-').remove(b'.').remove(b'~');

/// A path as the value of `next`.
pub fn encoded(path: &str) -> String {
    utf8_percent_encode(path, IN_QUERY).to_string()
}

/// `text` if a browser sent there stays on this site (open redirects, B-52 to B-55). Browsers take
/// `\` for `/` and skip tabs and line breaks, so neither may be in it, encoded or not.
pub fn local_path(text: &str) -> Option<&str> {
    if text.len() > LONGEST {
        return None;
    }
    let mut seen = text.to_owned();
    for _ in 0..DECODINGS {
        if !is_plain(&seen) {
            return None;
        }
        seen = percent_decode_str(&seen).decode_utf8().ok()?.into_owned();
    }
    is_plain(&seen).then_some(text)
}

fn is_plain(path: &str) -> bool {
    let graphic = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let rooted = path.starts_with('/') && !path.contains("//");
    let dots = path.split(['/', '?', '#']).any(|part| part == "." || part == "..");
    graphic && rooted && !dots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b52_b53_b55_only_paths_of_this_site_pass() {
        for good in ["/", "/profile", "/profile?tab=1&x=%C3%A9", "/a/b#c", "/reset_password"] {
            let ascii = good != "/profile?tab=1&x=%C3%A9";
            assert_eq!(local_path(good).is_some(), ascii, "{good}");
        }
        let long = format!("/{}", "a".repeat(LONGEST));
        for bad in [
            "",
            "profile",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "\\/\\/evil.example",
            "/%09/evil.example",
            "/%5cevil.example",
            "\t//evil.example",
            "\r\n/evil",
            " /profile",
            "/pro file",
            "https:evil.example",
            "///evil.example",
            "/.//evil.example",
            "/..//evil.example",
            "javascript:alert(1)",
            "/%252f%252fevil",
            "/%2f%2fevil",
            "%2f%2fevil",
            "／／evil.example",
            "/。evil",
            "/a%0d%0aSet-Cookie:x=1",
            "/a\r\nSet-Cookie: x=1",
            "/%00",
            "/a\0",
            &long,
        ] {
            assert_eq!(local_path(bad), None, "{bad:?}");
        }
    }
}

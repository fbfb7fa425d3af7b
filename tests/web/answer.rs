//! An answer, and what is said of it.

use rocket::http::Status;
use serde_json::Value;

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: Status,
    /// In the order they were sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    pub fn all(&self, name: &str) -> Vec<String> {
        let same = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.clone()).collect()
    }

    /// Everything that two visitors could tell two answers by: the request's id, what cookies are
    /// sealed into and their moments left out.
    pub fn comparable(&self) -> String {
        let mut text = format!("{}\n", self.status.code);
        for (name, value) in &self.headers {
            let value = match name.to_ascii_lowercase().as_str() {
                "x-request-id" => continue,
                // How much is left; the second in which its window ends is the clock's.
                "ratelimit" => value.split(";t=").next().unwrap_or_default().to_owned(),
                "set-cookie" => {
                    let (name, attributes) = value.split_once('=').unwrap_or_default();
                    let (value, attributes) = attributes.split_once(';').unwrap_or_default();
                    let lasting = attributes.split("; ").filter(|it| !it.starts_with("Expires"));
                    let lasting: Vec<&str> = lasting.collect();
                    // Base64 holds signs that are escaped, more of them by chance.
                    let length = percent_encoding::percent_decode_str(value).count();
                    format!("{name}, {length} bytes;{}", lasting.join(";"))
                }
                _ => value.clone(),
            };
            text.push_str(&format!("{name}: {value}\n"));
        }
        format!("{text}\n{}", self.text())
    }

    #[track_caller]
    pub fn is(&self, code: u16) -> &Self {
        assert_eq!(self.status.code, code, "{}", self.text());
        self
    }

    /// A 303 to that path.
    #[track_caller]
    pub fn goes_to(&self, path: &str) -> &Self {
        self.is(303);
        assert_eq!(self.header("location"), Some(path));
        self
    }

    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.text().contains(text), "{text:?} is not in {}", self.text());
        self
    }

    #[track_caller]
    pub fn does_not_say(&self, text: &str) -> &Self {
        assert!(!self.text().contains(text), "{text:?} is in {}", self.text());
        self
    }

    /// The body, which must be exactly this JSON.
    #[track_caller]
    pub fn json_is(&self, expected: &Value) -> &Self {
        assert_eq!(&self.json(), expected);
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{}", self.text());
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Attributes of cookies, headers: on every answer of every test.
    #[track_caller]
    pub fn check_what_all_answers_share(&self, https: bool) {
        let share = |name: &str| self.header(name).unwrap_or_else(|| panic!("{name}: {self:?}"));
        assert!(share("content-security-policy").starts_with("default-src 'none'"));
        assert_eq!(share("x-content-type-options"), "nosniff");
        assert_eq!(share("referrer-policy"), "same-origin");
        assert_eq!(share("cross-origin-opener-policy"), "same-origin");
        assert_eq!(share("cross-origin-resource-policy"), "same-origin");
        share("permissions-policy");
        share("x-request-id");
        let cache = share("cache-control");
        assert!(cache == "no-store" || cache.contains("immutable"), "{cache}");
        assert_eq!(self.header("server"), None);
        assert_eq!(self.header("strict-transport-security").is_some(), https);
        assert!(self.header("access-control-allow-origin").is_none());
        let kind = self.header("content-type").unwrap_or_default();
        if kind.starts_with("text/html") {
            assert_eq!(kind, "text/html; charset=utf-8");
        }
        for cookie in self.all("set-cookie") {
            assert!(cookie.len() <= 4096, "{cookie}");
            for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(attribute), "{attribute}: {cookie}");
            }
            assert_eq!(cookie.contains("; Secure"), https, "{cookie}");
            // What opens other applications is theirs to see, and so has another prefix.
            let shared = cookie.starts_with("__Secure-gatehouse=");
            assert_eq!(cookie.contains("; Domain="), shared, "{cookie}");
            assert_eq!(cookie.starts_with("__Host-"), https && !shared, "{cookie}");
        }
    }
}

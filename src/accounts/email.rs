//! E-mail addresses: what is one, and when two are the same.

use icu_casemap::CaseMapper;
use icu_normalizer::ComposingNormalizer;

/// The longest address a mail server takes (RFC 5321, 4.5.3.1.3, less the angle brackets), bytes.
pub const MAX_BYTES: usize = 254;

/// An address in use: as typed for showing and mailing, and folded for comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    typed: String,
    key: String,
}

/// Why a text is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailError {
    TooLong,
    /// A space or a control character.
    Spaces,
    /// Not of the form `name@host`.
    Form,
}

impl Email {
    /// Takes `text` as it is: nothing is trimmed or mended. The length is checked before folding,
    /// whose cost and result grow with it.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        if text.len() > MAX_BYTES {
            return Err(EmailError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace() || is_invisible(c)) {
            return Err(EmailError::Spaces);
        }
        let (local, domain) = text.split_once('@').ok_or(EmailError::Form)?;
        let address = crate::mail::transport::address(text).ok_or(EmailError::Form)?;
        let host = address.domain();
        let host_ok = !host.starts_with('[') && !host.ends_with('.') && !domain.contains('@');
        let folded = fold(local);
        // Folding may turn a look-alike into a sign that has a meaning (a full-width @ or comma).
        if !host_ok || local.starts_with(['-', '"']) || !folded.chars().all(is_plain) {
            return Err(EmailError::Form);
        }
        Ok(Self { typed: text.to_owned(), key: format!("{folded}@{}", host.to_lowercase()) })
    }

    pub fn as_typed(&self) -> &str {
        &self.typed
    }

    /// Two addresses are one person's when their keys are equal.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// In ASCII and lower case.
    pub fn domain(&self) -> &str {
        self.key.rsplit('@').next().unwrap_or_default()
    }

    pub fn local_part(&self) -> &str {
        self.typed.split('@').next().unwrap_or_default()
    }
}

/// One form for texts that people take to be the same: NFKC and full case folding (Unicode
/// Standard, 3.13, D146: fold between two normalisations), in Rust and never in SQL, whose
/// `lower()` knows ASCII only (SQLite) or depends on the collation (PostgreSQL).
pub fn fold(text: &str) -> String {
    let normalizer = ComposingNormalizer::new_nfkc();
    let folded = CaseMapper::new().fold_string(&normalizer.normalize(text)).into_owned();
    normalizer.normalize(&folded).into_owned()
}

fn is_plain(c: char) -> bool {
    !c.is_control() && !c.is_whitespace() && !"@,;:<>()[]\\\"".contains(c)
}

/// Signs that change how text is read and show nothing themselves.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> String {
        Email::parse(text).map(|email| email.key).unwrap_or_else(|e| panic!("{text}: {e:?}"))
    }

    #[test]
    fn spellings_of_one_address_have_one_key() {
        for twin in ["Ann@Example.com", "ANN@EXAMPLE.COM", "ａｎｎ@example.com", "ann@ｅxample.com"]
        {
            assert_eq!(key(twin), "ann@example.com", "{twin}");
        }
        assert_eq!(key("rené@example.com"), key("rene\u{301}@example.com"));
        assert_eq!(key("STRASSE@example.com"), key("straße@example.com"));
        assert_eq!(key("ann@münchen.example"), key("ann@xn--mnchen-3ya.example"));
    }

    #[test]
    fn b45e_look_alikes_are_other_addresses_or_fold_to_the_stored_one() {
        assert_ne!(key("mıke@example.com"), key("mike@example.com"));
        assert_eq!(key("mi\u{212a}e@example.com"), key("mike@example.com"));
        assert_eq!(key("o\u{fb03}ce@example.com"), key("office@example.com"));
    }

    #[test]
    fn b60_what_could_split_a_header_is_refused() {
        for text in [
            "",
            "a",
            "@",
            "a@",
            "@b.example",
            "a@b@c.example",
            "a b@c.example",
            "a@c.example ",
            " a@c.example",
            "a\r\n@c.example",
            "a@c.example\0",
            "a\u{2028}@c.example",
            "\"a\\\r\\\nBcc: x\"@c.example",
            "\"a b\"@c.example",
            "a@d.example,b@d.example",
            "a@d.example;b@d.example",
            "<a@d.example>",
            "Ann <a@d.example>",
            "a@[127.0.0.1]",
            "-a@d.example",
            "a＠b@c.example",
            "a@-d.example",
            "a@d..example",
            ".a@d.example",
            "a@d.example.",
            "a\u{200b}@d.example",
        ] {
            assert!(Email::parse(text).is_err(), "{text:?} passed");
        }
    }

    #[test]
    fn length_is_counted_in_bytes() {
        let name = "a".repeat(60);
        let host =
            |n: usize| format!("{}.{}.{}.example", "b".repeat(60), "c".repeat(60), "d".repeat(n));
        let fits = format!("{name}@{}", host(MAX_BYTES - 61 - 130));
        assert_eq!(fits.len(), MAX_BYTES);
        assert!(Email::parse(&fits).is_ok());
        let long = format!("{name}@{}", host(MAX_BYTES - 61 - 129));
        assert_eq!(Email::parse(&long), Err(EmailError::TooLong));
    }
}

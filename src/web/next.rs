//! Where to go after log-in: a path of this site, nothing else.

use percent_encoding::percent_decode_str;

/// Longer ones are no page of ours.
const LONGEST: usize = 1024;
/// How often a target may be percent-encoded before we stop looking.
const DECODINGS: usize = 3;

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

//! User agents in words: "Firefox 140 on Linux", as far as they name a program that is known.

use std::sync::LazyLock;

use serde::Deserialize;
use ua_parser::{os, user_agent};

/// Longer ones are cut before anybody looks at them.
const LONGEST: usize = 256;
/// What a program calls its version is anybody's to write.
const LONGEST_VERSION: usize = 8;
const UNKNOWN: &str = "an unknown program";

/// uap-core's rules, a choice of them (see `user_agents.md`).
#[derive(Deserialize)]
struct Rules {
    user_agent_parsers: Vec<user_agent::Parser<'static>>,
    os_parsers: Vec<os::Parser<'static>>,
}

struct Extractors {
    programs: user_agent::Extractor<'static>,
    systems: os::Extractor<'static>,
}

/// Compiled at first use: whoever never looks at a session pays nothing.
static EXTRACTORS: LazyLock<Extractors> = LazyLock::new(|| {
    let rules: Rules = serde_json::from_str(include_str!("user_agents.json"))
        .expect("the rules are part of the program, and tested");
    let programs = user_agent::Builder::new().push_all(rules.user_agent_parsers);
    let systems = os::Builder::new().push_all(rules.os_parsers);
    Extractors {
        programs: programs.expect("tested").build().expect("tested"),
        systems: systems.expect("tested").build().expect("tested"),
    }
});

/// For pages and mails. No word of what the program wrote of itself is in it, but a version's digits.
pub fn in_words(text: &str) -> String {
    recognised(text).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// The same, or none where neither the program nor the system is known.
pub fn recognised(text: &str) -> Option<String> {
    let text: String = text.chars().take(LONGEST).collect();
    match (program(&text), system(&text)) {
        (Some(program), Some(system)) => Some(format!("{program} on {system}")),
        (Some(program), None) => Some(program),
        (None, Some(system)) => Some(format!("{UNKNOWN} on {system}")),
        (None, None) => None,
    }
}

fn program(text: &str) -> Option<String> {
    let found = EXTRACTORS.programs.extract(text)?;
    let name = match found.family.as_ref() {
        "" => return None,
        // An app that shows pages of its own: which, it does not say.
        "Mobile Safari UI/WKWebView" | "Chrome Mobile WebView" | "CFNetwork" => {
            return Some("an app".to_owned());
        }
        "Chrome Mobile" | "Chrome Mobile iOS" => "Chrome",
        "Firefox Mobile" | "Firefox iOS" | "Firefox Alpha" | "Firefox Beta" => "Firefox",
        "Mobile Safari" => "Safari",
        "Edge Mobile" => "Edge",
        "Opera Mobile" => "Opera",
        "IE" => "Internet Explorer",
        "DuckDuckGo Mobile" => "DuckDuckGo",
        "Ecosia iOS" | "Ecosia Android" => "Ecosia",
        "Google" => "the Google app",
        "Facebook" => "the Facebook app",
        name => name,
    };
    Some(with_version(name, found.major, found.minor))
}

fn system(text: &str) -> Option<String> {
    let found = EXTRACTORS.systems.extract(text)?;
    let (major, minor) = (found.major.as_deref(), found.minor.as_deref());
    let frozen = match (found.os.as_ref(), major) {
        ("", _) => return None,
        // Browsers say the same of every later version.
        ("Windows" | "Mac OS X", Some("10")) => true,
        ("Android", Some("10")) => text.contains("Android 10; K)"),
        // A build that nobody knows by its number; the kernel's.
        ("Chrome OS" | "Linux", _) => true,
        _ => false,
    };
    let name = if found.os == "Mac OS X" { "macOS" } else { found.os.as_ref() };
    Some(if frozen { name.to_owned() } else { with_version(name, major, minor) })
}

fn with_version(name: &str, major: Option<&str>, minor: Option<&str>) -> String {
    let short = |part: &&str| part.len() <= LONGEST_VERSION;
    match (major.filter(short), minor.filter(short)) {
        (None, _) => name.to_owned(),
        (Some(major), None | Some("0")) => format!("{name} {major}"),
        (Some(major), Some(minor)) => format!("{name} {major}.{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
    const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)";
    const IPHONE: &str =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15";
    const KHTML: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";

    fn said(text: &str, words: &str) {
        assert_eq!(in_words(text), words, "{text}");
    }

    #[test]
    fn browsers_of_people() {
        let chrome = format!("{KHTML} Chrome/140.0.0.0 Safari/537.36");
        said(&format!("{WINDOWS} {chrome}"), "Chrome 140 on Windows");
        said(&format!("{WINDOWS} {chrome} Edg/140.0.3485.54"), "Edge 140 on Windows");
        said(&format!("{WINDOWS} {chrome} OPR/122.0.0.0"), "Opera 122 on Windows");
        said(&format!("{MAC} {chrome}"), "Chrome 140 on macOS");
        said(
            &format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {chrome}"),
            "Chrome 140 on Chrome OS",
        );
        said(&format!("{MAC} {KHTML} Version/18.5 Safari/605.1.15"), "Safari 18.5 on macOS");
        for (system, words) in [
            ("X11; Linux x86_64", "Firefox 140 on Linux"),
            ("X11; Ubuntu; Linux x86_64", "Firefox 140 on Ubuntu"),
            ("Windows NT 6.1; Win64; x64", "Firefox 140 on Windows 7"),
            ("Windows NT 6.3; Win64; x64", "Firefox 140 on Windows 8.1"),
            ("Macintosh; Intel Mac OS X 10.15", "Firefox 140 on macOS"),
            ("Android 14; Mobile", "Firefox 140 on Android 14"),
        ] {
            let text = format!("Mozilla/5.0 ({system}; rv:140.0) Gecko/20100101 Firefox/140.0");
            said(&text, words);
        }
        said(
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko",
            "Internet Explorer 11 on Windows 7",
        );
    }

    #[test]
    fn telephones() {
        let chrome = format!("{KHTML} Chrome/140.0.0.0 Mobile Safari/537.36");
        said(
            &format!("Mozilla/5.0 (Linux; Android 14; Pixel 8) {chrome}"),
            "Chrome 140 on Android 14",
        );
        said(&format!("Mozilla/5.0 (Linux; Android 10; K) {chrome}"), "Chrome 140 on Android");
        said(
            &format!("Mozilla/5.0 (Linux; Android 10; K) {chrome} EdgA/140.0.0.0"),
            "Edge 140 on Android",
        );
        let samsung = format!("{KHTML} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36");
        said(
            &format!("Mozilla/5.0 (Linux; Android 13; SM-S918B) {samsung}"),
            "Samsung Internet 28 on Android 13",
        );
        let view = format!("{KHTML} Version/4.0 Chrome/140.0.7339.51 Mobile Safari/537.36");
        said(
            &format!("Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) {view}"),
            "an app on Android 14",
        );
        for (rest, words) in [
            ("Version/18.5 Mobile/15E148 Safari/604.1", "Safari 18.5 on iOS 18.5"),
            ("CriOS/140.0.7339.39 Mobile/15E148 Safari/604.1", "Chrome 140 on iOS 18.5"),
            ("FxiOS/140.0 Mobile/15E148 Safari/605.1.15", "Firefox 140 on iOS 18.5"),
            ("Mobile/15E148", "an app on iOS 18.5"),
        ] {
            said(&format!("{IPHONE} (KHTML, like Gecko) {rest}"), words);
        }
        said("Example/1.0 CFNetwork/1568.100.1 Darwin/24.0.0", "an app on iOS");
    }

    #[test]
    fn programs() {
        for (text, words) in [
            ("curl/8.5.0", "curl 8.5"),
            ("Wget/1.21.4", "Wget 1.21"),
            ("python-requests/2.32.3", "Python Requests 2.32"),
            ("Python-urllib/3.12", "Python-urllib 3.12"),
            ("Go-http-client/1.1", "Go-http-client 1.1"),
            ("Java/17.0.9", "Java 17"),
            ("okhttp/4.12.0", "okhttp 4.12"),
            ("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8)", "an unknown program on Android 14"),
            ("", "an unknown program"),
            ("Gatehouse", "an unknown program"),
            ("<script>alert(1)</script>", "an unknown program"),
        ] {
            said(text, words);
        }
        assert_eq!(recognised("Gatehouse"), None);
    }

    #[test]
    fn a_version_of_any_length_is_left_out() {
        said(&format!("curl/{}", "9".repeat(200)), "curl");
        said(&format!("curl/8.{}", "9".repeat(200)), "curl 8");
        said(&format!("{}curl/8.5", " ".repeat(300)), "an unknown program");
    }

    proptest! {
        #[test]
        fn any_text_is_said_in_plain_words(text in "\\PC{0,300}", tail in "(Firefox|Android|Windows NT|iPhone OS|curl)[ /_.0-9a-z;)]{0,40}") {
            for text in [text.clone(), format!("{text}{tail}"), format!("{tail}{text}")] {
                let words = in_words(&text);
                prop_assert!(words.len() <= 80, "{words}");
                prop_assert!(words.chars().all(|c| c.is_ascii_alphanumeric() || " .-/".contains(c)), "{words}");
            }
        }
    }
}

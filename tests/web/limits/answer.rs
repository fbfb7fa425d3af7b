//! What somebody hears who tries too often: how long to wait, no more and no less, in the words of
//! RFC 9110 (10.2.3) and draft-ietf-httpapi-ratelimit-headers-11; and nothing that tells which
//! addresses have accounts (B-08).

use std::time::Duration;

use gatehouse::clock::Timestamp;
use rocket::http::Method;
use serde_json::json;

use super::{
    ANN, DAY, Guesser, SECOND, Tried, WAYS, WRONG, Way, behind_a_proxy, defaults, guarded, windows,
    with_ann,
};
use crate::app::{Answer, PASSWORD, TestApp};

const NOBODY: &str = "bob@example.org";

/// A member of a list of RFC 9651: a string, and parameters whose values are integers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    name: String,
    parameters: Vec<(String, i64)>,
}

impl Item {
    #[track_caller]
    fn get(&self, key: &str) -> i64 {
        let found = self.parameters.iter().find(|(name, _)| name == key);
        found.unwrap_or_else(|| panic!("no {key}: {self:?}")).1
    }
}

/// Reads a list as RFC 9651, 4.2.1, tells to, as far as strings and integers are concerned; what
/// does not fit is no list.
fn parse_list(text: &str) -> Option<Vec<Item>> {
    let mut rest = text;
    let mut items = Vec::new();
    loop {
        rest = rest.strip_prefix('"')?;
        let (name, after) = rest.split_once('"')?;
        if !name.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\') {
            return None;
        }
        rest = after;
        let mut parameters = Vec::new();
        while let Some(after) = rest.strip_prefix(';') {
            let after = after.trim_start_matches(' ');
            let (key, after) = after.split_once('=')?;
            let is_key = key.starts_with(|c: char| c.is_ascii_lowercase())
                && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            if !is_key || !(1..=15).contains(&digits) || parameters.iter().any(|(k, _)| k == key) {
                return None;
            }
            parameters.push((key.to_owned(), after[..digits].parse().ok()?));
            rest = &after[digits..];
        }
        items.push(Item { name: name.to_owned(), parameters });
        rest = rest.trim_start_matches([' ', '\t']);
        if rest.is_empty() {
            return Some(items);
        }
        rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}

#[test]
fn the_reader_of_lists_takes_lists_alone() {
    let list = parse_list("\"burst\";q=100;w=60,\"daily\"; q=1000;w=86400").expect("a list");
    assert_eq!(list.len(), 2);
    assert_eq!((list[1].name.as_str(), list[1].get("w")), ("daily", 86_400));
    for wrong in [
        "",
        "a",
        "\"a",
        "\"a\",",
        "\"a\";q",
        "\"a\";q=",
        "\"a\";q=x",
        "\"a\";Q=1",
        "\"a\";q=1;q=2",
        "\"a\" \"b\"",
    ] {
        assert_eq!(parse_list(wrong), None, "{wrong}");
    }
}

/// The lists of `RateLimit-Policy` and `RateLimit`, one header each.
#[track_caller]
fn lists(answer: &Answer) -> (Vec<Item>, Vec<Item>) {
    let list = |name: &str| {
        let all = answer.all(name);
        assert!(all.len() <= 1, "{all:?}");
        let items = all.first().map(|text| parse_list(text).unwrap_or_else(|| panic!("{text}")));
        items.unwrap_or_default()
    };
    (list("ratelimit-policy"), list("ratelimit"))
}

#[track_caller]
fn retry_after(answer: &Answer) -> i64 {
    let text = answer.header("retry-after").expect("Retry-After");
    assert!(text.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
    text.parse().expect("seconds")
}

/// Sends wrong passwords until one is refused.
#[track_caller]
fn refused(app: &TestApp, way: Way) -> Answer {
    let visitor = way.visitor(app);
    for _ in 0..100 {
        let answer = way.log_in(&visitor, ANN, WRONG);
        if answer.status.code == 429 {
            return answer;
        }
        answer.is(401);
    }
    panic!("nobody stops it");
}

#[test]
fn a_refusal_says_how_long_to_wait_to_people_and_to_programs() {
    for way in WAYS {
        let app = guarded();
        let refused = refused(&app, way);
        let seconds = retry_after(&refused);
        assert_eq!(seconds, 1);
        assert_eq!(refused.all("set-cookie"), [""; 0]);
        assert_eq!(refused.header("cache-control"), Some("no-store"));
        match way {
            Way::Form => {
                refused.says("<title>Too many tries").says("data-seconds=\"1\">in 1 second<");
            }
            Way::Json => {
                let told =
                    json!({ "message": "too many tries; see Retry-After", "retry_after": 1 });
                refused.json_is(&told);
            }
        }
        let (policies, left) = lists(&refused);
        let policies: Vec<(&str, i64, i64)> = policies
            .iter()
            .map(|policy| (policy.name.as_str(), policy.get("q"), policy.get("w")))
            .collect();
        let expected = [
            ("client-60s", 50, 60),
            ("client-86400s", 500, 86_400),
            ("account-60s", 10, 60),
            ("account-86400s", 100, 86_400),
            ("pause", 1, 1),
        ];
        assert_eq!(policies, expected);
        assert_eq!(
            left,
            [Item {
                name: "pause".to_owned(),
                parameters: vec![("r".to_owned(), 0), ("t".to_owned(), 1)]
            }]
        );
    }
}

#[test]
fn what_is_left_is_said_before_it_is_used_up() {
    for way in WAYS {
        let app = guarded();
        let visitor = way.visitor(&app);
        for used in 1..=4 {
            let answer = way.log_in(&visitor, ANN, WRONG);
            let (policies, left) = lists(answer.is(401));
            assert_eq!(answer.header("retry-after"), None);
            let [left] = &left[..] else { panic!("{left:?}") };
            let policy = policies.iter().find(|policy| policy.name == left.name);
            let policy = policy.unwrap_or_else(|| panic!("{left:?} of {policies:?}"));
            assert!((0..=policy.get("w")).contains(&left.get("t")), "{left:?} {policy:?}");
            if used < 4 {
                assert_eq!((left.name.as_str(), left.get("r")), ("account-60s", 10 - used));
            } else {
                // The next one has to wait, and is told so in time.
                assert_eq!((left.name.as_str(), left.get("r"), left.get("t")), ("pause", 0, 1));
            }
        }
    }
}

#[test]
fn waiting_as_long_as_told_is_enough_and_a_second_less_is_not() {
    for settings in [defaults(), "limit_login = \"10/1m, 12/1d\"".to_owned()] {
        let app = with_ann(&settings);
        let guesser = Guesser::at(app.auth(), "203.0.113.9");
        let mut now = Timestamp::now();
        let mut told = Vec::new();
        for _ in 0..16 {
            let wait = guesser.closes_ann(now).retry_after;
            assert_eq!(wait.subsec_nanos(), 0, "whole seconds");
            let early = now + wait - SECOND;
            if wait > SECOND {
                assert_eq!(guesser.tries(ANN, WRONG, early).refusal().retry_after, SECOND);
            }
            now = now + wait;
            assert!(guesser.tries(ANN, WRONG, now).is_checked(), "{wait:?}");
            told.push(wait.as_secs());
        }
        println!("{settings}: {told:?}");
        assert_eq!(told[..8], [1, 2, 4, 8, 16, 32, 64, 128]);
    }
}

#[test]
fn a_fraction_of_a_second_is_told_as_a_whole_one() {
    for millis in [1, 300, 999] {
        let app = guarded();
        let guesser = Guesser::at(app.auth(), "203.0.113.9");
        let mut now = Timestamp::now();
        for pause in [1, 2, 4, 8] {
            guesser.closes_ann(now);
            let asked = now + Duration::from_millis(millis);
            let told = guesser.tries(ANN, WRONG, asked).refusal().retry_after;
            assert_eq!(told.as_secs(), pause, "{millis} ms after the last try");
            if told > SECOND {
                guesser.tries(ANN, WRONG, asked + told - SECOND).refusal();
            }
            now = asked + told;
            assert!(guesser.tries(ANN, WRONG, now).is_checked(), "{millis} ms, {told:?}");
        }
    }
}

#[test]
fn a_full_window_is_waited_for_to_its_end() {
    let app = with_ann("limit_login = \"1/10s, 2/1d\"");
    let guesser = Guesser::at(app.auth(), "203.0.113.9");
    let start = Timestamp::now();
    assert!(guesser.tries(ANN, WRONG, start).is_checked());
    let limited = guesser.tries(ANN, WRONG, start).refusal();
    assert_eq!(limited.retry_after, 10 * SECOND);
    let second = start + 10 * SECOND;
    assert!(guesser.tries(ANN, WRONG, second).is_checked());
    let limited = guesser.tries(ANN, WRONG, second).refusal();
    assert_eq!(limited.retry_after, DAY - 10 * SECOND);
    assert_eq!(guesser.tries(ANN, WRONG, start + DAY - SECOND).refusal().retry_after, SECOND);
    assert!(guesser.tries(ANN, WRONG, start + DAY).is_checked());
}

/// Draft 11, 6: Retry-After "SHOULD NOT reference a point in time earlier than the end of the
/// effective window".
#[test]
fn no_list_says_to_wait_longer_than_retry_after_does() {
    for (settings, whole_server) in [
        ("limit_login = \"9/10m\"", false),
        ("limit_login = \"1/1h\"", true),
        ("limit_login = \"1/2s, 3/1h\"", false),
    ] {
        let app = with_ann(settings);
        if whole_server {
            let now = Timestamp::now();
            for number in 0..200 {
                let (ip, email) = (format!("198.51.100.{number}"), format!("{number}@example.com"));
                assert!(Guesser::at(app.auth(), &ip).tries(&email, WRONG, now).is_checked());
            }
        }
        for way in WAYS {
            let refused = refused(&app, way);
            let (policies, left) = lists(&refused);
            assert!(!policies.is_empty());
            assert!(left.iter().all(|left| left.get("t") <= retry_after(&refused)), "{refused:?}");
            assert!(left.iter().all(|left| left.get("r") == 0), "{refused:?}");
            assert_eq!(left.is_empty(), whole_server, "{refused:?}");
            assert!(!policies.iter().any(|policy| policy.name.starts_with("server")));
        }
    }
}

/// What the button of the page leads to.
#[track_caller]
fn way_back(page: &Answer) -> String {
    let text = page.text();
    let (_, after) = text.split_once("<a class=\"button\" href=\"").expect("a button");
    let (href, _) = after.split_once('"').expect("closed");
    href.replace("&#x2F;", "/").replace("&amp;", "&")
}

#[test]
fn the_page_leads_back_and_keeps_where_the_visitor_wanted_to_go() {
    let app = guarded();
    refused(&app, Way::Form);
    let ann = app.browser();
    let wanted = "/reset_password?a=b&c=d";
    let form = |next| [("email", ANN), ("password", WRONG), ("next", next)];
    let page = ann.post("/sessions", &form(wanted));
    let back = way_back(page.is(429));
    let login = ann.get(&back);
    login.is(200).says("name=\"next\" value=\"&#x2F;reset_password?a=b&amp;c=d\"");
    // Elsewhere is nowhere, here too.
    for evil in ["https://evil.example/", "//evil.example"] {
        assert_eq!(way_back(&ann.post("/sessions", &form(evil))), "/login");
    }
    assert_eq!(way_back(&ann.post("/sessions", &form(""))), "/login");
}

#[test]
fn the_page_keeps_the_address_for_the_mail_and_nothing_else() {
    let app = TestApp::with("limit_login = \"1/1h\"", &[]);
    let typed = "o'neill\"><script>@example.com";
    for (email, shown) in [(ANN, ANN), (typed, "o&#x27;neill&quot;&gt;&lt;script&gt;@example.com")]
    {
        let form = [("email", email), ("password", "canary of a password")];
        app.browser().post("/sessions", &form).is(401);
        let page = app.browser().post("/sessions", &form);
        page.is(429).says("<form method=\"post\" action=\"/unlock\">");
        page.says(&format!("<input type=\"hidden\" name=\"email\" value=\"{shown}\">"));
        page.does_not_say("canary").does_not_say("<script>@");
    }
}

#[test]
fn nothing_is_written_on_refusal() {
    let app = guarded();
    for way in WAYS {
        refused(&app, way);
        let (before, rows) = (windows(&app), app.dump());
        let refused = refused(&app, way);
        assert_eq!(refused.all("set-cookie"), [""; 0]);
        assert_eq!(windows(&app), before);
        assert_eq!(app.dump(), rows);
    }
}

#[test]
fn b08_limits_are_the_same_for_known_and_unknown_addresses() {
    let app = guarded();
    let (one, other) = ("203.0.113.9", "198.51.100.9");
    let mut now = Timestamp::now();
    for _ in 0..30 {
        let known = Guesser::at(app.auth(), one).tries(ANN, WRONG, now);
        let unknown = Guesser::at(app.auth(), other).tries(NOBODY, WRONG, now);
        match (known, unknown) {
            (Tried::Checked(known), Tried::Checked(unknown)) => assert_eq!(known, unknown),
            (Tried::Refused(known), Tried::Refused(unknown)) => {
                assert_eq!(known.retry_after, unknown.retry_after);
                assert_eq!(known.quota, unknown.quota);
                now = now + known.retry_after;
            }
            _ => panic!("one is looked at, the other is not"),
        }
    }
}

/// The answer less the seconds that have passed between two of them.
fn without_seconds(answer: &Answer, email: &str) -> String {
    let mut text = answer.comparable().replace(email, "EMAIL");
    let (_, left) = lists(answer);
    for item in left.iter().filter(|item| item.name != "pause") {
        text = text.replace(&format!(";t={}", item.get("t")), ";t=SECONDS");
    }
    text
}

#[test]
fn b08_every_byte_of_the_answers_is_the_same_for_known_and_unknown_addresses() {
    assert_eq!(ANN.len(), NOBODY.len());
    for way in WAYS {
        let app = behind_a_proxy();
        let (known, unknown) = (way.visitor(&app), way.visitor(&app));
        known.header("X-Forwarded-For", "203.0.113.9");
        unknown.header("X-Forwarded-For", "198.51.100.9");
        let mut seen = [0; 2];
        for number in 0..12 {
            let known = way.log_in(&known, ANN, WRONG);
            let unknown = way.log_in(&unknown, NOBODY, WRONG);
            // Each at its own moment: a pause may end between the two.
            if known.status == unknown.status {
                assert_eq!(
                    without_seconds(&known, ANN),
                    without_seconds(&unknown, NOBODY),
                    "try {number}"
                );
                seen[usize::from(known.status.code == 429)] += 1;
            }
        }
        assert!(seen[0] >= 4 && seen[1] >= 1, "{seen:?}");
    }
}

#[test]
fn a_method_or_a_body_that_means_nothing_is_not_counted() {
    let app = guarded();
    let browser = app.browser();
    for _ in 0..10 {
        browser.post("/sessions", &[("email", ANN)]).is(422);
        browser.send(Method::Post, "/sessions", &[("Content-Type", "text/plain")], vec![]).is(415);
    }
    assert_eq!(windows(&app), []);
    browser.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
}

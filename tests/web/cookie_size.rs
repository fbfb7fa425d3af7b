//! What a browser must carry: few cookies, and none that a browser or a proxy would refuse.

use std::collections::BTreeMap;

use crate::answer::Answer;
use crate::app::{PASSWORD, TestApp};

/// What every browser keeps of one (RFC 6265, 6.1; ASVS 3.3.5).
const LARGEST: usize = 4096;
/// Half of what nginx takes of one header by default.
const ALL_TOGETHER: usize = 4096;
const MOST: usize = 10;

/// As long as an address may be, in a script that takes two bytes a sign.
fn longest_address() -> String {
    let part = |letter: &str, length| letter.repeat(length);
    let host = [part("b", 63), part("c", 60), part("d", 55), "example".to_owned()].join(".");
    format!("{}@{host}", "é".repeat(32))
}

/// The live cookies and what each costs in a request.
#[derive(Default)]
struct Jar(BTreeMap<String, usize>);

impl Jar {
    #[track_caller]
    fn look(&mut self, answer: &Answer) {
        for set in answer.all("set-cookie") {
            assert!(set.len() < LARGEST, "{} bytes: {set}", set.len());
            let (name, value) =
                set.split(';').next().and_then(|it| it.split_once('=')).expect("one");
            if set.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), name.len() + 1 + value.len() + 2);
            }
        }
        let all: usize = self.0.values().sum();
        assert!(all < ALL_TOGETHER && self.0.len() <= MOST, "{all} bytes: {:?}", self.0);
    }
}

#[test]
fn b97_cookies_are_few_and_small_whatever_was_typed() {
    let settings = "base_url = \"https://login.example.org\"\nconfirm_email = true\n\
                    allowed_hosts = [\"app.example.org\"]";
    let app = TestApp::with(settings, &[]);
    let browser = app.browser();
    let address = longest_address();
    assert!((253..=254).contains(&address.len()));
    let next = format!("https://app.example.org/{}", "a".repeat(4000));
    let form = [("email", address.as_str()), ("password", PASSWORD)];
    let mut jar = Jar::default();
    jar.look(&browser.get(&format!("/login?next={next}")));
    jar.look(browser.post("/users", &form).goes_to("/confirm/sent"));
    jar.look(browser.post("/reset_password", &form[..1]).goes_to("/reset_password/sent"));
    jar.look(browser.post("/unlock", &form[..1]).goes_to("/unlock/sent"));
    let link = app.mailbox().into_iter().find_map(|mail| {
        let words = mail.text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        words.into_iter().find_map(|word| word.split_once("/confirm/").map(|(_, it)| it.to_owned()))
    });
    let link = format!("/confirm/{}", link.expect("a link"));
    jar.look(browser.get(&link).goes_to("/confirm/new"));
    jar.look(browser.post("/confirm", &[]).goes_to("/profile"));
    // Signed in, known, let through the door, with two addresses asked for and a notice waiting.
    assert!(jar.0.len() >= 6, "{:?}", jar.0);
}

//! The whole way by keys alone: no click, no pointer, nothing focused but by Tab.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;

use super::browser::Browser;
use super::flow::{EMAIL, PASSWORD, wait_for_mail};
use super::gatehouse::Gatehouse;
use super::patience::soon_is;

/// Every page begins with these.
const HEAD: [&str; 2] = ["a Skip to content", "a Gatehouse"];

impl Browser {
    pub fn strikes(&self, keys: impl IntoIterator<Item = char>) {
        let strike = |actions: KeyActions, value: char| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        };
        let actions = keys.into_iter().fold(KeyActions::new("keyboard".to_owned()), strike);
        self.wait("keys", self.client().perform_actions(actions));
    }

    #[track_caller]
    fn has_focus_on(&self, name: &str) {
        soon_is("the focus", &name.to_owned(), || {
            let focus = self.script(include_str!("focus.js"), vec![]);
            focus["name"].as_str().unwrap_or_default().to_owned()
        });
        let focus = self.script(include_str!("focus.js"), vec![]);
        for quality in ["outlined", "seen", "large"] {
            assert_eq!(focus[quality], true, "not {quality}: {focus} on {}", self.text());
        }
    }

    /// Tab by Tab: these, in this order.
    #[track_caller]
    pub fn tabs_through(&self, names: &[&str]) {
        for name in names {
            self.strikes([Key::Tab.into()]);
            self.has_focus_on(name);
        }
    }

    /// A key that leads to another page.
    #[track_caller]
    fn leaves_with(&self, key: Key) {
        self.leaves_when(|| self.strikes([key.into()]));
    }
}

#[test]
fn everything_works_by_keys_alone() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    skips_to_the_content(&gate, &ann);
    signs_up(&ann);
    logs_out(&ann);
    logs_in(&ann);
    resets(&ann);
}

fn skips_to_the_content(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/"));
    ann.tabs_through(&HEAD[..1]);
    ann.strikes([Key::Enter.into()]);
    ann.is_at("/#main");
    // The next stop is the first of the content: what lies between was skipped.
    ann.tabs_through(&["a Sign up", "a Log in"]);
    ann.opens(&gate.at("/"));
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["a Sign up"]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/signup");
}

fn signs_up(ann: &Browser) {
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["#email"]);
    ann.strikes(EMAIL.chars());
    ann.tabs_through(&["#password"]);
    ann.strikes("short".chars());
    ann.leaves_with(Key::Enter);
    ann.title_is("Error: Sign up – Gatehouse");
    ann.has_focus_on("#error-summary");

    // From the summary to the field.
    let summary = "a Too short: use at least 8 characters. A few unrelated words are good.";
    ann.tabs_through(&[summary]);
    ann.strikes([Key::Enter.into()]);
    ann.has_focus_on("#password");
    ann.strikes(PASSWORD.chars());
    ann.tabs_through(&["button Show password"]);
    ann.strikes([Key::Space.into()]);
    assert_eq!(ann.attribute("#password", "type").as_deref(), Some("text"));
    ann.strikes([Key::Space.into()]);
    assert_eq!(ann.attribute("#password", "type").as_deref(), Some("password"));
    ann.tabs_through(&["button Sign up", "a Log in"]);
    let (shift, tab) = (Key::Shift.into(), Key::Tab.into());
    let back = KeyActions::new("keyboard".to_owned())
        .then(KeyAction::Down { value: shift })
        .then(KeyAction::Down { value: tab })
        .then(KeyAction::Up { value: tab })
        .then(KeyAction::Up { value: shift });
    ann.wait("Shift and Tab", ann.client().perform_actions(back));
    ann.has_focus_on("button Sign up");
    ann.leaves_with(Key::Space);
    ann.is_at("/profile");
}

fn logs_out(ann: &Browser) {
    ann.tabs_through(&HEAD);
    let own = format!("a {EMAIL}");
    ann.tabs_through(&[&own, "button Log out", "a Change password", "button Log out"]);
    ann.leaves_with(Key::Space);
    ann.is_at("/");
    ann.sees("You are logged out.");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["a Sign up", "a Log in"]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/login");
}

fn logs_in(ann: &Browser) {
    const FORM: [&str; 5] =
        ["#email", "#password", "button Show password", "#remember", "button Log in"];
    ann.tabs_through(&HEAD);
    ann.tabs_through(&FORM);
    ann.tabs_through(&["a Forgot your password?", "a Sign up"]);
    ann.reloads();
    ann.tabs_through(&HEAD);
    ann.tabs_through(&FORM[..1]);
    ann.strikes(EMAIL.chars());
    ann.tabs_through(&FORM[1..2]);
    ann.strikes("not that one".chars());
    ann.leaves_with(Key::Enter);
    ann.title_is("Error: Log in – Gatehouse");
    ann.has_focus_on("#error-summary");
    ann.tabs_through(&FORM[..2]);
    ann.strikes(PASSWORD.chars());
    ann.tabs_through(&FORM[2..4]);
    ann.strikes([Key::Space.into()]);
    ann.tabs_through(&FORM[4..]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/profile");
    assert_eq!(ann.cookie("session_id").expect("a session")["session"], false, "kept");
}

fn resets(ann: &Browser) {
    ann.tabs_through(&HEAD);
    let own = format!("a {EMAIL}");
    ann.tabs_through(&[&own, "button Log out", "a Change password"]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/reset_password");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&own, "button Log out", "#email", "button Mail me a link"]);
    ann.leaves_with(Key::Space);
    ann.sees("Look into your mail");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&own, "button Log out", "a Open the development mailbox"]);
    ann.leaves_with(Key::Enter);
    wait_for_mail(ann);
    ann.tabs_through(&HEAD);
    ann.strikes([Key::Tab.into()]);
    let focus = ann.script(include_str!("focus.js"), vec![]);
    assert!(focus["name"].as_str().expect("a name").contains("/reset_password/"), "{focus}");
    ann.leaves_with(Key::Enter);
    ann.is_at("/reset_password/new");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&own, "button Log out", "#new_password"]);
    ann.strikes("another window, barley".chars());
    ann.tabs_through(&["button Show password", "button Save new password"]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/login");
    ann.sees("Your password is updated.");
}

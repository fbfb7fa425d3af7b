//! Keys struck, and where the focus stands after them: on something that is seen and marked.

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::key::Key;
use serde_json::Value;

use super::browser::Browser;
use super::patience::soon_is;

/// Every page begins with these.
pub const HEAD: [&str; 2] = ["a Skip to content", "a Gatehouse"];
/// More stops than any page of the tests has.
const MOST_STOPS: usize = 80;

impl Browser {
    pub fn strikes(&self, keys: impl IntoIterator<Item = char>) {
        let strike = |actions: KeyActions, value: char| {
            actions.then(KeyAction::Down { value }).then(KeyAction::Up { value })
        };
        let actions = keys.into_iter().fold(KeyActions::new("keyboard".to_owned()), strike);
        self.wait("keys", self.client().perform_actions(actions));
    }

    /// A key while another is held down.
    pub fn strikes_holding(&self, held: Key, value: char) {
        let held = held.into();
        let actions = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: held })
            .then(KeyAction::Down { value })
            .then(KeyAction::Up { value })
            .then(KeyAction::Up { value: held });
        self.wait("two keys", self.client().perform_actions(actions));
    }

    fn focus(&self) -> Value {
        self.script(include_str!("focus.js"), vec![])
    }

    #[track_caller]
    pub fn has_focus_on(&self, name: &str) {
        soon_is("the focus", &name.to_owned(), || {
            self.focus()["name"].as_str().unwrap_or_default().to_owned()
        });
        self.sees_the_focus();
    }

    /// Its name.
    #[track_caller]
    fn sees_the_focus(&self) -> String {
        let focus = self.focus();
        for quality in ["outlined", "seen", "large"] {
            assert_eq!(focus[quality], true, "not {quality}: {focus} on {}", self.text());
        }
        focus["name"].as_str().expect("a name").to_owned()
    }

    /// Tab by Tab: these, in this order.
    #[track_caller]
    pub fn tabs_through(&self, names: &[&str]) {
        for name in names {
            self.strikes([Key::Tab.into()]);
            self.has_focus_on(name);
        }
    }

    /// Tab by Tab until something is reached that is named so or begins so; its name.
    #[track_caller]
    pub fn tabs_to(&self, beginning: &str) -> String {
        let mut stops = Vec::new();
        while stops.len() < MOST_STOPS {
            self.strikes([Key::Tab.into()]);
            let name = self.sees_the_focus();
            if name.starts_with(beginning) {
                return name;
            }
            stops.push(name);
        }
        panic!("no stop is called {beginning:?}: {stops:#?}")
    }

    /// A key that leads to another page.
    #[track_caller]
    pub fn leaves_with(&self, key: Key) {
        self.leaves_when(|| self.strikes([key.into()]));
    }
}

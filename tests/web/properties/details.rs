//! Details: a name that is taken can be seen and is kept as it is; a zone that is found is found again.

use gatehouse::accounts::details::{Details, LONGEST_NAME};
use gatehouse::clock::{Timestamp, zone};
use proptest::prelude::{Strategy, any, prop_oneof};

use super::{Reached, holds, joined};

const SIGNS: [&str; 14] = [
    "Ann",
    "<b>",
    " ",
    "\0",
    "\n",
    "\u{202e}",
    "\u{2028}",
    "\u{200d}",
    "é",
    "e\u{301}",
    "愛",
    "👩‍🔧",
    "'",
    "x\u{85}",
];
const PARTS: [&str; 12] =
    ["Europe", "/", "Berlin", "berlin", "New", " ", "_", "York", "Etc/GMT", "+", "3", "ü"];

fn names() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), joined(&SIGNS, 6), "[a-z ]{90,110}"]
}

#[test]
fn b106_a_name_that_is_taken_can_be_seen_and_is_taken_again() {
    let (taken, refused) = (Reached::default(), Reached::default());
    holds(600, names(), |text| match Details::parse(Some(&text), Some("")) {
        Ok(Details { display_name: Some(Some(name)), time_zone: Some(None) }) => {
            taken.one();
            assert_eq!(name, text.trim());
            assert!(name.chars().count() <= LONGEST_NAME);
            let hidden = |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c);
            assert!(!name.contains(hidden), "{name:?}");
            let again = Details::parse(Some(&name), Some("")).expect("a name");
            assert_eq!(again.display_name, Some(Some(name)));
        }
        Ok(Details { display_name, time_zone }) => {
            assert_eq!((display_name, time_zone), (Some(None), Some(None)));
            assert_eq!(text.trim(), "");
        }
        Err(errors) => {
            refused.one();
            assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["display_name"]);
        }
    });
    taken.at_least(50);
    refused.at_least(50);
}

#[test]
fn a_zone_that_is_found_is_found_again_and_shows_times() {
    let found = Reached::default();
    const KNOWN: [&str; 6] =
        ["Europe/Berlin", "berlin", " new york ", "ASIA/kolkata", "UTC", "Etc/GMT+5"];
    let known = proptest::sample::select(KNOWN.as_slice()).prop_map(str::to_owned);
    let texts = prop_oneof![3 => joined(&PARTS, 4), 1 => known, 1 => any::<String>()];
    let moments = any::<i64>();
    holds(400, (texts, moments), |(text, millis)| match zone::find(&text) {
        Ok(name) => {
            found.one();
            let again = zone::find(name).expect("its own name");
            let now = Timestamp::from_millis(1_900_000_000_000);
            assert_eq!(now.in_words_of(Some(name)), now.in_words_of(Some(again)));
            let moment = Timestamp::from_millis(millis);
            assert_eq!(moment.in_words_of(Some(name)).is_empty(), moment.in_words().is_empty());
        }
        Err(unknown) => {
            let like = unknown.like.into_iter().flatten();
            like.for_each(|name| assert!(name.contains('/') || zone::find(name).is_ok(), "{name}"));
        }
    });
    found.at_least(10);
}

//! Our list of attacks, B-01 to B-111: each has its place in `docs/attacks.toml`, and tests that bear
//! its number, or it says why there is none.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::document::{head, in_code, read, row};
use super::evidence;
use crate::none;

/// The numbers run from 1 to this, and some have sisters with a letter.
const LAST: u32 = 111;
const SISTERS: [(u32, &str); 8] = [
    (45, "abcde"),
    (65, "b"),
    (73, "b"),
    (78, "bcdefghij"),
    (83, "bc"),
    (88, "bc"),
    (89, "bc"),
    (105, "bcd"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attacks {
    attack: Vec<Attack>,
    later: Vec<Later>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Attack {
    id: String,
    /// What is tried, and what comes of it.
    what: String,
    /// Tests that do not bear the number.
    #[serde(default)]
    also: Vec<String>,
    /// What the tests do not show.
    #[serde(default)]
    left: String,
}

/// Attacks on a feature that is not there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Later {
    what: String,
    ids: Vec<String>,
}

fn attacks() -> Attacks {
    read("attacks.toml")
}

/// Every test of an attack, whether it bears the number or not.
fn tests_of(attack: &Attack, by_number: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut tests: BTreeSet<String> = attack.also.iter().cloned().collect();
    tests.extend(by_number.get(&attack.id).cloned().unwrap_or_default());
    tests
}

pub fn table() -> String {
    let (attacks, by_number) = (attacks(), evidence::tests_by_attack());
    let mut text = head(&["", "attack or fault, and what comes of it", "tests"]);
    for attack in &attacks.attack {
        let tests = tests_of(attack, &by_number);
        let missing = if tests.is_empty() { "no test" } else { "" };
        let what = match attack.left.as_str() {
            "" => attack.what.clone(),
            left => format!("{}. *{left}*", attack.what),
        };
        text += &row(&[&attack.id, &what, &[missing, &in_code(&tests)].concat()]);
    }
    text += "\nAttacks on what is not there:\n\n";
    text += &head(&["what", "attacks"]);
    for later in &attacks.later {
        text += &row(&[&later.what, &later.ids.join(", ")]);
    }
    text
}

fn all_ids() -> Vec<String> {
    let mut ids = Vec::new();
    for number in 1..=LAST {
        let id = format!("B-{number:02}");
        let sisters =
            SISTERS.iter().find(|(of, _)| *of == number).map_or("", |(_, letters)| letters);
        ids.push(id.clone());
        ids.extend(sisters.chars().map(|letter| format!("{id}{letter}")));
    }
    ids
}

#[test]
fn every_attack_has_one_place() {
    let attacks = attacks();
    let mut places: BTreeMap<String, u32> = BTreeMap::new();
    let later = attacks.later.iter().flat_map(|later| later.ids.iter());
    for id in attacks.attack.iter().map(|attack| &attack.id).chain(later) {
        *places.entry(id.clone()).or_default() += 1;
    }
    let mut findings = Vec::new();
    for id in all_ids() {
        let count = places.remove(&id).unwrap_or(0);
        findings.extend((count != 1).then(|| format!("{id} has {count} places")));
    }
    findings.extend(places.keys().map(|id| format!("{id} is none of ours")));
    none("docs/attacks.toml", findings);
}

#[test]
fn every_number_that_a_test_bears_is_an_attack() {
    let ids: BTreeSet<String> = all_ids().into_iter().collect();
    let mut findings = Vec::new();
    for (number, tests) in evidence::tests_by_attack() {
        if !ids.contains(&number) {
            findings.push(format!("{number}: {tests:?}"));
        }
    }
    none("a test bears the number of no attack", findings);
}

#[test]
fn every_attack_has_a_test_or_says_why_not() {
    let (by_number, tests) = (evidence::tests_by_attack(), evidence::tests());
    let mut findings = Vec::new();
    for attack in attacks().attack {
        let gone = attack.also.iter().filter(|name| !evidence::exists(name, &tests));
        findings.extend(gone.map(|name| format!("{}: there is no test {name}", attack.id)));
        if attack.left.is_empty() && tests_of(&attack, &by_number).is_empty() {
            findings.push(format!("{}: no test, and no word why", attack.id));
        }
    }
    none("docs/attacks.toml", findings);
}

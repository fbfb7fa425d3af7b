//! OWASP ASVS 5.0, requirement by requirement: each has its place in `docs/asvs.toml`, and each test
//! that is named there exists.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::document::{head, in_code, read, row};
use super::evidence;
use crate::none;

/// The sections of ASVS 5.0 with how many requirements each has: 345 in all.
const SECTIONS: [(&str, u32); 80] = [
    ("1.1", 2),
    ("1.2", 10),
    ("1.3", 12),
    ("1.4", 3),
    ("1.5", 3),
    ("2.1", 3),
    ("2.2", 3),
    ("2.3", 5),
    ("2.4", 2),
    ("3.1", 1),
    ("3.2", 3),
    ("3.3", 5),
    ("3.4", 8),
    ("3.5", 8),
    ("3.6", 1),
    ("3.7", 5),
    ("4.1", 5),
    ("4.2", 5),
    ("4.3", 2),
    ("4.4", 4),
    ("5.1", 1),
    ("5.2", 6),
    ("5.3", 3),
    ("5.4", 3),
    ("6.1", 3),
    ("6.2", 12),
    ("6.3", 8),
    ("6.4", 6),
    ("6.5", 8),
    ("6.6", 4),
    ("6.7", 2),
    ("6.8", 4),
    ("7.1", 3),
    ("7.2", 4),
    ("7.3", 2),
    ("7.4", 5),
    ("7.5", 3),
    ("7.6", 2),
    ("8.1", 4),
    ("8.2", 4),
    ("8.3", 3),
    ("8.4", 2),
    ("9.1", 3),
    ("9.2", 4),
    ("10.1", 2),
    ("10.2", 3),
    ("10.3", 5),
    ("10.4", 16),
    ("10.5", 5),
    ("10.6", 2),
    ("10.7", 3),
    ("11.1", 4),
    ("11.2", 5),
    ("11.3", 5),
    ("11.4", 4),
    ("11.5", 2),
    ("11.6", 2),
    ("11.7", 2),
    ("12.1", 5),
    ("12.2", 2),
    ("12.3", 5),
    ("13.1", 4),
    ("13.2", 6),
    ("13.3", 4),
    ("13.4", 7),
    ("14.1", 2),
    ("14.2", 8),
    ("14.3", 3),
    ("15.1", 5),
    ("15.2", 5),
    ("15.3", 7),
    ("15.4", 4),
    ("16.1", 1),
    ("16.2", 5),
    ("16.3", 4),
    ("16.4", 3),
    ("16.5", 4),
    ("17.1", 2),
    ("17.2", 8),
    ("17.3", 2),
];

/// What the chapters are about; those without rows have no name here.
const CHAPTERS: [(&str, &str); 13] = [
    ("1", "Encoding, injection, parsers"),
    ("2", "Validation and the order of steps"),
    ("3", "Browsers"),
    ("4", "HTTP"),
    ("6", "Authentication"),
    ("7", "Sessions"),
    ("8", "Who may do what"),
    ("11", "Cryptography"),
    ("12", "Encryption on the wire"),
    ("13", "Configuration"),
    ("14", "Data protection"),
    ("15", "Dependencies and robust code"),
    ("16", "Log and errors"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asvs {
    requirement: Vec<Requirement>,
    later: Vec<Group>,
    absent: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requirement {
    id: String,
    level: u8,
    asks: String,
    state: State,
    how: String,
    /// What is not met.
    #[serde(default)]
    left: String,
    #[serde(default)]
    tests: Vec<String>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum State {
    /// Tests prove it.
    Met,
    /// True of the source as it is, with nothing to run.
    ByDesign,
    /// What is asked for is a text, and it is there.
    Documented,
    /// The operator's or the proxy's to do; the files that ship do it, or the text says it.
    Operator,
    Partly,
    NotMet,
}

impl State {
    fn in_words(self) -> &'static str {
        match self {
            Self::Met => "",
            Self::ByDesign => "*By design.* ",
            Self::Documented => "*Written.* ",
            Self::Operator => "*The operator's.* ",
            Self::Partly => "**Partly.** ",
            Self::NotMet => "**Not met.** ",
        }
    }

    fn is_lacking(self) -> bool {
        matches!(self, Self::Partly | Self::NotMet)
    }
}

/// Requirements that come with a feature that is not there, or that mean nothing here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    what: String,
    why: String,
    ids: Vec<String>,
}

fn asvs() -> Asvs {
    read("asvs.toml")
}

pub fn table() -> String {
    let asvs = asvs();
    let mut text = String::new();
    for (chapter, about) in CHAPTERS {
        let inside = |it: &&Requirement| it.id.split('.').next() == Some(chapter);
        let rows: Vec<&Requirement> = asvs.requirement.iter().filter(inside).collect();
        if rows.is_empty() {
            continue;
        }
        text += &format!("### V{chapter} {about}\n\n");
        text += &head(&["ASVS", "level", "asks", "how it is met", "tests"]);
        for it in rows {
            let how = [it.state.in_words(), &it.how, " ", &it.left].concat();
            let (level, tests) = (it.level.to_string(), in_code(&it.tests));
            text += &row(&[&it.id, &level, &it.asks, how.trim(), &tests]);
        }
        text.push('\n');
    }
    text += "### Comes with a feature that is not there yet\n\n";
    text += &groups(&asvs.later);
    text += "\n### Means nothing here\n\n";
    text += &groups(&asvs.absent);
    text
}

fn groups(groups: &[Group]) -> String {
    let mut text = head(&["what", "why", "ASVS"]);
    for group in groups {
        text += &row(&[&group.what, &group.why, &group.ids.join(", ")]);
    }
    text
}

/// The rows that are not met, or not wholly.
pub fn not_met() -> String {
    let asvs = asvs();
    let mut text = head(&["ASVS", "level", "asks", "", "what is missing"]);
    for it in asvs.requirement.iter().filter(|it| it.state.is_lacking()) {
        let state = it.state.in_words().trim_matches([' ', '*', '.']).to_lowercase();
        text += &row(&[&it.id, &it.level.to_string(), &it.asks, &state, &it.left]);
    }
    text
}

#[test]
fn every_requirement_of_asvs_has_one_place() {
    let asvs = asvs();
    let mut places: BTreeMap<String, u32> = BTreeMap::new();
    let groups = asvs.later.iter().chain(&asvs.absent).flat_map(|group| group.ids.iter());
    for id in asvs.requirement.iter().map(|it| &it.id).chain(groups) {
        *places.entry(id.clone()).or_default() += 1;
    }
    let mut findings = Vec::new();
    for (section, count) in SECTIONS {
        for id in (1..=count).map(|number| format!("{section}.{number}")) {
            match places.remove(&id) {
                Some(1) => {}
                None => findings.push(format!("{id} has no place")),
                Some(places) => findings.push(format!("{id} has {places} places")),
            }
        }
    }
    findings.extend(places.keys().map(|id| format!("{id} is no requirement of ASVS 5.0")));
    none("docs/asvs.toml", findings);
}

#[test]
fn rows_stand_in_the_order_of_asvs() {
    let numbers = |id: &str| -> Vec<u32> { id.split('.').flat_map(str::parse).collect() };
    let rows = asvs().requirement;
    let wrong = rows.windows(2).filter(|two| numbers(&two[0].id) >= numbers(&two[1].id));
    none("docs/asvs.toml", wrong.map(|two| format!("{} after {}", two[1].id, two[0].id)).collect());
}

#[test]
fn every_test_that_a_row_names_is_there() {
    let tests = evidence::tests();
    let mut findings = Vec::new();
    for it in asvs().requirement {
        let gone = it.tests.iter().filter(|name| !evidence::exists(name, &tests));
        findings.extend(gone.map(|name| format!("{}: there is no test {name}", it.id)));
    }
    none("docs/asvs.toml", findings);
}

#[test]
fn what_is_met_names_its_tests_and_what_is_not_says_what_is_missing() {
    let mut findings = Vec::new();
    for it in asvs().requirement {
        let wrong = [
            (it.state == State::Met && it.tests.is_empty(), "is met and names no test"),
            (it.state.is_lacking() == it.left.is_empty(), "`left` is for what is not met"),
            (!(1..=3).contains(&it.level), "has a level from 1 to 3"),
            (it.asks.is_empty() || (it.how.is_empty() && it.left.is_empty()), "says nothing"),
        ];
        let said = wrong.iter().filter(|(wrong, _)| *wrong);
        findings.extend(said.map(|(_, what)| format!("{}: {what}", it.id)));
    }
    none("docs/asvs.toml", findings);
}

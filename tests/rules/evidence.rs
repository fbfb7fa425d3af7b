//! Which tests there are, which attacks their names bear, and what counts as a place to look.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Source, root, sources};

/// The tests of the repository, by name, each with its file.
pub fn tests() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for source in sources("tests").iter().chain(&sources("src")) {
        found.extend(tests_of(source).into_iter().map(|name| (name, source.path.clone())));
    }
    assert!(found.len() > 300, "only {} tests found", found.len());
    found
}

pub fn tests_of(source: &Source) -> Vec<String> {
    let codes: Vec<&str> = source.lines.iter().map(|line| line.code.trim()).collect();
    let mut named: Vec<String> = Vec::new();
    for (at, code) in codes.iter().enumerate() {
        let Some((_, after)) = code.split_once("fn ") else { continue };
        // Right above, or with other attributes in between.
        let mut above = codes[..at].iter().rev().take_while(|above| above.starts_with("#["));
        if above.any(|above| above.contains("test]") || above.contains("test(")) {
            named.push(after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    // What tests/proxy tries behind nginx and behind Caddy is named in a macro's brackets.
    let text = codes.concat();
    if let Some((_, rest)) = text.split_once("behind_each_proxy!(") {
        let list = rest.split(')').next().unwrap_or_default();
        named.extend(list.split(',').map(|name| name.trim().to_owned()));
    }
    named.retain(|name| !name.is_empty());
    named
}

/// The tests whose names bear an attack's number, by that number: `b45a_a_token_works_once` is
/// `B-45a`'s.
pub fn tests_by_attack() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in tests().into_keys() {
        for number in name.split('_').filter_map(attack_number) {
            found.entry(number).or_default().insert(name.clone());
        }
    }
    found
}

/// `b45a` → `B-45a`.
fn attack_number(word: &str) -> Option<String> {
    let number = word.strip_prefix('b')?;
    let digits = number.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let fits = (2..=3).contains(&digits.len()) && number.len() - digits.len() <= 1;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    (fits && plain).then(|| format!("B-{number}"))
}

/// Whether `named` is a test, or a file of the repository such as `script/fuzz`.
pub fn exists(named: &str, tests: &BTreeMap<String, String>) -> bool {
    tests.contains_key(named) || (named.contains('/') && root().join(named).is_file())
}

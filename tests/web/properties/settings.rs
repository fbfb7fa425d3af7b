//! Settings (B-104): a span is a number and a unit, and any other text is refused in one line.

use std::time::Duration;

use gatehouse::config::Config;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{Reached, holds};

const DAY: u64 = 24 * 60 * 60;
/// Longer ones are refused: sums with them would overflow.
const LONGEST: u64 = 10 * 365 * DAY;

fn spans() -> impl Strategy<Value = String> {
    let units = select(&["s", "m", "h", "d", "S", "w", "ms", "", " s", "s ", "\u{17f}"][..]);
    prop_oneof![
        4 => (0..20_000u64, units.clone()).prop_map(|(number, unit)| format!("{number}{unit}")),
        1 => (any::<u64>(), units.clone()).prop_map(|(number, unit)| format!("{number}{unit}")),
        2 => ("[-+ 0-9._e٣]{0,6}", units).prop_map(|(number, unit)| format!("{number}{unit}")),
        1 => any::<String>(),
    ]
}

/// What a span means, worked out another way.
fn meant(text: &str) -> Option<u64> {
    let unit = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY)];
    let (number, unit) = unit.iter().find_map(|(u, n)| Some((text.strip_suffix(u)?, *n)))?;
    let plain = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let seconds = number.parse::<u128>().ok().filter(|_| plain)? * u128::from(unit);
    u64::try_from(seconds).ok().filter(|seconds| (1..=LONGEST).contains(seconds))
}

fn with(key: &str, value: &str) -> Result<Config, String> {
    let variable = format!("ROCKET_{}", key.to_uppercase());
    Config::from_parts("", &[(&variable, value)]).map_err(|error| error.to_string())
}

#[test]
fn b104_a_span_is_what_it_says_or_is_refused_by_its_name() {
    let (taken, refused) = (Reached::default(), Reached::default());
    holds(300, spans(), |text| match (with("session_absolute", &text), meant(&text)) {
        // Shorter than session_idle contradicts it.
        (Ok(config), Some(seconds)) if seconds >= 3600 => {
            taken.one();
            assert_eq!(config.accounts.sessions.absolute, Duration::from_secs(seconds));
        }
        (Err(line), meant) if meant.is_none_or(|seconds| seconds < 3600) => {
            refused.one();
            assert!(line.starts_with("session_"), "{line}");
            assert!(!line.contains('\n'), "{line}");
        }
        (outcome, meant) => panic!("{meant:?}: {:?}", outcome.map(|_| "taken")),
    });
    taken.at_least(20);
    refused.at_least(20);
}

#[test]
fn b104_any_text_for_any_setting_is_taken_or_refused_in_one_line_that_names_one() {
    let keys: Vec<String> = settings();
    let values = prop_oneof![
        any::<String>(),
        spans(),
        "[\\[\\]{}\",=a-z0-9 ]{0,12}",
        "(https?|smtps?|sqlite|file)://[a-z0-9.:@/?#%\\[\\]-]{0,20}",
    ];
    holds(600, (select(keys), values), |(key, value)| {
        // A NUL cannot be in the environment.
        let value = value.replace('\0', "");
        if let Err(line) = with(&key, &value) {
            assert!(!line.contains('\n') && !line.contains("Error {"), "{line:?}");
            let variable = format!("ROCKET_{}", key.to_uppercase());
            assert!(line.contains(&key) || line.contains(&variable), "{key}: {line:?}");
        }
    });
}

/// The names in the shipped file.
fn settings() -> Vec<String> {
    let lines = include_str!("../../../Rocket.toml").lines();
    let lines = lines.skip_while(|line| *line != "[default]").take_while(|l| *l != "[classroom]");
    let keys =
        lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let keys: Vec<String> = keys.map(|(key, _)| key.to_owned()).collect();
    assert!(keys.len() > 20, "{keys:?}");
    keys
}

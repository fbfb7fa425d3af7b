//! Passwords (D1, D2): the right one opens, any other does not, whatever its bytes.

use gatehouse::accounts::password::{hash_password, verify_password};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;

use super::holds;
use crate::app::secret;

const COST: u32 = 4;

/// Of any signs, and about as long as bcrypt reads.
fn passwords() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,40}",
        "[a\0é😀]{0,80}",
        (60..80usize).prop_map(|length| "a".repeat(length)),
        ("[a-z]{1,10}", 1..4usize)
            .prop_map(|(word, times)| [word.as_str()].repeat(times).join("\0")),
    ]
}

/// What hashing carelessly takes for the same.
fn neighbours() -> impl Strategy<Value = fn(&str) -> String> {
    let ways: [fn(&str) -> String; 9] = [
        |text| format!("{text} "),
        |text| format!("{text}\0"),
        |text| format!("{text}\0{text}"),
        |text| format!("{text}a"),
        |text| text.chars().take(72).collect(),
        |text| text.split('\0').next().unwrap_or_default().to_owned(),
        str::to_uppercase,
        |text| text.trim().to_owned(),
        |text| text.chars().skip(1).collect(),
    ];
    select(ways.to_vec())
}

#[test]
fn b95_the_right_password_opens_and_no_other_does() {
    let cases = (passwords(), passwords(), neighbours());
    holds(150, cases, |(password, stranger, neighbour)| {
        let hash = hash_password(&secret(&password), COST).expect("hashed");
        assert!(verify_password(&secret(&password), Some(&hash), COST));
        for other in [stranger, neighbour(&password)] {
            let opens = verify_password(&secret(&other), Some(&hash), COST);
            assert_eq!(opens, other == password, "{other:?}");
        }
    });
}

#[test]
fn b02_no_text_in_the_place_of_a_hash_opens() {
    // Cheap ones: a cost of 31 would take days.
    let stored = prop_oneof![
        any::<String>(),
        "(sha384\\$)?\\$2[abxy]\\$0[4-6]\\$[./A-Za-z0-9]{0,60}",
        "(sha384\\$){0,2}\\$2b\\$0[4-6]\\$[./A-Za-z0-9]{53}",
    ];
    holds(200, (passwords(), stored), |(password, hash)| {
        assert!(!verify_password(&secret(&password), Some(&hash), COST));
    });
}

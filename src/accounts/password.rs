//! Passwords: the rules for a new one, and how one is hashed and verified.

use std::hint::black_box;
use std::sync::LazyLock;

use secrecy::{ExposeSecret, SecretString};

use super::email::{Email, fold};
use super::hasher::steps::{Comparison, NewHash, Step, cost_of};

/// Long enough for any passphrase, short enough to hash in no time (ASVS 6.2.9 asks for 64).
pub const MAX_BYTES: usize = 1024;
/// Half a minute of work on a slow core; bcrypt itself would go on to days.
pub const HIGHEST_COST: u32 = 18;
/// Stands in the place of a hash where no password opens the account: it is no bcrypt hash, so that a
/// log-in takes as long as any other and fails.
pub const LOCKED: &str = "!";
/// The most common passwords of 8 characters and more, sorted, lower case; see the file beside it.
static COMMON: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("common_passwords.txt").lines().collect());

/// What a new password must be (NIST SP 800-63B-4, 3.1.1.2: length and a list of known bad ones;
/// no composition rules).
#[derive(Debug, Clone)]
pub struct Rules {
    /// In characters (Unicode code points).
    pub min_length: usize,
    /// The names people would think of first: the site's.
    pub site_name: String,
    /// False in the classroom profile alone: anything but an empty password passes.
    pub enforced: bool,
}

/// Why a password is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordError {
    TooShort {
        min: usize,
    },
    TooLong,
    Common,
    LikeEmail,
    LikeSiteName,
    Sequence,
    /// At a reset: the password in force.
    Unchanged,
}

impl Rules {
    /// The fewest characters that pass.
    pub fn shortest(&self) -> usize {
        if self.enforced { self.min_length } else { 1 }
    }

    /// The first rule that `password` breaks, if any.
    pub fn check(&self, password: &SecretString, email: &Email) -> Result<(), PasswordError> {
        let password = password.expose_secret();
        if password.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if !self.enforced {
            return if password.is_empty() {
                Err(PasswordError::TooShort { min: 1 })
            } else {
                Ok(())
            };
        }
        if password.chars().count() < self.min_length {
            return Err(PasswordError::TooShort { min: self.min_length });
        }
        let folded = fold(password);
        if is_sequence(&folded) {
            return Err(PasswordError::Sequence);
        }
        if is_common(&folded) {
            return Err(PasswordError::Common);
        }
        if little_more_than(&folded, email.key())
            || little_more_than(&folded, &fold(email.local_part()))
        {
            return Err(PasswordError::LikeEmail);
        }
        if little_more_than(&folded, &fold(&self.site_name)) {
            return Err(PasswordError::LikeSiteName);
        }
        Ok(())
    }
}

/// Whether the list of common passwords holds `folded`.
fn is_common(folded: &str) -> bool {
    COMMON.binary_search(&folded).is_ok()
}

/// `word` itself, or with fewer than four signs around it: `gatehouse1!`.
fn little_more_than(password: &str, word: &str) -> bool {
    word.chars().count() >= 3
        && password
            .split_once(word)
            .is_some_and(|(before, after)| before.chars().count() + after.chars().count() < 4)
}

/// One character repeated, or a plain run such as `abcdefgh`, `87654321`, `1234567890`.
fn is_sequence(text: &str) -> bool {
    let mut steps = text.chars().zip(text.chars().skip(1)).map(|(a, b)| match (a, b) {
        ('9', '0') => 1,
        ('0', '9') => -1,
        _ => i64::from(u32::from(b)) - i64::from(u32::from(a)),
    });
    let Some(first) = steps.next() else { return false };
    (-1..=1).contains(&first) && steps.all(|step| step == first)
}

/// [`NewHash`], done. Takes long: call it through [`super::Hasher`], never on an async worker.
pub fn hash_password(password: &SecretString, cost: u32) -> Result<String, bcrypt::BcryptError> {
    let new = NewHash::of(password, cost)?;
    Ok(new.text(&new.step().hash()))
}

/// [`Comparison`], done: whether `password` is the one that `stored` was made of. As long.
pub fn verify_password(password: &SecretString, stored: Option<&str>, cost: u32) -> bool {
    let comparison = Comparison::of(password, stored, cost);
    let equal = comparison.is_equal(&comparison.step().hash());
    if !equal {
        for cost in comparison.owed() {
            black_box(Step::dummy(cost).hash());
        }
    }
    equal
}

/// Whether a good password should be hashed anew: its hash is cheaper than `cost`.
pub fn is_cheaper(stored: &str, cost: u32) -> bool {
    cost_of(stored).is_some_and(|old| old < cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text.to_owned())
    }

    fn check(password: &str) -> Result<(), PasswordError> {
        let rules = Rules { min_length: 8, site_name: "Gatehouse".to_owned(), enforced: true };
        let email = Email::parse("Marigold@example.com").expect("an address");
        rules.check(&secret(password), &email)
    }

    #[test]
    fn b95_what_raw_bcrypt_takes_for_equal_is_told_apart() {
        let emoji = "😀".repeat(64);
        let other_emoji = format!("{}😁", "😀".repeat(63));
        let pairs = [
            ("a".repeat(72), "a".repeat(73)),
            ("a".repeat(72), "a".repeat(80)),
            ("a".repeat(71), "a".repeat(72)),
            (format!("{}b", "a".repeat(72)), format!("{}c", "a".repeat(72))),
            ("correcthorse".to_owned(), "correcthorse\0correcthorse".to_owned()),
            ("\0".to_owned(), "\0\0".to_owned()),
            (String::new(), "\0".to_owned()),
            (emoji, other_emoji),
            ("caf\u{e9} au lait".to_owned(), "cafe\u{301} au lait".to_owned()),
            ("Password".to_owned(), "password".to_owned()),
            ("trailing ".to_owned(), "trailing".to_owned()),
        ];
        for (one, other) in pairs {
            let (one, other) = (secret(&one), secret(&other));
            let (hash, other_hash) = (
                hash_password(&one, 4).expect("hashed"),
                hash_password(&other, 4).expect("hashed"),
            );
            assert!(verify_password(&one, Some(&hash), 4));
            assert!(verify_password(&other, Some(&other_hash), 4));
            assert!(!verify_password(&other, Some(&hash), 4), "{:?}", other.expose_secret());
            assert!(!verify_password(&one, Some(&other_hash), 4), "{:?}", one.expose_secret());
        }
    }

    #[test]
    fn ordinary_passwords_have_standard_hashes() {
        let hash = hash_password(&secret("a quiet harbour"), 4).expect("hashed");
        assert!(hash.starts_with("$2b$04$") && hash.len() == 60, "{hash}");
        assert!(bcrypt::verify("a quiet harbour", &hash).expect("well-formed"));
    }

    /// The least of some refusals, in nanoseconds of this thread's time on a core: what other
    /// programs do meanwhile does not count.
    fn work(stored: Option<&str>, cost: u32) -> u64 {
        let spent = || -> u64 {
            let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
            text.split(' ').next().and_then(|time| time.parse().ok()).expect("nanoseconds")
        };
        let tries = (0..5).map(|_| {
            let start = spent();
            assert!(!verify_password(&secret("wrong"), stored, cost));
            spent() - start
        });
        tries.min().expect("five times")
    }

    #[test]
    fn broken_hashes_are_refused_in_the_time_of_a_good_one() {
        let cost = 8;
        let password = secret("a quiet harbour");
        let good = hash_password(&password, cost).expect("hashed");
        let time = |stored: Option<&str>| work(stored, cost);
        let usual = time(Some(&good));
        for broken in
            [None, Some(""), Some(LOCKED), Some("$2b$08$short"), Some("sha384$"), Some("md5$x")]
        {
            assert!(!verify_password(&password, broken, cost), "{broken:?}");
            assert!(time(broken) * 2 > usual, "{broken:?} was refused sooner");
        }
        assert!(!verify_password(&secret("dummy"), None, 4));
    }

    #[test]
    fn b03_a_cheaper_hash_is_refused_in_the_time_of_a_dear_one() {
        let cheap = hash_password(&secret("a quiet harbour"), 5).expect("hashed");
        let (known, unknown) = (work(Some(&cheap), 9), work(None, 9));
        assert!(known * 2 > unknown && unknown * 2 > known, "{known:?} {unknown:?}");
    }

    #[test]
    fn cheaper_hashes_are_known() {
        let hash = hash_password(&secret("x"), 5).expect("hashed");
        assert!(is_cheaper(&hash, 6) && !is_cheaper(&hash, 5) && !is_cheaper(&hash, 4));
        let long = hash_password(&secret(&"x".repeat(100)), 5).expect("hashed");
        assert!(is_cheaper(&long, 6) && !is_cheaper(&long, 5));
        assert!(!is_cheaper("garbage", 6));
    }

    #[test]
    fn passwords_are_refused_by_the_first_rule_they_break() {
        use PasswordError::*;
        for (password, error) in [
            ("", TooShort { min: 8 }),
            ("7chars!", TooShort { min: 8 }),
            ("😀😀😀😁😀😀😀", TooShort { min: 8 }),
            ("password1", Common),
            ("PassWord1", Common),
            ("ｐａｓｓｗｏｒｄ１", Common),
            ("iloveyou1", Common),
            ("aaaaaaaaaa", Sequence),
            ("abcdefghij", Sequence),
            ("1234567890", Sequence),
            ("0987654321", Sequence),
            ("marigold@example.com", LikeEmail),
            ("Marigold99", LikeEmail),
            ("gatehouse", LikeSiteName),
            ("Gatehouse1!", LikeSiteName),
        ] {
            assert_eq!(check(password), Err(error), "{password}");
        }
        assert_eq!(check(&"x7".repeat(513)), Err(TooLong));
    }

    #[test]
    fn any_long_enough_password_passes() {
        let most = "x7".repeat(512);
        for password in [
            "a quiet harbour",
            "alllowercaseletters",
            "  leading and trailing  ",
            "пароль-из-слов",
            "🐎🔋📎✅🌊🍞🎺🧭",
            "tab\tand\0nul",
            "marigolds in the gatehouse",
            &most,
        ] {
            assert_eq!(check(password), Ok(()), "{password}");
        }
    }

    #[test]
    fn the_common_list_is_as_large_and_as_sorted_as_promised() {
        assert!(COMMON.len() >= 10_000, "{}", COMMON.len());
        assert!(COMMON.is_sorted());
        assert!(COMMON.iter().all(|entry| entry.chars().count() >= 8 && fold(entry) == **entry));
    }
}

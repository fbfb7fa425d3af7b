//! Details: what an owner wants to be called, and the zone whose times they are shown.

use super::auth::Auth;
use super::session::Session;
use super::sudo::still_there;
use super::user::{User, UserChanges, update_user};
use super::{FieldError, FieldErrors};
use crate::clock::zone::{self, Unknown};
use crate::db::DbError;
use crate::mail::messages::Recipient;

/// The longest name, in characters as programs count them: a little more than any passport's.
pub const LONGEST_NAME: usize = 100;
/// A mail greets nobody at greater length.
const LONGEST_GREETING: usize = 40;
const MOST_WORDS_GREETED: usize = 4;

/// What may be changed of an account without a proof: nothing else depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// `None` leaves it as it is, `Some(None)` takes it away.
    pub display_name: Option<Option<String>>,
    /// An IANA name; the same.
    pub time_zone: Option<Option<String>>,
}

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    TooLong,
    /// A sign that breaks lines, turns the text around, or shows nothing at all.
    Unseen,
}

impl Details {
    /// As typed; an empty field means none, a field that was not sent stays as it is.
    pub fn parse(name: Option<&str>, zone: Option<&str>) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        let display_name = name.map(parse_name).transpose().unwrap_or_else(|error| {
            errors.add("display_name", FieldError::Name(error));
            None
        });
        let time_zone = zone.map(parse_zone).transpose().unwrap_or_else(|unknown| {
            errors.add("time_zone", FieldError::TimeZone(unknown));
            None
        });
        if errors.is_empty() { Ok(Self { display_name, time_zone }) } else { Err(errors) }
    }
}

fn parse_zone(text: &str) -> Result<Option<String>, Unknown> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    zone::find(text).map(|name| Some(name.to_owned()))
}

/// Any text that people can see: whoever shows it escapes it. Nothing is folded, so that its length
/// is what it will be (B-78j).
pub(super) fn parse_name(text: &str) -> Result<Option<String>, NameError> {
    let name = text.trim();
    if name.chars().count() > LONGEST_NAME {
        return Err(NameError::TooLong);
    }
    if name.is_empty() {
        return Ok(None);
    }
    let seen = |c: char| !c.is_whitespace() && !is_ignorable(c);
    if name.chars().any(is_refused) || !name.chars().any(seen) {
        return Err(NameError::Unseen);
    }
    Ok(Some(name.to_owned()))
}

/// What could forge a line (B-106), or make a text read as another one. PostgreSQL takes no NUL.
fn is_refused(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let breaks = matches!(c, '\u{2028}' | '\u{2029}');
    c.is_control() || turns || breaks
}

/// Signs that show nothing by themselves; some scripts and emoji need them between others.
fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
    )
}

impl Auth {
    /// Writes down what the owner wants now; false when they are not signed in any more.
    pub async fn change_details(
        &self,
        user: &User,
        session: &Session,
        details: Details,
    ) -> Result<bool, DbError> {
        if details.display_name.is_none() && details.time_zone.is_none() {
            return Ok(true);
        }
        let changes = UserChanges {
            display_name: details.display_name,
            time_zone: details.time_zone,
            ..UserChanges::default()
        };
        let (user, session) = (user.clone(), session.clone());
        self.db
            .write(move |conn| {
                let Some(user) = still_there(conn, &user, &session)? else { return Ok(false) };
                update_user(conn, user.id, &changes)?;
                Ok(true)
            })
            .await
    }
}

/// A mail to the account's own address. By name only where the owner has proved that the address is
/// theirs: what a stranger wrote into an account must not reach anybody else (B-59).
impl<'a> From<&'a User> for Recipient<'a> {
    fn from(user: &'a User) -> Self {
        let name = user.display_name.as_deref().filter(|_| user.confirmed_at.is_some());
        Self { address: &user.email, name: name.filter(|name| is_greeted(name)) }
    }
}

/// A name in a mail of ours is text that its reader trusts, and a thief with a session can write it:
/// "Visit http://evil.example" or "call 0800 …" must not be read there (B-59). So a mail greets a few
/// words of letters and nothing that a mail program turns into a link; everybody else with "Hello,".
fn is_greeted(name: &str) -> bool {
    let words: Vec<&str> = name.split_whitespace().collect();
    words.len() <= MOST_WORDS_GREETED
        && name.chars().count() <= LONGEST_GREETING
        && words.iter().all(|word| is_word(word))
}

/// Letters with their accents, `O'Neill`, `Anne-Marie`, and one dot at the end: `J.` is no domain.
fn is_word(word: &str) -> bool {
    let word = word.strip_suffix('.').unwrap_or(word);
    let in_word = |c: char| is_accent(c) || matches!(c, '\'' | '’' | '-' | '\u{200c}' | '\u{200d}');
    word.starts_with(char::is_alphabetic) && word.chars().all(|c| c.is_alphabetic() || in_word(c))
}

fn is_accent(c: char) -> bool {
    icu_normalizer::properties::CanonicalCombiningClassMapBorrowed::new().get_u8(c) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_any_text_that_can_be_seen() {
        for name in [
            "Ann",
            "<b>\"Ann\" & Bob</b>",
            "=HYPERLINK(\"http://evil.example\")",
            "👩‍🔧 Ann",
            "آن",
            "مى\u{200c}خواهم",
            "क्षत्रिय",
            "a\u{301}\u{302}\u{303}",
            "; DROP TABLE users --",
        ] {
            assert_eq!(parse_name(name), Ok(Some(name.to_owned())), "{name}");
        }
        assert_eq!(parse_name("  Ann \n"), Ok(Some("Ann".to_owned())));
        assert_eq!(parse_name(" \t\u{3000}"), Ok(None));
    }

    #[test]
    fn b106_what_nobody_can_see_is_no_name() {
        for sign in [
            '\0', '\u{1b}', '\u{7f}', '\u{85}', '\r', '\n', '\t', '\u{61c}', '\u{200e}',
            '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}', '\u{2028}', '\u{2029}',
        ] {
            assert_eq!(parse_name(&format!("Ann{sign}Bob")), Err(NameError::Unseen), "{sign:?}");
        }
        for blank in ["\u{200b}", "\u{200d}\u{200c}", "\u{2060}", "\u{3164}", "\u{feff} \u{2800}"] {
            assert_eq!(parse_name(blank), Err(NameError::Unseen), "{blank:?}");
        }
    }

    #[test]
    fn b78j_a_name_is_measured_after_trimming_and_never_folded() {
        let longest = "ﷺ".repeat(LONGEST_NAME);
        assert_eq!(parse_name(&format!("  {longest}  ")), Ok(Some(longest.clone())));
        assert_eq!(parse_name(&format!("{longest}ﷺ")), Err(NameError::TooLong));
        assert_eq!(parse_name(&"\u{301}".repeat(10_000)), Err(NameError::TooLong));
    }

    #[test]
    fn b59_a_mail_greets_names_and_nothing_that_could_be_a_lure() {
        for name in [
            "Ann",
            "Anne-Marie O'Neill",
            "J. R. R. Tolkien",
            "José",
            "क्षत्रिय",
            "Nguyễn Văn An",
            "愛",
        ] {
            assert!(is_greeted(name), "{name}");
        }
        for lure in [
            "Visit http://evil.example",
            "evil.example",
            "www.evil.example Ann",
            "evil\u{3002}example",
            "evil．example",
            "ann@evil.example",
            "Ann, call 0800 123456",
            "+1 555 0100",
            "<a href=x>Ann</a>",
            "your account is locked now",
            "Ann: verify",
            "Ann/Bob",
            "-Ann",
            "Ann 👋",
            "Ann..",
            &"a".repeat(LONGEST_GREETING + 1),
        ] {
            assert!(!is_greeted(lure), "{lure}");
        }
    }
}

//! E-mail addresses (D10): what passes has one key, can be mailed, and splits no header.

use gatehouse::accounts::email::{Email, EmailError, MAX_BYTES, fold};
use gatehouse::mail::Letter;
use gatehouse::mail::transport::Parcel;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{Reached, holds, joined};
use crate::app::TestApp;

/// Signs that parsers, mail servers and eyes disagree about, among plain ones.
const SIGNS: &[&str] = &[
    "a", "Z", "0", ".", "-", "_", "+", "'", "@", "\"", "\\", "<", ">", "(", ")", "[", "]", ",",
    ";", ":", " ", "\t", "\r", "\n", "\0", "\u{7f}", "\u{85}", "\u{ad}", "\u{200b}", "\u{202e}",
    "\u{2028}", "é", "e\u{301}", "ß", "ẞ", "ı", "İ", "ς", "\u{212a}", "ﬁ", "ﷺ", "ａ", "＠", "．",
    "。", "，", "😀", "\u{345}", "ᾳ", "ǰ", "xn--", "%0a", "Bcc:",
];

fn texts() -> impl Strategy<Value = String> {
    let part = || prop_oneof!["[a-z0-9.+_-]{0,8}", joined(SIGNS, 4)];
    let parts = (part(), part(), part(), select(&["", "", ".example", ".example.com"][..]));
    prop_oneof![
        1 => any::<String>(),
        1 => joined(SIGNS, 12),
        4 => parts.prop_map(|(a, b, host, end)| format!("{a}{b}@{host}{end}")),
        4 => ("[a-z]{1,6}", joined(SIGNS, 2), "[a-z]{1,6}")
            .prop_map(|(before, signs, after)| format!("{before}{signs}{after}@example.com")),
    ]
}

/// Addresses that pass, and the same ones in other spellings.
fn twins() -> impl Strategy<Value = (String, String)> {
    let name = "[a-z0-9éüñßœσжя][a-z0-9éüñßœσжя_+-]{0,10}";
    let host = prop_oneof![
        (Just("münchen.example"), Just("xn--mnchen-3ya.example")),
        (Just("example.com"), Just("EXAMPLE.com")),
        (Just("example.com"), Just("ｅxample.com")),
    ];
    let spelling: [fn(&str) -> String; 5] = [
        str::to_uppercase,
        |name| DecomposingNormalizer::new_nfd().normalize(name).into_owned(),
        |name| DecomposingNormalizer::new_nfd().normalize(&name.to_uppercase()).into_owned(),
        full_width,
        |name| full_width(&name.to_uppercase()),
    ];
    (name, host, select(spelling.to_vec())).prop_map(|(name, (host, other_host), spelling)| {
        (format!("{name}@{host}"), format!("{}@{other_host}", spelling(&name)))
    })
}

/// Letters and digits of ASCII as East Asian keyboards write them.
fn full_width(text: &str) -> String {
    let wide = |c: char| {
        let shifted = c.is_ascii_alphanumeric().then(|| char::from_u32(u32::from(c) + 0xfee0));
        shifted.flatten().unwrap_or(c)
    };
    text.chars().map(wide).collect()
}

#[test]
fn b60_what_passes_is_one_name_at_one_host_without_control_characters() {
    let reached = Reached::default();
    holds(4000, texts(), |text| {
        let Ok(email) = Email::parse(&text) else { return };
        reached.one();
        assert_eq!(email.as_typed(), text);
        assert!(text.len() <= MAX_BYTES);
        for shown in [email.as_typed(), email.key()] {
            assert_eq!(shown.matches('@').count(), 1, "{shown:?}");
            assert!(!shown.contains(['<', '>', ',', ';', '"', '\\']), "{shown:?}");
            assert!(!shown.chars().any(|c| c.is_control() || c.is_whitespace()), "{shown:?}");
        }
        let (_, host) = email.key().split_once('@').expect("it holds one");
        assert!(host.is_ascii() && !host.bytes().any(|b| b.is_ascii_uppercase()), "{host:?}");
    });
    reached.at_least(400);
}

#[test]
fn b45e_an_address_and_its_key_are_one_person() {
    let reached = Reached::default();
    holds(4000, texts(), |text| {
        let folded = fold(&text);
        assert_eq!(fold(&folded), folded);
        assert_eq!(fold(&DecomposingNormalizer::new_nfd().normalize(&text)), folded);
        assert_eq!(ComposingNormalizer::new_nfkc().normalize(&folded), folded);
        let Ok(email) = Email::parse(&text) else { return };
        let key = email.key();
        let (name, host) = key.split_once('@').expect("it holds one");
        assert_eq!((fold(name), fold(host)), (name.to_owned(), host.to_owned()));
        // Some letters fold to one with a mark of its own (İ), which lettre mails to nobody. The key is for
        // comparing alone, so that is no harm.
        if let Ok(again) = Email::parse(key) {
            reached.one();
            assert_eq!(again.key(), key);
        }
    });
    reached.at_least(400);
}

#[test]
fn b67_spellings_of_one_address_have_one_key() {
    holds(2000, twins(), |(one, other)| {
        let key = |text: &str| Email::parse(text).map(|email| email.key().to_owned());
        assert_eq!(key(&one), key(&other));
        assert!(key(&one).is_ok(), "{one:?}");
    });
}

#[test]
fn an_address_is_too_long_by_its_bytes_alone() {
    let lengths = ("[a-zé]{1,300}", "[a-z@.]{0,20}", "[a-z]{0,20}");
    holds(1000, lengths, |(name, middle, host)| {
        let text = format!("{name}{middle}@{host}.example");
        let too_long = Email::parse(&text) == Err(EmailError::TooLong);
        assert_eq!(too_long, text.len() > MAX_BYTES, "{} bytes", text.len());
    });
}

/// The names of a mail's headers, a folded one counted once, and the line that says to whom.
fn head(app: &TestApp, to: &str) -> (Vec<String>, String) {
    let letter = Letter {
        to: to.to_owned(),
        subject: "A subject".to_owned(),
        text: "A text".to_owned(),
        html: "<p>A text</p>".to_owned(),
    };
    let parcel = Parcel { letter: &letter, message_id: "one", kind: "test" };
    app.service.transport.send(&parcel).unwrap_or_else(|error| panic!("{to:?}: {error}"));
    let mail = std::fs::read_to_string(app.folder.path().join("outbox/test-one.eml"));
    let mail = mail.expect("a mail of UTF-8");
    let (head, _) = mail.split_once("\r\n\r\n").expect("a head");
    let head = head.replace("\r\n ", "").replace("\r\n\t", "");
    let lines = head.split("\r\n").map(|line| line.split_once(':').expect("a header"));
    let names = lines.clone().map(|(name, _)| name.to_owned()).collect();
    let to = lines.filter(|(name, _)| *name == "To").map(|(_, to)| to.trim().to_owned());
    (names, to.collect::<Vec<_>>().join(" AND "))
}

#[test]
fn b60_what_passes_can_be_mailed_and_adds_no_header() {
    let app = TestApp::with("mail_transport = \"files\"", &[]);
    let (usual, _) = head(&app, "ann@example.com");
    let reached = Reached::default();
    holds(600, texts(), |text| {
        let Ok(email) = Email::parse(&text) else { return };
        reached.one();
        let (names, to) = head(&app, email.as_typed());
        assert_eq!(names, usual);
        assert_eq!(to.matches('@').count(), 1, "{to:?}");
        assert!(!to.contains([',', ';', '\r', '\n']), "{to:?}");
    });
    reached.at_least(60);
}

//! E-mail addresses: what passes is one name at one host, can be mailed, and has one key for all its spellings.

#![no_main]

use gatehouse::accounts::email::{Email, EmailError, MAX_BYTES, fold};
use gatehouse::mail::transport::address;
use icu_normalizer::{ComposingNormalizer, DecomposingNormalizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let folded = fold(text);
    assert_eq!(fold(&folded), folded);
    assert_eq!(ComposingNormalizer::new_nfkc().normalize(&folded), folded);
    let decomposed = DecomposingNormalizer::new_nfd().normalize(text);
    assert_eq!(fold(&decomposed), folded);

    let parsed = Email::parse(text);
    assert_eq!(parsed == Err(EmailError::TooLong), text.len() > MAX_BYTES);
    let Ok(email) = parsed else { return };
    assert_eq!(email.as_typed(), text);
    for shown in [email.as_typed(), email.key()] {
        assert_eq!(shown.matches('@').count(), 1);
        assert!(!shown.chars().any(|c| c.is_control() || c.is_whitespace()));
        assert!(!shown.contains(['<', '>', ',', ';', '"', '\\']));
    }
    let mailed = address(email.as_typed()).expect("what passes can be mailed").to_string();
    assert!(mailed.matches('@').count() == 1 && !mailed.contains(['\r', '\n', ' ', ',']));
    // The name alone: a host is mapped before it is composed (UTS 46), as browsers and mailers do it.
    let (name, host) = text.split_once('@').expect("it holds one");
    let name = DecomposingNormalizer::new_nfd().normalize(name);
    if let Ok(twin) = Email::parse(&format!("{name}@{host}")) {
        assert_eq!(twin.key(), email.key());
    }
    if let Ok(again) = Email::parse(email.key()) {
        assert_eq!(again.key(), email.key());
    }
});

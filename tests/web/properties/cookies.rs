//! Cookies (B-24, B-90): the sealed value as it was set opens its session; anything else is nobody's.

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::Index;
use rocket::http::{Cookie, Header};

use super::{Reached, holds};
use crate::app::{HOST, TestApp};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";

/// What the profile answers to a `Cookie` header of these bytes, which is taken apart as Rocket's server does it.
#[track_caller]
fn profile_with(app: &TestApp, header: &[u8]) -> (u16, String) {
    let mut request = app.client.get("/profile").header(Header::new("Host", HOST));
    let pairs = std::str::from_utf8(header).map(|text| text.split(';').map(str::trim));
    for pair in pairs.into_iter().flatten() {
        if let Ok(cookie) = Cookie::parse_encoded(pair.to_owned()) {
            request = request.cookie(cookie);
        }
    }
    let response = request.dispatch();
    (response.status().code, response.into_string().unwrap_or_default())
}

#[track_caller]
fn is_nobody(app: &TestApp, header: &[u8]) {
    let nobody = (403, r#"{"message":"Forbidden"}"#.to_owned());
    assert_eq!(profile_with(app, header), nobody);
}

#[test]
fn b24_any_bytes_for_a_cookie_are_nobodys() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let anything = vec(any::<u8>(), 0..300);
    let value = anything.clone().prop_map(|bytes| {
        format!("session_id={}", percent_encode(&bytes, NON_ALPHANUMERIC)).into_bytes()
    });
    let raw = anything.clone().prop_map(|bytes| [b"session_id=", &bytes[..]].concat());
    let base64 = "session_id=[A-Za-z0-9+/]{0,200}={0,2}".prop_map(String::into_bytes);
    let pairs = "(session_id|__Host-session_id| |;|=|[ -~]){0,20}".prop_map(String::into_bytes);
    holds(500, prop_oneof![anything, value, raw, base64, pairs], |header| is_nobody(&app, &header));
}

/// One change of a sealed value.
#[derive(Debug, Clone)]
enum Change {
    Flip(Index, u8),
    Cut(Index),
    Append(Vec<u8>),
    /// The rest of another person's cookie from here on.
    Splice(Index),
    Swap(Index, Index),
    Remove(Index),
}

impl Change {
    fn of(&self, sealed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = sealed.to_vec();
        match self {
            Self::Flip(at, bits) => bytes[at.index(sealed.len())] ^= bits,
            Self::Cut(at) => bytes.truncate(at.index(sealed.len())),
            Self::Append(more) => bytes.extend_from_slice(more),
            Self::Splice(at) => {
                let at = at.index(sealed.len());
                bytes.truncate(at);
                bytes.extend_from_slice(other.get(at..).unwrap_or_default());
            }
            Self::Swap(one, other) => {
                bytes.swap(one.index(sealed.len()), other.index(sealed.len()));
            }
            Self::Remove(at) => drop(bytes.remove(at.index(sealed.len()))),
        }
        bytes
    }
}

fn changes() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, bits)| Change::Flip(at, bits)),
        at().prop_map(Change::Cut),
        vec(any::<u8>(), 0..20).prop_map(Change::Append),
        at().prop_map(Change::Splice),
        (at(), at()).prop_map(|(one, other)| Change::Swap(one, other)),
        at().prop_map(Change::Remove),
    ]
}

#[test]
fn b90_a_changed_cookie_opens_nothing() {
    let app = TestApp::new();
    let cookie = |email| {
        let value = app.signed_up(email).cookie("session_id").expect("signed in");
        percent_decode_str(&value).collect::<Vec<u8>>()
    };
    let (ann, bob) = (cookie(ANN), cookie(BOB));
    let profile = |email: &str| (200, format!(r#"{{"email":"{email}"}}"#));
    let reached = Reached::default();
    let header = |value: &[u8]| {
        let value = percent_encode(value, NON_ALPHANUMERIC);
        format!("session_id={value}").into_bytes()
    };
    // In its base64 and in the sealed bytes themselves.
    holds(500, (changes(), any::<bool>()), |(change, of_text)| {
        use base64::Engine as _;
        use base64::engine::general_purpose::STANDARD as BASE64;
        let changed = if of_text {
            change.of(&ann, &bob)
        } else {
            let sealed = |text: &[u8]| BASE64.decode(text).expect("base64");
            BASE64.encode(change.of(&sealed(&ann), &sealed(&bob))).into_bytes()
        };
        if changed == ann || changed == bob {
            let whose = if changed == ann { ANN } else { BOB };
            assert_eq!(profile_with(&app, &header(&changed)), profile(whose));
        } else {
            reached.one();
            is_nobody(&app, &header(&changed));
        }
    });
    reached.at_least(400);
    assert_eq!(profile_with(&app, &header(&ann)), profile(ANN));
}

//! Cookies of sessions: forged, planted, replayed, doubled.

mod jar;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use gatehouse::accounts::session::Beginning;
use gatehouse::clock::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rocket::http::Method;

use crate::app::{Answer, PASSWORD, Pairs, TestApp, Visitor};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const COOKIE: &str = "session_id";
const RIGHT: Pairs<'static> = &[("email", ANN), ("password", PASSWORD)];

#[track_caller]
fn session_of(visitor: &Visitor<'_>) -> String {
    visitor.cookie(COOKIE).expect("a session's cookie")
}

/// What the profile answers to that cookie; a cookie that opens nothing is removed.
#[track_caller]
fn profile_with(visitor: &Visitor<'_>, cookie: &str) -> Answer {
    visitor.forget_cookies();
    visitor.set_cookie(COOKIE, cookie);
    let answer = visitor.get("/profile");
    assert_eq!(visitor.cookie(COOKIE).is_some(), answer.status.code == 200, "{answer:?}");
    answer
}

#[track_caller]
fn is_alive(app: &TestApp, cookie: &str) -> bool {
    let visitor = app.program();
    visitor.set_cookie(COOKIE, cookie);
    match visitor.get("/profile").status.code {
        200 => true,
        403 => false,
        other => panic!("{other}"),
    }
}

/// The sealed bytes: nonce, text, tag.
fn sealed(cookie: &str) -> Vec<u8> {
    let text = percent_decode_str(cookie).decode_utf8().expect("UTF-8");
    BASE64.decode(text.as_bytes()).expect("base64")
}

fn wire(sealed: &[u8]) -> String {
    utf8_percent_encode(&BASE64.encode(sealed), NON_ALPHANUMERIC).to_string()
}

#[test]
fn b24_a_forged_cookie_is_nobodys_and_is_removed() {
    let app = TestApp::new();
    let real = session_of(&app.signed_up(ANN));
    let ended = app.signed_up(BOB);
    let stale = session_of(&ended);
    ended.delete("/sessions").goes_to("/");
    let mut swapped = sealed(&real);
    swapped.reverse();
    let forged = [
        // Well sealed, but its session is over: no other answer than to nonsense.
        stale,
        String::new(),
        "x".to_owned(),
        "0".to_owned(),
        "null".to_owned(),
        "00000000-0000-4000-8000-000000000000".to_owned(),
        real[..real.len() / 2].to_owned(),
        format!("{real}A"),
        real.to_lowercase(),
        wire(&swapped),
        wire(&[0; 64]),
        wire(b"short"),
        "%00".to_owned(),
        "%ff%fe".to_owned(),
        "%F0%9F%98%80".to_owned(),
        "%0d%0aSet-Cookie%3a%20x%3d1".to_owned(),
        "' OR '1'='1".to_owned(),
        "A".repeat(4096 - COOKIE.len() - 1),
        wire(&[7; 2800]),
    ];
    let mut answers = Vec::new();
    for value in &forged {
        let browser = app.browser();
        browser.set_cookie(COOKIE, value);
        let answer = browser.get("/profile");
        assert_eq!(answer.status.code, 303, "{value:?}");
        // What is no cookie at all never reaches the jar, so there is nothing to remove.
        if value != "%ff%fe" {
            assert_eq!(browser.cookie(COOKIE), None, "{value:?}");
            answers.push((value, answer.comparable(), program_answer(&app, value)));
        }
        browser.get("/").is(200).says("Log in");
    }
    for (value, browser, program) in &answers[1..] {
        assert_eq!(*browser, answers[0].1, "{value:?}");
        assert_eq!(*program, answers[0].2, "{value:?}");
    }
}

#[track_caller]
fn program_answer(app: &TestApp, cookie: &str) -> String {
    let script = app.program();
    script.set_cookie(COOKIE, cookie);
    let answer = script.get("/profile");
    assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#);
    answer.comparable()
}

#[test]
fn b24_pages_for_everybody_remove_a_dead_cookie_too() {
    let app = TestApp::new();
    for path in ["/", "/login", "/signup", "/reset_password"] {
        let browser = app.browser();
        browser.set_cookie(COOKIE, "nonsense");
        browser.get(path).is(200);
        assert_eq!(browser.cookie(COOKIE), None, "{path}");
    }
    let script = app.program();
    script.set_cookie(COOKIE, "nonsense");
    script.delete("/sessions").is(403);
    assert_eq!(script.cookie(COOKIE), None);
}

#[test]
fn b90_a_cookie_with_any_bit_turned_is_nobodys() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let real = sealed(&session_of(&ann));
    assert_eq!(real.len(), 12 + 36 + 16, "nonce, UUID, tag");
    let script = app.program();
    profile_with(&script, &wire(&real)).is(200);
    let usual = profile_with(&script, "nonsense").comparable();
    for place in 0..real.len() {
        for bit in 0..8 {
            let mut altered = real.clone();
            altered[place] ^= 1 << bit;
            let answer = profile_with(&script, &wire(&altered));
            assert_eq!(answer.comparable(), usual, "byte {place}, bit {bit}");
        }
    }
}

#[test]
fn b90_a_cookie_cut_or_spliced_is_nobodys() {
    let app = TestApp::new();
    let ann = sealed(&session_of(&app.signed_up(ANN)));
    let bob = sealed(&session_of(&app.signed_up(BOB)));
    let script = app.program();
    let usual = profile_with(&script, "nonsense").comparable();
    for cut in 0..ann.len() {
        for altered in [
            ann[..cut].to_vec(),
            [&ann[..cut], &ann[cut + 1..]].concat(),
            [&ann[..cut], &bob[cut..]].concat(),
            [&bob[..cut], &ann[cut..]].concat(),
        ] {
            // Nothing cut off one leaves the other whole.
            if altered == ann || altered == bob {
                continue;
            }
            let answer = profile_with(&script, &wire(&altered));
            assert_eq!(answer.comparable(), usual, "at byte {cut}");
        }
    }
}

#[test]
fn b25_a_cookie_of_another_purpose_is_no_session() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let notice = ann.cookie("notice").expect("a notice after sign-up");
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    let asked = ann.cookie("reset_asked").expect("the address's cookie");
    ann.get(&app.mailed_link()).goes_to("/reset_password/new");
    let token = ann.cookie("reset_token").expect("the token's cookie");
    let session = session_of(&ann);
    for other in [&notice, &token, &asked] {
        profile_with(&app.browser(), other).goes_to("/login?next=/profile");
        profile_with(&app.program(), other).is(403);
    }
    // Nor is a session a token, or a token a notice.
    let browser = app.browser();
    for (name, value) in [
        ("reset_token", &session),
        ("reset_token", &notice),
        ("reset_token", &asked),
        ("notice", &token),
    ] {
        browser.forget_cookies();
        browser.set_cookie(name, value);
        browser.get("/reset_password/new").is(403).says("no longer works");
    }
}

#[test]
fn b26_an_id_anywhere_but_in_the_cookie_is_ignored() {
    let app = TestApp::new();
    let sealed = session_of(&app.signed_up(ANN));
    let beginning = Beginning::default();
    let uuid =
        app.wait(app.auth().create_session(ANN, beginning, Timestamp::now())).expect("begun");
    for id in [&uuid, &sealed] {
        for path in [
            format!("/profile?session_id={id}"),
            format!("/profile?session={id}"),
            format!("/profile?sid={id}"),
        ] {
            app.program().get(&path).is(403);
            let sent = app.browser().get(&path);
            let way = sent.is(303).header("location");
            assert!(way.is_some_and(|way| way.starts_with("/login?next=/profile")), "{way:?}");
        }
        app.program().get(&format!("/profile;session_id={id}")).is(404);
        app.program().get(&format!("/profile/{id}")).is(404);
        let bearer = format!("Bearer {id}");
        for (name, value) in [
            ("X-Session", id.as_str()),
            ("X-Session-Id", id),
            ("session_id", id),
            ("Authorization", &bearer),
            ("Cookie2", &format!("session_id={id}")),
        ] {
            let answer = app.program().send(Method::Get, "/profile", &[(name, value)], Vec::new());
            assert_eq!(answer.status.code, 403, "{name}");
        }
    }
    // The UUID alone, unsealed, is no cookie either.
    profile_with(&app.program(), &uuid).is(403);
}

#[test]
fn b27_a_planted_session_dies_at_log_in() {
    for by_signing_up in [false, true] {
        let app = TestApp::new();
        app.signed_up(ANN).delete("/sessions").goes_to("/");
        let planted = session_of(&app.signed_up(BOB));
        let ann = app.browser();
        ann.set_cookie(COOKIE, &planted);
        if by_signing_up {
            let fresh = [("email", "eve@example.com"), ("password", PASSWORD)];
            ann.post("/users", &fresh).goes_to("/profile");
            ann.get("/profile").says("eve@example.com");
        } else {
            ann.post("/sessions", RIGHT).goes_to("/profile");
            ann.get("/profile").says(ANN);
        }
        assert_ne!(session_of(&ann), planted);
        assert!(!is_alive(&app, &planted), "who planted it is signed in still");
    }
}

#[test]
fn b27_a_planted_cookie_that_was_never_a_session_is_replaced() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let ann = app.browser();
    ann.set_cookie(COOKIE, "planted");
    ann.post("/sessions", RIGHT).goes_to("/profile");
    assert_ne!(session_of(&ann), "planted");
    assert!(is_alive(&app, &session_of(&ann)));
}

#[test]
fn b28_each_log_in_has_an_id_of_its_own() {
    let app = TestApp::new();
    for visitor in [app.signed_up(ANN), app.program()] {
        let mut before: Vec<String> = visitor.cookie(COOKIE).into_iter().collect();
        for _ in 0..3 {
            visitor.post("/sessions", RIGHT);
            let now = session_of(&visitor);
            assert!(is_alive(&app, &now));
            for old in &before {
                assert!(!is_alive(&app, old), "an earlier session of this browser lives on");
            }
            before.push(now);
        }
    }
}

#[test]
fn b28_a_log_in_that_fails_leaves_the_session_as_it_is() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let before = session_of(&ann);
    ann.post("/sessions", &[("email", ANN), ("password", "wrong password")]).is(401);
    assert_eq!(session_of(&ann), before);
    assert!(is_alive(&app, &before));
}

#[test]
fn b29_a_cookie_kept_from_before_log_out_opens_nothing() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let kept = session_of(&ann);
    let answer = ann.delete("/sessions");
    answer.goes_to("/");
    assert_eq!(answer.header("clear-site-data"), Some("\"cache\", \"storage\""));
    assert_eq!(ann.cookie(COOKIE), None);
    assert!(!is_alive(&app, &kept));
    let script = app.program();
    script.post("/sessions", RIGHT).is(200);
    let second = session_of(&script);
    script.delete("/sessions").goes_to("/");
    let app = app.restarted();
    for cookie in [kept, second] {
        profile_with(&app.browser(), &cookie).goes_to("/login?next=/profile");
        profile_with(&app.program(), &cookie).is(403);
    }
}

#[test]
fn a_session_outlives_a_restart() {
    let app = TestApp::new();
    let cookie = session_of(&app.signed_up(ANN));
    let app = app.restarted();
    assert!(is_alive(&app, &cookie));
}

#[test]
fn b29_b98_the_server_decides_what_has_expired() {
    let app = TestApp::new();
    let ann = app.browser();
    app.program().post("/users", RIGHT).is(200);
    let remembered = [("email", ANN), ("password", PASSWORD), ("remember", "yes")];
    ann.post("/sessions", &remembered).goes_to("/profile");
    let cookie = session_of(&ann);
    app.sql("UPDATE sessions SET expires_at = 1");
    // The browser keeps sending it, whatever it was told.
    profile_with(&app.browser(), &cookie).goes_to("/login?next=/profile");
    profile_with(&app.program(), &cookie).is(403);
    let app = app.restarted();
    assert!(!is_alive(&app, &cookie));
}

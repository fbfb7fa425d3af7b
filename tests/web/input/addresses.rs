//! B-60: addresses that would reach another mailbox, or another header, reach none.

use rocket::http::Method::Post;

use super::{ENCODINGS, is_refused, with_ann};
use crate::app::PASSWORD;

const BAD: [&str; 30] = [
    "ann",
    "@",
    "ann@",
    "@example.com",
    "ann@example.com\r\nBcc: eve@example.com",
    "ann@example.com\nBcc: eve@example.com",
    "ann\r\n@example.com",
    "ann@example.com\0",
    "ann@example.com%0d%0aBcc: eve@example.com",
    "ann@example.com\u{2028}Bcc: eve@example.com",
    "ann@example.com\u{85}",
    "\"a\r\nBcc: eve@example.com\"@example.com",
    "\"ann\"@example.com",
    "ann@example.com,eve@example.com",
    "ann@example.com;eve@example.com",
    "ann@example.com eve@example.com",
    "ann@example.com>,<eve@example.com",
    "<ann@example.com>",
    "Ann <ann@example.com>",
    "ann@[127.0.0.1]",
    "ann@[IPv6:::1]",
    "-ann@example.com",
    "--help@example.com",
    "ann@-example.com",
    "ann@example..com",
    ".ann@example.com",
    "ann@eve@example.com",
    "ann%eve@example.com@example.com",
    "ann\u{ff20}eve@example.com",
    "ann(comment)@example.com",
];

#[test]
fn b60_no_address_splits_a_header_or_names_two_mailboxes() {
    let (app, before) = with_ann();
    let too_long = format!("{}@{}.example.com", "a".repeat(60), "b.".repeat(100));
    for visitor in [app.program(), app.browser()] {
        for encoding in ENCODINGS {
            for email in BAD.into_iter().chain([too_long.as_str()]) {
                for path in ["/users", "/reset_password"] {
                    let fields = [("email", email), ("password", PASSWORD)];
                    let fields = if path == "/users" { &fields[..] } else { &fields[..1] };
                    let what = format!("{path} {encoding:?} {email:?}");
                    let answer = visitor.send_as(encoding, Post, path, fields);
                    is_refused(&answer, &what);
                    assert_eq!(answer.status.code, 422, "{what}");
                }
            }
        }
    }
    assert_eq!(app.dump(), before);
    assert_eq!(app.mailbox().len(), 0);
}

#[test]
fn b60_a_list_of_addresses_is_no_address() {
    let (app, before) = with_ann();
    for path in ["/users", "/reset_password", "/sessions"] {
        let list =
            r#"{"email":["ann@example.com","eve@example.com"],"password":"a quiet harbour"}"#;
        let answer = app.program().send_body(Post, path, "application/json", list.as_bytes());
        is_refused(&answer, path);
        assert_eq!(answer.status.code, 422, "{path}");
    }
    assert_eq!(app.dump(), before);
    assert_eq!(app.mailbox().len(), 0);
}

#[test]
fn b60_logging_in_with_one_is_a_wrong_pair() {
    let (app, before) = with_ann();
    for encoding in ENCODINGS {
        for email in BAD {
            let fields = [("email", email), ("password", PASSWORD)];
            app.program().send_as(encoding, Post, "/sessions", &fields).is(401);
        }
    }
    assert_eq!(app.dump(), before);
}

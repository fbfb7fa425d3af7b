//! Bad input of every kind is refused in words, by 4xx, and changes nothing; and the three ways to write a body
//! mean the same.

mod addresses; // B-60: what would split a mail's header
mod bodies; // B-48, B-75, B-76: types and sizes
mod bytes; // B-63: NUL and what is not UTF-8
mod fields; // missing, empty, over-long, twice, too many; the same for each encoding
mod types; // B-62: JSON that is no text

use rocket::http::Method;
use serde_json::{Map, Value, json};

use crate::app::{Answer, PASSWORD, Pairs, TestApp, Visitor, urlencoded};

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Form,
    Multipart,
    Json,
}

pub const ENCODINGS: [Encoding; 3] = [Encoding::Form, Encoding::Multipart, Encoding::Json];

const BOUNDARY: &str = "----boundary7MA4YWxk";

impl Encoding {
    pub fn content_type(self) -> String {
        match self {
            Self::Form => "application/x-www-form-urlencoded".to_owned(),
            Self::Multipart => format!("multipart/form-data; boundary={BOUNDARY}"),
            Self::Json => "application/json".to_owned(),
        }
    }

    /// A field given twice is written twice.
    pub fn body(self, fields: Pairs<'_>) -> Vec<u8> {
        match self {
            Self::Form => urlencoded(fields).into_bytes(),
            Self::Multipart => {
                let fields: Vec<_> = fields.iter().map(|(n, v)| (*n, v.as_bytes())).collect();
                multipart(&fields)
            }
            Self::Json => {
                let member =
                    |(name, value): &(&str, &str)| format!("{}:{}", json!(name), json!(value));
                let members: Vec<String> = fields.iter().map(member).collect();
                format!("{{{}}}", members.join(",")).into_bytes()
            }
        }
    }
}

/// A `multipart/form-data` body, as browsers write it.
pub fn multipart(fields: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        let head =
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(value);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

impl Visitor<'_> {
    #[track_caller]
    pub fn send_as(
        &self,
        encoding: Encoding,
        method: Method,
        path: &str,
        fields: Pairs<'_>,
    ) -> Answer {
        let kind = encoding.content_type();
        self.send(method, path, &[("Content-Type", &kind)], encoding.body(fields))
    }

    #[track_caller]
    pub fn send_body(&self, method: Method, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.send(method, path, &[("Content-Type", kind)], body.to_vec())
    }
}

/// The forms of the service: method, path, and fields that pass.
pub const FORMS: [(Method, &str, Pairs<'static>); 4] = [
    (Method::Post, "/users", &[("email", "new@example.com"), ("password", PASSWORD)]),
    (Method::Post, "/sessions", &[("email", "ann@example.com"), ("password", PASSWORD)]),
    (Method::Post, "/reset_password", &[("email", "ann@example.com")]),
    (
        Method::Put,
        "/reset_password",
        &[
            ("email", "ann@example.com"),
            ("reset_token", "not the token"),
            ("new_password", "another harbour"),
        ],
    ),
];

/// `fields` as a JSON object, with one of them replaced.
pub fn object_with(fields: Pairs<'_>, name: &str, value: &Value) -> Value {
    let mut object: Map<String, Value> =
        fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    object.insert(name.to_owned(), value.clone());
    Value::Object(object)
}

/// A service with one account, and what its database holds.
pub fn with_ann() -> (TestApp, String) {
    let app = TestApp::new();
    app.program().post("/users", &[("email", "ann@example.com"), ("password", PASSWORD)]).is(200);
    let dump = app.dump();
    (app, dump)
}

/// Refused in words, in the language of who asks.
#[track_caller]
pub fn is_refused(answer: &Answer, what: &str) {
    let code = answer.status.code;
    assert!((400..500).contains(&code), "{what}: {code} {}", answer.text());
    if answer.header("content-type") == Some("application/json") {
        let message = answer.json()["message"].as_str().map(str::len).unwrap_or_default();
        assert!(message > 5, "{what}: {}", answer.text());
    } else {
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{what}");
        assert!(answer.text().contains("<h1>"), "{what}: {}", answer.text());
    }
}

//! Bodies (B-48, B-61 to B-63): any bytes are answered in words, and the three ways to write fields mean the same.

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use rocket::http::Method;
use serde_json::{Map, Value, json};

use super::{Reached, holds};
use crate::app::{Answer, PASSWORD, TestApp};
use crate::input::{ENCODINGS, Encoding, FORMS};

const ANN: &str = "ann@example.com";

fn with_ann() -> TestApp {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

/// The names that a form takes: what it does not know is the program's error in JSON, where browsers' forms
/// may send more.
fn names_of(form: usize) -> &'static [&'static str] {
    match FORMS[form].1 {
        "/users" => &["email", "password"],
        "/sessions" => &["email", "password", "remember", "next"],
        _ if FORMS[form].0 == Method::Post => &["email"],
        _ => &["email", "reset_token", "new_password"],
    }
}

fn values() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just(ANN.to_owned()),
        3 => Just(PASSWORD.to_owned()),
        2 => select(&["", "0", "no", "on", "/profile", "//evil.example", "bob@example.com"][..])
            .prop_map(str::to_owned),
        2 => "[ -~é😀\r\n\t\0\u{2028}]{0,30}",
        1 => any::<String>().prop_map(|text| text.chars().take(60).collect()),
    ]
}

/// A form's number, and fields for it: missing, empty, twice, in any order.
fn submissions() -> impl Strategy<Value = (usize, Vec<(&'static str, String)>)> {
    (0..FORMS.len()).prop_flat_map(|form| {
        let names = names_of(form);
        let plain: Vec<_> = names.iter().map(|name| (Just(*name), values())).collect();
        let fields = prop_oneof![
            3 => plain,
            2 => vec((select(names), values()), 0..5),
        ];
        (Just(form), fields)
    })
}

#[test]
fn b48_b61_the_same_fields_get_the_same_answer_in_every_encoding() {
    // One service for each encoding: what a body does, the next one finds done.
    let apps = ENCODINGS.map(|encoding| (encoding, with_ann()));
    let (passed, refused) = (Reached::default(), Reached::default());
    holds(300, (submissions(), any::<bool>()), |((form, fields), by_browser)| {
        let (method, path, _) = FORMS[form];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let answers = apps.each_ref().map(|(encoding, app)| {
            let visitor = if by_browser { app.browser() } else { app.program() };
            let answer = visitor.send_as(*encoding, method, path, &fields);
            assert!(answer.status.code < 500, "{encoding:?} {path}: {answer:?}");
            answer
        });
        let code = answers[0].status.code;
        if code < 400 {
            passed.one()
        } else {
            refused.one()
        }
        for answer in &answers[1..] {
            assert_eq!(lines(answer), lines(&answers[0]), "{method} {path}");
        }
    });
    passed.at_least(10);
    refused.at_least(100);
}

/// An answer's lines; each service has an order of headers and a count of tries of its own.
fn lines(answer: &Answer) -> Vec<String> {
    let text = answer.comparable();
    let lines = text.lines().filter(|line| !line.starts_with("RateLimit: "));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

fn types() -> impl Strategy<Value = String> {
    let own: Vec<String> = ENCODINGS.iter().map(|encoding| encoding.content_type()).collect();
    prop_oneof![
        6 => select(own),
        1 => "(application|multipart|text)/(json|form-data|plain)(; ?(boundary|charset)=[a-z0-9\"-]{0,10})?",
        1 => "[ -~]{0,30}",
    ]
}

/// Bodies that were written well, with bytes put in, taken out or changed.
fn damaged() -> impl Strategy<Value = (usize, Encoding, Vec<u8>)> {
    let change = (any::<Index>(), 0..8usize, vec(any::<u8>(), 0..6));
    let changes = vec(change, 1..4);
    (0..FORMS.len(), select(ENCODINGS.to_vec()), changes).prop_map(|(form, encoding, changes)| {
        let mut body = encoding.body(FORMS[form].2);
        for (at, taken, put) in changes {
            let at = at.index(body.len() + 1);
            let end = (at + taken).min(body.len());
            body.splice(at..end, put);
        }
        (form, encoding, body)
    })
}

#[test]
fn b62_b63_any_bytes_are_answered_in_words() {
    let app = with_ann();
    let any_bytes = vec(any::<u8>(), 0..200);
    holds(300, (0..FORMS.len(), types(), any_bytes), |(form, kind, body)| {
        let (method, path, _) = FORMS[form];
        let answer = app.program().send_body(method, path, &kind, &body);
        assert!(answer.status.code < 500, "{answer:?}");
        assert!(answer.json()["message"].is_string(), "{answer:?}");
    });
    holds(300, damaged(), |(form, encoding, body)| {
        let (method, path, _) = FORMS[form];
        let answer = app.program().send_body(method, path, &encoding.content_type(), &body);
        assert!(answer.status.code < 500, "{answer:?}");
        assert!(answer.json()["message"].is_string(), "{answer:?}");
    });
}

fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        values().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[a-z$.]{0,5}", inner), 0..4)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

#[test]
fn b62_json_that_is_no_text_is_refused_by_its_name() {
    let app = with_ann();
    let named = (0..FORMS.len()).prop_flat_map(|form| (Just(form), select(names_of(form))));
    let reached = Reached::default();
    holds(300, (named, json_values()), |((form, name), value)| {
        let (method, path, fields) = FORMS[form];
        let mut body: Map<String, Value> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        body.insert(name.to_owned(), value.clone());
        let answer = app.program().json(method, path, &Value::Object(body));
        assert!(answer.status.code < 500, "{answer:?}");
        let flag = name == "remember" && value.is_boolean();
        if !value.is_string() && !flag {
            reached.one();
            assert_eq!(answer.status.code, 422, "{answer:?}");
            assert!(answer.json()["errors"][name].is_array(), "{answer:?}");
        }
    });
    reached.at_least(100);
}

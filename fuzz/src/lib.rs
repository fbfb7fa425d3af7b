//! The three ways to write the same fields, for the targets that compare them.

use gatehouse::web::fuzzing::Sample;
use serde_json::{Map, Value, json};
use url::form_urlencoded::Serializer;

pub const BOUNDARY: &str = "----boundary7MA4YWxk";

/// The fields that a sample was read from, in their plainest form.
fn fields(sample: &Sample) -> Vec<(&'static str, &str)> {
    let mut fields = vec![("email", &*sample.email), ("password", &*sample.password)];
    fields.extend(sample.remember.then_some(("remember", "yes")));
    fields.extend(sample.next.as_deref().map(|next| ("next", next)));
    fields
}

pub fn as_form(sample: &Sample) -> Vec<u8> {
    Serializer::new(String::new()).extend_pairs(fields(sample)).finish().into_bytes()
}

pub fn as_json(sample: &Sample) -> Vec<u8> {
    let mut object: Map<String, Value> =
        fields(sample).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    object.insert("remember".to_owned(), json!(sample.remember));
    Value::Object(object).to_string().into_bytes()
}

/// None when a field holds the boundary.
pub fn as_multipart(sample: &Sample) -> Option<Vec<u8>> {
    let mut body = String::new();
    for (name, value) in fields(sample) {
        if value.contains(BOUNDARY) {
            return None;
        }
        body.push_str(&format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str(&format!("--{BOUNDARY}--\r\n"));
    Some(body.into_bytes())
}

/// Fails unless the sample means the same however it is written, and a refusal has a status of its own.
pub fn check(outcome: Result<Sample, u16>) {
    use gatehouse::web::fuzzing::{form, json, multipart};

    match outcome {
        Ok(sample) => {
            assert!(!sample.email.is_empty() && !sample.password.is_empty());
            assert_eq!(form(&as_form(&sample)).as_ref(), Ok(&sample));
            assert_eq!(json(&as_json(&sample)).as_ref(), Ok(&sample));
            if let Some(body) = as_multipart(&sample) {
                assert_eq!(multipart(&body, BOUNDARY).as_ref(), Ok(&sample));
            }
        }
        Err(status) => assert!(status == 400 || status == 422, "{status}"),
    }
}

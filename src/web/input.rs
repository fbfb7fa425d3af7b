//! `Input<T>`: a submitted form or JSON body. It parses; the domain judges.

use std::collections::BTreeMap;
use std::fmt;

use rocket::data::{FromData, Outcome, ToByteUnit};
use rocket::futures::stream;
use rocket::http::{ContentType, Status};
use rocket::tokio::io::AsyncReadExt;
use rocket::tokio::time::timeout;
use rocket::{Data, Request, async_trait};
use secrecy::SecretString;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::Site;
use crate::accounts::{FieldError, FieldErrors};

/// Room for 1,024 bytes of password, percent-encoded or as `\uXXXX`, with the rest of the form.
pub const WITH_PASSWORD: usize = 16 * 1024;
pub const WITHOUT_PASSWORD: usize = 4 * 1024;
/// A body refused unread reaches a browser as a broken connection: this much is read, and thrown
/// away, so that it sees the words of the 413.
const DRAINED: u64 = 256 * 1024;

/// A form's struct, read from the fields that were sent.
pub trait Form: Sized {
    const FIELDS: &'static [&'static str];
    /// What may be shown again when the form is refused. Never a password, never a token.
    const SHOWN_AGAIN: &'static [&'static str];
    /// The longest body, in bytes.
    const LONGEST: usize = WITH_PASSWORD;

    fn read(fields: &mut Fields) -> Self;
}

/// A well-formed submission.
pub struct Input<T>(pub T);

/// A submission that the handler answers with the form again, or with an error status.
#[derive(Debug)]
pub enum BadInput {
    /// Not a body we read: too large, too slow, of another type, damaged.
    Body(Status),
    Fields(Refused),
}

/// Which fields are wrong, and what of the form may be shown again.
#[derive(Debug, Default)]
pub struct Refused {
    pub kept: BTreeMap<String, String>,
    pub errors: FieldErrors,
}

impl Refused {
    /// Of a form that shows the address again and nothing else.
    pub fn keeping(email: String, errors: FieldErrors) -> Self {
        Self { kept: [("email".to_owned(), email)].into(), errors }
    }
}

/// The fields as sent.
#[derive(Default)]
pub struct Fields {
    values: BTreeMap<String, Result<Raw, FieldError>>,
    errors: FieldErrors,
}

enum Raw {
    Text(String),
    Flag(bool),
}

impl Fields {
    fn add(&mut self, name: String, value: Result<Raw, FieldError>) {
        let value = if self.values.contains_key(&name) { Err(FieldError::Twice) } else { value };
        self.values.insert(name, value);
    }

    /// The field's text; the error is noted when it is missing, empty or no text.
    pub fn required(&mut self, name: &str) -> String {
        let text = self.optional(name).unwrap_or_default();
        if text.is_empty() && !self.errors.0.contains_key(name) {
            self.errors.add(name, FieldError::Missing);
        }
        text
    }

    /// [`Fields::required`] for what must not be printed.
    pub fn secret(&mut self, name: &str) -> SecretString {
        SecretString::from(self.required(name))
    }

    pub fn optional(&mut self, name: &str) -> Option<String> {
        match self.values.remove(name)? {
            Ok(Raw::Text(text)) => Some(text),
            Ok(Raw::Flag(_)) => {
                self.errors.add(name, FieldError::NotText);
                None
            }
            Err(error) => {
                self.errors.add(name, error);
                None
            }
        }
    }

    /// A ticked box, or JSON's `true`.
    pub fn flag(&mut self, name: &str) -> bool {
        match self.values.remove(name) {
            Some(Ok(Raw::Flag(set))) => set,
            Some(Ok(Raw::Text(text))) => !["", "0", "no", "off", "false"].contains(&text.as_str()),
            Some(Err(error)) => {
                self.errors.add(name, error);
                false
            }
            None => false,
        }
    }

    fn shown_again(&self, names: &[&str]) -> BTreeMap<String, String> {
        let text = |name: &&str| match self.values.get(*name) {
            Some(Ok(Raw::Text(text))) => Some(((*name).to_owned(), text.clone())),
            Some(Ok(Raw::Flag(true))) => Some(((*name).to_owned(), "yes".to_owned())),
            _ => None,
        };
        names.iter().filter_map(text).collect()
    }
}

#[async_trait]
impl<'r, T: Form> FromData<'r> for Input<T> {
    type Error = BadInput;

    async fn from_data(request: &'r Request<'_>, data: Data<'r>) -> Outcome<'r, Self> {
        match read::<T>(request, data).await {
            Ok(form) => Outcome::Success(Self(form)),
            Err(bad) => {
                let status = match &bad {
                    BadInput::Body(status) => *status,
                    BadInput::Fields(_) => Status::UnprocessableEntity,
                };
                Outcome::Error((status, bad))
            }
        }
    }
}

async fn read<T: Form>(request: &Request<'_>, data: Data<'_>) -> Result<T, BadInput> {
    let kind = Kind::of(request).ok_or(BadInput::Body(Status::UnsupportedMediaType))?;
    let body = read_body(request, data, T::LONGEST).await.map_err(BadInput::Body)?;
    let fields = match kind {
        Kind::Unsaid if body.is_empty() => Fields::default(),
        Kind::Unsaid => return Err(BadInput::Body(Status::UnsupportedMediaType)),
        Kind::Urlencoded => urlencoded(&body),
        Kind::Multipart(boundary) => multipart(body, boundary).await.map_err(BadInput::Body)?,
        Kind::Json => json::<T>(&body)?,
    };
    take(fields)
}

/// The form's struct, or what is wrong with its fields.
pub(super) fn take<T: Form>(mut fields: Fields) -> Result<T, BadInput> {
    let kept = fields.shown_again(T::SHOWN_AGAIN);
    let form = T::read(&mut fields);
    if fields.errors.is_empty() {
        Ok(form)
    } else {
        Err(BadInput::Fields(Refused { kept, errors: fields.errors }))
    }
}

enum Kind {
    /// No `Content-Type`, as of a program that sends no fields at all.
    Unsaid,
    Urlencoded,
    Multipart(String),
    Json,
}

impl Kind {
    fn of(request: &Request<'_>) -> Option<Self> {
        if !request.headers().contains("Content-Type") {
            return Some(Self::Unsaid);
        }
        let content_type = request.content_type()?;
        let utf8 = |charset: &str| charset.eq_ignore_ascii_case("utf-8");
        if !content_type.param("charset").is_none_or(utf8) || encoded(request) {
            return None;
        }
        if content_type.is_form() {
            Some(Self::Urlencoded)
        } else if content_type.is_form_data() {
            content_type.param("boundary").map(|boundary| Self::Multipart(boundary.to_owned()))
        } else {
            (*content_type == ContentType::JSON).then_some(Self::Json)
        }
    }
}

/// A compressed body is refused: it may unfold into gigabytes.
fn encoded(request: &Request<'_>) -> bool {
    request.headers().get("Content-Encoding").any(|coding| !coding.eq_ignore_ascii_case("identity"))
}

/// The body, whole, in time and within bounds.
async fn read_body(
    request: &Request<'_>,
    data: Data<'_>,
    longest: usize,
) -> Result<Vec<u8>, Status> {
    let announced = request.headers().get_one("Content-Length").and_then(|n| n.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > DRAINED) {
        return Err(Status::PayloadTooLarge);
    }
    let site = request.rocket().state::<Site>().ok_or(Status::InternalServerError)?;
    let read = async {
        let mut stream = data.open(DRAINED.bytes());
        let mut body = Vec::new();
        (&mut stream).take(longest as u64 + 1).read_to_end(&mut body).await?;
        if body.len() > longest {
            rocket::tokio::io::copy(&mut stream, &mut rocket::tokio::io::sink()).await?;
        }
        Ok::<_, std::io::Error>(body)
    };
    match timeout(site.config.body_timeout, read).await {
        Ok(Ok(body)) if body.len() > longest => Err(Status::PayloadTooLarge),
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(Status::BadRequest),
        Err(_) => Err(Status::RequestTimeout),
    }
}

/// Decodes strictly: Rocket's own forms turn every broken byte into U+FFFD, so that two different
/// passwords would be equal.
pub(super) fn urlencoded(body: &[u8]) -> Fields {
    let mut fields = Fields::default();
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let mut halves = pair.splitn(2, |byte| *byte == b'=').map(decode);
        match halves.next() {
            Some(Some(name)) if name != "_method" => {
                let value = halves.next().unwrap_or(Some(String::new()));
                fields.add(name, value.map(Raw::Text).ok_or(FieldError::NotUtf8));
            }
            Some(None) => fields.errors.add("form", FieldError::NotUtf8),
            _ => {}
        }
    }
    fields
}

fn decode(text: &[u8]) -> Option<String> {
    let spaced: Vec<u8> = text.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
    String::from_utf8(percent_encoding::percent_decode(&spaced).collect()).ok()
}

pub(super) async fn multipart(body: Vec<u8>, boundary: String) -> Result<Fields, Status> {
    let body = stream::once(async move { Ok::<_, std::io::Error>(body) });
    let mut parts = multer::Multipart::new(body, boundary);
    let mut fields = Fields::default();
    while let Some(part) = parts.next_field().await.map_err(|_| Status::BadRequest)? {
        let name = part.name().unwrap_or("form").to_owned();
        let is_file = part.file_name().is_some();
        let bytes = part.bytes().await.map_err(|_| Status::BadRequest)?;
        let value = if is_file {
            Err(FieldError::NotText)
        } else {
            String::from_utf8(bytes.to_vec()).map(Raw::Text).map_err(|_| FieldError::NotUtf8)
        };
        fields.add(name, value);
    }
    Ok(fields)
}

pub(super) fn json<T: Form>(body: &[u8]) -> Result<Fields, BadInput> {
    let text = std::str::from_utf8(body).map_err(|_| {
        let errors = FieldErrors::one("form", FieldError::NotUtf8);
        BadInput::Fields(Refused { errors, ..Refused::default() })
    })?;
    let Pairs(pairs) =
        serde_json::from_str(text).map_err(|_| BadInput::Body(Status::BadRequest))?;
    let mut fields = Fields::default();
    for (name, value) in pairs {
        if T::FIELDS.contains(&name.as_str()) {
            fields.add(name, value.0);
        } else {
            // A program that sends more than we know means something by it (mass assignment).
            let shown: String = name.chars().take(40).collect();
            fields.errors.add(&shown, FieldError::Unknown);
        }
    }
    Ok(fields)
}

/// A JSON object as it was written: a map would hide that a key came twice.
struct Pairs(Vec<(String, JsonValue)>);

struct JsonValue(Result<Raw, FieldError>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for JsonValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Known {
            Text(String),
            Flag(bool),
            Other(IgnoredAny),
        }
        Ok(Self(match Known::deserialize(deserializer)? {
            Known::Text(text) => Ok(Raw::Text(text)),
            Known::Flag(set) => Ok(Raw::Flag(set)),
            Known::Other(_) => Err(FieldError::NotText),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(fields: &mut Fields, name: &str) -> Option<String> {
        fields.optional(name)
    }

    #[test]
    fn forms_are_decoded_once_and_strictly() {
        let mut fields = urlencoded(b"_method=put&a=1+2%2B3&b=%2561&c&d=%zz&e=%e2%82%ac&=x");
        assert_eq!(text(&mut fields, "a").as_deref(), Some("1 2+3"));
        assert_eq!(text(&mut fields, "b").as_deref(), Some("%61"));
        assert_eq!(text(&mut fields, "c").as_deref(), Some(""));
        assert_eq!(text(&mut fields, "d").as_deref(), Some("%zz"));
        assert_eq!(text(&mut fields, "e").as_deref(), Some("€"));
        assert!(fields.errors.is_empty());
        for broken in ["a=%ff", "a=%c0%af", "a=%ed%a0%80", "%ff=a"] {
            let mut fields = urlencoded(broken.as_bytes());
            text(&mut fields, "a");
            assert!(!fields.errors.is_empty(), "{broken}");
        }
    }

    #[test]
    fn b61_a_field_sent_twice_is_refused() {
        let mut fields = urlencoded(b"a=1&a=1");
        assert_eq!(text(&mut fields, "a"), None);
        assert_eq!(fields.errors, FieldErrors::one("a", FieldError::Twice));
    }
}

//! What the fuzz targets in `fuzz/` may reach; compiled for them alone (`cfg(fuzzing)`).

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use secrecy::{ExposeSecret, SecretString};

use super::input::{self, BadInput, Fields, Form};

pub use super::next::local_path;

/// A form with a field of every kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub email: String,
    pub password: String,
    pub remember: bool,
    pub next: Option<String>,
}

impl Form for Sample {
    const FIELDS: &'static [&'static str] = &["email", "password", "remember", "next"];
    const SHOWN_AGAIN: &'static [&'static str] = &["email", "remember", "next"];

    fn read(fields: &mut Fields) -> Self {
        let secret: SecretString = fields.secret("password");
        Self {
            email: fields.required("email"),
            password: secret.expose_secret().to_owned(),
            remember: fields.flag("remember"),
            next: fields.optional("next"),
        }
    }
}

/// What an urlencoded body says, or the status it is refused with.
pub fn form(body: &[u8]) -> Result<Sample, u16> {
    input::take(input::urlencoded(body)).map_err(status)
}

/// What a multipart body says, or the status it is refused with.
pub fn multipart(body: &[u8], boundary: &str) -> Result<Sample, u16> {
    let fields = finish(input::multipart(body.to_vec(), boundary.to_owned()));
    input::take(fields.map_err(|status| status.code)?).map_err(status)
}

/// What a JSON body says, or the status it is refused with.
pub fn json(body: &[u8]) -> Result<Sample, u16> {
    input::json::<Sample>(body).and_then(input::take).map_err(status)
}

fn status(bad: BadInput) -> u16 {
    match bad {
        BadInput::Body(status) => status.code,
        BadInput::Fields(_) => 422,
    }
}

/// The body is all there, so nothing has to be waited for.
fn finish<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

//! The ways mail leaves: SMTP, a folder of `.eml` files, a debug build's mailbox page.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use icu_normalizer::ComposingNormalizer;
use lettre::Transport as _;
use lettre::address::Address;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue,
};
use lettre::message::{Body, Mailbox, Message, MultiPart, SinglePart};
use lettre::transport::smtp::SmtpTransport;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use secrecy::{ExposeSecret, SecretString};

use super::{Encryption, Letter, MailConfig, Route, SmtpConfig};

/// How long any step of an SMTP dialogue may take.
const SMTP_STEP: Duration = Duration::from_secs(20);

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct SendError {
    /// For the operator; holds no credentials and no text of the mail.
    pub reason: String,
    /// True when trying again cannot help (SMTP 5xx, an impossible address).
    pub for_ever: bool,
}

/// A letter on its way, with the name it keeps through every retry.
pub struct Parcel<'a> {
    pub letter: &'a Letter,
    pub message_id: &'a str,
    pub kind: &'a str,
}

pub struct Transport {
    from: Mailbox,
    /// The right-hand side of Message-IDs.
    domain: String,
    exit: Exit,
}

enum Exit {
    Smtp(Box<SmtpTransport>, Option<SecretString>),
    Files(PathBuf),
    #[cfg(debug_assertions)]
    Mailbox(mailbox::Mailbox),
}

impl Transport {
    /// Fails when the TLS settings or the folder cannot be used; connects nowhere.
    pub fn new(config: &MailConfig) -> Result<Self, SendError> {
        let domain = config.base_url.host_str().unwrap_or("localhost").to_owned();
        let exit = match &config.route {
            Route::Smtp(smtp) => {
                Exit::Smtp(Box::new(connect_to(smtp, &domain)?), smtp.password.clone())
            }
            Route::Files(folder) => {
                DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|cause| {
                    temporary(format!("cannot make {}: {cause}", folder.display()))
                })?;
                Exit::Files(folder.clone())
            }
            #[cfg(debug_assertions)]
            Route::Mailbox => Exit::Mailbox(mailbox::Mailbox::default()),
        };
        Ok(Self { from: config.from.clone(), domain, exit })
    }

    /// Hands the mail over. Blocks, at most a few times [`SMTP_STEP`].
    pub fn send(&self, parcel: &Parcel<'_>) -> Result<(), SendError> {
        let message = self.message(parcel)?;
        match &self.exit {
            Exit::Smtp(smtp, password) => {
                smtp.send(&message).map(drop).map_err(|error| SendError {
                    for_ever: is_about_the_mail(&error),
                    reason: smtp_reason(&error, password.as_ref()),
                })
            }
            Exit::Files(folder) => {
                let path = folder.join(format!("{}-{}.eml", parcel.kind, parcel.message_id));
                write_private(&path, &message.formatted())
                    .map_err(|cause| temporary(format!("cannot write {}: {cause}", path.display())))
            }
            #[cfg(debug_assertions)]
            Exit::Mailbox(mailbox) => {
                mailbox.put(parcel.letter.clone());
                Ok(())
            }
        }
    }

    /// Connects, encrypts, greets and authenticates, and sends nothing.
    pub fn check(&self) -> Result<(), SendError> {
        match &self.exit {
            Exit::Smtp(smtp, password) => match smtp.test_connection() {
                Ok(true) => Ok(()),
                Ok(false) => Err(temporary("the server did not answer".to_owned())),
                Err(error) => Err(temporary(smtp_reason(&error, password.as_ref()))),
            },
            Exit::Files(folder) => {
                let probe = folder.join(".writable");
                write_private(&probe, b"").and_then(|()| fs::remove_file(&probe)).map_err(|cause| {
                    temporary(format!("cannot write to {}: {cause}", folder.display()))
                })
            }
            #[cfg(debug_assertions)]
            Exit::Mailbox(_) => Ok(()),
        }
    }

    /// The folder of `.eml` files, where that is the way out.
    pub fn folder(&self) -> Option<&PathBuf> {
        match &self.exit {
            Exit::Files(folder) => Some(folder),
            _ => None,
        }
    }

    #[cfg(debug_assertions)]
    pub fn mailbox(&self) -> Option<&mailbox::Mailbox> {
        match &self.exit {
            Exit::Mailbox(mailbox) => Some(mailbox),
            _ => None,
        }
    }

    fn message(&self, parcel: &Parcel<'_>) -> Result<Message, SendError> {
        let letter = parcel.letter;
        let to = address(&letter.to).ok_or_else(|| SendError {
            reason: "the address cannot receive mail".to_owned(),
            for_ever: true,
        })?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(&letter.subject)
            .date_now()
            .message_id(Some(format!("<{}@{}>", parcel.message_id, self.domain)))
            .header(AutoSubmitted)
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, &letter.text))
                    .singlepart(part(ContentType::TEXT_HTML, &letter.html)),
            )
            .map_err(|error| SendError { reason: error.to_string(), for_ever: true })
    }
}

/// A part of the mail. Plain ASCII goes as it is (RFC 2045, 6.2: 7bit): quoted-printable would cut
/// the link in two, and whoever reads the `.eml` file could not copy it.
fn part(kind: ContentType, text: &str) -> SinglePart {
    const LONGEST_LINE: usize = 998;
    let lines: Vec<&str> = text.lines().collect();
    if !text.is_ascii() || lines.iter().any(|line| line.len() > LONGEST_LINE) {
        return SinglePart::builder().header(kind).body(text.to_owned());
    }
    let bytes = (lines.join("\r\n") + "\r\n").into_bytes();
    SinglePart::builder()
        .header(kind)
        .body(Body::dangerous_pre_encoded(bytes, ContentTransferEncoding::SevenBit))
}

/// The address as mail servers write it: the name composed (RFC 6532, 3.1), the domain in its
/// ASCII form (RFC 5891).
pub fn address(email: &str) -> Option<Address> {
    let (local, domain) = email.rsplit_once('@')?;
    let local = ComposingNormalizer::new_nfc().normalize(local);
    Address::new(local, idna::domain_to_ascii(domain).ok()?).ok()
}

fn connect_to(smtp: &SmtpConfig, domain: &str) -> Result<SmtpTransport, SendError> {
    let parameters =
        || TlsParameters::new(smtp.host.clone()).map_err(|error| temporary(error.to_string()));
    let tls = match smtp.encryption {
        Encryption::Tls => Tls::Wrapper(parameters()?),
        Encryption::StartTls => Tls::Required(parameters()?),
        Encryption::Loopback => Tls::None,
    };
    let mut builder = SmtpTransport::builder_dangerous(&smtp.host)
        .port(smtp.port)
        .tls(tls)
        .hello_name(hello(domain))
        .timeout(Some(SMTP_STEP));
    if let (Some(username), Some(password)) = (&smtp.username, &smtp.password) {
        let password = password.expose_secret().to_owned();
        builder = builder.credentials(Credentials::new(username.clone(), password));
    }
    Ok(builder.build())
}

/// How we greet: an address literal where there is no name (RFC 5321, 4.1.3).
fn hello(domain: &str) -> ClientId {
    match domain.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => ClientId::Ipv4(ip),
        Ok(IpAddr::V6(ip)) => ClientId::Ipv6(ip),
        Err(_) => ClientId::Domain(domain.to_owned()),
    }
}

/// What a server says of one mailbox or one mail (550 to 553, RFC 5321, 4.2.3) gives a mail up. Any
/// other refusal, a wrong password (535) or an unwelcome network (554), is the operator's to mend,
/// and every mail would be lost meanwhile; it is tried until its end.
fn is_about_the_mail(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| (550..=553).contains(&u16::from(code)))
}

/// The cause is what helps; lettre's own text names only the kind of failure.
fn smtp_reason(error: &lettre::transport::smtp::Error, password: Option<&SecretString>) -> String {
    let mut reason = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !reason.contains(&cause_text) {
            reason = format!("{reason}: {cause_text}");
        }
        source = cause.source();
    }
    // What a server says may be endless and hold line breaks, and may repeat what it has heard: a
    // filter names the link that it does not like.
    let password = password.map(ExposeSecret::expose_secret).filter(|text| !text.is_empty());
    if let Some(password) = password {
        reason = reason.replace(password, "…");
    }
    let reason = without_tokens(&reason);
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// Shortens every long run of letters and digits, as tokens and encoded passwords are.
fn without_tokens(text: &str) -> String {
    const LONGEST: usize = 24;
    let mut words: Vec<&str> = Vec::new();
    for word in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let end = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        if end > LONGEST {
            words.push("…");
            words.push(&word[end..]);
        } else {
            words.push(word);
        }
    }
    words.concat()
}

fn temporary(reason: String) -> SendError {
    SendError { reason, for_ever: false }
}

/// Written whole under another name first, so that no reader sees half a mail.
fn write_private(path: &PathBuf, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("part");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

/// `Auto-Submitted: auto-generated` keeps vacation notices away (RFC 3834, 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Mails kept in memory, for `/dev/mailbox`.
#[cfg(debug_assertions)]
pub mod mailbox {
    use std::collections::VecDeque;
    use std::sync::{Mutex, PoisonError};

    use super::Letter;
    use crate::clock::Timestamp;

    const KEPT: usize = 100;

    #[derive(Default)]
    pub struct Mailbox {
        letters: Mutex<VecDeque<(Timestamp, Letter)>>,
    }

    impl Mailbox {
        pub fn put(&self, letter: Letter) {
            let mut letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
            letters.push_front((Timestamp::now(), letter));
            letters.truncate(KEPT);
        }

        /// Newest first.
        pub fn letters(&self) -> Vec<(Timestamp, Letter)> {
            let letters = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
            letters.iter().cloned().collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b107_a_reason_loses_its_tokens_and_nothing_else() {
        let token = crate::tokens::generate_token();
        let link = format!("https://login.example.org/reset_password/{}", token.expose_secret());
        let reason =
            format!("554 5.7.1 blocked: {link}, see RFC 5321 (ä) {}", token.expose_secret());
        let left =
            "554 5.7.1 blocked: https://login.example.org/reset_password/…, see RFC 5321 (ä) …";
        assert_eq!(without_tokens(&reason), left);
    }
}

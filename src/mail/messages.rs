//! Every mail the service writes: a struct that names its variables, a folder of templates.

use serde::Serialize;
use tera::{Context, Tera};
use url::Url;

use super::{Letter, MailConfig};
use crate::theme::{ThemeError, as_templates};

/// Whom a mail is to.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    pub address: &'a str,
    /// Greets the owner of an account; a mere address has none.
    pub name: Option<&'a str>,
}

impl<'a> From<&'a str> for Recipient<'a> {
    fn from(address: &'a str) -> Self {
        Self { address, name: None }
    }
}

impl<'a> From<&'a String> for Recipient<'a> {
    fn from(address: &'a String) -> Self {
        address.as_str().into()
    }
}

/// A mail's variables; its templates are the folder `templates/mail/NAME`.
pub trait Message: Serialize {
    const NAME: &'static str;
}

/// The link to a new password.
#[derive(Serialize)]
pub struct PasswordReset {
    pub email: String,
    pub link: String,
    /// How long the link lives, in minutes.
    pub minutes: u64,
}

impl Message for PasswordReset {
    const NAME: &'static str = "password_reset";
}

/// Tells the owner that the password is another one now.
#[derive(Serialize)]
pub struct PasswordChanged {
    pub email: String,
    /// The moment, in words, in the owner's zone.
    pub when: String,
    /// From a one-time link, which logged out every device; else by somebody signed in.
    pub by_link: bool,
    /// There was no password before.
    pub none_before: bool,
    /// Whether the other devices stayed signed in.
    pub others_kept: bool,
    /// Secures the account.
    pub link: String,
    /// How long the link lives, in days.
    pub days: u64,
}

impl Message for PasswordChanged {
    const NAME: &'static str = "password_changed";
}

/// The link past the limit on log-ins.
#[derive(Serialize)]
pub struct Unlock {
    pub email: String,
    pub link: String,
    /// How long the link lives, in minutes.
    pub minutes: u64,
}

impl Message for Unlock {
    const NAME: &'static str = "unlock";
}

/// The link that confirms an address.
#[derive(Serialize)]
pub struct ConfirmEmail {
    pub email: String,
    pub link: String,
    /// How long the link lives, in hours.
    pub hours: u64,
}

impl Message for ConfirmEmail {
    const NAME: &'static str = "confirm_email";
}

/// Tells the owner of an account that somebody wanted another one with their address.
#[derive(Serialize)]
pub struct AlreadyRegistered {
    pub email: String,
    pub login_url: String,
    pub reset_url: String,
}

impl Message for AlreadyRegistered {
    const NAME: &'static str = "already_registered";
}

/// Tells the owner that the account will be erased, with a link that keeps it.
#[derive(Serialize)]
pub struct DeletionAsked {
    pub email: String,
    /// The moment of the erasure, in words.
    pub when: String,
    pub link: String,
    pub secure_url: String,
    /// How long that link lives, in days; the other lives until the erasure.
    pub days: u64,
}

impl Message for DeletionAsked {
    const NAME: &'static str = "deletion_asked";
}

/// The link with which an invited person signs up.
#[derive(Serialize)]
pub struct Invitation {
    pub email: String,
    pub link: String,
    /// How long the link lives, in days.
    pub days: u64,
}

impl Message for Invitation {
    const NAME: &'static str = "invitation";
}

/// The link that makes a new address the account's.
#[derive(Serialize)]
pub struct EmailChange {
    pub email: String,
    pub new_email: String,
    pub link: String,
    /// How long the link lives, in hours.
    pub hours: u64,
}

impl Message for EmailChange {
    const NAME: &'static str = "email_change";
}

/// Tells the owner of an address that somebody wants it for an account of theirs.
#[derive(Serialize)]
pub struct AddressWanted {
    pub email: String,
}

impl Message for AddressWanted {
    const NAME: &'static str = "address_wanted";
}

/// Tells the address that an account had what it has now, and how to undo that.
#[derive(Serialize)]
pub struct EmailChanged {
    pub email: String,
    pub new_email: String,
    /// The moment, in words.
    pub when: String,
    pub link: String,
    /// How long the link lives, in days.
    pub days: u64,
}

impl Message for EmailChanged {
    const NAME: &'static str = "email_changed";
}

/// Tells the address that an account has now.
#[derive(Serialize)]
pub struct EmailConfirmed {
    pub email: String,
    /// The moment, in words.
    pub when: String,
}

impl Message for EmailConfirmed {
    const NAME: &'static str = "email_confirmed";
}

/// Tells the owner that the account is secured, with the link to a new password.
#[derive(Serialize)]
pub struct AccountSecured {
    pub email: String,
    /// The account had another address meanwhile.
    pub given_back: bool,
    /// It was to be deleted, and is not.
    pub kept: bool,
    pub link: String,
    /// How long the link lives, in minutes.
    pub minutes: u64,
    /// Where another link is asked for.
    pub reset_url: String,
}

impl Message for AccountSecured {
    const NAME: &'static str = "account_secured";
}

/// Tells the address that an account had until the owner of the one before took it back.
#[derive(Serialize)]
pub struct AddressGivenBack {
    pub email: String,
    /// The moment, in words.
    pub when: String,
}

impl Message for AddressGivenBack {
    const NAME: &'static str = "address_given_back";
}

/// Tells the owner of a log-in from a new browser, or after many that failed.
#[derive(Serialize)]
pub struct NewLogIn {
    pub email: String,
    /// The moment, in words.
    pub when: String,
    pub ip: String,
    pub device: String,
    pub new_browser: bool,
    /// Log-ins that failed before; 0 where they are not worth a word.
    pub failures: i64,
    pub link: String,
    /// How long the link lives, in days.
    pub days: u64,
}

impl Message for NewLogIn {
    const NAME: &'static str = "new_log_in";
}

/// What `gatehouse mail test` sends.
#[derive(Serialize)]
pub struct Test {
    pub when: String,
}

impl Message for Test {
    const NAME: &'static str = "test";
}

/// The compiled mail templates.
pub struct Messages {
    tera: Tera,
    site_name: String,
    base_url: Url,
}

impl Messages {
    /// Fails when a template of `theme_dir` cannot be read or parsed.
    pub fn load(config: &MailConfig) -> Result<Self, ThemeError> {
        let mut tera = Tera::default();
        tera.autoescape_on(vec![".html"]);
        tera.add_raw_templates(as_templates(config.theme.mails()?, ".tera")?)
            .map_err(|error| ThemeError::in_file(error, "mail", ".tera"))?;
        Ok(Self { tera, site_name: config.site_name.clone(), base_url: config.base_url.clone() })
    }

    /// An absolute link to `path`.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base_url.as_str().trim_end_matches('/'))
    }

    pub fn write<'a, M: Message>(
        &self,
        to: impl Into<Recipient<'a>>,
        message: &M,
    ) -> Result<Letter, ThemeError> {
        let to = to.into();
        let mut context = Context::from_serialize(message)?;
        context.insert("name", &to.name);
        context.insert("site_name", &self.site_name);
        context.insert("base_url", self.base_url.as_str().trim_end_matches('/'));
        let part = |file: &str| self.tera.render(&format!("{}/{file}", M::NAME), &context);
        Ok(Letter {
            to: to.address.to_owned(),
            // A line break in a subject would begin a header of the template's own.
            subject: part("subject.txt")?.split_whitespace().collect::<Vec<_>>().join(" "),
            text: part("body.txt")?,
            html: part("body.html")?,
        })
    }
}

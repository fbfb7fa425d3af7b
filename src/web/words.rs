//! Sentences that people and programs read, as far as they are not in a template.

mod events;

use rocket::http::Status;

use super::notice::Notice;
use crate::accounts::FieldError;
use crate::accounts::details::{LONGEST_NAME, NameError};
use crate::accounts::email::EmailError;
use crate::accounts::password::{MAX_BYTES, PasswordError};
use crate::accounts::user_agent::recognised;
use crate::clock::zone::Unknown;

pub use events::event;

pub const WELCOME: &str = "Bienvenue";
pub const USER_CREATED: &str = "user created";
pub const EMAIL_TAKEN: &str = "email already registered";
pub const LOGGED_IN: &str = "logged in";
pub const WRONG_CREDENTIALS: &str = "wrong email or password";
pub const WRONG_CREDENTIALS_ON_PAGE: &str = "The e-mail address or the password is wrong.";
pub const FORBIDDEN: &str = "Forbidden";
pub const INVALID: &str = "some fields are missing or refused";
pub const RESET_ASKED: &str = "if this address has an account, a link is on its way";
pub const RESET_LIVE: &str = "send the new password with PUT /reset_password";
pub const PASSWORD_UPDATED: &str = "Password updated";
pub const SIGN_UP_BY_POST: &str = "sign up with POST /users";
pub const LOG_IN_BY_POST: &str = "log in with POST /sessions";
pub const RESET_BY_POST: &str = "ask for a reset with POST /reset_password";
pub const UNLOCK_LIVE: &str = "unlock with POST /unlock/open: unlock_token";
pub const UNLOCK_BY_POST: &str = "ask for an unlock link with POST /unlock";
pub const UNLOCKED: &str = "log in with POST /sessions, with the cookies of this answer";
pub const CONFIRM_FIRST: &str = "look into your mail";
pub const CONFIRM_BY_POST: &str = "confirm with POST /confirm: confirm_token, new_password";
pub const EMAIL_CONFIRMED: &str = "email confirmed";
pub const INVITATION_LIVE: &str = "sign up with POST /users: email, password, invitation";
pub const BY_INVITATION: &str = "sign-up is by invitation";
pub const SIGN_UP_CLOSED: &str = "sign-up is closed";
pub const LOG_OUT_BY_DELETE: &str = "log out with DELETE /sessions";
pub const LOG_IN_FIRST: &str = "log in first";
pub const NOT_AN_APPLICATION: &str = "this host is not in allowed_hosts";
pub const RESET_BY_PUT: &str = "set the new password with PUT /reset_password";

pub const PROVE_FIRST: &str = "confirm your password with POST /sudo, then send this again";
pub const PROVE_BY_POST: &str = "confirm your password with POST /sudo: password";
pub const PROVEN: &str = "password confirmed";
pub const CHANGE_PASSWORD_BY_PUT: &str =
    "change the password with PUT /account/password: current_password, new_password";
pub const OTHERS_LOGGED_OUT: &str = "all other devices are logged out";
pub const EMAIL_BY_POST: &str = "ask for another address with POST /account/email: email";
pub const EMAIL_ASKED: &str = "look into the mail of the new address";
pub const EMAIL_CHANGE_LIVE: &str = "confirm the address with POST /email_change/confirm: token";
pub const EMAIL_CHANGED: &str = "email changed";
pub const SECURE_BY_POST: &str = "secure the account with POST /account/secure";
pub const SECURE_LIVE: &str = "secure the account with POST /secure_account/confirm: token";
pub const ACCOUNT_SECURED: &str = "everybody is logged out; choose a new password by mail";
pub const DETAILS_CHANGED: &str = "name and time zone saved";
pub const EXPORT_IS_A_FILE: &str = "all that is stored about you is at GET /account/export.json";
pub const LOGGED_OUT: &str = "logged out";
pub const PLACE_UNKNOWN: &str = "place unknown";
pub const SESSION_ENDED: &str = "that device is logged out";
pub const DEED_FORGOTTEN: &str = "what waited for your password is forgotten";

pub const DELETE_BY_POST: &str = "delete your account with POST /account/deletion";
pub const DELETION_ASKED: &str = "account will be deleted";
pub const KEEP_LIVE: &str = "keep the account with POST /keep_account/confirm: token";
pub const ACCOUNT_KEPT: &str = "account stays";

pub fn notice(notice: Notice) -> &'static str {
    match notice {
        Notice::SignedUp => "Welcome. Your account is ready and you are logged in.",
        Notice::LoggedOut => "You are logged out.",
        Notice::Unlocked => "This browser may log in to your account now, whatever others try.",
        Notice::SentAgain => "A new link is on its way.",
        Notice::FormGone => "That took a while, and the form is gone. Please fill it in again.",
        Notice::NothingWaits => {
            "Your password is right, and nothing waits for it: it is done already, or was cancelled."
        }
        Notice::GuessedAt => "You are logged out: the password was wrong too often.",
        Notice::Overtaken => {
            "You were logged out elsewhere, or your password was changed: nothing was done here."
        }
        Notice::PasswordChanged => "Your password is changed.",
        Notice::PasswordChangedOthersEnded => {
            "Your password is changed. All other devices are logged out."
        }
        Notice::OthersLoggedOut => "All other devices are logged out.",
        Notice::EmailChanged => "Your account has its new e-mail address.",
        Notice::EmailConfirmed => "Your e-mail address is confirmed.",
        Notice::AccountSecured => {
            "Everybody is logged out of your account, and its password no longer works."
        }
        Notice::DetailsChanged => "Your name and time zone are saved.",
        Notice::SessionEnded => "That device is logged out.",
        Notice::DeletionAsked => {
            "You are logged out, and your account will be deleted. The day, and a link that keeps it, \
             are on their way to you by mail."
        }
        Notice::DeletionCalledOff => {
            "Welcome back. Your account stays: because you logged in, it will not be deleted."
        }
        Notice::AccountKept => "Your account stays, as it was. Log in as usual.",
        Notice::PasswordUpdated => "Your password is updated. Log in with the new one.",
    }
}

/// The device of a session or an event, on a page. One that is not known is shown as it called
/// itself, cut, and without signs that turn other text around: its owner may know the name.
pub fn device(user_agent: &str) -> String {
    const MOST_SHOWN: usize = 80;
    if let Some(known) = recognised(user_agent) {
        let mut letters = known.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        return first.into_iter().chain(letters).collect();
    }
    let plain = |letter: &char| letter.is_ascii_graphic() || *letter == ' ';
    let name: String = user_agent.trim().chars().filter(plain).collect();
    match name.get(..MOST_SHOWN) {
        Some(start) if start != name => format!("An unknown program: {start}…"),
        _ if name.is_empty() => "An unknown program".to_owned(),
        _ => format!("An unknown program: {name}"),
    }
}

/// What is wrong with a field, and what would be fine.
pub fn field_error(field: &str, error: FieldError) -> String {
    match error {
        FieldError::Missing => match field {
            "email" => "Enter your e-mail address.".to_owned(),
            "password" => "Enter your password.".to_owned(),
            "new_password" => "Enter a new password.".to_owned(),
            "current_password" => "Enter the password you have now.".to_owned(),
            _ => "This field is missing.".to_owned(),
        },
        FieldError::Twice => "This field was sent twice; send it once.".to_owned(),
        FieldError::NotText => "This field must be text.".to_owned(),
        FieldError::NotUtf8 => "This is not valid UTF-8 text.".to_owned(),
        FieldError::Unknown => "There is no such field.".to_owned(),
        FieldError::EmailTaken => {
            "This address has an account already. Log in, or reset its password.".to_owned()
        }
        FieldError::Domain => "Addresses of this domain cannot be used here.".to_owned(),
        FieldError::SameEmail => "This is the address you have now. Enter another.".to_owned(),
        FieldError::WrongPassword => "This is not your password. Try again.".to_owned(),
        FieldError::NotByHand => {
            "That was too fast for us, or the form was open for too long. Please send it again."
                .to_owned()
        }
        FieldError::Name(NameError::TooLong) => {
            format!("This name is too long; the longest has {LONGEST_NAME} characters.")
        }
        FieldError::Name(NameError::Unseen) => {
            "There are signs in this name that nobody can see. Type it in, on one line.".to_owned()
        }
        FieldError::TimeZone(unknown) => unknown_zone(unknown),
        FieldError::Email(error) => email_error(error).to_owned(),
        FieldError::Password(error) => password_error(error),
    }
}

fn email_error(error: EmailError) -> &'static str {
    match error {
        EmailError::TooLong => "This address is too long; the longest has 254 characters.",
        EmailError::Spaces => "An e-mail address has no spaces in it.",
        EmailError::Form => "Enter an e-mail address like name@example.org.",
    }
}

fn unknown_zone(unknown: Unknown) -> String {
    let like: Vec<&str> = unknown.like.into_iter().flatten().collect();
    match like.as_slice() {
        [] => "We know no such time zone. Enter a large city in yours, such as Berlin.".to_owned(),
        [one] => format!("We know no such time zone. Do you mean {one}?"),
        [most @ .., last] => {
            format!("We know no such time zone. Do you mean {} or {last}?", most.join(", "))
        }
    }
}

fn password_error(error: PasswordError) -> String {
    match error {
        PasswordError::TooShort { min: 1 } => "Enter a password.".to_owned(),
        PasswordError::TooShort { min } => {
            format!("Too short: use at least {min} characters. A few unrelated words are good.")
        }
        PasswordError::TooLong => format!("Too long: use at most {MAX_BYTES} bytes."),
        PasswordError::Common => {
            "This is one of the most common passwords, which attackers try first. \
             Use a few unrelated words."
                .to_owned()
        }
        PasswordError::LikeEmail => {
            "This is your e-mail address, or little more. Use a few unrelated words.".to_owned()
        }
        PasswordError::LikeSiteName => {
            "This is the name of this site, or little more. Use a few unrelated words.".to_owned()
        }
        PasswordError::Unchanged => {
            "This is the password you have now. Use another: a few unrelated words.".to_owned()
        }
        PasswordError::Sequence => {
            "This is one character repeated, or a plain sequence. Use a few unrelated words."
                .to_owned()
        }
    }
}

/// A time to wait: seconds up to a minute and a half, then minutes, then hours.
pub fn span(seconds: u64) -> String {
    match seconds {
        1 => "1 second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        91..=5400 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

/// What a program reads in an error's `message`.
pub fn status(status: Status) -> &'static str {
    match status.code {
        400 => "the request cannot be read",
        403 => FORBIDDEN,
        404 => "there is nothing at this address",
        405 => "this address does not take that method; see Allow",
        408 => "the request took too long",
        413 => "the request is too large",
        415 => {
            "send application/x-www-form-urlencoded, multipart/form-data or application/json, in UTF-8"
        }
        421 => "this host is not the one this service is configured for (base_url)",
        422 => INVALID,
        429 => "too many tries; see Retry-After",
        503 => "too busy; see Retry-After",
        500.. => "something went wrong; the error id tells the operator more",
        _ => "the request could not be carried out",
    }
}

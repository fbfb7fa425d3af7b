//! A notice that survives one redirect: a fixed code in a private cookie, never text from a URL.

use std::time::Duration;

use rocket::http::CookieJar;

use super::{Site, private_cookie, words};

const COOKIE: &str = "notice";
/// Long enough for a redirect on a slow line.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    SignedUp,
    LoggedOut,
    PasswordUpdated,
    Unlocked,
    SentAgain,
    FormGone,
    NothingWaits,
    GuessedAt,
    Overtaken,
    PasswordChanged,
    PasswordChangedOthersEnded,
    OthersLoggedOut,
    EmailChanged,
    AccountSecured,
    DetailsChanged,
    SessionEnded,
    DeletionAsked,
    DeletionCalledOff,
    AccountKept,
    EmailConfirmed,
}

impl Notice {
    const ALL: [Self; 20] = [
        Self::SignedUp,
        Self::LoggedOut,
        Self::PasswordUpdated,
        Self::Unlocked,
        Self::SentAgain,
        Self::FormGone,
        Self::NothingWaits,
        Self::GuessedAt,
        Self::Overtaken,
        Self::PasswordChanged,
        Self::PasswordChangedOthersEnded,
        Self::OthersLoggedOut,
        Self::EmailChanged,
        Self::AccountSecured,
        Self::DetailsChanged,
        Self::SessionEnded,
        Self::DeletionAsked,
        Self::DeletionCalledOff,
        Self::AccountKept,
        Self::EmailConfirmed,
    ];

    fn code(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::LoggedOut => "logged_out",
            Self::PasswordUpdated => "password_updated",
            Self::Unlocked => "unlocked",
            Self::SentAgain => "sent_again",
            Self::FormGone => "form_gone",
            Self::NothingWaits => "nothing_waits",
            Self::GuessedAt => "guessed_at",
            Self::Overtaken => "overtaken",
            Self::PasswordChanged => "password_changed",
            Self::PasswordChangedOthersEnded => "password_changed_others_ended",
            Self::OthersLoggedOut => "others_logged_out",
            Self::EmailChanged => "email_changed",
            Self::AccountSecured => "account_secured",
            Self::DetailsChanged => "details_changed",
            Self::SessionEnded => "session_ended",
            Self::DeletionAsked => "deletion_asked",
            Self::DeletionCalledOff => "deletion_called_off",
            Self::AccountKept => "account_kept",
            Self::EmailConfirmed => "email_confirmed",
        }
    }
}

/// Leaves a notice for the next page.
pub fn leave(jar: &CookieJar<'_>, site: &Site, notice: Notice) {
    private_cookie::set(jar, site, COOKIE, notice.code().to_owned(), Some(LIFETIME));
}

/// The notice left for this page, once.
pub fn take(jar: &CookieJar<'_>, site: &Site) -> Option<&'static str> {
    let code = private_cookie::get(jar, site, COOKIE)?;
    private_cookie::remove(jar, site, COOKIE);
    Notice::ALL.into_iter().find(|notice| notice.code() == code).map(words::notice)
}

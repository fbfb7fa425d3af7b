//! The events there are: their names, their outcomes, what they mean.

/// What is worth telling an operator (ASVS 16.3). `docs/events.md` is made of this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    SignedUp,
    SignUpAsked,
    SignUpRefused,
    EmailConfirmed,
    ConfirmRefused,
    Invited,
    InvitationOpened,
    InvitationRefused,
    LoggedIn,
    LogInFailed,
    LoggedOut,
    UnlockAsked,
    UnlockMailed,
    Unlocked,
    UnlockRefused,
    ResetAsked,
    ResetMailed,
    ResetOpened,
    ResetRefused,
    PasswordChanged,
    PasswordConfirmed,
    PasswordConfirmFailed,
    SessionGuessedAt,
    SessionEnded,
    EmailChangeAsked,
    EmailChanged,
    EmailChangeRefused,
    NewLogInTold,
    AccountSecured,
    SecureRefused,
    DetailsChanged,
    DataExported,
    DeletionAsked,
    DeletionCalledOff,
    KeepRefused,
    AccountDeleted,
    AccountAdded,
    AccountDisabled,
    AccountEnabled,
    AccountUnlocked,
    SessionsEnded,
    LinkPrinted,
    NotYoursRefused,
    SignInNeeded,
    SessionRefused,
    DoorRefused,
    TriedTooOften,
    UnderAttack,
    MailHeld,
    MailLost,
    CrossSiteRefused,
    HostRefused,
    InputRefused,
    Overloaded,
    HashingDiffers,
    Restored,
    Broken,
}

/// An event's name in the log, the database and the figures; `success`, `refused` or `failure` (the
/// service's own); what it means, in one sentence.
pub(super) type Entry = (Event, &'static str, &'static str, &'static str);

/// Every event, in the order of the enum.
pub(super) const TABLE: [Entry; 57] = [
    (Event::SignedUp, "signed_up", "success", "Somebody has a new account."),
    (
        Event::SignUpAsked,
        "sign_up_asked",
        "success",
        "Somebody wants an account and is asked to confirm the address.",
    ),
    (
        Event::SignUpRefused,
        "sign_up_refused",
        "refused",
        "A sign-up was refused: fields, a taken address, sign-up closed.",
    ),
    (
        Event::EmailConfirmed,
        "email_confirmed",
        "success",
        "An address was confirmed from its mail.",
    ),
    (
        Event::ConfirmRefused,
        "confirm_refused",
        "refused",
        "A confirmation link was unknown, used or too old.",
    ),
    (Event::Invited, "invited", "success", "An operator invited somebody."),
    (Event::InvitationOpened, "invitation_opened", "success", "An invitation was opened."),
    (
        Event::InvitationRefused,
        "invitation_refused",
        "refused",
        "An invitation was unknown, used or too old.",
    ),
    (Event::LoggedIn, "logged_in", "success", "Somebody logged in."),
    (
        Event::LogInFailed,
        "log_in_failed",
        "refused",
        "The address or the password was wrong; `user` where there is such an account.",
    ),
    (Event::LoggedOut, "logged_out", "success", "Somebody logged out."),
    (
        Event::UnlockAsked,
        "unlock_asked",
        "success",
        "Somebody asked for a link past the limit on log-ins.",
    ),
    (
        Event::UnlockMailed,
        "unlock_mailed",
        "success",
        "A link past the limit on log-ins was mailed to the owner of an account.",
    ),
    (
        Event::Unlocked,
        "unlocked",
        "success",
        "An unlock link was used: its browser is counted apart from strangers.",
    ),
    (
        Event::UnlockRefused,
        "unlock_refused",
        "refused",
        "An unlock link was unknown, used or too old.",
    ),
    (Event::ResetAsked, "reset_asked", "success", "Somebody asked for a new password."),
    (
        Event::ResetMailed,
        "reset_mailed",
        "success",
        "A link to a new password was mailed to the owner of an account: somebody asked for it.",
    ),
    (Event::ResetOpened, "reset_opened", "success", "A reset link was opened."),
    (Event::ResetRefused, "reset_refused", "refused", "A reset link was unknown, used or too old."),
    (
        Event::PasswordChanged,
        "password_changed",
        "success",
        "A password was changed: from a reset link, or by its owner with the one before.",
    ),
    (
        Event::PasswordConfirmed,
        "password_confirmed",
        "success",
        "Somebody gave their password again, for a sensitive deed.",
    ),
    (
        Event::PasswordConfirmFailed,
        "password_confirm_failed",
        "refused",
        "Somebody signed in gave a wrong password for a sensitive deed.",
    ),
    (
        Event::SessionGuessedAt,
        "session_guessed_at",
        "refused",
        "A session ended after five wrong passwords: somebody may have its cookie alone.",
    ),
    (
        Event::SessionEnded,
        "session_ended",
        "success",
        "Somebody logged out another device of theirs, or all others.",
    ),
    (
        Event::EmailChangeAsked,
        "email_change_asked",
        "success",
        "Somebody wants another address and is asked to confirm it.",
    ),
    (
        Event::EmailChanged,
        "email_changed",
        "success",
        "An account has another address, confirmed from its mail; the old one can undo it for 7 days.",
    ),
    (
        Event::EmailChangeRefused,
        "email_change_refused",
        "refused",
        "A link to a new address was unknown, used or too old, or somebody else has the address by now.",
    ),
    (
        Event::NewLogInTold,
        "new_log_in_told",
        "success",
        "An owner was told of a log-in from a new browser, or after many that failed.",
    ),
    (
        Event::AccountSecured,
        "account_secured",
        "success",
        "An owner secured the account: sessions, links and the password ended, its address is the owner's.",
    ),
    (
        Event::SecureRefused,
        "secure_refused",
        "refused",
        "A link that secures an account was unknown, used or too old.",
    ),
    (
        Event::DetailsChanged,
        "details_changed",
        "success",
        "Somebody changed their name or time zone.",
    ),
    (
        Event::DataExported,
        "data_exported",
        "success",
        "Somebody downloaded all that is stored about them.",
    ),
    (
        Event::DeletionAsked,
        "deletion_asked",
        "success",
        "Somebody wants their account deleted; it is, when its grace is over.",
    ),
    (
        Event::DeletionCalledOff,
        "deletion_called_off",
        "success",
        "An account is kept after all: its owner logged in, used the link, or secured it.",
    ),
    (
        Event::KeepRefused,
        "keep_refused",
        "refused",
        "A link that keeps an account was unknown, used or too old.",
    ),
    (
        Event::AccountDeleted,
        "account_deleted",
        "success",
        "An account was erased, with all that belonged to it.",
    ),
    (Event::AccountAdded, "account_added", "success", "An operator added an account."),
    (
        Event::AccountDisabled,
        "account_disabled",
        "success",
        "An operator disabled an account: its sessions ended, and nobody can log in to it.",
    ),
    (Event::AccountEnabled, "account_enabled", "success", "An operator enabled an account again."),
    (
        Event::AccountUnlocked,
        "account_unlocked",
        "success",
        "An operator cleared what was counted against log-ins to an account.",
    ),
    (
        Event::SessionsEnded,
        "sessions_ended",
        "success",
        "An operator ended all sessions of an account.",
    ),
    (
        Event::LinkPrinted,
        "link_printed",
        "success",
        "An operator printed a one-time link for an account.",
    ),
    (
        Event::NotYoursRefused,
        "not_yours_refused",
        "refused",
        "Somebody asked for what is not theirs, or is not there: another's session, another's event.",
    ),
    (
        Event::SignInNeeded,
        "sign_in_needed",
        "refused",
        "A page that needs a session was asked for without one.",
    ),
    (
        Event::SessionRefused,
        "session_refused",
        "refused",
        "A session's cookie opened nothing: ended, expired or forged.",
    ),
    (
        Event::DoorRefused,
        "door_refused",
        "refused",
        "The door was asked for a host that allowed_hosts does not list.",
    ),
    (
        Event::TriedTooOften,
        "tried_too_often",
        "refused",
        "A limit was reached: 429 with Retry-After.",
    ),
    (
        Event::UnderAttack,
        "under_attack",
        "refused",
        "The whole server's limit was reached: many accounts are being tried from many places.",
    ),
    (
        Event::MailHeld,
        "mail_held",
        "refused",
        "A mail was not written: its address had as many as limit_mail allows.",
    ),
    (
        Event::MailLost,
        "mail_lost",
        "failure",
        "A waiting mail was given up: it was sealed under another secret_key, and is not written anew.",
    ),
    (
        Event::CrossSiteRefused,
        "cross_site_refused",
        "refused",
        "Another site made a browser send this request.",
    ),
    (Event::HostRefused, "host_refused", "refused", "The request names a host that is not ours."),
    (
        Event::InputRefused,
        "input_refused",
        "refused",
        "What was sent cannot be read, is too long, or does not fit its form.",
    ),
    (Event::Overloaded, "overloaded", "refused", "Work was turned away to keep the rest going."),
    (
        Event::HashingDiffers,
        "hashing_differs",
        "failure",
        "Passwords hashed in step came out wrong at start: they are hashed one at a time.",
    ),
    (
        Event::Restored,
        "restored",
        "success",
        "A backup was put back: all sessions, links and known browsers came to their end.",
    ),
    (
        Event::Broken,
        "broken",
        "failure",
        "Something failed on our side; the log has the cause under the request's id.",
    ),
];

impl Event {
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.into_iter().map(|(event, ..)| event)
    }

    /// The event of that name, in this version.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|event| event.name() == name)
    }

    pub fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    pub fn outcome(self) -> &'static str {
        TABLE[self as usize].2
    }

    pub fn meaning(self) -> &'static str {
        TABLE[self as usize].3
    }

    /// The proof that was asked for.
    pub(super) fn factor(self) -> Option<&'static str> {
        matches!(
            self,
            Self::LoggedIn
                | Self::LogInFailed
                | Self::PasswordConfirmed
                | Self::PasswordConfirmFailed
        )
        .then_some("password")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_each_event_in_its_place() {
        for (place, event) in Event::all().enumerate() {
            assert_eq!(event as usize, place, "{event:?}");
        }
    }
}

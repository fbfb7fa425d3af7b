//! What happened, to whoever it happened to: a sentence for each event.

use crate::audit::Event;

/// It may have been somebody else, so that no sentence says "you did".
pub fn event(event: Option<Event>) -> &'static str {
    let Some(event) = event else { return "Something that this version has no words for." };
    match event {
        Event::SignedUp => "The account was made.",
        Event::SignUpAsked => "Somebody signed up with this address.",
        Event::SignUpRefused => "A sign-up with this address was refused.",
        Event::EmailConfirmed => "The e-mail address was confirmed.",
        Event::ConfirmRefused => "A link to confirm the address no longer worked.",
        Event::Invited => "An invitation was sent.",
        Event::InvitationOpened => "An invitation was opened.",
        Event::InvitationRefused => "An invitation no longer worked.",
        Event::LoggedIn => "Log-in.",
        Event::LogInFailed => "A log-in failed: the password was wrong.",
        Event::LoggedOut => "Log-out.",
        Event::UnlockAsked => "A link past the limit on log-ins was asked for.",
        Event::UnlockMailed => {
            "Somebody asked for a link past the limit on log-ins; it was mailed to you."
        }
        Event::Unlocked => "A link past the limit on log-ins was used.",
        Event::UnlockRefused => "A link past the limit on log-ins no longer worked.",
        Event::ResetAsked => "A link to a new password was asked for.",
        Event::ResetMailed => "Somebody asked for a new password; the link was mailed to you.",
        Event::ResetOpened => "A link to a new password was opened.",
        Event::ResetRefused => "A link to a new password no longer worked.",
        Event::PasswordChanged => "The password was changed.",
        Event::PasswordConfirmed => "The password was given once more, for something sensitive.",
        Event::PasswordConfirmFailed => {
            "A wrong password was given for something sensitive, on a device that was logged in."
        }
        Event::SessionGuessedAt => {
            "A device was logged out: it gave a wrong password five times over."
        }
        Event::SessionEnded => "Another device was logged out, or all others.",
        Event::EmailChangeAsked => "Another e-mail address was asked for.",
        Event::EmailChanged => "The e-mail address was changed.",
        Event::EmailChangeRefused => "A link to another e-mail address no longer worked.",
        Event::NewLogInTold => "A mail told you of a log-in.",
        Event::AccountSecured => "The account was secured: all devices were logged out.",
        Event::SecureRefused => "A link that secures the account no longer worked.",
        Event::DetailsChanged => "The name or the time zone was changed.",
        Event::DataExported => "All that is stored about you was downloaded.",
        Event::DeletionAsked => "The account was to be deleted.",
        Event::DeletionCalledOff => "The account is kept after all.",
        Event::KeepRefused => "A link that keeps the account no longer worked.",
        Event::AccountDeleted => "The account was deleted.",
        Event::AccountAdded => "An operator of this site made the account.",
        Event::AccountDisabled => "An operator of this site disabled the account.",
        Event::AccountEnabled => "An operator of this site enabled the account again.",
        Event::AccountUnlocked => "An operator of this site lifted the limit on log-ins.",
        Event::SessionsEnded => "An operator of this site logged out all devices.",
        Event::LinkPrinted => "An operator of this site made a one-time link.",
        Event::NotYoursRefused => "Something was asked for that is not yours, or not there.",
        Event::SignInNeeded => "A page was asked for that needs a log-in.",
        Event::SessionRefused => "A log-in that had ended was used.",
        Event::DoorRefused => "An application was asked for that is not let in here.",
        Event::TriedTooOften => "Something was tried too often, and refused.",
        Event::UnderAttack => "This site was under attack.",
        Event::MailHeld => "A mail was not sent: there had been too many.",
        Event::MailLost => "A mail was lost.",
        Event::CrossSiteRefused => "Another site sent something in your name, and was refused.",
        Event::HostRefused => "This site was asked for under another name.",
        Event::InputRefused => "Something was sent that cannot be read.",
        Event::Overloaded => "This site was too busy.",
        Event::HashingDiffers => "This site found a fault of its own at its start.",
        Event::Restored => "A backup of this site was put back.",
        Event::Broken => "Something failed on our side.",
    }
}

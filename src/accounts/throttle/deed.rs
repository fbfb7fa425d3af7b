//! Deeds: what is counted, each under a name of its own.

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    LogIn,
    SignUp,
    AskReset,
    SendAgain,
    Unlock,
    UseToken,
    /// The password once more, by somebody who is signed in.
    Prove,
    ChangeEmail,
    ChangePassword,
    AskDeletion,
}

impl Deed {
    pub const ALL: [Self; 10] = [
        Self::LogIn,
        Self::SignUp,
        Self::AskReset,
        Self::SendAgain,
        Self::Unlock,
        Self::UseToken,
        Self::Prove,
        Self::ChangeEmail,
        Self::ChangePassword,
        Self::AskDeletion,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::LogIn => "log_in",
            Self::SignUp => "sign_up",
            Self::AskReset => "ask_reset",
            Self::SendAgain => "send_again",
            Self::Unlock => "unlock",
            Self::UseToken => "use_token",
            Self::Prove => "prove",
            Self::ChangeEmail => "change_email",
            Self::ChangePassword => "change_password",
            Self::AskDeletion => "ask_deletion",
        }
    }

    /// Whether a password is tried.
    pub fn is_guess(self) -> bool {
        matches!(self, Self::LogIn | Self::Prove)
    }
}

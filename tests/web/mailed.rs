//! What was mailed to whom, and the links in it.

use gatehouse::mail::Letter;

use crate::app::TestApp;

impl TestApp {
    /// The mails to one address, newest first.
    #[track_caller]
    pub fn mails_to(&self, email: &str) -> Vec<Letter> {
        self.mailbox().into_iter().filter(|mail| mail.to == email).collect()
    }

    /// The links below `/kind/` in the mails to one address, newest first, as paths.
    #[track_caller]
    pub fn links_to(&self, email: &str, kind: &str) -> Vec<String> {
        let path = format!("/{kind}/");
        let mails = self.mails_to(email);
        let words = mails.iter().flat_map(|mail| mail.text.split_whitespace());
        words.filter_map(|word| word.find(&path).map(|at| word[at..].to_owned())).collect()
    }

    /// The newest of them.
    #[track_caller]
    pub fn link_to(&self, email: &str, kind: &str) -> String {
        self.links_to(email, kind).into_iter().next().expect("a mail with a link")
    }
}

/// The path of the newest mailed link that begins with `path`, whoever it was mailed to.
#[track_caller]
pub fn mailed(app: &TestApp, path: &str) -> String {
    let mails = app.mailbox();
    let mut words = mails.iter().flat_map(|mail| mail.text.split_whitespace());
    let found = words.find_map(|word| word.split_once(path));
    format!("{path}{}", found.expect("a link").1)
}

/// The token at the end of a link.
pub fn token_of(link: &str) -> &str {
    link.rsplit('/').next().expect("a token")
}

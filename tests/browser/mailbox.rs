//! The development mailbox: letters that arrive, and the links in them.

use fantoccini::Locator;

use super::browser::Browser;
use super::gatehouse::Gatehouse;
use super::patience::soon;

/// The newest letter with such a link.
pub struct Letter<'a> {
    pub to: &'a str,
    /// How the link's path begins.
    pub link: &'static str,
}

impl Letter<'_> {
    fn xpath(&self) -> String {
        let Self { to, link } = self;
        format!("//article[.//dd[normalize-space()='{to}']]//ul//a[contains(@href,'{link}')]")
    }
}

impl Browser {
    /// In the mailbox: looks again until the letter is there; its link.
    #[track_caller]
    pub fn waits_for(&self, letter: &Letter<'_>) -> String {
        let xpath = letter.xpath();
        self.is_at("/dev/mailbox");
        soon("a letter", || {
            self.reloads();
            let links = self.wait(&xpath, self.client().find_all(Locator::XPath(&xpath)));
            self.wait(&xpath, links.first()?.text()).into()
        })
    }

    /// Opens the mailbox, waits for the letter, and clicks its link.
    #[track_caller]
    pub fn opens_link(&self, gate: &Gatehouse, letter: &Letter<'_>) {
        self.opens(&gate.at("/dev/mailbox"));
        self.waits_for(letter);
        self.leaves_by(&letter.xpath());
    }
}

//! Every page on the way to an account where it begins with a mail or an invitation, looked at in
//! every mode.

use serde_json::json;

use super::browser::Browser;
use super::flow::{EMAIL, PASSWORD, leave, open_mailed_link};
use super::gatehouse::Gatehouse;
use super::patience::soon;
use super::tour::Tour;

const OTHER: &str = "bob@example.org";

#[test]
fn every_page_of_admission_is_sound_in_every_mode() {
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    confirming(&ann, &mut tour);
    invited(&ann, &mut tour);
    kept_out(&ann, &mut tour);
    tour.ends();
}

fn asks_for_an_account(ann: &Browser, email: &str) {
    ann.types("#email", email);
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
}

/// As if in another browser.
fn changes_browser(ann: &Browser) {
    ann.cdp("Network.clearBrowserCookies", json!({}));
}

fn confirming(ann: &Browser, tour: &mut Tour<'_>) {
    let gate = Gatehouse::with("confirm_email = true");
    ann.opens(&gate.at("/signup"));
    asks_for_an_account(ann, "amn@example.org");
    ann.is_at("/confirm/sent");
    tour.looks_at("confirm-sent", 200);
    ann.types("#email", "ann at example");
    ann.presses("Send again");
    ann.focus_is_on("error-summary");
    tour.looks_at("confirm-sent-error", 422);
    ann.types("#email", EMAIL);
    ann.presses("Send again");
    ann.sees("A new link is on its way.");
    ann.sees(EMAIL);
    tour.looks_at("confirm-sent-again", 200);
    ann.follows("Open the development mailbox");
    // The mail to the address before may be there by now.
    soon("a mail to the corrected address", || {
        ann.reloads();
        ann.text().contains(EMAIL).then_some(())
    });
    open_mailed_link(ann);
    ann.is_at("/confirm/new");
    ann.sees(EMAIL);
    tour.looks_at("confirm-new", 200);
    ann.presses("Confirm and log in");
    ann.is_at("/profile");
    ann.sees("Your account is ready");
    leave(ann);

    ann.opens(&gate.at("/signup"));
    asks_for_an_account(ann, OTHER);
    changes_browser(ann);
    ann.opens(&gate.at("/dev/mailbox"));
    soon("a mail to the other address", || {
        ann.reloads();
        ann.text().contains(OTHER).then_some(())
    });
    open_mailed_link(ann);
    ann.is_at("/confirm/new");
    tour.looks_at("confirm-new-elsewhere", 200);
    ann.types("#new_password", "password1");
    ann.presses("Confirm and log in");
    ann.focus_is_on("error-summary");
    tour.looks_at("confirm-new-error", 422);
    ann.types("#new_password", PASSWORD);
    ann.presses("Confirm and log in");
    ann.is_at("/profile");
    ann.sees(OTHER);
    ann.opens(&gate.at("/confirm/new"));
    tour.looks_at("confirm-dead", 403);
    changes_browser(ann);
}

fn invited(ann: &Browser, tour: &mut Tour<'_>) {
    let gate = Gatehouse::with("sign_up = \"invited\"");
    ann.opens(&gate.at("/signup"));
    tour.looks_at("signup-by-invitation", 403);
    let link = gate.invites(EMAIL);
    ann.opens(&gate.at(&link));
    ann.is_at("/signup");
    tour.looks_at("signup-invited", 200);
    ann.types("#password", "short");
    ann.presses("Sign up");
    ann.sees("You are invited as");
    tour.looks_at("signup-invited-error", 422);
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
    ann.is_at("/profile");
    ann.sees(EMAIL);
    ann.opens(&gate.at(&link));
    tour.looks_at("invitation-dead", 403);
    changes_browser(ann);
}

fn kept_out(ann: &Browser, tour: &mut Tour<'_>) {
    let gate = Gatehouse::with("sign_up = \"closed\"");
    ann.opens(&gate.at("/signup"));
    tour.looks_at("signup-closed", 403);
    let gate = Gatehouse::with("sign_up_guard = true");
    ann.opens(&gate.at("/signup"));
    tour.looks_at("signup-guarded", 200);
    // As a program does that fills in every field.
    ann.script("document.querySelector('#website').value = 'https://spam.example'", vec![]);
    asks_for_an_account(ann, EMAIL);
    ann.focus_is_on("error-summary");
    tour.looks_at("signup-not-by-hand", 422);
    ann.sees("Please send it again.");
    assert_eq!(ann.value("#email"), EMAIL);
    assert_eq!(ann.value("#website"), "");
}

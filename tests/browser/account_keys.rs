//! All of an account by keys alone, on a screen as large as a phone's: no pointer, nothing focused
//! but by Tab, and the focus seen wherever it stops.

mod devices; // others are logged out, and the history is read
mod leaving; // the file, the deletion, and the way back

use fantoccini::key::Key;

use super::browser::Browser;
use super::flow::{EMAIL, PASSWORD, sign_up, takes_a_phone};
use super::gatehouse::Gatehouse;
use super::keys::HEAD;
use super::mailbox::Letter;

const NEW_EMAIL: &str = "ann.barley@example.net";
const NEW_PASSWORD: &str = "another window, barley";

/// Past what every page begins with for somebody who is logged in.
#[track_caller]
fn passes_the_head(ann: &Browser, email: &str) {
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&format!("a {email}"), "button Log out"]);
}

/// From the profile to one of its pages.
#[track_caller]
fn goes_to(ann: &Browser, email: &str, link: &str, path: &str) {
    ann.is_at("/profile");
    passes_the_head(ann, email);
    ann.tabs_to(link);
    ann.leaves_with(Key::Enter);
    ann.is_at(path);
    passes_the_head(ann, email);
}

#[track_caller]
fn goes_back_to_the_profile(ann: &Browser) {
    ann.tabs_to("a Back to your profile");
    ann.leaves_with(Key::Enter);
    ann.is_at("/profile");
}

/// At the page that asks for the password once more.
#[track_caller]
fn gives_the_password(ann: &Browser, email: &str, password: &str) {
    ann.title_is("Confirm that it is you – Gatehouse");
    passes_the_head(ann, email);
    ann.tabs_through(&["#password"]);
    ann.strikes(password.chars());
    ann.tabs_through(&["button Show password", "button Go on", "button Cancel"]);
    ann.strikes_holding(Key::Shift, Key::Tab.into());
    ann.has_focus_on("button Go on");
    ann.leaves_with(Key::Space);
}

#[track_caller]
fn logs_in(ann: &Browser, email: &str, password: &str) {
    ann.is_at("/login");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["#email"]);
    ann.strikes(email.chars());
    ann.tabs_through(&["#password"]);
    ann.strikes(password.chars());
    ann.leaves_with(Key::Enter);
    ann.is_at("/profile");
}

/// In the mailbox.
#[track_caller]
fn opens_the_link(ann: &Browser, gate: &Gatehouse, letter: &Letter<'_>) {
    ann.waits_for(letter);
    ann.tabs_to(&format!("a {}", gate.at(letter.link)));
    ann.leaves_with(Key::Enter);
}

/// From "Look into your mail" to the profile: with a new password, and logged in with it.
fn chooses_a_password(gate: &Gatehouse, ann: &Browser) {
    ann.is_at("/reset_password/sent");
    ann.sees("Everybody is logged out of your account");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["a Open the development mailbox"]);
    ann.leaves_with(Key::Enter);
    opens_the_link(ann, gate, &Letter { to: EMAIL, link: "/reset_password/" });
    ann.is_at("/reset_password/new");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["#new_password"]);
    ann.strikes(NEW_PASSWORD.chars());
    ann.tabs_through(&["button Show password", "button Save new password"]);
    ann.leaves_with(Key::Enter);
    logs_in(ann, EMAIL, NEW_PASSWORD);
}

#[test]
fn name_password_and_address_are_changed_by_keys_on_a_phone() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    takes_a_phone(&ann);
    sign_up(&gate, &ann);
    changes_name_and_zone(&ann);
    changes_the_password(&ann);
    changes_the_address(&gate, &ann);
}

fn changes_name_and_zone(ann: &Browser) {
    goes_to(ann, EMAIL, "a Change name and time zone", "/account/details");
    ann.tabs_through(&["#display_name"]);
    ann.strikes("Ann Barley".chars());
    ann.tabs_through(&["#time_zone"]);
    ann.strikes("Berln".chars());
    ann.leaves_with(Key::Enter);
    ann.has_focus_on("#error-summary");
    ann.tabs_through(&["a We know no such time zone. Do you mean Europe/Berlin?"]);
    ann.strikes([Key::Enter.into()]);
    ann.has_focus_on("#time_zone");
    ann.strikes_holding(Key::Control, 'a');
    ann.strikes("Berlin".chars());
    ann.tabs_through(&["button Save", "a Back to your profile"]);
    ann.strikes_holding(Key::Shift, Key::Tab.into());
    ann.has_focus_on("button Save");
    ann.leaves_with(Key::Space);
    ann.is_at("/profile");
    ann.sees("Your name and time zone are saved.");
    ann.sees("Ann Barley");
    ann.sees("Europe/Berlin");
}

fn changes_the_password(ann: &Browser) {
    goes_to(ann, EMAIL, "a Change password", "/account/password");
    ann.tabs_through(&["#current_password"]);
    ann.strikes("not that one".chars());
    ann.tabs_through(&["button Show password", "#new_password"]);
    ann.strikes(NEW_PASSWORD.chars());
    ann.leaves_with(Key::Enter);
    ann.has_focus_on("#error-summary");
    ann.tabs_through(&["a This is not your password. Try again."]);
    ann.strikes([Key::Enter.into()]);
    ann.has_focus_on("#current_password");
    ann.strikes(PASSWORD.chars());
    ann.tabs_through(&["button Show password", "#new_password"]);
    ann.strikes(NEW_PASSWORD.chars());
    ann.tabs_through(&["button Show password", "#keep_others"]);
    ann.strikes([Key::Space.into()]);
    ann.tabs_through(&["button Change password"]);
    ann.leaves_with(Key::Space);
    ann.is_at("/profile");
    ann.sees("Your password is changed.");
    // Every other device is told nothing: the box was ticked.
    ann.does_not_see("All other devices are logged out.");
}

fn changes_the_address(gate: &Gatehouse, ann: &Browser) {
    gate.lets_proofs_grow_old();
    goes_to(ann, EMAIL, "a Change e-mail address", "/account/email");
    ann.tabs_through(&["#email"]);
    ann.strikes(NEW_EMAIL.chars());
    ann.tabs_through(&["button Mail me a link"]);
    ann.leaves_with(Key::Space);
    gives_the_password(ann, EMAIL, NEW_PASSWORD);
    ann.is_at("/account/email/sent");
    ann.sees(NEW_EMAIL);
    passes_the_head(ann, EMAIL);
    ann.tabs_through(&["a Open the development mailbox"]);
    ann.leaves_with(Key::Enter);
    opens_the_link(ann, gate, &Letter { to: NEW_EMAIL, link: "/email_change/" });
    ann.is_at("/email_change/confirm");
    passes_the_head(ann, EMAIL);
    ann.tabs_through(&["button Change the address"]);
    ann.leaves_with(Key::Space);
    ann.is_at("/profile");
    ann.sees("Your account has its new e-mail address.");
    passes_the_head(ann, NEW_EMAIL);
}

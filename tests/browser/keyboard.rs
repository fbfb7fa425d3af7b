//! The whole way by keys alone: no click, no pointer, nothing focused but by Tab.

use fantoccini::key::Key;

use super::browser::Browser;
use super::flow::{EMAIL, PASSWORD, wait_for_mail};
use super::gatehouse::Gatehouse;
use super::keys::HEAD;

/// The links of the profile.
const PROFILE: [&str; 8] = [
    "a Change e-mail address",
    "a Change password",
    "a Change name and time zone",
    "a Where you are logged in",
    "a Security history",
    "a Secure my account",
    "a Download your data",
    "a Delete your account",
];
/// As far as the way out for somebody who does not know the password.
const PASSWORD_CHANGE: [&str; 7] = [
    "#current_password",
    "button Show password",
    "#new_password",
    "button Show password",
    "#keep_others",
    "button Change password",
    "a Forgot your current password?",
];

#[test]
fn everything_works_by_keys_alone() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    skips_to_the_content(&gate, &ann);
    signs_up(&ann);
    logs_out(&ann);
    logs_in(&ann);
    resets(&ann);
}

fn skips_to_the_content(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/"));
    ann.tabs_through(&HEAD[..1]);
    ann.strikes([Key::Enter.into()]);
    ann.is_at("/#main");
    // The next stop is the first of the content: what lies between was skipped.
    ann.tabs_through(&["a Sign up", "a Log in"]);
    ann.opens(&gate.at("/"));
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["a Sign up"]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/signup");
}

fn signs_up(ann: &Browser) {
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["#email"]);
    ann.strikes(EMAIL.chars());
    ann.tabs_through(&["#password"]);
    ann.strikes("short".chars());
    ann.leaves_with(Key::Enter);
    ann.title_is("Error: Sign up – Gatehouse");
    ann.has_focus_on("#error-summary");

    // From the summary to the field.
    let summary = "a Too short: use at least 8 characters. A few unrelated words are good.";
    ann.tabs_through(&[summary]);
    ann.strikes([Key::Enter.into()]);
    ann.has_focus_on("#password");
    ann.strikes(PASSWORD.chars());
    ann.tabs_through(&["button Show password"]);
    ann.strikes([Key::Space.into()]);
    assert_eq!(ann.attribute("#password", "type").as_deref(), Some("text"));
    ann.strikes([Key::Space.into()]);
    assert_eq!(ann.attribute("#password", "type").as_deref(), Some("password"));
    ann.tabs_through(&["button Sign up", "a Log in"]);
    ann.strikes_holding(Key::Shift, Key::Tab.into());
    ann.has_focus_on("button Sign up");
    ann.leaves_with(Key::Space);
    ann.is_at("/profile");
}

fn logs_out(ann: &Browser) {
    ann.tabs_through(&HEAD);
    let own = format!("a {EMAIL}");
    ann.tabs_through(&[&own, "button Log out"]);
    ann.tabs_through(&PROFILE);
    ann.tabs_through(&["button Log out"]);
    ann.leaves_with(Key::Space);
    ann.is_at("/");
    ann.sees("You are logged out.");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["a Sign up", "a Log in"]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/login");
}

fn logs_in(ann: &Browser) {
    const FORM: [&str; 5] =
        ["#email", "#password", "button Show password", "#remember", "button Log in"];
    ann.tabs_through(&HEAD);
    ann.tabs_through(&FORM);
    ann.tabs_through(&["a Forgot your password?", "a Sign up"]);
    ann.reloads();
    ann.tabs_through(&HEAD);
    ann.tabs_through(&FORM[..1]);
    ann.strikes(EMAIL.chars());
    ann.tabs_through(&FORM[1..2]);
    ann.strikes("not that one".chars());
    ann.leaves_with(Key::Enter);
    ann.title_is("Error: Log in – Gatehouse");
    ann.has_focus_on("#error-summary");
    ann.tabs_through(&FORM[..2]);
    ann.strikes(PASSWORD.chars());
    ann.tabs_through(&FORM[2..4]);
    ann.strikes([Key::Space.into()]);
    ann.tabs_through(&FORM[4..]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/profile");
    assert_eq!(ann.cookie("session_id").expect("a session")["session"], false, "kept");
}

fn resets(ann: &Browser) {
    ann.tabs_through(&HEAD);
    let own = format!("a {EMAIL}");
    ann.tabs_through(&[&own, "button Log out"]);
    ann.tabs_through(&PROFILE[..2]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/account/password");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&own, "button Log out"]);
    ann.tabs_through(&PASSWORD_CHANGE);
    ann.leaves_with(Key::Enter);
    ann.is_at("/reset_password");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&own, "button Log out", "#email", "button Mail me a link"]);
    ann.leaves_with(Key::Space);
    ann.sees("Look into your mail");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&own, "button Log out", "a Open the development mailbox"]);
    ann.leaves_with(Key::Enter);
    wait_for_mail(ann);
    ann.tabs_through(&HEAD);
    ann.strikes([Key::Tab.into()]);
    let focus = ann.script(include_str!("focus.js"), vec![]);
    assert!(focus["name"].as_str().expect("a name").contains("/reset_password/"), "{focus}");
    ann.leaves_with(Key::Enter);
    ann.is_at("/reset_password/new");
    ann.tabs_through(&HEAD);
    ann.tabs_through(&[&own, "button Log out", "#new_password"]);
    ann.strikes("another window, barley".chars());
    ann.tabs_through(&["button Show password", "button Save new password"]);
    ann.leaves_with(Key::Enter);
    ann.is_at("/login");
    ann.sees("Your password is updated.");
}

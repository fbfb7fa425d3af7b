//! The file is taken, the account deleted, kept and secured, by keys alone.

use fantoccini::key::Key;

use super::{
    chooses_a_password, gives_the_password, goes_back_to_the_profile, goes_to, logs_in,
    opens_the_link, passes_the_head,
};
use crate::browser::Browser;
use crate::downloads::Downloads;
use crate::flow::{EMAIL, PASSWORD, sign_up, takes_a_phone};
use crate::gatehouse::Gatehouse;
use crate::keys::HEAD;
use crate::mailbox::Letter;

#[test]
fn the_file_is_taken_and_the_account_deleted_kept_and_secured_by_keys_on_a_phone() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    takes_a_phone(&ann);
    sign_up(&gate, &ann);
    takes_the_file(&gate, &ann);
    asks_for_deletion(&ann);
    finds_nothing_by_going_back(&ann);
    comes_back(&gate, &ann);
    secures_the_account(&gate, &ann);
}

fn takes_the_file(gate: &Gatehouse, ann: &Browser) {
    let downloads = Downloads::of(ann);
    gate.lets_proofs_grow_old();
    goes_to(ann, EMAIL, "a Download your data", "/account/export");
    ann.tabs_through(&["a Confirm your password"]);
    ann.leaves_with(Key::Enter);
    gives_the_password(ann, EMAIL, PASSWORD);
    ann.is_at("/account/export");
    passes_the_head(ann, EMAIL);
    ann.tabs_through(&["a Download the file"]);
    ann.strikes([Key::Enter.into()]);
    let file = downloads.file();
    assert_eq!(file["format"], "gatehouse-export");
    assert_eq!(file["account"]["email"], EMAIL);
    let text = file.to_string();
    assert!(!text.contains("$2b$"), "no hash: {text}");
    ann.is_at("/account/export");
    goes_back_to_the_profile(ann);
}

fn asks_for_deletion(ann: &Browser) {
    goes_to(ann, EMAIL, "a Delete your account", "/account/deletion");
    ann.tabs_through(&["a Download your data", "button Delete my account", "a Keep it"]);
    ann.strikes_holding(Key::Shift, Key::Tab.into());
    ann.has_focus_on("button Delete my account");
    ann.leaves_with(Key::Space);
    ann.is_at("/");
    ann.sees("You are logged out, and your account will be deleted.");
}

/// B-38: with scripts, browsers keep whole pages to go back to.
fn finds_nothing_by_going_back(ann: &Browser) {
    ann.goes_back();
    ann.is_at("/login?next=/account/deletion");
    ann.does_not_see(EMAIL);
}

fn comes_back(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/"));
    ann.tabs_through(&HEAD);
    ann.tabs_through(&["a Sign up", "a Log in"]);
    ann.leaves_with(Key::Enter);
    logs_in(ann, EMAIL, PASSWORD);
    ann.sees("Welcome back. Your account stays");
}

fn secures_the_account(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/dev/mailbox"));
    opens_the_link(ann, gate, &Letter { to: EMAIL, link: "/secure_account/" });
    ann.is_at("/secure_account/confirm");
    passes_the_head(ann, EMAIL);
    ann.tabs_through(&["button Secure my account"]);
    ann.leaves_with(Key::Space);
    chooses_a_password(gate, ann);
}

//! Other devices are logged out and the history is read, by keys alone.

use fantoccini::key::Key;

use super::{
    chooses_a_password, gives_the_password, goes_back_to_the_profile, goes_to, passes_the_head,
};
use crate::browser::Browser;
use crate::flow::{EMAIL, PASSWORD, log_in, sign_up, takes_a_phone};
use crate::gatehouse::Gatehouse;
use crate::patience::soon;

#[test]
fn devices_are_logged_out_and_the_history_is_read_by_keys_on_a_phone() {
    let gate = Gatehouse::start();
    let [ann, laptop] = Browser::start_two();
    takes_a_phone(&ann);
    sign_up(&gate, &ann);
    logs_out_a_device(&gate, &ann, &laptop);
    logs_out_all_others(&gate, &ann, &laptop);
    reads_the_history(&ann);
    says_it_was_somebody_else(&gate, &ann);
}

/// Another device of hers, on which keys and pointers are somebody else's matter.
fn logs_in_on(gate: &Gatehouse, laptop: &Browser) {
    laptop.opens(&gate.at("/login"));
    log_in(laptop, PASSWORD);
    laptop.is_at("/profile");
}

#[track_caller]
fn is_thrown_out(gate: &Gatehouse, laptop: &Browser) {
    laptop.opens(&gate.at("/profile"));
    laptop.is_at("/login?next=/profile");
    laptop.does_not_see(EMAIL);
}

fn logs_out_a_device(gate: &Gatehouse, ann: &Browser, laptop: &Browser) {
    logs_in_on(gate, laptop);
    gate.lets_proofs_grow_old();
    goes_to(ann, EMAIL, "a Where you are logged in", "/account/sessions");
    ann.tabs_through(&["a secure your account"]);
    ann.tabs_to("button Log out device ");
    ann.tabs_through(&["button Log out all other devices", "a Back to your profile"]);
    for _ in 0..2 {
        ann.strikes_holding(Key::Shift, Key::Tab.into());
    }
    ann.leaves_with(Key::Space);
    gives_the_password(ann, EMAIL, PASSWORD);
    ann.is_at("/account/sessions");
    ann.sees("That device is logged out.");
    ann.sees("You are logged in nowhere else.");
    is_thrown_out(gate, laptop);
}

fn logs_out_all_others(gate: &Gatehouse, ann: &Browser, laptop: &Browser) {
    logs_in_on(gate, laptop);
    passes_the_head(ann, EMAIL);
    goes_back_to_the_profile(ann);
    goes_to(ann, EMAIL, "a Where you are logged in", "/account/sessions");
    ann.tabs_to("button Log out all other devices");
    ann.leaves_with(Key::Enter);
    ann.is_at("/account/sessions");
    ann.sees("All other devices are logged out.");
    is_thrown_out(gate, laptop);
    passes_the_head(ann, EMAIL);
    goes_back_to_the_profile(ann);
}

fn reads_the_history(ann: &Browser) {
    goes_to(ann, EMAIL, "a Security history", "/account/history");
    // What happens is written down a moment later.
    soon("what was done last", || {
        ann.reloads();
        ann.text().contains("(3: Another device was logged out, or all others.)").then_some(())
    });
    ann.sees("A mail told you of a log-in.");
    ann.sees("The account was made.");
}

fn says_it_was_somebody_else(gate: &Gatehouse, ann: &Browser) {
    passes_the_head(ann, EMAIL);
    ann.tabs_through(&[
        "a This wasn’t me (1: Another device was logged out, or all others.)",
        "a This wasn’t me (2: Log-in.)",
    ]);
    ann.leaves_with(Key::Enter);
    ann.title_is("Secure your account – Gatehouse");
    passes_the_head(ann, EMAIL);
    ann.tabs_through(&["button Secure my account"]);
    ann.leaves_with(Key::Space);
    chooses_a_password(gate, ann);
}

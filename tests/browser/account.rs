//! Every page of an account: those of its address, its password and the proof, of devices and
//! history, of leaving and of throwing everybody out, looked at in every mode.

use serde_json::json;

use super::browser::Browser;
use super::every_page::longest_address;
use super::flow::{EMAIL, PASSWORD, log_in, sign_up};
use super::gatehouse::Gatehouse;
use super::mailbox::Letter;
use super::patience::soon;
use super::tour::Tour;

const NEW_EMAIL: &str = "ann.barley@example.net";
const NEW_PASSWORD: &str = "window barley Ümlaut 7";
/// More mails and wrong passwords than one has at a time.
const MANY_TRIES: &str = "limit_mail = \"100/1h\"\nlimit_login = \"100/1m\"";

pub fn gives_the_password(ann: &Browser, password: &str) {
    ann.types("#password", password);
    ann.presses("Go on");
}

/// Logs in as with another device: this one's session stays behind.
pub fn logs_in_elsewhere(gate: &Gatehouse, ann: &Browser) {
    ann.cdp("Network.clearBrowserCookies", json!({}));
    ann.opens(&gate.at("/login"));
    log_in(ann, PASSWORD);
    ann.is_at("/profile");
}

#[test]
fn the_pages_of_address_password_and_proof_are_sound_in_every_mode() {
    let gate = Gatehouse::with(MANY_TRIES);
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    sign_up(&gate, &ann);
    asking_for_an_address(&gate, &ann, &mut tour);
    saying_yes_to_it(&gate, &ann, &mut tour);
    changing_the_password(&gate, &ann, &mut tour);
    guessing(&gate, &ann, &mut tour);
    tour.ends();
}

fn asking_for_an_address(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/account/email"));
    tour.looks_at("email", 200);
    ann.types("#email", "ann at example");
    ann.presses("Mail me a link");
    ann.focus_is_on("error-summary");
    tour.looks_at("email-error", 422);
    ann.types("#email", EMAIL);
    ann.presses("Mail me a link");
    ann.sees("This is the address you have now.");
    tour.looks_at("email-same", 422);
    gate.lets_proofs_grow_old();
    ann.types("#email", NEW_EMAIL);
    ann.presses("Mail me a link");
    ann.is_at("/sudo");
    tour.looks_at("sudo-email", 200);
    gives_the_password(ann, "not that one");
    ann.focus_is_on("error-summary");
    tour.looks_at("sudo-error", 422);
    gives_the_password(ann, PASSWORD);
    ann.is_at("/account/email/sent");
    tour.looks_at("email-sent", 200);
}

fn saying_yes_to_it(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens_link(gate, &Letter { to: NEW_EMAIL, link: "/email_change/" });
    ann.is_at("/email_change/confirm");
    tour.looks_at("email-confirm", 200);
    ann.presses("Change the address");
    ann.is_at("/profile");
    tour.looks_at("profile-email-changed", 200);
    ann.opens(&gate.at("/email_change/confirm"));
    tour.looks_at("email-dead", 403);
    ann.opens_link(gate, &Letter { to: EMAIL, link: "/secure_account/" });
    ann.is_at("/secure_account/confirm");
    ann.sees(&format!("The account gets back the address it had: {EMAIL}."));
    tour.looks_at("secure-restores", 200);
}

fn changing_the_password(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/account/password"));
    tour.looks_at("password", 200);
    ann.presses("Change password");
    tour.looks_at("password-empty", 422);
    ann.types("#current_password", "not that one");
    ann.types("#new_password", NEW_PASSWORD);
    ann.clicks("#keep_others");
    ann.presses("Change password");
    ann.focus_is_on("error-summary");
    assert_eq!(ann.attribute("#keep_others", "checked").as_deref(), Some("true"), "kept");
    tour.looks_at("password-wrong", 422);
    ann.types("#current_password", PASSWORD);
    ann.types("#new_password", "password1");
    ann.presses("Change password");
    tour.looks_at("password-weak", 422);
    ann.clicks("#keep_others");
    ann.types("#current_password", PASSWORD);
    ann.types("#new_password", NEW_PASSWORD);
    ann.presses("Change password");
    ann.is_at("/profile");
    ann.sees("Your password is changed. All other devices are logged out.");
    tour.looks_at("profile-password-changed", 200);
}

/// Who guesses with somebody's session loses it.
fn guessing(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    gate.lets_proofs_grow_old();
    ann.opens(&gate.at("/account/export.json"));
    ann.is_at("/sudo?next=%2Faccount%2Fexport");
    for _ in 0..5 {
        gives_the_password(ann, "not that one");
    }
    ann.is_at("/login");
    ann.sees("You are logged out: the password was wrong too often.");
    tour.looks_at("login-guessed", 200);
}

#[test]
fn the_pages_of_devices_and_history_are_sound_in_every_mode() {
    let gate = Gatehouse::with(MANY_TRIES);
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    sign_up(&gate, &ann);
    ann.opens(&gate.at("/account/history"));
    // What happens is written down a moment later.
    soon("what happened first", || {
        ann.reloads();
        ann.text().contains("The account was made.").then_some(())
    });
    tour.looks_at("history", 200);
    ending_sessions(&gate, &ann, &mut tour);
    reading_on(&gate, &ann, &mut tour);
    tour.ends();
}

fn ending_sessions(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/account/sessions"));
    ann.sees("You are logged in nowhere else.");
    tour.looks_at("sessions-one", 200);
    logs_in_elsewhere(gate, ann);
    logs_in_elsewhere(gate, ann);
    ann.opens(&gate.at("/account/sessions"));
    tour.looks_at("sessions", 200);
    gate.lets_proofs_grow_old();
    ann.leaves_by("//main//li[2]//button");
    ann.is_at("/sudo");
    tour.looks_at("sudo-session", 200);
    gives_the_password(ann, PASSWORD);
    ann.is_at("/account/sessions");
    ann.sees("That device is logged out.");
    tour.looks_at("sessions-ended", 200);
    gate.lets_proofs_grow_old();
    ann.presses("Log out all other devices");
    tour.looks_at("sudo-others", 200);
    gives_the_password(ann, PASSWORD);
    ann.is_at("/account/sessions");
    ann.sees("All other devices are logged out.");
    tour.looks_at("sessions-others-ended", 200);
    gate.lets_proofs_grow_old();
    ann.opens(&gate.at("/sudo?next=/profile"));
    tour.looks_at("sudo-next", 200);
    gives_the_password(ann, "not that one");
    tour.looks_at("sudo-next-error", 422);
}

fn reading_on(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    gate.writes_history();
    gate.adds_devices(19);
    ann.opens(&gate.at("/account/sessions"));
    tour.looks_at("sessions-many", 200);
    ann.opens(&gate.at("/account/history"));
    tour.looks_at("history-long", 200);
    ann.follows("Older events");
    tour.looks_at("history-older", 200);
    ann.leaves_by("//main//a[contains(., 'This wasn’t me')]");
    tour.looks_at("secure-from-history", 200);
}

#[test]
fn the_pages_of_leaving_and_of_throwing_out_are_sound_in_every_mode() {
    let gate = Gatehouse::with(MANY_TRIES);
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    sign_up(&gate, &ann);
    taking_the_file(&gate, &ann, &mut tour);
    deleting(&gate, &ann, &mut tour);
    keeping(&gate, &ann, &mut tour);
    securing(&gate, &ann, &mut tour);
    tour.ends();
}

fn taking_the_file(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    gate.lets_proofs_grow_old();
    ann.opens(&gate.at("/account/export"));
    tour.looks_at("export-unproven", 200);
    ann.follows("Confirm your password");
    gives_the_password(ann, PASSWORD);
    ann.is_at("/account/export");
    tour.looks_at("export-proven", 200);
}

fn deleting(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/account/deletion"));
    tour.looks_at("deletion", 200);
    gate.lets_proofs_grow_old();
    ann.presses("Delete my account");
    ann.is_at("/sudo");
    tour.looks_at("sudo-deletion", 200);
    gives_the_password(ann, PASSWORD);
    ann.is_at("/");
    ann.sees("your account will be deleted");
    tour.looks_at("welcome-deletion-asked", 200);
}

fn keeping(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens_link(gate, &Letter { to: EMAIL, link: "/keep_account/" });
    ann.is_at("/keep_account/confirm");
    tour.looks_at("keep", 200);
    ann.presses("Keep my account");
    ann.is_at("/login");
    tour.looks_at("login-kept", 200);
    ann.opens(&gate.at("/keep_account/confirm"));
    tour.looks_at("keep-dead", 403);
    ann.follows("Log in");
    log_in(ann, PASSWORD);
    ann.opens(&gate.at("/keep_account/confirm"));
    tour.looks_at("keep-dead-signed-in", 403);
    ann.opens(&gate.at("/account/deletion"));
    ann.presses("Delete my account");
    ann.is_at("/");
    ann.opens(&gate.at("/login"));
    log_in(ann, PASSWORD);
    ann.is_at("/profile");
    ann.sees("Welcome back. Your account stays");
    tour.looks_at("profile-kept", 200);
}

fn securing(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens_link(gate, &Letter { to: EMAIL, link: "/secure_account/" });
    ann.is_at("/secure_account/confirm");
    tour.looks_at("secure-from-mail", 200);
    ann.opens(&gate.at("/account/secure"));
    tour.looks_at("secure", 200);
    ann.presses("Secure my account");
    ann.is_at("/reset_password/sent");
    tour.looks_at("secured", 200);
    ann.opens(&gate.at("/secure_account/not-a-token"));
    tour.looks_at("secure-dead", 403);
    ann.opens(&gate.at("/account/sessions"));
    ann.is_at("/login?next=/account/sessions");
    tour.looks_at("login-thrown-out", 200);
    ann.opens_link(gate, &Letter { to: EMAIL, link: "/reset_password/" });
    ann.goes_back();
    ann.is_at("/dev/mailbox");
    ann.traffic();
    ann.reloads();
    tour.looks_at("mailbox-full", 200);
}

#[test]
fn the_longest_address_and_name_push_no_page_wide() {
    let gate = Gatehouse::with(MANY_TRIES);
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    let long = longest_address();
    ann.opens(&gate.at("/signup"));
    ann.types("#email", &long);
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
    ann.opens(&gate.at("/account/details"));
    ann.types("#display_name", &"W".repeat(100));
    ann.types("#time_zone", "America/Argentina/ComodRivadavia");
    ann.presses("Save");
    ann.is_at("/profile");
    tour.looks_at("long-profile", 200);
    let longer = long.replace("a@", "z@");
    ann.opens(&gate.at("/account/email"));
    ann.types("#email", &longer);
    ann.presses("Mail me a link");
    tour.looks_at("long-email-sent", 200);
    ann.opens_link(&gate, &Letter { to: &longer, link: "/email_change/" });
    tour.looks_at("long-email-confirm", 200);
    ann.presses("Change the address");
    ann.opens_link(&gate, &Letter { to: &long, link: "/secure_account/" });
    tour.looks_at("long-secure", 200);
    ann.opens(&gate.at("/account/deletion"));
    tour.looks_at("long-deletion", 200);
    gate.lets_proofs_grow_old();
    ann.presses("Delete my account");
    tour.looks_at("long-sudo", 200);
    gives_the_password(&ann, PASSWORD);
    ann.opens_link(&gate, &Letter { to: &longer, link: "/keep_account/" });
    tour.looks_at("long-keep", 200);
    tour.ends();
}

//! A visitor's whole way: sign up, profile, log out, Back, log in, reset. Clicked through with
//! scripts, without them, and on a phone.

use serde_json::json;

use super::browser::Browser;
use super::gatehouse::{Gatehouse, Rows};
use super::patience::soon;

pub const EMAIL: &str = "ann@example.org";
pub const PASSWORD: &str = "lamp river copper tent";
const NEW_PASSWORD: &str = "window barley Ümlaut 7";
/// What nobody but Ann may read on a page.
const PRIVATE: &str = EMAIL;

#[test]
fn a_person_signs_up_logs_in_and_out_and_resets_the_password() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    whole_way(&gate, &ann);
}

#[test]
fn everything_works_with_scripts_off() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    ann.opens(&gate.at("/login"));
    assert_eq!(ann.count(".reveal"), 1, "scripts run: the page's own has added its button");
    ann.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    ann.opens(&gate.at("/login"));
    assert_eq!(ann.count(".reveal"), 0, "scripts are off");
    whole_way(&gate, &ann);
    ann.opens(&gate.at("/login"));
    assert_eq!(ann.count(".reveal"), 0, "scripts are still off");
}

#[test]
fn everything_works_on_a_phone() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    takes_a_phone(&ann);
    ann.opens(&gate.at("/"));
    assert_eq!(ann.script("return innerWidth", vec![]), 360);
    whole_way(&gate, &ann);
}

pub fn takes_a_phone(ann: &Browser) {
    let phone = json!({ "width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true });
    ann.cdp("Emulation.setDeviceMetricsOverride", phone);
}

fn whole_way(gate: &Gatehouse, ann: &Browser) {
    signs_up(gate, ann);
    logs_out_and_finds_nothing_by_going_back(gate, ann);
    mistypes_the_password(gate, ann);
    is_taken_where_she_wanted_to_go(gate, ann);
    is_kept_signed_in(gate, ann);
    resets_the_password(gate, ann);
}

fn signs_up(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/"));
    ann.title_is("Welcome – Gatehouse");
    ann.follows("Sign up");
    ann.title_is("Sign up – Gatehouse");

    ann.types("#email", EMAIL);
    ann.types("#password", "short");
    ann.presses("Sign up");
    ann.title_is("Error: Sign up – Gatehouse");
    ann.focus_is_on("error-summary");
    ann.sees("There is a problem");
    ann.sees("Too short: use at least 8 characters.");
    assert_eq!(ann.value("#email"), EMAIL, "the e-mail is kept");
    assert_eq!(ann.value("#password"), "", "the password is not");
    assert_eq!(ann.attribute("#password", "aria-invalid").as_deref(), Some("true"));
    assert_eq!(ann.attribute("#email", "aria-invalid"), None);
    let described = ann.attribute("#password", "aria-describedby").unwrap_or_default();
    assert!(described.split(' ').any(|id| id == "password-error"), "{described}");
    ann.clicks("#error-summary a");
    ann.focus_is_on("password");

    // Sent again by a reload, it is refused again; asked for by its address, it is the form.
    ann.reloads();
    ann.title_is("Error: Sign up – Gatehouse");
    ann.opens(&gate.at("/users"));
    ann.is_at("/signup");
    assert_eq!(gate.rows(), Rows { users: 0, sessions: 0, mails: 0 });

    ann.types("#email", EMAIL);
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
    ann.is_at("/profile");
    ann.title_is("Profile – Gatehouse");
    ann.sees("Your account is ready");
    ann.sees(PRIVATE);
    ann.reloads();
    ann.is_at("/profile");
    ann.does_not_see("Your account is ready");
    assert_eq!(gate.rows(), Rows { users: 1, sessions: 1, mails: 0 }, "a reload posts nothing");
}

/// B-38.
fn logs_out_and_finds_nothing_by_going_back(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/reset_password"));
    ann.goes_back();
    ann.is_at("/profile");
    ann.sees(PRIVATE);
    ann.presses("Log out");
    ann.is_at("/");
    ann.sees("You are logged out.");
    ann.does_not_see(PRIVATE);
    assert_eq!(ann.cookie("session_id"), None);
    ann.goes_back();
    ann.is_at("/login?next=/profile");
    ann.does_not_see(PRIVATE);
}

fn mistypes_the_password(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/login"));
    ann.types("#email", EMAIL);
    ann.types("#password", "not that one");
    ann.presses("Log in");
    ann.title_is("Error: Log in – Gatehouse");
    ann.focus_is_on("error-summary");
    ann.sees("The e-mail address or the password is wrong.");
    assert_eq!(ann.value("#email"), EMAIL);
    assert_eq!(ann.value("#password"), "");
    assert_eq!(ann.cookie("session_id"), None);
    ann.opens(&gate.at("/sessions"));
    ann.is_at("/login");
    assert_eq!(gate.rows().sessions, 0);
}

fn is_taken_where_she_wanted_to_go(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/profile"));
    ann.is_at("/login?next=/profile");
    log_in(ann, PASSWORD);
    ann.is_at("/profile");
    leave(ann);

    // Elsewhere than where everybody goes, and past a mistake.
    ann.opens(&gate.at("/login?next=/reset_password"));
    ann.types("#email", EMAIL);
    ann.types("#password", "not that one");
    ann.presses("Log in");
    ann.title_is("Error: Log in – Gatehouse");
    log_in(ann, PASSWORD);
    ann.is_at("/reset_password");
    let session = ann.cookie("session_id").expect("a session");
    assert_eq!(session["session"], true, "it ends with the browser: {session}");
    assert_eq!(session["httpOnly"], true, "{session}");
    assert_eq!(session["sameSite"], "Lax", "{session}");
    leave(ann);
}

fn is_kept_signed_in(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/login"));
    ann.clicks("#remember");
    log_in(ann, PASSWORD);
    ann.is_at("/profile");
    let session = ann.cookie("session_id").expect("a session");
    assert_eq!(session["session"], false, "it outlives the browser: {session}");
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970").as_secs_f64();
    let days = (session["expires"].as_f64().expect("a time") - now) / 86_400.0;
    assert!((29.0..31.0).contains(&days), "{days} days");
    leave(ann);
}

fn resets_the_password(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/login"));
    ann.follows("Forgot your password?");
    ann.is_at("/reset_password");
    ann.types("#email", "not an address");
    ann.presses("Mail me a link");
    ann.title_is("Error: Reset your password – Gatehouse");
    ann.focus_is_on("error-summary");
    ann.types("#email", EMAIL);
    ann.presses("Mail me a link");
    ann.title_is("Look into your mail – Gatehouse");
    ann.sees(EMAIL);
    ann.follows("Open the development mailbox");
    open_mailed_link(ann);

    ann.is_at("/reset_password/new");
    ann.types("#new_password", "12345678");
    ann.presses("Save new password");
    ann.title_is("Error: Choose a new password – Gatehouse");
    ann.focus_is_on("error-summary");
    ann.types("#new_password", NEW_PASSWORD);
    ann.presses("Save new password");
    ann.is_at("/login");
    ann.sees("Your password is updated.");
    assert_eq!(ann.cookie("reset_token"), None);

    log_in(ann, PASSWORD);
    ann.title_is("Error: Log in – Gatehouse");
    log_in(ann, NEW_PASSWORD);
    ann.is_at("/profile");
    ann.sees(PRIVATE);
    ann.opens(&gate.at("/reset_password/new"));
    ann.title_is("This link no longer works – Gatehouse");
}

pub fn sign_up(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/signup"));
    ann.types("#email", EMAIL);
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
    ann.is_at("/profile");
}

/// At the log-in page.
pub fn log_in(ann: &Browser, password: &str) {
    ann.types("#email", EMAIL);
    ann.types("#password", password);
    ann.presses("Log in");
}

/// By the button in the page's head, which is on every page.
pub fn leave(ann: &Browser) {
    ann.leaves_by("//header//button[normalize-space()='Log out']");
    ann.is_at("/");
}

/// Asks for a link, as somebody who is at no page of note.
pub fn ask_for_a_link(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/reset_password"));
    ann.types("#email", EMAIL);
    ann.presses("Mail me a link");
    ann.title_is("Look into your mail – Gatehouse");
}

/// In the mailbox: looks again until the mail is there.
#[track_caller]
pub fn wait_for_mail(ann: &Browser) {
    ann.is_at("/dev/mailbox");
    soon("a mail with a link", || {
        ann.reloads();
        (ann.count("article ul a") > 0).then_some(())
    });
}

/// Waits for the mail, and clicks the link in the newest.
#[track_caller]
pub fn open_mailed_link(ann: &Browser) {
    wait_for_mail(ann);
    ann.leaves_by("//article[1]//ul//a");
}

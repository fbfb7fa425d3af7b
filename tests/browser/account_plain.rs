//! All of an account with scripts off: a form that waits for the password is not sent again, no
//! reload repeats a deed, and going back shows nothing after the end.

use serde_json::json;

use super::account::{gives_the_password, logs_in_elsewhere};
use super::browser::Browser;
use super::downloads::Downloads;
use super::flow::{EMAIL, PASSWORD, log_in, sign_up};
use super::gatehouse::Gatehouse;
use super::mailbox::Letter;

const NEW_EMAIL: &str = "ann.barley@example.net";
const NEW_PASSWORD: &str = "lamp river copper ten";

fn without_scripts(ann: &Browser) {
    ann.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    // Where scripts ran, this one would be offered.
    ann.cdp("Emulation.setTimezoneOverride", json!({ "timezoneId": "Asia/Kathmandu" }));
}

/// The page that is open came by a form; loaded anew, it sends none.
#[track_caller]
fn sends_nothing_when_reloaded(ann: &Browser, path: &str) {
    ann.is_at(path);
    ann.traffic();
    ann.reloads();
    ann.is_at(path);
    assert_eq!(ann.forms_sent(), [], "{path}");
}

#[track_caller]
fn paths(forms: &[(String, String)]) -> Vec<&str> {
    forms.iter().map(|(path, _)| path.as_str()).collect()
}

#[test]
fn b33_a_form_that_waited_for_the_password_is_not_sent_again() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    without_scripts(&ann);
    sign_up(&gate, &ann);
    gate.lets_proofs_grow_old();
    ann.opens(&gate.at("/account/email"));
    ann.types("#email", NEW_EMAIL);
    ann.traffic();
    ann.presses("Mail me a link");
    ann.is_at("/sudo");
    assert_eq!(ann.count(".reveal"), 0, "scripts are off");
    gives_the_password(&ann, PASSWORD);
    ann.is_at("/account/email/sent");
    ann.sees(NEW_EMAIL);
    let forms = ann.forms_sent();
    assert_eq!(paths(&forms), ["/account/email", "/sudo"]);
    assert_eq!(forms[0].1, "email=ann.barley%40example.net");
    // Which form the page showed, by a name that tells nothing of what is in it.
    let (waiting, password) = forms[1].1.split_once('&').expect("two fields");
    assert_eq!(waiting.len(), "waiting=".len() + 64, "{waiting}");
    assert_eq!(password, "password=lamp+river+copper+tent", "and nothing of the form before");
    sends_nothing_when_reloaded(&ann, "/account/email/sent");
    // Nor is there anything left of it at the page before.
    ann.goes_back();
    ann.is_at("/profile");
    ann.opens_link(&gate, &Letter { to: NEW_EMAIL, link: "/email_change/" });
    ann.presses("Change the address");
    ann.sees("Your account has its new e-mail address.");
    sends_nothing_when_reloaded(&ann, "/profile");
    ann.sees(NEW_EMAIL);
    ann.does_not_see("Your account has its new");
}

#[test]
fn a_form_that_waits_is_forgotten_by_cancel() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    without_scripts(&ann);
    sign_up(&gate, &ann);
    gate.lets_proofs_grow_old();
    ann.opens(&gate.at("/account/deletion"));
    ann.presses("Delete my account");
    ann.sees("To delete your account, give your password once more.");
    ann.presses("Cancel");
    ann.is_at("/profile");
    ann.opens(&gate.at("/sudo"));
    ann.is_at("/profile");
    ann.opens(&gate.at("/sudo?next=/account/export"));
    gives_the_password(&ann, PASSWORD);
    ann.is_at("/account/export");
    assert_eq!(gate.rows().sessions, 1, "nothing was carried out");
}

#[test]
fn everything_of_an_account_works_with_scripts_off() {
    let gate = Gatehouse::with("limit_mail = \"100/1h\"");
    let ann = Browser::start();
    without_scripts(&ann);
    sign_up(&gate, &ann);
    details_and_password(&gate, &ann);
    devices_and_file(&gate, &ann);
    deletion(&gate, &ann);
    securing(&ann);
}

fn details_and_password(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/account/details"));
    assert_eq!(ann.count("main button"), 1, "no zone is offered");
    ann.types("#time_zone", "Kathmandu");
    ann.presses("Save");
    ann.sees("Your name and time zone are saved.");
    sends_nothing_when_reloaded(ann, "/profile");
    ann.sees("Asia/Kathmandu");
    ann.opens(&gate.at("/account/password"));
    ann.types("#current_password", PASSWORD);
    ann.types("#new_password", NEW_PASSWORD);
    ann.presses("Change password");
    ann.sees("Your password is changed.");
    sends_nothing_when_reloaded(ann, "/profile");
    ann.opens(&gate.at("/account/password"));
    ann.types("#current_password", NEW_PASSWORD);
    ann.types("#new_password", PASSWORD);
    ann.presses("Change password");
    ann.is_at("/profile");
}

fn devices_and_file(gate: &Gatehouse, ann: &Browser) {
    logs_in_elsewhere(gate, ann);
    logs_in_elsewhere(gate, ann);
    gate.lets_proofs_grow_old();
    ann.opens(&gate.at("/account/sessions"));
    ann.leaves_by("//main//li//button");
    gives_the_password(ann, PASSWORD);
    ann.sees("That device is logged out.");
    assert_eq!(gate.rows().sessions, 2);
    sends_nothing_when_reloaded(ann, "/account/sessions");
    assert_eq!(gate.rows().sessions, 2);
    ann.presses("Log out all other devices");
    ann.sees("All other devices are logged out.");
    sends_nothing_when_reloaded(ann, "/account/sessions");
    let downloads = Downloads::of(ann);
    ann.opens(&gate.at("/account/export"));
    ann.clicks("main .button");
    assert_eq!(downloads.file()["account"]["email"], EMAIL);
}

/// B-38: what is kept for going back is private.
fn deletion(gate: &Gatehouse, ann: &Browser) {
    ann.opens(&gate.at("/account/deletion"));
    ann.sees(EMAIL);
    ann.presses("Delete my account");
    ann.is_at("/");
    ann.sees("your account will be deleted");
    sends_nothing_when_reloaded(ann, "/");
    ann.does_not_see("your account will be deleted");
    ann.goes_back();
    ann.is_at("/login?next=/account/deletion");
    ann.does_not_see(EMAIL);
    ann.opens_link(gate, &Letter { to: EMAIL, link: "/keep_account/" });
    ann.presses("Keep my account");
    ann.sees("Your account stays, as it was.");
    sends_nothing_when_reloaded(ann, "/login");
    log_in(ann, PASSWORD);
    ann.is_at("/profile");
    ann.does_not_see("Welcome back. Your account stays");
}

fn securing(ann: &Browser) {
    ann.follows("Security history");
    ann.leaves_by("//main//a[contains(., 'This wasn’t me')]");
    ann.presses("Secure my account");
    ann.sees("Everybody is logged out of your account");
    sends_nothing_when_reloaded(ann, "/reset_password/sent");
    ann.goes_back();
    ann.title_is("Log in – Gatehouse");
    ann.does_not_see(EMAIL);
}

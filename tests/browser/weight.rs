//! What a visit costs: requests, and bytes over the wire. `cargo test --test browser a_visit --
//! --nocapture` prints the figures.

use serde_json::json;

use super::browser::Browser;
use super::flow::{ask_for_a_link, leave, open_mailed_link, sign_up};
use super::gatehouse::Gatehouse;
use super::traffic::Exchange;

/// Headers included.
const MOST_BYTES: u64 = 15 * 1024;

fn wire(traffic: &[Exchange]) -> Vec<&Exchange> {
    traffic.iter().filter(|exchange| !exchange.cached).collect()
}

/// Opens the page in a browser that has never been here, then once more.
fn weigh(gate: &Gatehouse, ann: &Browser, name: &str, path: &str, requests: usize) {
    ann.opens("about:blank");
    ann.cdp("Network.clearBrowserCache", json!({}));
    ann.traffic();
    let before = gate.requests().len();
    ann.opens(&gate.at(path));
    ann.is_at(path);
    let first = ann.traffic();
    let first = wire(&first);
    let bytes: u64 = first.iter().map(|exchange| exchange.bytes).sum();
    let own = first.iter().filter(|exchange| exchange.page).map(|page| page.bytes).sum::<u64>();
    println!("{name:<24} {own:>6} bytes, with its files {bytes:>6} in {} requests", first.len());
    assert_eq!(first.len(), requests, "{name}: {first:#?}");
    assert!(first.iter().all(|exchange| exchange.bytes > 0), "{name}: {first:#?}");
    assert!(bytes <= MOST_BYTES, "{name}: {bytes} bytes: {first:#?}");
    // Gatehouse has counted the same.
    let counted = gate.requests();
    assert_eq!(counted[before..].len(), requests, "{name}: {:#?}", &counted[before..]);

    ann.opens("about:blank");
    ann.traffic();
    ann.opens(&gate.at(path));
    let again = ann.traffic();
    let again = wire(&again);
    assert_eq!(again.len(), 1, "{name}, the second time: {again:#?}");
    assert_eq!(gate.requests().len(), before + requests + 1, "{name}");
}

#[test]
fn a_visit_costs_few_requests_and_few_bytes() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    // Without a script: the page and its stylesheet. With one: one more.
    weigh(&gate, &ann, "welcome", "/", 2);
    weigh(&gate, &ann, "sign up", "/signup", 3);
    weigh(&gate, &ann, "log in", "/login", 3);
    weigh(&gate, &ann, "reset: ask", "/reset_password", 2);
    weigh(&gate, &ann, "reset: dead link", "/reset_password/new", 2);
    weigh(&gate, &ann, "not found", "/nothing", 2);
    sign_up(&gate, &ann);
    weigh(&gate, &ann, "welcome, logged in", "/", 2);
    weigh(&gate, &ann, "profile", "/profile", 2);
    weigh(&gate, &ann, "another address", "/account/email", 2);
    weigh(&gate, &ann, "another password", "/account/password", 3);
    weigh(&gate, &ann, "name and time zone", "/account/details", 3);
    weigh(&gate, &ann, "secure the account", "/account/secure", 2);
    weigh(&gate, &ann, "the file", "/account/export", 2);
    weigh(&gate, &ann, "deletion", "/account/deletion", 2);
    weigh(&gate, &ann, "proof", "/sudo?next=/account/export", 3);
    // More devices than most people have.
    gate.adds_devices(7);
    weigh(&gate, &ann, "eight devices", "/account/sessions", 2);
    gate.writes_history();
    weigh(&gate, &ann, "history, a full page", "/account/history", 2);
    leave(&ann);
    ask_for_a_link(&gate, &ann);
    ann.opens(&gate.at("/dev/mailbox"));
    open_mailed_link(&ann);
    ann.is_at("/reset_password/new");
    weigh(&gate, &ann, "reset: new password", "/reset_password/new", 3);
}

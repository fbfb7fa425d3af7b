//! "Too many tries": it counts down where scripts run, says it all where they do not, and leads back.

use serde_json::json;

use super::browser::Browser;
use super::flow::{EMAIL, PASSWORD, leave, sign_up};
use super::gatehouse::Gatehouse;
use super::patience::soon;

const TIMER: &str = "[role=timer] strong";

/// One failure, and then a wait of some seconds; Ann's browser is a stranger to her account.
fn waits(gate: &Gatehouse, ann: &Browser) {
    sign_up(gate, ann);
    leave(ann);
    ann.cdp("Network.clearBrowserCookies", json!({}));
    ann.opens(&gate.at("/login?next=/reset_password"));
    tries(ann, "not that one");
    ann.title_is("Error: Log in – Gatehouse");
    tries(ann, PASSWORD);
    ann.title_is("Too many tries – Gatehouse");
}

fn tries(ann: &Browser, password: &str) {
    ann.types("#email", EMAIL);
    ann.types("#password", password);
    ann.presses("Log in");
}

fn timer(ann: &Browser) -> String {
    let strong = ann.finds(TIMER);
    ann.wait("the timer", strong.text())
}

/// `in 5 seconds`.
fn seconds(text: &str) -> Option<u64> {
    let text = text.strip_prefix("in ")?;
    let (number, unit) = text.split_once(' ')?;
    ["second", "seconds"].contains(&unit).then(|| number.parse().ok())?
}

#[test]
fn the_wait_counts_down_to_now_and_then_a_try_is_let_through() {
    let gate = Gatehouse::with("limit_login = \"1/10s\"");
    let ann = Browser::start();
    waits(&gate, &ann);
    let mut seen = Vec::new();
    soon("now", || {
        let text = timer(&ann);
        if seen.last() != Some(&text) {
            seen.push(text.clone());
        }
        (text == "now").then_some(())
    });
    println!("{seen:?}");
    let (last, before) = seen.split_last().expect("what it said");
    assert_eq!(last, "now");
    let counted: Vec<u64> = before
        .iter()
        .map(|text| seconds(text).unwrap_or_else(|| panic!("{text:?} of {seen:?}")))
        .collect();
    assert!(counted.len() >= 3, "it falls before one's eyes: {seen:?}");
    assert!(counted.windows(2).all(|two| two[0] > two[1]), "{seen:?}");
    assert!(counted[0] <= 10, "{seen:?}");
    ann.follows("Try again");
    ann.is_at("/login?next=%2Freset%5Fpassword");
    tries(&ann, PASSWORD);
    ann.is_at("/reset_password");
}

#[test]
fn without_scripts_it_says_how_long_and_leads_back() {
    let gate = Gatehouse::with("limit_login = \"1/2m\"");
    let ann = Browser::start();
    ann.cdp("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
    waits(&gate, &ann);
    ann.sees("You can try again in 2 minutes.");
    assert_eq!(ann.count("script"), 1, "there is one, and it does not run");
    ann.follows("Try again");
    ann.title_is("Log in – Gatehouse");
    tries(&ann, PASSWORD);
    ann.presses("Mail me a link");
    ann.is_at("/unlock/sent");
    ann.sees(EMAIL);
}

/// Who has waited for an hour is told in minutes, and not counted down by the second.
#[test]
fn long_waits_are_told_in_minutes() {
    let gate = Gatehouse::with("limit_login = \"1/1h\"");
    let ann = Browser::start();
    waits(&gate, &ann);
    ann.sees("You can try again in 60 minutes.");
    let strong = ann.finds(TIMER);
    let left = ann.wait("its seconds", strong.attr("data-seconds")).expect("for the script");
    let left: u64 = left.parse().expect("seconds");
    assert!((3590..=3600).contains(&left), "{left}");
}

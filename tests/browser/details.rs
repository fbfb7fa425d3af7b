//! A name and a time zone, and the file with all that is stored: in every mode, and by keys alone.

use serde_json::json;

use super::browser::Browser;
use super::flow::sign_up;
use super::gatehouse::Gatehouse;
use super::tour::Tour;

#[test]
fn the_pages_of_ones_details_are_sound_in_every_mode() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    sign_up(&gate, &ann);
    ann.opens(&gate.at("/account/details"));
    tour.looks_at("details", 200);
    ann.types("#display_name", &"a".repeat(101));
    ann.types("#time_zone", "Berln");
    ann.presses("Save");
    tour.looks_at("details-error", 422);
    ann.types("#display_name", &"W".repeat(100));
    ann.types("#time_zone", "berlin");
    ann.presses("Save");
    ann.is_at("/profile");
    tour.looks_at("profile-details", 200);
    ann.opens(&gate.at("/"));
    tour.looks_at("welcome-named", 200);
    ann.opens(&gate.at("/account/export"));
    tour.looks_at("export", 200);
    tour.ends();
}

#[test]
fn a_browser_offers_its_own_zone_where_there_is_none() {
    let gate = Gatehouse::start();
    let ann = Browser::start();
    sign_up(&gate, &ann);
    ann.cdp("Emulation.setTimezoneOverride", json!({ "timezoneId": "Asia/Kathmandu" }));
    ann.opens(&gate.at("/account/details"));
    let own = ann.script("return Intl.DateTimeFormat().resolvedOptions().timeZone", vec![]);
    let own = own.as_str().expect("a name").to_owned();
    ann.clicks("#time_zone");
    // The next stop after the field.
    ann.tabs_through(&[&format!("button Use {own}")]);
    ann.strikes([' ']);
    ann.focus_is_on("time_zone");
    assert_eq!(ann.value("#time_zone"), own);
    ann.does_not_see(&format!("Use {own}"));
    ann.presses("Save");
    ann.is_at("/profile");
    ann.sees(&own);
    // One that is there is not talked out of.
    ann.opens(&gate.at("/account/details"));
    assert_eq!(ann.value("#time_zone"), own);
    ann.does_not_see("Use Asia");
}

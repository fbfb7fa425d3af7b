//! A thief has Ann's session cookie. She opens the mail at her old address, clicks twice, and the
//! account is as before.

use gatehouse::accounts::password::LOCKED;
use rocket::http::Method::Get;

use super::{ANN, NEW_PASSWORD, PASSWORD, asks, confirms, left, resets, user};
use crate::app::TestApp;
use crate::mailed::token_of;

const THIEF: &str = "eve@thief.example";
const JSON: (&str, &str) = ("Accept", "application/json");

#[test]
fn a_thief_with_a_stolen_cookie_is_thrown_out_with_two_clicks() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let thief = app.browser();
    thief.set_cookie("session_id", &ann.cookie("session_id").expect("signed in"));

    // Her last proof is fresh: the address becomes the thief's, who signs in everywhere.
    asks(&thief, THIEF);
    confirms(&thief, &app.link_to(THIEF, "email_change")).goes_to("/profile");
    thief.get("/profile").is(200).says(THIEF);
    // All that is stored about her is the thief's to read for as long as the proof is fresh.
    let export = || thief.send(Get, "/account/export.json", &[JSON], Vec::new());
    export().is(200).says(THIEF);
    let details = [("display_name", "Eve"), ("time_zone", "Europe/Berlin")];
    thief.put("/account/details", &details).goes_to("/profile");
    let program = app.program();
    program.post("/reset_password", &[("email", THIEF)]).is(200);
    let reset = app.link_to(THIEF, "reset_password");
    program.post("/unlock", &[("email", THIEF)]).is(200);
    let unlock = app.link_to(THIEF, "unlock");
    asks(&thief, "eve@elsewhere.example");
    let change = app.link_to("eve@elsewhere.example", "email_change");
    // Nor can her address be made another account's, so that it could not be given back.
    program.post("/users", &[("email", ANN), ("password", PASSWORD)]).is(400);

    app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
    export().is(403).does_not_say(THIEF);

    let owner = app.browser();
    owner.get(&app.link_to(ANN, "secure_account")).goes_to("/secure_account/confirm");
    owner.get("/secure_account/confirm").is(200).says("name and time zone stay as they are");
    owner.post("/secure_account/confirm", &[]).goes_to("/reset_password/sent");

    thief.get("/profile").goes_to("/login?next=/profile");
    export().is(403).does_not_say(THIEF);
    thief.post("/account/email", &[("email", THIEF)]).goes_to("/login");
    ann.get("/profile").goes_to("/login?next=/profile");
    for link in [&reset, &unlock, &change] {
        program.get(link).is(403);
    }
    let form = [("reset_token", token_of(&reset)), ("new_password", NEW_PASSWORD)];
    program.put("/reset_password", &form).is(403);
    program.post("/email_change/confirm", &[("token", token_of(&change))]).is(403);
    program.post("/unlock/open", &[("unlock_token", token_of(&unlock))]).is(403);
    for email in [THIEF, ANN] {
        program.post("/sessions", &[("email", email), ("password", PASSWORD)]).is(401);
    }
    assert_eq!(app.links_to(THIEF, "secure_account").len(), 0, "the thief has no link of the kind");
    assert_eq!((user(&app).email.as_str(), left(&app)), (ANN, [0, 0, 0]));
    assert_eq!(user(&app).hashed_password, LOCKED);

    resets(&app, ANN);
    owner.post("/sessions", &[("email", ANN), ("password", NEW_PASSWORD)]).goes_to("/profile");
    owner.get("/profile").is(200).says(ANN).does_not_say(THIEF);
    owner.get("/account/details").is(200).says("Eve");
    let events = app.events_of(Some(1));
    for event in ["email_change_asked", "email_changed", "account_secured", "password_changed"] {
        assert!(events.contains(&event.to_owned()), "{event}: {events:?}");
    }
}

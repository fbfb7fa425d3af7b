//! An address that its last owner may take back is nobody else's meanwhile.

use std::time::Duration;

use gatehouse::accounts::registration::RegisterError;
use gatehouse::clock::Timestamp;
use gatehouse::db::DbError;
use serde_json::json;

use super::{ANN, BOB, NEW, PASSWORD, asks, changed, secures, user};
use crate::app::{TestApp, secret};
use crate::crowd::{PATIENT, all_at_once, wait};
use crate::email_change::confirms;
use crate::mailed::token_of;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn nobody_signs_up_with_it() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    for spelling in [ANN, "Ann@Example.com"] {
        let thief = app.program().post("/users", &[("email", spelling), ("password", PASSWORD)]);
        thief.is(400).json_is(&json!({ "message": "email already registered" }));
    }
    secures(&app.browser(), &app.link_to(ANN, "secure_account")).goes_to("/reset_password/sent");
    assert_eq!(user(&app).email, ANN);
}

#[test]
fn nobody_confirms_a_sign_up_with_it() {
    let app = TestApp::with("confirm_email = true", &[]);
    app.wait(app.auth().register_user(ANN, &secret(PASSWORD), Timestamp::now())).expect("Ann");
    // Asked for before the address was given up.
    let early = app.program();
    early.post("/users", &[("email", "ann@early.example"), ("password", PASSWORD)]).is(200);
    let early_link = app.link_to("ann@early.example", "confirm");
    app.sql(&format!("UPDATE sign_ups SET email = '{ANN}', email_key = '{ANN}'"));
    let ann = app.browser();
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    changed(&app, &ann);
    early.post("/confirm", &[("confirm_token", token_of(&early_link))]).is(403);
    // And after: the same answer as for any, and word to whoever reads that mail.
    let told = app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]);
    told.is(200).json_is(&json!({ "email": ANN, "message": "look into your mail" }));
    assert!(app.mails_to(ANN)[0].text.contains("somebody wants to use your address"));
    assert_eq!(app.links_to(ANN, "confirm").len(), 0);
}

#[test]
fn nobody_changes_theirs_to_it() {
    let app = TestApp::new();
    let bob = app.signed_up(BOB);
    let ann = app.signed_up(ANN);
    // Bob's link is older than Ann's change.
    asks(&bob, "bob@new.example");
    let link = app.link_to("bob@new.example", "email_change");
    let purpose = "purpose = 'email_change'";
    app.sql(&format!("UPDATE tokens SET email = '{ANN}', email_key = '{ANN}' WHERE {purpose}"));
    changed(&app, &ann);
    confirms(&bob, &link).is(403);
    asks(&bob, ANN);
    assert!(app.mails_to(ANN)[0].text.contains("somebody wants to use your address"));
    assert_eq!(app.links_to(ANN, "email_change").len(), 0);
}

#[test]
fn its_last_owner_may_have_it_again_without_the_link() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    changed(&app, &ann);
    asks(&ann, ANN);
    confirms(&ann, &app.link_to(ANN, "email_change")).goes_to("/profile");
    ann.get("/profile").says(ANN);
}

#[test]
fn after_a_week_it_is_anybodys() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    let sign_up = |at| app.wait(app.auth().register_user(ANN, &secret(PASSWORD), at));
    let now = Timestamp::now();
    assert!(matches!(sign_up(now + 6 * DAY), Err(RegisterError::EmailTaken)));
    sign_up(now + 7 * DAY).expect("free again");
}

/// Whoever gives an address up at this very moment may take it back: signing up with it comes too
/// early or too late.
#[test]
fn b66_no_moment_is_between_the_change_and_the_reservation() {
    for _ in 0..5 {
        let app = TestApp::with(PATIENT, &[]);
        asks(&app.signed_up(ANN), NEW);
        let token = secret(token_of(&app.link_to(NEW, "email_change")));
        let auth = app.auth().clone();
        let signed_up = all_at_once(|number| match number {
            0 => {
                wait(auth.change_email(&token, Timestamp::now())).map(drop).expect("changed");
                false
            }
            _ => wait(auth.register_user(ANN, &secret(PASSWORD), Timestamp::now())).is_ok(),
        });
        assert!(!signed_up.contains(&true));
    }
}

#[test]
fn a_look_up_that_fails_gives_the_address_to_nobody() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    app.sql("ALTER TABLE tokens RENAME TO gone");
    let refused = app.wait(app.auth().register_user(ANN, &secret(PASSWORD), Timestamp::now()));
    app.sql("ALTER TABLE gone RENAME TO tokens");
    let Err(RegisterError::Broken(cause)) = refused else { panic!("nobody knows") };
    assert!(matches!(cause, gatehouse::accounts::Broken::Db(DbError::Query(_))), "{cause}");
}

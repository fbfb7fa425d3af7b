//! A thief who changed the address wants the account gone before its owner has read the mail.

use gatehouse::clock::Timestamp;
use gatehouse::db::schema::users;

use diesel::prelude::*;

use super::{ANN, DAY, delete_at};
use crate::app::TestApp;
use crate::email_change::{NEW, changed};

const SETTINGS: &str = "deletion_grace = \"1d\"";

fn erase_due(app: &TestApp, now: Timestamp) -> usize {
    app.wait(app.auth().erase_due(now)).expect("erased")
}

/// Ann's account has the thief's address, and is to be deleted tomorrow.
fn taken() -> TestApp {
    let app = TestApp::with(SETTINGS, &[]);
    let thief = app.signed_up(ANN);
    changed(&app, &thief);
    thief.post("/account/deletion", &[]).goes_to("/");
    app.mailbox();
    app
}

#[test]
fn the_erasure_waits_for_as_long_as_the_owner_can_undo_the_change() {
    let app = taken();
    let due = delete_at(&app, NEW).expect("a day");
    assert!(due <= Timestamp::now() + DAY);
    for days in [0, 1, 5] {
        assert_eq!(erase_due(&app, due + days * DAY), 0, "{days} days after");
    }
    let owner = app.browser();
    owner.get(&app.link_to(ANN, "secure_account")).goes_to("/secure_account/confirm");
    owner.post("/secure_account/confirm", &[]).goes_to("/reset_password/sent");
    assert_eq!(delete_at(&app, ANN), None);
    assert_eq!(erase_due(&app, due + 30 * DAY), 0, "it is the owner's again");
}

#[test]
fn nobody_takes_it_back_and_it_goes() {
    let app = taken();
    // Others go on their day, whoever waits before them.
    let bob = app.signed_up("bob@example.com");
    bob.post("/account/deletion", &[]).goes_to("/");
    let due = delete_at(&app, "bob@example.com").expect("a day");
    assert_eq!(erase_due(&app, due), 1);
    assert_eq!(erase_due(&app, Timestamp::now() + 7 * DAY), 1);
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(0_i64));
}

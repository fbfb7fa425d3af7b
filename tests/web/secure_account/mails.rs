//! What is mailed when an account is secured, and to whom.

use gatehouse::clock::Timestamp;

use super::{ANN, NEW, asks, changed, confirms, resets, secures};
use crate::app::TestApp;
use crate::mailed::token_of;

#[test]
fn the_mail_says_what_was_done_and_not_that_nothing_has_changed() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.post("/account/secure", &[]).goes_to("/reset_password/sent");
    let mail = app.mails_to(ANN).remove(0);
    assert_eq!(mail.subject, "Your Gatehouse account is secured");
    let words = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "Every device is logged out, and the password no longer works.",
        "name and time zone stay as they were last",
        "http://127.0.0.1:8000/reset_password/",
        "It works once, for 30 minutes. When it is too old, ask for another: \
         http://127.0.0.1:8000/reset_password ",
    ] {
        assert!(words.contains(said), "{said}: {words}");
    }
    for wrong in ["nothing has changed", "Someone asked", "this address again", "to be deleted"] {
        assert!(!mail.text.contains(wrong) && !mail.html.contains(wrong), "{wrong}: {words}");
    }
    // The password that an owner chooses with it opens the account.
    resets(&app, ANN);
}

#[test]
fn it_says_what_came_back() {
    let app = TestApp::new();
    changed(&app, &app.signed_up(ANN));
    app.sql(&format!("UPDATE users SET delete_at = {}", Timestamp::now().millis()));
    secures(&app.browser(), &app.link_to(ANN, "secure_account")).goes_to("/reset_password/sent");
    let mail = app.mails_to(ANN).remove(0);
    for said in ["The account has this address again.", "It was to be deleted, and is not."] {
        assert!(mail.text.contains(said) && mail.html.contains(said), "{said}: {}", mail.text);
    }
}

#[test]
fn its_link_dies_with_a_newer_one() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.post("/account/secure", &[]).goes_to("/reset_password/sent");
    // Before it has left.
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    let links = app.links_to(ANN, "reset_password");
    let alive = links.iter().filter(|link| app.program().get(link).status.code == 200).count();
    assert_eq!(alive, 1, "{links:?}");
}

#[test]
fn the_address_that_loses_the_account_is_told_and_can_do_nothing_with_it() {
    let app = TestApp::new();
    let thief = app.signed_up(ANN);
    changed(&app, &thief);
    app.mailbox();
    secures(&app.browser(), &app.link_to(ANN, "secure_account")).goes_to("/reset_password/sent");
    let told = app.mails_to(NEW).remove(0);
    assert_eq!(told.subject, "Your Gatehouse address was changed back");
    assert!(told.text.contains(NEW) && told.text.contains("undid it"), "{}", told.text);
    for part in [&told.text, &told.html] {
        assert!(!part.contains(ANN), "{part}");
        for kind in ["reset_password", "secure_account", "email_change", "keep_account", "unlock"] {
            assert!(!part.contains(&format!("/{kind}/")), "{kind}: {part}");
        }
    }
    // Of an address that stays nobody is told that it went.
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.post("/account/secure", &[]).goes_to("/reset_password/sent");
    assert_eq!(app.mails_to(ANN).len(), 1);
}

#[test]
fn a_notice_whose_link_lives_on_is_not_called_back() {
    let app = TestApp::new();
    let thief = app.signed_up(ANN);
    thief.post("/account/deletion", &[]).goes_to("/");
    // Her mail waits; the thief comes back, and secures the account that he is in.
    let pair = [("email", ANN), ("password", crate::app::PASSWORD)];
    thief.post("/sessions", &pair).goes_to("/profile");
    thief.post("/account/secure", &[]).goes_to("/reset_password/sent");
    let mails = app.mails_to(ANN);
    let told = mails.iter().find(|mail| mail.subject.contains("will be deleted"));
    let told = told.expect("the mail that tells of the deletion");
    let link = told.text.split_whitespace().find(|word| word.contains("/secure_account/"));
    let token = token_of(link.expect("a link"));
    app.program().get(&format!("/secure_account/{token}")).is(200);
}

#[test]
fn who_changes_the_address_again_is_told_at_the_one_that_loses_it() {
    let app = TestApp::new();
    let thief = app.signed_up(ANN);
    changed(&app, &thief);
    asks(&thief, "ann@third.example");
    confirms(&thief, &app.link_to("ann@third.example", "email_change")).goes_to("/profile");
    secures(&app.browser(), &app.link_to(ANN, "secure_account")).goes_to("/reset_password/sent");
    let back = |email: &str| {
        let mails = app.mails_to(email);
        mails.iter().filter(|mail| mail.subject.contains("changed back")).count()
    };
    assert_eq!((back("ann@third.example"), back(NEW), back(ANN)), (1, 0, 0));
}

//! Links to a new address: each is good for the address it was mailed to, once, while it is the
//! newest (B-41, B-44, B-69).

use std::time::Duration;

use gatehouse::accounts::mailed_token::{LinkError, Purpose};
use gatehouse::accounts::user::{User, UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::mail::Kind;
use gatehouse::mail::outbox::{Content, Note};
use rocket::http::Method::Head;

use super::{ANN, BOB, NEW, asks, changed, confirms};
use crate::app::{PASSWORD, TestApp, secret};
use crate::crowd::{CROWD, PATIENT, all_at_once, wait};
use crate::mailed::token_of;

const OTHER: &str = "ann@other.example";

fn ann(app: &TestApp) -> User {
    find_user_by(&mut app.database(), UserKey::Id(1)).expect("Ann")
}

#[test]
fn b69_of_two_that_were_asked_for_the_newer_counts() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    asks(&browser, NEW);
    let first = app.link_to(NEW, "email_change");
    asks(&browser, OTHER);
    // At once, not only when the newer mail is written.
    confirms_nothing(&app, &first);
    let second = app.link_to(OTHER, "email_change");
    confirms_nothing(&app, &first);
    confirms(&browser, &second).goes_to("/profile");
    assert_eq!(ann(&app).email, OTHER);
}

#[track_caller]
fn confirms_nothing(app: &TestApp, link: &str) {
    let browser = app.browser();
    browser.get(link).is(403).says("This link no longer works");
    app.program().post("/email_change/confirm", &[("token", token_of(link))]).is(403);
    assert_eq!(ann(app).email, ANN);
}

#[test]
fn b69_what_waits_in_the_outbox_is_the_newest_alone() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    asks(&browser, NEW);
    asks(&browser, OTHER);
    assert_eq!((app.mails_to(NEW).len(), app.mails_to(OTHER).len()), (0, 1));
}

#[test]
fn b69_a_mail_withdrawn_in_the_workers_hands_does_not_void_a_newer_one() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    asks(&browser, NEW);
    let newer = app.link_to(NEW, "email_change");
    let now = Timestamp::now();
    let note = Note::dying_to_user(Kind::EmailChange, 1, now + Duration::from_secs(60));
    let older = Content::Wish { email: OTHER.to_owned() };
    app.service.outbox.add(&mut app.database(), &note, &older, now).expect("it waits");
    // As soon as a worker has it, somebody withdraws it.
    app.vanish("outbox");
    app.mailbox();
    app.mend();
    assert_eq!(app.mails_to(OTHER).len(), 0);
    confirms(&browser, &newer).goes_to("/profile");
}

#[test]
fn b69_asked_for_by_many_at_once_the_address_is_the_one_the_link_went_to() {
    let app = TestApp::with(PATIENT, &[]);
    app.signed_up(ANN);
    let (auth, (user, session)) = (app.auth().clone(), app.session(ANN));
    all_at_once(|number| {
        let email = format!("ann{number}@new.example");
        let now = Timestamp::now();
        wait(auth.ask_for_email_change(&user, &session, &email, "192.0.2.1", now)).expect("asked");
    });
    let mails = app.mailbox();
    assert_eq!(mails.len(), 1, "the newest alone");
    let link = app.link_to(&mails[0].to, "email_change");
    confirms(&app.browser(), &link).goes_to("/login");
    assert_eq!(ann(&app).email, mails[0].to);
}

#[test]
fn of_many_that_bring_one_link_exactly_one_changes_the_address() {
    let app = TestApp::with(PATIENT, &[]);
    asks(&app.signed_up(ANN), NEW);
    let token = secret(token_of(&app.link_to(NEW, "email_change")));
    let auth = app.auth().clone();
    let outcomes = all_at_once(|_| wait(auth.change_email(&token, Timestamp::now())));
    let dead = outcomes.iter().filter(|outcome| matches!(outcome, Err(LinkError::Dead))).count();
    assert_eq!(dead, CROWD - 1);
    assert_eq!(app.links_to(ANN, "secure_account").len(), 1);
}

#[test]
fn of_two_accounts_that_want_one_address_one_gets_it() {
    let app = TestApp::with(PATIENT, &[]);
    let (first, second) = (app.signed_up(ANN), app.signed_up(BOB));
    asks(&first, NEW);
    asks(&second, "Ann@New.example");
    app.mailbox();
    let links = [app.link_to(NEW, "email_change"), app.link_to("Ann@New.example", "email_change")];
    let auth = app.auth().clone();
    let outcomes = all_at_once(|number| {
        let token = secret(token_of(&links[number % 2]));
        wait(auth.change_email(&token, Timestamp::now())).is_ok()
    });
    assert_eq!(outcomes.into_iter().filter(|changed| *changed).count(), 1);
}

#[test]
fn an_address_that_is_taken_meanwhile_stays_its_owners() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    asks(&browser, NEW);
    let link = app.link_to(NEW, "email_change");
    app.signed_up(NEW);
    let before = app.dump();
    let page = confirms(&browser, &link);
    page.is(403).says("the address has an account of its own by now");
    assert_eq!(app.dump(), before);
    assert!(app.events_of(None).contains(&"email_change_refused".to_owned()));
}

#[test]
fn the_link_works_for_a_day_from_the_moment_of_asking() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let (now, (user, session)) = (Timestamp::now(), app.session(ANN));
    let hour = Duration::from_secs(60 * 60);
    let asked = app.auth().ask_for_email_change(&user, &session, NEW, "192.0.2.1", now);
    app.wait(asked).expect("asked");
    // The worker is late.
    app.service.worker.deliver_due(now + hour).expect("delivered");
    let token = secret(token_of(&app.link_to(NEW, "email_change")));
    let alive = |at| {
        let found = app.wait(app.auth().find_mailed(Purpose::EmailChange, &token, at));
        found.expect("an answer").is_some()
    };
    assert!(alive(now + 24 * hour - Duration::from_millis(1)));
    assert!(!alive(now + 24 * hour));
    let late = app.wait(app.auth().change_email(&token, now + 24 * hour));
    assert!(matches!(late, Err(LinkError::Dead)));
}

#[test]
fn b41_a_link_is_good_for_nothing_else() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    let program = app.program();
    program.post("/reset_password", &[("email", ANN)]).is(200);
    program.post("/unlock", &[("email", ANN)]).is(200);
    asks(&browser, NEW);
    let [reset, unlock] = ["reset_password", "unlock"].map(|kind| app.link_to(ANN, kind));
    let change = app.link_to(NEW, "email_change");
    let before = app.dump();
    for other in [&reset, &unlock] {
        program.get(&format!("/email_change/{}", token_of(other))).is(403);
        program.post("/email_change/confirm", &[("token", token_of(other))]).is(403);
        program.get(&format!("/secure_account/{}", token_of(other))).is(403);
        program.post("/secure_account/confirm", &[("token", token_of(other))]).is(403);
    }
    let token = token_of(&change);
    program.get(&format!("/reset_password/{token}")).is(403);
    program.put("/reset_password", &[("reset_token", token), ("new_password", PASSWORD)]).is(403);
    program.post("/unlock/open", &[("unlock_token", token)]).is(403);
    program.post("/secure_account/confirm", &[("token", token)]).is(403);
    assert_eq!(app.dump(), before, "nothing was consumed");
    confirms(&browser, &change).goes_to("/profile");
}

#[test]
fn b44_opening_the_link_changes_nothing_however_often() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    asks(&browser, NEW);
    let link = app.link_to(NEW, "email_change");
    let before = app.dump();
    let scanner = app.browser();
    for _ in 0..5 {
        scanner.send(Head, &link, &[], Vec::new());
        scanner.get(&link).goes_to("/email_change/confirm");
        scanner.get("/email_change/confirm").is(200);
        app.program().get(&link).is(200);
    }
    assert_eq!(app.dump(), before);
    confirms(&browser, &link).goes_to("/profile");
    browser.get(&link).is(403);
}

#[test]
fn b43_the_token_is_in_no_page_and_in_no_second_address() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    asks(&browser, NEW);
    let link = app.link_to(NEW, "email_change");
    let opened = browser.get(&link);
    for text in [opened.comparable(), browser.get("/email_change/confirm").comparable()] {
        assert!(!text.contains(token_of(&link)), "{text}");
    }
}

#[test]
fn a_new_password_from_a_reset_voids_what_waits() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    asks(&browser, NEW);
    let link = app.link_to(NEW, "email_change");
    let owner = app.program();
    owner.post("/reset_password", &[("email", ANN)]).is(200);
    let reset = app.link_to(ANN, "reset_password");
    let form = [("reset_token", token_of(&reset)), ("new_password", "another harbour")];
    owner.put("/reset_password", &form).is(200);
    confirms_nothing(&app, &link);
}

#[test]
fn one_change_after_another_leaves_a_way_back_to_each() {
    let app = TestApp::new();
    let browser = app.signed_up(ANN);
    changed(&app, &browser);
    asks(&browser, OTHER);
    confirms(&browser, &app.link_to(OTHER, "email_change")).goes_to("/profile");
    for old in [ANN, NEW] {
        app.browser().get(&app.link_to(old, "secure_account")).goes_to("/secure_account/confirm");
    }
}

//! A sign-up, its mail and its account: whole or not at all, and no mail outlives its link.

use std::fs;
use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::confirmation::LINK_LIFETIME;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{outbox, sign_ups, users};
use gatehouse::mail::outbox::LEASE;
use rocket::http::Method::Post;

use super::{ANN, ON, link_to, signs_up, with_confirmation};
use crate::app::{PASSWORD, TestApp, urlencoded};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn with_files(more: &str) -> TestApp {
    TestApp::with(&format!("{ON}\nmail_transport = \"files\"\n{more}"), &[])
}

/// The links in the `.eml` files.
#[track_caller]
fn links(app: &TestApp) -> Vec<String> {
    let folder = fs::read_dir(app.folder.path().join("outbox")).expect("the folder");
    let texts =
        folder.map(|file| fs::read_to_string(file.expect("an entry").path()).expect("text"));
    let link = |text: String| {
        let (_, rest) = text.split_once("/confirm/").expect("a link");
        let token: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
        format!("/confirm/{token}")
    };
    texts.map(link).collect()
}

#[track_caller]
fn deliver_and_clear(app: &TestApp, now: Timestamp) {
    app.service.worker.deliver_due(now).expect("delivered");
    app.service.worker.purge(now).expect("purged");
}

#[test]
fn d15_a_mail_s_file_goes_with_its_link() {
    let app = with_files("");
    let ann = signs_up(app.browser(), ANN);
    deliver_and_clear(&app, Timestamp::now());
    let first = links(&app);
    assert_eq!(first.len(), 1);
    ann.post("/confirm/sent", &[("email", ANN)]).is(303);
    deliver_and_clear(&app, Timestamp::now());
    let second = links(&app);
    assert_eq!(second.len(), 1, "a newer link has taken its place");
    assert_ne!(first, second);
    ann.get(&second[0]).goes_to("/confirm/new");
    ann.post("/confirm", &[]).goes_to("/profile");
    deliver_and_clear(&app, Timestamp::now());
    assert_eq!(links(&app).len(), 0, "it was used");

    signs_up(app.browser(), "bob@example.com");
    let now = Timestamp::now();
    deliver_and_clear(&app, now);
    let minute = Duration::from_secs(60);
    app.service.worker.purge(now + LINK_LIFETIME - minute).expect("purged");
    assert_eq!(links(&app).len(), 1);
    app.service.worker.purge(now + LINK_LIFETIME).expect("purged");
    assert_eq!(links(&app).len(), 0, "it is a day old");
}

#[test]
fn d15_the_file_of_a_link_that_lives_stays() {
    let app = with_files("limit_mail = \"1/1h\"");
    let ann = signs_up(app.browser(), ANN);
    deliver_and_clear(&app, Timestamp::now());
    let first = links(&app);
    // Asked for again, and held back: the link in the file is all there is.
    ann.post("/confirm/sent", &[("email", ANN)]).is(303);
    deliver_and_clear(&app, Timestamp::now());
    assert_eq!(links(&app), first);
    ann.get(&first[0]).goes_to("/confirm/new");
    // To another address: the link is dead at once, and the file goes.
    ann.post("/confirm/sent", &[("email", "bob@example.com")]).is(303);
    app.service.worker.purge(Timestamp::now()).expect("purged");
    assert_eq!(links(&app).len(), 0);
}

#[test]
fn b100_a_letter_to_an_address_that_was_corrected_does_not_leave() {
    let app = with_files("");
    let folder = app.folder.path().join("outbox");
    fs::rename(&folder, app.folder.path().join("aside")).expect("moved");
    fs::write(&folder, "in the way").expect("written");
    let ann = signs_up(app.browser(), "amn@example.com");
    let now = Timestamp::now();
    app.service.worker.deliver_due(now).expect("tried");
    ann.post("/confirm/sent", &[("email", ANN)]).is(303);
    fs::remove_file(&folder).expect("removed");
    fs::rename(app.folder.path().join("aside"), &folder).expect("moved");
    assert_eq!(app.service.worker.deliver_due(now + LEASE).expect("sent"), 1);
    ann.get(&links(&app)[0]).goes_to("/confirm/new");
    ann.get("/confirm/new").is(200).says(ANN);
}

#[test]
fn a_sign_up_whose_mail_cannot_be_queued_is_none() {
    let app = with_confirmation();
    app.break_down("INSERT", "outbox", "on purpose");
    let pair = urlencoded(&[("email", ANN), ("password", PASSWORD)]).into_bytes();
    let answer = app.browser().send_for_a_fault(Post, "/users", &[FORM], pair);
    answer.is(500).does_not_say("on purpose");
    assert_eq!(answer.all("set-cookie"), [""; 0]);
    assert_eq!(sign_ups::table.count().get_result(&mut app.database()), Ok(0_i64));
    app.mend();
    let ann = signs_up(app.browser(), "amn@example.com");
    let before = app.dump();
    app.break_down("INSERT", "outbox", "on purpose");
    // A correction without its mail would leave neither address with a link.
    let corrected = urlencoded(&[("email", ANN)]).into_bytes();
    ann.send_for_a_fault(Post, "/confirm/sent", &[FORM], corrected).is(500);
    assert_eq!(app.dump(), before);
}

#[test]
fn a_confirmation_that_breaks_half_way_leaves_the_link_alive() {
    let app = with_confirmation();
    let ann = signs_up(app.browser(), ANN);
    ann.get(&link_to(&app, ANN)).goes_to("/confirm/new");
    let before = app.dump();
    for (event, table) in [
        ("DELETE", "sign_ups"),
        ("INSERT", "users"),
        ("UPDATE", "users"),
        ("INSERT", "sessions"),
        ("INSERT", "devices"),
        ("DELETE", "outbox"),
    ] {
        app.break_down(event, table, "on purpose");
        let answer = ann.send_for_a_fault(Post, "/confirm", &[FORM], Vec::new());
        answer.is(500).does_not_say("on purpose");
        assert_eq!(app.dump(), before, "{event} {table}");
        app.mend();
    }
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(0_i64));
    assert_eq!(outbox::table.count().get_result(&mut app.database()), Ok(1_i64));
    ann.post("/confirm", &[]).goes_to("/profile");
}

//! Links that have died: their mails are not sent, their files are removed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use diesel::prelude::*;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::outbox as mails;
use gatehouse::mail::outbox::{self, Content, LEASE};

use super::{LIFE, NEW, ask, block, deliver, files, rows, token_in, unblock, with_ann};
use crate::app::secret;

#[test]
fn b100_a_dead_link_is_not_mailed() {
    // It died of age before the worker had its turn.
    let app = with_ann();
    ask(&app);
    let asked = rows(&app)[0].created_at;
    assert_eq!(deliver(&app, asked + LIFE), 0);
    assert_eq!((rows(&app).len(), files(&app).len()), (0, 0));
    // It died of age while its letter waited.
    let app = with_ann();
    block(&app);
    ask(&app);
    deliver(&app, Timestamp::now());
    let expires = rows(&app)[0].expires_at.expect("a life");
    unblock(&app);
    assert_eq!(deliver(&app, expires), 0);
    assert_eq!((rows(&app).len(), files(&app).len()), (0, 0));
    // It was used, by another way, while its letter waited.
    let app = with_ann();
    block(&app);
    ask(&app);
    let now = Timestamp::now();
    deliver(&app, now);
    let Ok(Content::Letter(letter)) = app.service.outbox.open(&rows(&app)[0]) else {
        panic!("the wish was not granted")
    };
    let token = secret(&token_in(&letter.text));
    app.wait(app.auth().update_password(&token, None, &secret(NEW), now)).expect("updated");
    unblock(&app);
    deliver(&app, now + LEASE);
    let files = files(&app);
    assert_eq!(files.len(), 1);
    assert!(files[0].0.starts_with("password_changed-"), "{files:?}");
}

#[test]
fn a_newer_link_calls_back_the_older_ones_mail() {
    let app = with_ann();
    block(&app);
    for _ in 0..3 {
        ask(&app);
        deliver(&app, Timestamp::now());
    }
    assert_eq!(rows(&app).len(), 1, "two links are dead already");
    unblock(&app);
    assert_eq!(deliver(&app, rows(&app)[0].next_attempt_at), 1);
    let files = files(&app);
    assert_eq!(files.len(), 1);
    app.program().get(&format!("/reset_password/{}", token_in(&files[0].1))).is(200);
}

#[test]
fn d15_mail_files_are_private_and_go_when_their_link_has_died() {
    for used in [true, false] {
        let app = with_ann();
        ask(&app);
        let now = Timestamp::now();
        assert_eq!(deliver(&app, now), 1);
        let folder = app.folder.path().join("outbox");
        fs::write(folder.join("readme.txt"), "not ours").expect("written");
        let (name, text) = files(&app).remove(0);
        let mode = |path| fs::metadata(path).expect("there").mode() & 0o777;
        assert_eq!((mode(folder.clone()), mode(folder.join(&name))), (0o700, 0o600));
        let left = |now: Timestamp| {
            app.service.worker.purge(now).expect("purged");
            let names: Vec<String> = files(&app).into_iter().map(|(name, _)| name).collect();
            names
        };
        assert!(left(now + LIFE - Duration::from_secs(60)).contains(&name), "alive");
        if used {
            let token = secret(&token_in(&text));
            app.wait(app.auth().update_password(&token, None, &secret(NEW), now)).expect("updated");
            assert_eq!(deliver(&app, now + LEASE), 1, "the notice");
            let left = left(now);
            assert_eq!(left.len(), 2, "{left:?}");
            assert!(
                left[0].starts_with("password_changed-") && left[1] == "readme.txt",
                "{left:?}"
            );
        } else {
            assert_eq!(left(now + LIFE), ["readme.txt"]);
            assert_eq!(rows(&app).len(), 0);
        }
    }
}

#[test]
fn d15_the_file_of_an_overtaken_link_goes_too() {
    let app = with_ann();
    for _ in 0..2 {
        ask(&app);
        assert_eq!(deliver(&app, Timestamp::now()), 1);
    }
    app.service.worker.purge(Timestamp::now()).expect("purged");
    let files = files(&app);
    assert_eq!(files.len(), 1, "only the link that works");
    app.program().get(&format!("/reset_password/{}", token_in(&files[0].1))).is(200);
}

#[test]
fn a_wish_found_to_be_nobodys_by_a_worker_that_died_is_no_alarm() {
    let app = with_ann();
    app.program().post("/reset_password", &[("email", "nobody@example.com")]).is(200);
    let emptied = diesel::update(mails::table).set(mails::content.eq(Vec::new()));
    assert_eq!(emptied.execute(&mut app.database()), Ok(1));
    assert_eq!(deliver(&app, Timestamp::now()), 0);
    let rows = rows(&app);
    assert_eq!((rows.len(), rows[0].state.as_str(), &rows[0].last_error), (1, outbox::SENT, &None));
}

#[test]
fn mails_without_a_link_that_nobody_collected_go_after_a_month() {
    let app = with_ann();
    ask(&app);
    let now = Timestamp::now();
    deliver(&app, now);
    let folder = app.folder.path().join("outbox");
    fs::write(folder.join("test-0.eml"), "a trial").expect("written");
    fs::write(folder.join("mine.txt"), "not ours").expect("written");
    let count = || fs::read_dir(&folder).expect("there").count();
    app.service.worker.purge(now + outbox::KEEP_FAILED - Duration::from_secs(60)).expect("purged");
    assert_eq!(count(), 2, "the dead link has gone");
    app.service.worker.purge(now + outbox::KEEP_FAILED + Duration::from_secs(60)).expect("purged");
    assert_eq!(count(), 1, "the trial too, and nothing of the owner's");
}

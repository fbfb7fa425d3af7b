//! B-33: whoever sends the first line of a request, is thrown out, and sends the rest, has done nothing.

use diesel::connection::SimpleConnection;
use gatehouse::accounts::details::Details;
use gatehouse::accounts::email_change::AskError;

use super::*;

/// What its owner does with a session: whether it was done.
type Deed = fn(&TestApp, &User, &Session, &str) -> bool;

const DEEDS: [(&str, Deed); 7] = [
    ("ask for another address", |app, user, session, sql| {
        let (new, now) = ("thief@example.com", Timestamp::now());
        let ask = app.auth().ask_for_email_change(user, session, new, "192.0.2.1", now);
        match overtake(app, ask, sql) {
            Err(AskError::Overtaken) => false,
            outcome => outcome.map(|()| true).expect("asked"),
        }
    }),
    ("ask for the deletion", |app, user, session, sql| {
        let ask = app.auth().ask_for_deletion(user, session, Timestamp::now());
        overtake(app, ask, sql).expect("asked").is_some()
    }),
    ("end the other sessions", |app, user, session, sql| {
        let end = app.auth().end_other_sessions(user, session, None);
        overtake(app, end, sql).expect("tried").is_some()
    }),
    ("end another session", |app, user, session, sql| {
        let now = Timestamp::now();
        let listed = app.wait(app.auth().sessions_of(user.id, now)).expect("listed");
        let other = listed.iter().find(|it| it.id != session.id).expect("another").handle();
        overtake(app, app.auth().end_session_of(user, session, &other, now), sql)
            .expect("tried")
            .is_some()
    }),
    ("leave a form", |app, user, session, sql| {
        let keep = app.auth().keep_form(user, session, b"a form", Timestamp::now());
        overtake(app, keep, sql).expect("tried").is_some()
    }),
    ("shut the account", |app, user, session, sql| {
        let secure = app.auth().secure(user, session, Timestamp::now());
        overtake(app, secure, sql).expect("tried").is_some()
    }),
    ("change the details", |app, user, session, sql| {
        let details = Details::parse(Some("Eve"), Some("")).expect("good");
        overtake(app, app.auth().change_details(user, session, details), sql).expect("tried")
    }),
];

#[test]
fn b33_a_deed_that_was_overtaken_is_not_done() {
    let app = TestApp::new();
    for (name, deed) in DEEDS {
        for overtaking in [
            "DELETE FROM sessions WHERE id = 'ID'",
            "UPDATE users SET hashed_password = 'another'",
            "UPDATE users SET disabled_at = 1",
            "DELETE FROM users",
        ] {
            app.sql("DELETE FROM users; DELETE FROM outbox");
            let phone = session_of(&app);
            let (user, session) = app.session(ANN);
            let overtaking = overtaking.replace("ID", &session.id);
            assert!(!deed(&app, &user, &session, &overtaking), "{name}: {overtaking}");
            let done = app.dump();
            assert!(!done.contains("Eve") && waiting(&app) == 0, "{name}: {overtaking}");
            if overtaking.starts_with("DELETE FROM sessions") {
                assert!(done.contains(&phone.1.id), "{name}: the owner stays");
                assert!(done.contains(&user.hashed_password), "{name}");
                assert!(app.mailbox().is_empty(), "{name}");
            }
        }
    }
}

#[test]
fn whoever_is_not_overtaken_does_it() {
    for (name, deed) in DEEDS {
        let app = TestApp::new();
        session_of(&app);
        let (user, session) = app.session(ANN);
        assert!(deed(&app, &user, &session, "SELECT 1"), "{name}");
    }
}

#[test]
fn b33_somebody_overtaken_is_told_and_logged_out() {
    let app = TestApp::new();
    let (laptop, _) = ann_and_her_phone(&app);
    let mut other = app.locked();
    let ends = std::thread::spawn(move || {
        // By then the guard has found the session, and the form waits to be kept.
        std::thread::sleep(Duration::from_secs(1));
        other.batch_execute("DELETE FROM sessions; COMMIT").expect("ended elsewhere");
    });
    laptop.delete("/account/sessions").goes_to("/login");
    ends.join().expect("ended");
    assert_eq!(laptop.cookie("session_id"), None);
    laptop.get("/login").says("You were logged out elsewhere, or your password was changed");
}

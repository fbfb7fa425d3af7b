//! What dies with the old password, and the mail that tells of the new one.

use gatehouse::accounts::mailed_token::Purpose;
use gatehouse::db::schema::{outbox, tokens};
use gatehouse::mail::outbox::{Content, Note};
use gatehouse::mail::{Kind, Letter};
use gatehouse::tokens::fingerprint;
use secrecy::ExposeSecret;

use super::*;

#[test]
fn b31_the_links_that_were_mailed_die_but_for_those_that_undo() {
    let app = with_ann();
    let laptop = log_in(app.browser(), PASSWORD);
    let now = Timestamp::now();
    let reset = app.wait(app.auth().get_reset_password_token(ANN, now)).expect("a token");
    let user = ann(&app).id;
    let end = now.millis() + 3_600_000;
    for purpose in ["unlock", "email_change", "secure_account", "keep_account"] {
        app.sql(&format!(
            "INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at) \
             VALUES ('{}', '{purpose}', {user}, '{ANN}', '{ANN}', {end})",
            fingerprint(purpose)
        ));
    }
    for kind in [Kind::PasswordReset, Kind::Unlock, Kind::EmailChange, Kind::EmailChanged] {
        let note = Note::to_user(kind, user);
        let wish = Content::Wish { email: ANN.to_owned() };
        app.service.outbox.add(&mut app.database(), &note, &wish, now).expect("added");
    }
    laptop.put(HERE, &form(PASSWORD, NEW)).goes_to("/profile");
    assert!(app.wait(app.auth().find_reset(&reset, Timestamp::now())).expect("read").is_none());
    let form = [("reset_token", reset.expose_secret()), ("new_password", "a third harbour")];
    app.program().put("/reset_password", &form).is(403);
    let conn = &mut app.database();
    let left: Vec<String> =
        tokens::table.select(tokens::purpose).order(tokens::purpose).load(conn).expect("rows");
    assert_eq!(left, ["keep_account", "secure_account", "secure_account"], "one is the notice's");
    let left: Vec<String> =
        outbox::table.select(outbox::kind).order(outbox::kind).load(conn).expect("rows");
    assert_eq!(left, ["email_changed", "password_changed"]);
}

/// Wishes that wait for the worker are of no use any more, either.
#[test]
fn b31_a_reset_asked_for_before_the_change_mails_no_link_after_it() {
    let app = with_ann();
    let laptop = log_in(app.browser(), PASSWORD);
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    app.sql("UPDATE outbox SET created_at = created_at - 1000");
    laptop.put(HERE, &form(PASSWORD, NEW)).goes_to("/profile");
    let mails = app.mailbox();
    let subjects: Vec<&str> = mails.iter().map(|mail| mail.subject.as_str()).collect();
    assert_eq!(subjects, ["Your Gatehouse password was changed"]);
}

/// The link of a notice, which must be alive and stand in both of its parts.
#[track_caller]
fn secure_link(app: &TestApp, mail: &Letter) -> String {
    let start = "http://127.0.0.1:8000/secure_account/";
    let link = mail.text.split_whitespace().find(|word| word.starts_with(start)).expect("a link");
    assert_eq!(mail.html.replace("&#x2F;", "/").matches(link).count(), 3, "{}", mail.html);
    let token = secret(&link[start.len()..]);
    let found = app.auth().find_mailed(Purpose::SecureAccount, &token, Timestamp::now());
    let found = app.wait(found).expect("read").expect("alive");
    assert_eq!((found.user_id, found.email.as_str()), (Some(ann(app).id), ANN));
    link.to_owned()
}

const BY_LINK: [&str; 2] = ["from a one-time link", "Every device was logged out"];
const ENDING: [&str; 2] = ["who was logged in", "All other devices were logged out"];
const KEEPING: [&str; 2] = ["who was logged in", "Other devices are still logged in"];

#[track_caller]
fn tells(mail: &Letter, said: [&str; 2]) {
    assert_eq!(
        (mail.to.as_str(), mail.subject.as_str()),
        (ANN, "Your Gatehouse password was changed")
    );
    let unfolded = mail.text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [&unfolded, &mail.html] {
        for words in said {
            assert!(part.contains(words), "{words}: {part}");
        }
        for words in [BY_LINK, ENDING, KEEPING].concat() {
            assert_eq!(part.contains(words), said.contains(&words), "{words}: {part}");
        }
        assert!(part.contains("7 days") && part.contains(" UTC") && part.contains(ANN), "{part}");
        assert!(!part.contains("  ") && !part.contains("\n\n\n"), "{part}");
    }
}

#[test]
fn the_owner_is_told_how_it_came_and_how_to_undo_it() {
    let app = with_ann();
    let laptop = log_in(app.browser(), PASSWORD);
    laptop.put(HERE, &form(PASSWORD, NEW)).goes_to("/profile");
    tells(&app.mailbox()[0], ENDING);
    let sent = [&form(NEW, PASSWORD)[..], &[("keep_others", "yes")]].concat();
    laptop.put(HERE, &sent).goes_to("/profile");
    tells(&app.mailbox()[0], KEEPING);
    let token = app.wait(app.auth().get_reset_password_token(ANN, Timestamp::now())).expect("one");
    let form = [("reset_token", token.expose_secret()), ("new_password", NEW)];
    app.program().put("/reset_password", &form).is(200);
    let mails = app.mailbox();
    tells(&mails[0], BY_LINK);
    // Each has a link of its own, and none takes the place of another's.
    let mut links: Vec<String> = mails.iter().map(|mail| secure_link(&app, mail)).collect();
    links.sort();
    links.dedup();
    assert_eq!(links.len(), 3);
}

/// The notice matters more than the letter that nobody can open any more.
#[test]
fn b91_a_notice_sealed_under_another_key_is_written_anew_and_says_the_same() {
    let keys = [
        "X585yOrPPP3I7BLcoZXNdCs0i00dv/BpGmixDa5mRCs=",
        "0xQM3eK9RFwoijaQ/5ad65yPadEy/G+ZIAdA+L8ESKY=",
    ]
    .map(|key| [("ROCKET_SECRET_KEY", key)]);
    for (said, keep) in [(ENDING, "no"), (KEEPING, "yes"), (BY_LINK, "")] {
        let app = TestApp::with("", &keys[0]);
        let laptop = app.signed_up(ANN);
        if keep.is_empty() {
            let asked = app.auth().get_reset_password_token(ANN, Timestamp::now());
            let token = app.wait(asked).expect("a token");
            let form = [("reset_token", token.expose_secret()), ("new_password", NEW)];
            laptop.put("/reset_password", &form).goes_to("/login");
            // As a version left it that knew no other way.
            app.sql("UPDATE outbox SET subject = NULL");
        } else {
            let sent = [&form(PASSWORD, NEW)[..], &[("keep_others", keep)]].concat();
            laptop.put(HERE, &sent).goes_to("/profile");
        }
        app.sql("UPDATE outbox SET created_at = created_at - 86400000");
        let yesterday = Timestamp::from_millis(Timestamp::now().millis() - 86_400_000).in_words();
        drop(laptop);
        let TestApp { client, service, folder, .. } = app;
        drop((client, service));
        let config = TestApp::config(&folder, "", &keys[1]);
        let app = TestApp::open(folder, config);
        let mails = app.mailbox();
        assert_eq!(mails.len(), 1);
        tells(&mails[0], said);
        secure_link(&app, &mails[0]);
        let (day, _) = yesterday.split_once(',').expect("a day and a time");
        assert!(mails[0].text.contains(day), "{day}: {}", mails[0].text);
    }
}

#[test]
fn whoever_had_no_password_is_told_that_one_was_chosen() {
    let app = TestApp::new();
    let operator = gatehouse::accounts::operator::Operator(app.auth());
    let (_, printed) = operator.add(ANN, None, Timestamp::now()).expect("added");
    let token = printed.link.expose_secret().rsplit('/').next().expect("a token");
    let form = [("reset_token", token), ("new_password", NEW)];
    app.program().put("/reset_password", &form).is(200);
    let mail = &app.mailbox()[0];
    assert_eq!(mail.subject, "Your Gatehouse password was chosen");
    for part in [&mail.text, &mail.html] {
        assert!(part.contains("was chosen: ") && part.contains("one-time link"), "{part}");
        assert!(!part.contains("was changed") && !part.contains("mailed to you"), "{part}");
    }
}

/// The link of the letter that was lost is another one, the words are the same.
#[test]
fn a_first_password_is_chosen_in_a_mail_that_is_written_anew_too() {
    let app = TestApp::new();
    let operator = gatehouse::accounts::operator::Operator(app.auth());
    let (_, printed) = operator.add(ANN, None, Timestamp::now()).expect("added");
    let token = printed.link.expose_secret().rsplit('/').next().expect("a token");
    let form = [("reset_token", token), ("new_password", NEW)];
    app.program().put("/reset_password", &form).is(200);
    app.sql("UPDATE outbox SET message_id = 'no letter is sealed for it'");
    assert_eq!(app.mailbox()[0].subject, "Your Gatehouse password was chosen");
}

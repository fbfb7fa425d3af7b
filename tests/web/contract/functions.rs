//! The exercise's functions, by their names, through the library.

use diesel::connection::SimpleConnection;
use diesel::result::Error as QueryError;
use gatehouse::accounts::FieldErrors;
use gatehouse::accounts::email::Email;
use gatehouse::accounts::password::{hash_password, verify_password};
use gatehouse::accounts::password_reset::UpdatePasswordError;
use gatehouse::accounts::registration::RegisterError;
use gatehouse::accounts::session::Beginning;
use gatehouse::accounts::user::{
    AddUserError, User, UserChanges, UserKey, add_user, find_user_by, update_user,
};
use gatehouse::clock::Timestamp;
use gatehouse::db::DbError;
use gatehouse::tokens::generate_uuid;
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

use crate::app::{PASSWORD, TestApp};

const ANN: &str = "ann@example.com";

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

#[track_caller]
fn register(app: &TestApp, email: &str) -> User {
    let user = app.wait(app.auth().register_user(email, &secret(PASSWORD), Timestamp::now()));
    user.expect("a new user")
}

#[track_caller]
fn stored(app: &TestApp, id: i64) -> User {
    find_user_by(&mut app.database(), UserKey::Id(id)).expect("the user")
}

#[track_caller]
fn begin(app: &TestApp, email: &str) -> String {
    let begun = app.wait(app.auth().create_session(email, Beginning::default(), Timestamp::now()));
    begun.expect("a session")
}

fn is_nobody<T>(result: Result<T, DbError>) -> bool {
    matches!(result, Err(DbError::Query(QueryError::NotFound)))
}

#[test]
fn add_user_inserts_once() {
    let app = TestApp::new();
    let conn = &mut app.database();
    let email = Email::parse("Ann@Example.com").expect("an address");
    let user = add_user(conn, &email, "a hash", Timestamp::now()).expect("added");
    assert_eq!((user.id, user.email.as_str()), (1, "Ann@Example.com"));
    assert_eq!(user.hashed_password, "a hash");
    assert_eq!((user.session_id, user.reset_token), (None, None));
    let twin = Email::parse(ANN).expect("an address");
    let second = add_user(conn, &twin, "another hash", Timestamp::now());
    assert!(matches!(second, Err(AddUserError::EmailTaken)), "{second:?}");
    assert_eq!(stored(&app, 1).hashed_password, "a hash");
}

#[test]
fn find_user_by_finds_one_by_each_of_four_keys() {
    let app = TestApp::new();
    let (ann, bob) = (register(&app, ANN), register(&app, "bob@example.com"));
    let session = begin(&app, "bob@example.com");
    let token = app.wait(app.auth().get_reset_password_token(ANN, Timestamp::now()));
    let token = token.expect("a token").expose_secret().to_owned();
    let conn = &mut app.database();
    for (key, id) in [
        (UserKey::Id(ann.id), ann.id),
        (UserKey::Email("ANN@example.com"), ann.id),
        (UserKey::SessionId(&session), bob.id),
        (UserKey::ResetToken(&token), ann.id),
    ] {
        assert_eq!(find_user_by(conn, key).expect("somebody").id, id);
    }
    let row = find_user_by(conn, UserKey::Id(bob.id)).expect("bob");
    let row_session = row.session_id.expect("a session");
    for nobody in [
        UserKey::Id(99),
        UserKey::Email("nobody@example.com"),
        UserKey::Email(""),
        UserKey::Email("no address"),
        UserKey::SessionId(&token),
        UserKey::SessionId(""),
        // What the database keeps opens nothing.
        UserKey::SessionId(&row_session),
        UserKey::ResetToken(&session),
        UserKey::ResetToken(""),
    ] {
        let found = find_user_by(conn, nobody);
        assert!(matches!(found, Err(QueryError::NotFound)), "{found:?}");
    }
}

#[test]
fn what_find_user_by_does_not_know_is_not_nobody() {
    let app = TestApp::new();
    let conn = &mut app.database();
    conn.batch_execute("ALTER TABLE users RENAME TO away").expect("renamed");
    let found = find_user_by(conn, UserKey::Email(ANN));
    assert!(found.is_err_and(|error| error != QueryError::NotFound));
}

#[test]
fn update_user_changes_what_is_named_and_nothing_else() {
    let app = TestApp::new();
    let ann = register(&app, ANN);
    let conn = &mut app.database();
    let changes = UserChanges { hashed_password: Some("other".to_owned()), ..Default::default() };
    update_user(conn, ann.id, &changes).expect("changed");
    let changed = stored(&app, ann.id);
    assert_eq!(changed.hashed_password, "other");
    assert_eq!((changed.email, changed.email_key), (ann.email, ann.email_key));
    assert_eq!(changed.created_at, ann.created_at);
    assert_eq!(update_user(conn, 99, &changes), Err(QueryError::NotFound));
}

#[test]
fn passwords_are_salted_and_verified() {
    let (first, second) =
        (hash_password(&secret(PASSWORD), 4), hash_password(&secret(PASSWORD), 4));
    let (first, second) = (first.expect("hashed"), second.expect("hashed"));
    assert_ne!(first, second);
    assert!(verify_password(&secret(PASSWORD), Some(&first), 4));
    assert!(!verify_password(&secret("another harbour"), Some(&first), 4));
    assert!(!verify_password(&secret(PASSWORD), None, 4));
}

#[test]
fn register_user_refuses_a_taken_address_and_what_the_rules_refuse() {
    let app = TestApp::new();
    let user = register(&app, ANN);
    assert!(verify_password(&secret(PASSWORD), Some(&user.hashed_password), 4));
    let again = |email: &str, password: &str| {
        app.wait(app.auth().register_user(email, &secret(password), Timestamp::now()))
    };
    assert!(matches!(again("Ann@example.com", PASSWORD), Err(RegisterError::EmailTaken)));
    let fields = |errors: &FieldErrors| errors.0.keys().cloned().collect::<Vec<_>>();
    match again("nonsense", "short") {
        Err(RegisterError::Invalid(errors)) => assert_eq!(fields(&errors), ["email", "password"]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn valid_login_is_true_for_the_right_pair_alone() {
    let app = TestApp::new();
    register(&app, ANN);
    for (email, password, right) in [
        (ANN, PASSWORD, true),
        ("ANN@EXAMPLE.COM", PASSWORD, true),
        (ANN, "another harbour", false),
        (ANN, "", false),
        ("nobody@example.com", PASSWORD, false),
        ("", "", false),
    ] {
        let valid = app.wait(app.auth().valid_login(email, &secret(password)));
        assert_eq!(valid.expect("an answer"), right, "{email} {password}");
    }
}

#[test]
fn generate_uuid_is_random_version_4() {
    let (one, other) = (generate_uuid(), generate_uuid());
    assert_ne!(one, other);
    let bytes = one.as_bytes();
    assert_eq!((one.len(), bytes[14]), (36, b'4'), "{one}");
    assert!(b"89ab".contains(&bytes[19]), "{one}");
}

#[test]
fn create_session_stores_a_new_id_each_time() {
    let app = TestApp::new();
    let ann = register(&app, ANN);
    let first = begin(&app, ANN);
    let named = stored(&app, ann.id).session_id.expect("stored");
    let second = begin(&app, "ann@EXAMPLE.com");
    assert_ne!(first, second);
    assert_ne!(stored(&app, ann.id).session_id.expect("stored"), named, "the most recent one");
    let dump = app.dump();
    assert!(!dump.contains(&first) && !dump.contains(&second), "only fingerprints are kept");
    let nobody =
        app.auth().create_session("nobody@example.com", Beginning::default(), Timestamp::now());
    assert!(is_nobody(app.wait(nobody)));
}

#[test]
fn get_user_from_session_id_knows_live_sessions_alone() {
    let app = TestApp::new();
    let ann = register(&app, ANN);
    let now = Timestamp::now();
    let id = app.wait(app.auth().create_session(ANN, Beginning::default(), now)).expect("begun");
    let user = |id: Option<&str>, at| {
        let found = app.wait(app.auth().get_user_from_session_id(id, at)).expect("an answer");
        found.map(|user| user.id)
    };
    assert_eq!(user(Some(&id), now), Some(ann.id));
    let idle = app.auth().config().sessions.idle;
    assert_eq!(user(Some(&id), now + idle - Duration::from_millis(1)), Some(ann.id));
    assert_eq!(user(Some(&id), now + idle), None, "expired");
    assert_eq!(user(None, now), None);
    assert_eq!(user(Some(""), now), None);
    assert_eq!(user(Some(&generate_uuid()), now), None);
}

#[test]
fn destroy_session_ends_that_one_and_empties_the_users_session_id() {
    let app = TestApp::new();
    let ann = register(&app, ANN);
    let (laptop, phone) = (begin(&app, ANN), begin(&app, ANN));
    let destroy = |id: &str| app.wait(app.auth().destroy_session(id)).expect("an answer");
    assert!(destroy(&laptop));
    assert!(stored(&app, ann.id).session_id.is_some(), "it named the phone's");
    assert!(destroy(&phone));
    assert_eq!(stored(&app, ann.id).session_id, None);
    assert!(!destroy(&phone), "once");
    assert!(!destroy("unknown"));
}

#[test]
fn reset_tokens_are_for_known_addresses_and_the_newest_wins() {
    let app = TestApp::new();
    register(&app, ANN);
    let ask = |email: &str| app.wait(app.auth().get_reset_password_token(email, Timestamp::now()));
    assert!(is_nobody(ask("nobody@example.com")));
    assert!(is_nobody(ask("no address")));
    let (first, second) = (ask(ANN).expect("a token"), ask(ANN).expect("another"));
    let alive =
        |token| app.wait(app.auth().find_reset(token, Timestamp::now())).expect("an answer");
    assert!(alive(&first).is_none());
    assert!(alive(&second).is_some());
    assert!(!app.dump().contains(second.expose_secret()));
}

#[test]
fn update_password_says_what_is_wrong_by_its_type() {
    let app = TestApp::new();
    let ann = register(&app, ANN);
    let session = begin(&app, ANN);
    let asked = Timestamp::now();
    let token = app.wait(app.auth().get_reset_password_token(ANN, asked)).expect("a token");
    let update = |token: &SecretString, email, password: &str, at| {
        app.wait(app.auth().update_password(token, email, &secret(password), at))
    };
    let dead = |result| matches!(result, Err(UpdatePasswordError::DeadToken));
    let lifetime = app.auth().config().reset_lifetime;
    assert!(dead(update(&secret("unknown"), None, "another harbour", asked)));
    assert!(dead(update(&token, None, "another harbour", asked + lifetime)), "expired");
    assert!(dead(update(&token, Some("bob@example.com"), "another harbour", asked)));
    assert!(dead(update(&token, Some("nonsense"), "another harbour", asked)));
    let weak = update(&token, None, "short", asked);
    assert!(matches!(weak, Err(UpdatePasswordError::Invalid(_))), "{weak:?}");
    let user = update(&token, Some("ANN@example.com"), "another harbour", Timestamp::now());
    assert_eq!(user.expect("updated").id, ann.id);
    assert!(dead(update(&token, None, "a third harbour", Timestamp::now())), "used");
    let now = Timestamp::now();
    let gone = app.wait(app.auth().get_user_from_session_id(Some(&session), now));
    assert!(gone.expect("an answer").is_none(), "every session has ended");
    let new = secret("another harbour");
    assert!(app.wait(app.auth().valid_login(ANN, &new)).expect("an answer"));
}

#[test]
fn a_printed_user_shows_no_hash_no_session_no_token() {
    let app = TestApp::new();
    let ann = register(&app, ANN);
    begin(&app, ANN);
    app.wait(app.auth().get_reset_password_token(ANN, Timestamp::now())).expect("a token");
    let user = stored(&app, ann.id);
    let printed = format!("{user:?} {user:#?}");
    assert!(printed.contains(ANN), "{printed}");
    let secrets = [Some(user.hashed_password.clone()), user.session_id, user.reset_token];
    for hidden in secrets {
        let hidden = hidden.expect("set");
        assert!(!printed.contains(&hidden), "{printed}");
    }
    for name in ["hashed_password", "session_id", "reset_token"] {
        assert!(!printed.contains(name), "{printed}");
    }
}

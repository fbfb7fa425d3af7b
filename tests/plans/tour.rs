//! Every query of the service, once at least: people sign up, log in, lose their passwords, are
//! refused; mails leave and do not; what has expired is cleared away.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use gatehouse::accounts::Auth;
use gatehouse::accounts::confirmation::Confirmation;
use gatehouse::accounts::details::Details;
use gatehouse::accounts::login::LogIn;
use gatehouse::accounts::mailed_token::Purpose;
use gatehouse::accounts::operator::{LinkKind, Operator};
use gatehouse::accounts::password_change::PasswordChange;
use gatehouse::accounts::registration::{SignUp, SignedUp};
use gatehouse::accounts::session::{Beginning, Device, Session};
use gatehouse::accounts::sudo::Proof;
use gatehouse::accounts::throttle::Deed;
use gatehouse::accounts::user::{UserKey, find_user_by};
use gatehouse::audit::{self, Event, journal};
use gatehouse::cli::service::Service;
use gatehouse::clock::Timestamp;
use gatehouse::db::DbError;
use gatehouse::mail::Kind as MailKind;
use gatehouse::mail::outbox::{self, Content, Note};
use secrecy::{ExposeSecret, SecretString};

use crate::place::{Kind, Place};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const EVE: &str = "eve@example.com";
const PASSWORD: &str = "a quiet harbour";
const NEW_PASSWORD: &str = "another harbour";
const HERE: &str = "192.0.2.1";
const HOUR: Duration = Duration::from_secs(60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// Nobody here is slowed down, but where that is looked at.
const FREE: &str =
    "limit_login = \"100000/1m\"\nlimit_ask = \"100000/1m\"\nlimit_mail = \"100000/1m\"";
const STRICT: &str = "limit_login = \"1/1h\"\nlimit_ask = \"1/1h\"\nlimit_mail = \"1/1h\"";

/// Goes everywhere, on a database of its own.
pub fn take(kind: Kind) {
    let place = Place::new(kind);
    let open = |settings: &str| Service::open(&place.config(settings)).expect("opens");
    let service = open(FREE);
    sign_up_and_in(&service);
    many_devices(&service.auth);
    mailed_links(&service);
    proofs(&service.auth);
    another_address(&service);
    mails(&service);
    events(&place, &service);
    confirmed(&open(&format!("{FREE}\nconfirm_email = true")));
    kept_and_erased(&service);
    operated(&service, &open(&format!("{FREE}\nconfirm_email = true")));
    a_clock_set_back(&open(STRICT));
    purge(&service);
}

/// A request waits for its answer on a thread of the web; here it is the test's own.
trait Wait: Future + Sized {
    fn wait(self) -> Self::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(self)
    }
}

impl<F: Future> Wait for F {}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

fn wish(email: &str, invitation: Option<SecretString>) -> SignUp {
    SignUp {
        email: email.to_owned(),
        password: secret(PASSWORD),
        beginning: Some(Beginning::default()),
        invitation,
        ip: HERE.to_owned(),
    }
}

fn sign_up_and_in(service: &Service) {
    let (auth, now) = (&service.auth, Timestamp::now());
    let SignedUp::Account { session: Some(session), .. } =
        auth.sign_up(wish(ANN, None), now).wait().expect("signed up")
    else {
        panic!("an account at once")
    };
    let (_, row) = auth.find_session(&session.id, now).wait().expect("found").expect("alive");
    auth.touch_session(&row, &Device::default(), now).wait().expect("touched");
    auth.add_door(&session.id).wait().expect("added");
    let door = gatehouse::accounts::session::door_token(&session.id);
    auth.find_by_door(&door, now).wait().expect("found").expect("alive");
    let by_session =
        |conn: &mut _| find_user_by(conn, UserKey::SessionId(&session.id)).map_err(DbError::from);
    service.db.read_blocking(by_session).expect("found");
    // The same browser again, which is known by now.
    let beginning = Beginning {
        previous: Some(session.id.clone()),
        known_device: Some(session.known_device.clone()),
        ..Beginning::default()
    };
    let details = Details::parse(Some("Ann"), Some("berlin")).expect("a name and a zone");
    assert!(auth.change_details(&session.user, &row, details).wait().expect("changed"));
    auth.export(session.user.id, now).wait().expect("read").expect("there");
    let again = log_in(auth, beginning);
    auth.destroy_session(&again).wait().expect("ended");
    assert!(auth.valid_login(ANN, &secret(PASSWORD)).wait().expect("looked up"));
}

fn log_in(auth: &Auth, beginning: Beginning) -> String {
    let attempt = LogIn { email: ANN.to_owned(), password: secret(PASSWORD), beginning };
    auth.log_in(attempt, Timestamp::now()).wait().expect("logged in").id
}

/// More than are kept.
fn many_devices(auth: &Auth) {
    let id = log_in(auth, Beginning::default());
    let now = Timestamp::now();
    auth.get_user_from_session_id(Some(&id), now).wait().expect("found").expect("she is there");
    let (user, session) = auth.find_session(&id, now).wait().expect("found").expect("alive");
    let listed = auth.sessions_of(user.id, now).wait().expect("listed");
    let ended = auth.end_session_of(&user, &session, &listed[0].handle(), now).wait();
    assert_eq!(ended.expect("asked"), Some(true));
    let user = user.id;
    for _ in 0..25 {
        auth.create_session(ANN, Beginning::default(), Timestamp::now()).wait().expect("begun");
        auth.trust_device(user, Timestamp::now()).wait().expect("known");
    }
}

/// The password once more, wrong and right; a form that waits for it; a new one.
fn proofs(auth: &Auth) {
    let now = Timestamp::now();
    let attempt = LogIn {
        email: ANN.to_owned(),
        password: secret(NEW_PASSWORD),
        beginning: Beginning::default(),
    };
    let begun = auth.log_in(attempt, now).wait().expect("logged in");
    let (_, session) = auth.find_session(&begun.id, now).wait().expect("found").expect("alive");
    let proof = |session: &Session, password: &str| Proof {
        user: begun.user.clone(),
        session: session.clone(),
        password: secret(password),
        device: Device::default(),
        known_device: Some(begun.known_device.clone()),
    };
    assert!(auth.sudo(proof(&session, "not that one"), None, now).wait().is_err());
    let kept = auth.keep_form(&begun.user, &session, b"a form", now).wait();
    let key = kept.expect("kept").expect("she is there");
    auth.find_form(&session, &key, now).wait().expect("found").expect("there");
    auth.forget_form(&session).wait().expect("forgotten");
    let proven = auth.sudo(proof(&session, NEW_PASSWORD), Some(&key), now).wait().expect("proven");
    let id = proven.session.id;
    let (_, session) = auth.find_session(&id, now).wait().expect("found").expect("alive");
    auth.end_other_sessions(&begun.user, &session, None).wait().expect("ended").expect("hers");
    let proof = proof(&session, NEW_PASSWORD);
    let change = PasswordChange { proof, new_password: secret(PASSWORD), keep_others: false };
    auth.change_password(change, now).wait().expect("changed");
}

/// The last word of that kind in the mails so far.
fn link(service: &Service, path: &str) -> SecretString {
    service.worker.deliver_due(Timestamp::now()).expect("delivered");
    let letters = service.transport.mailbox().expect("a debug build's").letters();
    let words: Vec<String> = letters
        .iter()
        .flat_map(|(_, letter)| letter.text.split_whitespace().map(str::to_owned))
        .collect();
    let link = words.iter().find(|word| word.contains(path)).expect(path);
    secret(link.rsplit('/').next().expect("a token"))
}

fn mailed_links(service: &Service) {
    let auth = &service.auth;
    auth.ask_for_unlock(ANN, HERE, Timestamp::now()).wait().expect("asked");
    let token = link(service, "/unlock/");
    auth.find_unlock(&token, Timestamp::now()).wait().expect("found").expect("alive");
    auth.unlock(&token, Timestamp::now()).wait().expect("used").expect("alive");
    auth.get_reset_password_token(ANN, Timestamp::now()).wait().expect("made");
    auth.ask_for_reset(ANN, HERE, Timestamp::now()).wait().expect("asked");
    let token = link(service, "/reset_password/");
    auth.update_password(&token, None, &secret(NEW_PASSWORD), Timestamp::now())
        .wait()
        .expect("changed");
    let invitation = auth.invite(BOB, Timestamp::now()).expect("invited");
    let token = invitation.expose_secret().rsplit('/').next().map(secret);
    auth.sign_up(wish(BOB, token), Timestamp::now()).wait().expect("signed up");
}

/// Ann has another address for a while, and takes her own back.
fn another_address(service: &Service) {
    let (auth, now) = (&service.auth, Timestamp::now);
    let begun = auth.create_session(ANN, Beginning::default(), now()).wait().expect("begun");
    let (ann, session) = auth.find_session(&begun, now()).wait().expect("found").expect("alive");
    let new = "ann@new.example";
    auth.ask_for_email_change(&ann, &session, new, HERE, now()).wait().expect("asked");
    let token = link(service, "/email_change/");
    let found = auth.find_mailed(Purpose::EmailChange, &token, now()).wait().expect("found");
    auth.account_of(&found.expect("alive")).wait().expect("found").expect("hers");
    auth.change_email(&token, now()).wait().expect("changed");
    // Hers still, as long as she may take it back.
    assert!(auth.register_user(ANN, &secret(PASSWORD), now()).wait().is_err());
    auth.secure(&ann, &session, now()).wait().expect("shut").expect("hers");
    let token = link(service, "/secure_account/");
    auth.secure_by_link(&token, now()).wait().expect("taken back");
    let token = link(service, "/reset_password/");
    auth.update_password(&token, None, &secret(PASSWORD), now()).wait().expect("changed");
}

fn mails(service: &Service) {
    let now = Timestamp::now();
    let content = Content::Wish { email: ANN.to_owned() };
    let note = Note::dying(MailKind::PasswordReset, now + HOUR);
    let write = |deed: &dyn Fn(&mut _) -> diesel::QueryResult<()>| {
        service.db.write_blocking(|conn| deed(conn).map_err(DbError::from)).expect("done");
    };
    write(&|conn| service.outbox.add(conn, &note, &content, now));
    write(&|conn| {
        let row = outbox::claim(conn, now)?.expect("one is due");
        outbox::mark_unsent(conn, &row, "no answer", false, now)?;
        assert!(outbox::retry(conn, row.id, now)?);
        assert!(!outbox::list(conn)?.is_empty());
        assert!(outbox::count_waiting(conn)? > 0);
        assert!(outbox::next_due(conn)?.is_some());
        assert!(outbox::exists(conn, &row.message_id)?);
        assert!(outbox::drop_mail(conn, row.id)?);
        Ok(())
    });
}

fn events(place: &Place, service: &Service) {
    let journal = service.auth.journal();
    audit::record(Event::Broken, Some(1), &journal.inside());
    journal.flush();
    let conn = &mut place.connection();
    assert!(!journal::newest(conn, None, 10).expect("read").is_empty());
    let hers = service.auth.history(1, None, 10).wait().expect("read");
    service.auth.history(1, Some(hers[0].id), 10).wait().expect("read");
    service.auth.find_event(1, hers[0].id).wait().expect("read").expect("hers");
    journal::newest(conn, Some(1), 10).expect("read");
    // So many that nobody's are too many.
    conn.batch_execute(
        "INSERT INTO events (id, at, event, ip, user_agent, request_id, times) \
         VALUES (5000000, 1, 'broken', '', '', '', 1)",
    )
    .expect("written");
}

fn confirmed(service: &Service) {
    let (auth, now) = (&service.auth, Timestamp::now());
    let SignedUp::Pending { browser } = auth.sign_up(wish(EVE, None), now).wait().expect("asked")
    else {
        panic!("to be confirmed first")
    };
    let pending = auth.find_pending(&browser, now).wait().expect("found").expect("there");
    auth.send_confirmation_again(&pending, "eva@example.com", HERE, now).wait().expect("sent");
    let token = link(service, "/confirm/");
    let confirmation = Confirmation {
        token,
        browser: Some(browser),
        new_password: None,
        beginning: Some(Beginning::default()),
        ip: HERE.to_owned(),
    };
    auth.confirm(confirmation, Timestamp::now()).wait().expect("confirmed");
}

/// Ann wants to go and comes back; wants to go and takes the link; goes.
fn kept_and_erased(service: &Service) {
    let (auth, now) = (&service.auth, Timestamp::now());
    let attempt = || LogIn {
        email: ANN.to_owned(),
        password: secret(PASSWORD),
        beginning: Beginning::default(),
    };
    for comes_back in [true, false, false] {
        let day = wants_to_go(auth, attempt(), now);
        if comes_back {
            continue;
        }
        let token = link(service, "/keep_account/");
        auth.find_mailed(Purpose::KeepAccount, &token, now).wait().expect("found").expect("alive");
        auth.keep_account(&token, now).wait().expect("used").expect("alive");
        assert_eq!(auth.erase_due(day).wait().expect("looked"), 0);
    }
    let day = wants_to_go(auth, attempt(), now);
    assert_eq!(auth.erase_due(day).wait().expect("erased"), 1);
}

fn wants_to_go(auth: &Auth, attempt: LogIn, now: Timestamp) -> Timestamp {
    let id = auth.log_in(attempt, now).wait().expect("logged in").id;
    let (user, session) = auth.find_session(&id, now).wait().expect("found").expect("alive");
    auth.ask_for_deletion(&user, &session, now).wait().expect("asked").expect("a day")
}

/// What an operator does to accounts, and to somebody who waits for an account.
fn operated(service: &Service, confirming: &Service) {
    let (operator, now) = (Operator(&service.auth), Timestamp::now());
    operator.add("fay@example.com", Some("Fay"), now).expect("added");
    operator.list(0, 10, false).expect("listed");
    operator.list(0, 10, true).expect("listed");
    operator.show("fay@example.com", now).expect("shown");
    operator.disable("fay@example.com", now).expect("disabled");
    operator.enable("fay@example.com").expect("enabled");
    operator.unlock("fay@example.com").expect("unlocked");
    operator.end_sessions("fay@example.com").expect("ended");
    operator.link("fay@example.com", LinkKind::Reset, now).expect("printed");
    operator.link("fay@example.com", LinkKind::Confirm, now).expect("printed");
    let waiting = SignUp { email: "gil@example.com".to_owned(), ..wish(EVE, None) };
    confirming.auth.sign_up(waiting, now).wait().expect("asked");
    operator.link("gil@example.com", LinkKind::Confirm, now).expect("printed");
    // The address of a sign-up that waits has an account all the same.
    operator.add("gil@example.com", None, now).expect("added");
    operator.erase("gil@example.com").expect("erased");
}

/// A limit that was reached by a clock an hour ahead is written anew.
fn a_clock_set_back(service: &Service) {
    let (auth, now) = (&service.auth, Timestamp::now());
    auth.take_for_client(Deed::UseToken, HERE, now + HOUR).wait().expect("counted");
    assert!(auth.take_for_client(Deed::UseToken, HERE, now).wait().is_err());
}

fn purge(service: &Service) {
    let (auth, later) = (&service.auth, Timestamp::now() + YEAR);
    auth.purge_forms(later).wait().expect("purged");
    auth.purge_sessions(later).wait().expect("purged");
    auth.purge_limits(later).wait().expect("purged");
    auth.purge_devices(later).wait().expect("purged");
    auth.purge_tokens(later).wait().expect("purged");
    auth.purge_sign_ups(later).wait().expect("purged");
    let moment = Timestamp::from_millis(2);
    auth.purge_events(moment).wait().expect("purged");
    service.worker.purge(later).expect("purged");
}

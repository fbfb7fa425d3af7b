//! Forms that wait for their sender's password: whose, how long, carried out by whom.

use gatehouse::cli::service::Service;

use super::*;
use crate::app::{Answer, urlencoded};

const FORM_GONE: &str = "the form is gone";
const NOTHING_WAITS: &str = "nothing waits for it: it is done already, or was cancelled";

/// What a page calls the form that it shows.
fn shown(page: &Answer) -> String {
    let text = page.text();
    let (_, rest) = text.split_once("name=\"waiting\" value=\"").expect("a field");
    rest.split('"').next().expect("a value").to_owned()
}

#[test]
fn b33_a_stale_form_waits_for_the_password_and_is_carried_out_once() {
    let app = TestApp::new();
    let (laptop, phone) = ann_and_her_phone(&app);
    laptop.delete("/account/sessions").goes_to("/sudo");
    phone.get("/profile").is(200);
    assert_eq!(waiting(&app), 1);
    laptop.get("/sudo").is(200).says("To log out all other devices, give your password once more.");

    laptop.post("/sudo", &password(WRONG)).is(422).says("This is not your password.");
    laptop
        .post("/sudo", &[])
        .is(422)
        .says("To log out all other devices")
        .says("Enter your password.");
    phone.get("/profile").is(200);

    let old = laptop.cookie("session_id").expect("signed in");
    laptop.post("/sudo", &password(PASSWORD)).goes_to("/account/sessions");
    laptop.get("/profile").is(200).says("All other devices are logged out.");
    phone.get("/profile").goes_to("/login?next=/profile");
    assert_eq!((waiting(&app), laptop.cookie("waiting_form")), (0, None));

    // What somebody copied before the proof opens nothing after it (ASVS 7.2.4).
    let thief = app.browser();
    thief.set_cookie("session_id", &old);
    thief.get("/profile").goes_to("/login?next=/profile");

    // Neither the password sent again nor a reload does it again.
    let phone = log_in(app.browser());
    laptop.post("/sudo", &password(PASSWORD)).goes_to("/profile");
    laptop.get("/profile").is(200).says(NOTHING_WAITS);
    laptop.get("/sudo").goes_to("/profile");
    phone.get("/profile").is(200);
}

#[test]
fn a_form_waits_sealed() {
    let app = TestApp::new();
    let found = session_of(&app);
    let canary = b"the address of a canary";
    let kept = app.auth().keep_form(&found.0, &found.1, canary, Timestamp::now());
    let key = app.wait(kept).expect("kept").expect("signed in");
    let raw = app.raw_database();
    assert!(!raw.windows(canary.len()).any(|window| window == canary), "it waits in clear");
    assert!(!raw.windows(key.len()).any(|window| window == key.as_bytes()), "so does its secret");
    let there = app.auth().find_form(&found.1, &key, Timestamp::now());
    assert_eq!(app.wait(there).expect("read").as_deref(), Some(&canary[..]));
}

#[test]
fn b33_a_form_that_was_cancelled_is_forgotten() {
    let app = TestApp::new();
    let (laptop, phone) = ann_and_her_phone(&app);
    laptop.delete("/account/sessions").goes_to("/sudo");
    // As a browser sends it.
    laptop.get("/sudo").says("name=\"_method\" value=\"delete\"");
    laptop.post("/sudo", &[("_method", "delete")]).goes_to("/profile");
    assert_eq!((waiting(&app), laptop.cookie("waiting_form")), (0, None));
    laptop.post("/sudo", &password(PASSWORD)).goes_to("/profile");
    laptop.get("/profile").says(NOTHING_WAITS);
    phone.get("/profile").is(200);
    app.program().delete("/sudo").is(403);
}

#[test]
fn b33_a_proof_for_something_else_carries_out_no_form() {
    let app = TestApp::new();
    let (laptop, phone) = ann_and_her_phone(&app);
    laptop.delete("/account/sessions").goes_to("/sudo");
    let page = laptop.get("/sudo?next=/account/export");
    page.is(200).says("To go on, give your password").does_not_say("all other devices");
    page.says("name=\"next\" value=\"&#x2F;account&#x2F;export\"");
    let form = [("password", WRONG), ("next", "/account/export")];
    laptop
        .post("/sudo", &form)
        .is(422)
        .says("To go on")
        .says("value=\"&#x2F;account&#x2F;export\"");
    let form = [("password", PASSWORD), ("next", "/account/export")];
    laptop.post("/sudo", &form).goes_to("/account/export");
    assert_eq!(waiting(&app), 0, "it was given up");
    laptop.post("/sudo", &password(PASSWORD)).goes_to("/profile");
    phone.get("/profile").is(200);
}

#[test]
fn b33_a_form_waits_for_ten_minutes() {
    let app = TestApp::new();
    for (later, gone) in [(540_000, false), (600_000, true)] {
        app.sql("DELETE FROM users");
        let (laptop, phone) = ann_and_her_phone(&app);
        laptop.delete("/account/sessions").goes_to("/sudo");
        app.sql(&format!("UPDATE pending_forms SET expires_at = expires_at - {later}"));
        if gone {
            laptop.get("/sudo").goes_to("/profile");
            laptop.post("/sudo", &password(PASSWORD)).goes_to("/profile");
            laptop.get("/profile").says(FORM_GONE);
            phone.get("/profile").is(200);
        } else {
            laptop.post("/sudo", &password(PASSWORD)).goes_to("/account/sessions");
            phone.get("/profile").is(303);
        }
    }
    let (user, session) = app.session(ANN);
    let now = Timestamp::now();
    app.wait(app.auth().keep_form(&user, &session, b"a form", now)).expect("kept").expect("there");
    assert_eq!(app.wait(app.auth().purge_forms(now + FRESH - MILLISECOND)).expect("purged"), 0);
    assert_eq!(app.wait(app.auth().purge_forms(now + FRESH)).expect("purged"), 1);
}

#[test]
fn b33_a_form_is_carried_out_in_its_own_session_by_its_own_browser_alone() {
    let app = TestApp::new();
    let (laptop, phone) = ann_and_her_phone(&app);
    laptop.delete("/account/sessions").goes_to("/sudo");
    let key = laptop.cookie("waiting_form").expect("the form's");
    phone.set_cookie("waiting_form", &key);
    phone.get("/sudo").goes_to("/profile");
    phone.post("/sudo", &password(PASSWORD)).goes_to("/profile");
    phone.get("/profile").is(200).says(FORM_GONE);
    laptop.get("/profile").is(200);

    // A thief with a copy of the cookies sends a form of theirs, for the owner to prove.
    let thief = app.browser();
    for name in ["session_id", "waiting_form"] {
        thief.set_cookie(name, &laptop.cookie(name).expect("sent"));
    }
    thief.delete("/account/sessions").goes_to("/sudo");
    laptop.get("/sudo").goes_to("/profile");
    laptop.post("/sudo", &password(PASSWORD)).goes_to("/profile");
    laptop.get("/profile").is(200).says(FORM_GONE);
    phone.get("/profile").is(200);
    thief.get("/profile").goes_to("/login?next=/profile");
}

#[test]
fn a_form_that_cannot_be_read_is_gone_and_says_so() {
    let app = TestApp::new();
    let damaged = |content: &str| {
        app.sql("DELETE FROM users");
        let (laptop, phone) = ann_and_her_phone(&app);
        laptop.delete("/account/sessions").goes_to("/sudo");
        app.sql(&format!("UPDATE pending_forms SET content = {content}"));
        laptop.get("/sudo").goes_to("/profile");
        laptop.post("/sudo", &password(PASSWORD)).goes_to("/profile");
        laptop.get("/profile").is(200).says(FORM_GONE);
        phone.get("/profile").is(200);
    };
    match app.database() {
        gatehouse::db::AnyConnection::Sqlite(_) => damaged("x'00ff'"),
        gatehouse::db::AnyConnection::Postgres(_) => damaged("'\\x00ff'"),
    }
    // Sealed under another secret_key.
    let now = Timestamp::now();
    let found = app.session(ANN);
    let kept = app.auth().keep_form(&found.0, &found.1, b"a form", now);
    let key = app.wait(kept).expect("kept").expect("signed in");
    let other_key = [("ROCKET_SECRET_KEY", "X585yOrPPP3I7BLcoZXNdCs0i00dv/BpGmixDa5mRCs=")];
    let other = Service::open(&TestApp::config(&app.folder, "", &other_key)).expect("opens");
    let there = other.auth.find_form(&found.1, &key, now);
    assert_eq!(app.wait(there).expect("read"), None);
    let proven = other.auth.sudo(proof(found, PASSWORD), Some(&key), now);
    assert_eq!(app.wait(proven).expect("proven").form, None);
}

#[test]
fn b33_the_password_for_one_form_carries_out_no_other() {
    let app = TestApp::new();
    let (laptop, _) = ann_and_her_phone(&app);
    laptop.post("/account/email", &[("email", "ann@new.example")]).goes_to("/sudo");
    let first = shown(laptop.get("/sudo").says("To change your e-mail address"));
    // In another tab.
    laptop.post("/account/deletion", &[]).goes_to("/sudo");
    let second = shown(laptop.get("/sudo").says("To delete your account"));
    assert!(first.len() == 64 && second.len() == 64 && first != second);
    let before = app.dump();
    for old in [first.as_str(), ""] {
        let page = laptop.post("/sudo", &[("password", PASSWORD), ("waiting", old)]);
        page.is(409).says("Nothing was done: since you opened the page");
        page.says("To delete your account, give your password once more.");
        assert_eq!(shown(&page), second);
    }
    assert_eq!(app.dump(), before);
    laptop.post("/sudo", &[("password", WRONG), ("waiting", &second)]).is(422);
    laptop.post("/sudo", &[("password", PASSWORD), ("waiting", &second)]).goes_to("/");
    laptop.get("/profile").is(303);
}

#[test]
fn a_deed_that_fails_leaves_its_owner_signed_in() {
    let app = TestApp::new();
    let (laptop, phone) = ann_and_her_phone(&app);
    let now = Timestamp::now();
    let listed = app.wait(app.auth().sessions_of(1, now)).expect("listed");
    let handles: Vec<String> = listed.iter().map(Session::handle).collect();
    let page = laptop.get("/account/sessions").text();
    let other = handles.iter().find(|handle| page.contains(*handle)).expect("the phone's");
    laptop.delete(&format!("/account/sessions/{other}")).goes_to("/sudo");
    phone.delete("/sessions").goes_to("/");
    let page = laptop.post("/sudo", &password(PASSWORD));
    page.is(404).says("<h1>");
    laptop.get("/profile").is(200);

    time_passes(&app);
    laptop.post("/account/deletion", &[]).goes_to("/sudo");
    app.break_down("INSERT", "outbox", "full");
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = urlencoded(&password(PASSWORD)).into_bytes();
    let page = laptop.send_for_a_fault(Method::Post, "/sudo", &form, body);
    app.mend();
    page.is(500).says(page.header("x-request-id").expect("the request's"));
    laptop.get("/profile").is(200);
}

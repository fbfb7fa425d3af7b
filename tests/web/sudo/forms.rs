//! Forms that wait for their sender's password: whose, how long, carried out by whom.

use diesel::connection::SimpleConnection;
use gatehouse::cli::service::Service;

use super::*;

const FORM_GONE: &str = "the form is gone";
const NOTHING_WAITED: &str = "Nothing was waiting for it.";

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
    laptop.get("/profile").is(200).says(NOTHING_WAITED).does_not_say(FORM_GONE);
    laptop.get("/sudo").goes_to("/profile");
    phone.get("/profile").is(200);
}

#[test]
fn a_form_waits_sealed() {
    let app = TestApp::new();
    let found = session_of(&app);
    let canary = b"the address of a canary";
    let kept = app.auth().keep_form(&found.1, canary, Timestamp::now());
    let key = app.wait(kept).expect("kept");
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
    laptop.get("/profile").says(NOTHING_WAITED).does_not_say(FORM_GONE);
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
    let (_, session) = session(&app);
    let now = Timestamp::now();
    app.wait(app.auth().keep_form(&session, b"a form", now)).expect("kept");
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
    let found = session(&app);
    let key = app.wait(app.auth().keep_form(&found.1, b"a form", now)).expect("kept");
    let other_key = [("ROCKET_SECRET_KEY", "X585yOrPPP3I7BLcoZXNdCs0i00dv/BpGmixDa5mRCs=")];
    let other = Service::open(&TestApp::config(&app.folder, "", &other_key)).expect("opens");
    let there = other.auth.find_form(&found.1, &key, now);
    assert_eq!(app.wait(there).expect("read"), None);
    let proven = other.auth.sudo(proof(found, PASSWORD), Some(&key), now);
    assert_eq!(app.wait(proven).expect("proven").form, None);
}

#[test]
fn b33_whoever_is_overtaken_reads_that_nothing_was_done() {
    let app = TestApp::new();
    let (laptop, phone) = ann_and_her_phone(&app);
    laptop.delete("/account/sessions").goes_to("/sudo");
    let mut other = app.locked();
    let change = std::thread::spawn(move || {
        // By then the request has read who Ann is, and waits to write.
        std::thread::sleep(std::time::Duration::from_millis(600));
        other.batch_execute("UPDATE users SET hashed_password = 'another'; COMMIT")
    });
    laptop.post("/sudo", &password(PASSWORD)).goes_to("/login");
    change.join().expect("no panic").expect("changed");
    laptop.get("/login").says("Nothing was done").does_not_say("You are logged out.");
    phone.get("/profile").is(200);
}

//! What an operator relies on, in few steps: script/smoke tries it on a release build, the other tests' run on a debug build.

use rustix::process::Signal;

use crate::http::{Connection, Visitor};
use crate::own_database::for_sqlite_alone;
use crate::program::{Home, PASSWORD, Running, eventually, is_release};
use crate::rows::integrity;
use crate::smtp::link_in;
use crate::sockets::has_every_header;

const ANN: &str = "ann@example.com";
const RIGHT: &[(&str, &str)] = &[("email", ANN), ("password", PASSWORD)];
const WRONG: &[(&str, &str)] = &[("email", ANN), ("password", "another harbour")];

/// With mails as files, which is a release build's own choice.
fn home() -> Home {
    Home::new().with("ROCKET_MAIL_TRANSPORT", "files")
}

/// Signed up as a browser does it.
#[track_caller]
fn ann(server: &Running) -> Visitor {
    let mut ann = server.browser();
    ann.post("/users", RIGHT).goes_to("/profile");
    ann
}

#[test]
fn people_and_programs_sign_up_log_in_and_log_out() {
    let server = home().start();
    let mut ann = ann(&server);
    ann.get("/profile").is(200).says(ANN);
    ann.delete("/sessions").goes_to("/");
    ann.get("/profile").goes_to("/login?next=/profile");
    ann.post("/sessions", WRONG).is(401);
    ann.post("/sessions", RIGHT).goes_to("/profile");

    let mut program = server.program();
    program.post("/users", RIGHT).is(400).says("email already registered");
    program.post("/sessions", WRONG).is(401).says("wrong email or password");
    program.post("/sessions", RIGHT).is(200).says("logged in");
    assert_eq!(program.get("/profile").is(200).text(), r#"{"email":"ann@example.com"}"#);
    program.delete("/sessions").goes_to("/");
    program.get("/profile").is(403);
}

#[test]
fn pages_come_with_their_stylesheet_and_script() {
    let server = home().start();
    let page = server.browser().get("/signup");
    assert_eq!(page.is(200).header("content-type"), Some("text/html; charset=utf-8"));
    let text = page.text().replace("&#x2F;", "/");
    for kind in ["css", "js"] {
        let quoted = text.split('"').find(|quoted| quoted.ends_with(&format!(".{kind}")));
        let file = server.browser().get(quoted.expect("named by the page"));
        assert!(!file.is(200).body.is_empty(), "{kind}");
        assert!(file.header("cache-control").is_some_and(|it| it.contains("immutable")), "{kind}");
    }
}

#[test]
fn a_mailed_link_leads_to_a_new_password_once() {
    let home = home();
    let server = home.start();
    let mut other_device = ann(&server);
    server.program().post("/reset_password", &[("email", ANN)]).is(200);
    let mail = eventually("a mail", || {
        home.listing().into_iter().find(|n| n.contains("password_reset") && n.ends_with(".eml"))
    });
    let link = link_in(&std::fs::read_to_string(home.file(&mail)).expect("readable"));
    let mut ann = server.browser();
    let new = [("new_password", "another harbour")];
    ann.get(&link).goes_to("/reset_password/new");
    ann.put("/reset_password", &new).goes_to("/login");
    other_device.get("/profile").goes_to("/login?next=/profile");
    ann.post("/sessions", RIGHT).is(401);
    ann.post("/sessions", WRONG).goes_to("/profile");
    server.browser().get(&link).is(403);
}

#[test]
fn errors_have_every_header_and_no_inner_words() {
    let server = home().start();
    let foreign = |mut visitor: Visitor| visitor.get("/profile");
    for (answer, status) in [
        (server.program().get("/nowhere"), 404),
        (server.browser().get("/nowhere"), 404),
        (server.program().get("/profile"), 403),
        (server.program().get("/users"), 405),
        (server.program().get("/login"), 406),
        (server.program().post("/users", &[("email", ANN)]), 422),
        (server.program().post("/users", &[("email", &"a".repeat(20_000))]), 413),
        (foreign(server.program().header("X-HTTP-Method-Override", "DELETE")), 403),
    ] {
        has_every_header(answer.is(status));
        let text = answer.text().to_lowercase();
        for word in ["panicked", "sqlite", "src/", "rocket", "backtrace"] {
            assert!(!text.contains(word), "{status}: {text}");
        }
    }
}

#[test]
fn b46_what_another_site_sends_is_refused() {
    let server = home().start();
    let mut ann = ann(&server);
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        let mut forged = server.program().header(name, value);
        forged.cookies = ann.cookies.clone();
        forged.delete("/sessions").is(403);
        forged.post("/sessions", RIGHT).is(403);
        forged.post("/reset_password", &[("email", ANN)]).is(403);
    }
    ann.get("/profile").is(200).says(ANN);
}

#[test]
fn b105_weak_settings_are_refused_before_anything_is_made() {
    let cheap = if is_release() { "9" } else { "3" };
    let zero = "00".repeat(64);
    for (variable, value, says) in [
        ("ROCKET_BCRYPT_COST", cheap, "bcrypt_cost"),
        ("ROCKET_SECRET_KEY", zero.as_str(), "openssl rand -base64 64"),
        ("ROCKET_PASSWORD_MIN_LENGTH", "7", "password_min_length"),
        ("ROCKET_BASE_URL", "http://login.example.org", "base_url"),
        ("ROCKET_NO_SUCH_SETTING", "x", "there is no such setting"),
    ] {
        let home = home().with(variable, value);
        let before = home.listing();
        home.run(&[]).exits(2).says(says).complains_in_one_line();
        assert_eq!(home.listing(), before, "{variable}");
    }
}

#[test]
fn b105_a_key_beside_sqlite_that_others_can_read_is_refused() {
    for_sqlite_alone();
    let home = home();
    home.start().stop();
    home.chmod("data/secret_key", 0o644);
    home.run(&[]).exits(2).says("chmod 600 data/secret_key").complains_in_one_line();
}

#[test]
fn trap20_the_debug_profile_and_its_mailbox_are_of_a_debug_build_alone() {
    let debug = Home::new().with("ROCKET_PROFILE", "debug");
    let mailbox = |server: &Running| server.browser().get("/dev/mailbox").status;
    if is_release() {
        debug.run(&[]).exits(2).says("the debug profile needs a debug build");
        let with_mailbox = Home::new().with("ROCKET_MAIL_TRANSPORT", "mailbox");
        with_mailbox.run(&[]).exits(2).says("mail_transport").complains_in_one_line();
        assert_eq!(mailbox(&home().start()), 404);
    } else {
        assert_eq!(mailbox(&debug.start()), 200);
    }
}

#[test]
fn b86_what_was_acknowledged_outlives_kill_9() {
    let home = home();
    let server = home.start();
    let ann = ann(&server);
    let mut gone = server.logged_in("bob@example.com");
    let left = gone.cookies.clone();
    gone.delete("/sessions").goes_to("/");
    server.program().post("/reset_password", &[("email", ANN)]).is(200);
    server.kill();

    let server = home.start();
    let mut again = server.browser();
    again.cookies = ann.cookies.clone();
    again.get("/profile").is(200).says(ANN);
    let mut dead = server.program();
    dead.cookies = left;
    dead.get("/profile").is(403);
    server.program().post("/sessions", RIGHT).is(200);
    eventually("the mail that waited", || {
        home.listing().into_iter().find(|n| n.contains("password_reset") && n.ends_with(".eml"))
    });
    assert_eq!(integrity(&mut home.database()), "ok");
}

#[test]
fn b105c_a_signal_ends_it_in_order() {
    let home = home();
    let server = home.start();
    ann(&server);
    server.stop();
    assert!(!home.file("data/gatehouse.db-wal").exists(), "{:?}", home.listing());
}

#[test]
fn b83_a_damaged_request_harms_nobody_else() {
    let server = home().start();
    let mut damaged = Connection::open(server.address).expect("it listens");
    damaged.send(b"GET / HTTP/1.1\r\nHost : x\r\n\r\n").expect("sent");
    damaged.read_answer().expect("an answer").is(400);
    server.program().get("/ready").is(200);
    server.signal(Signal::INT);
    server.wait(std::time::Duration::from_secs(30)).exits(0);
}

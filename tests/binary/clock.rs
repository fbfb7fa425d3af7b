//! B-105d: the machine's clock jumps while the service runs.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::http::Visitor;
use crate::program::{Home, PASSWORD, Running, eventually};
use crate::rows::select;

const DAY: i64 = 24 * 60 * 60;
const YEAR: i64 = 365 * DAY;

/// A clock that a test can set, for a program that knows no other.
struct Clock {
    folder: TempDir,
    file: File,
}

impl Clock {
    #[track_caller]
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/binary/clock.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC", "-o"]);
        let made = compiler.arg(folder.path().join("clock.so")).args([source, "-ldl"]).output();
        let made = made.expect("a C compiler is installed: the program itself needs one");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let file = folder.path().join("seconds");
        fs::write(&file, 0i64.to_ne_bytes()).expect("written");
        let file = File::options().write(true).open(file).expect("opened");
        Self { folder, file }
    }

    fn home(&self) -> Home {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        Home::new()
            .with("LD_PRELOAD", &file("clock.so"))
            .with("GATEHOUSE_TEST_CLOCK", &file("seconds"))
    }

    /// So many seconds off from now on.
    fn is_wrong_by(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).expect("set");
    }

    /// That moment from now on, in seconds since 1970.
    fn says(&self, moment: i64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        self.is_wrong_by(moment - i64::try_from(now.as_secs()).expect("not too late"));
    }
}

/// Signs up, in, out; asks for a reset, gets its mail, uses it: all of it works at this moment.
#[track_caller]
fn a_life_goes_well(server: &Running, name: &str) {
    let email = format!("{name}@example.com");
    let pair = |password| [("email", email.as_str()), ("password", password)];
    let mut browser = server.browser();
    browser.post("/users", &pair(PASSWORD)).goes_to("/profile");
    browser.get("/profile").is(200).says(&email);
    browser.delete("/sessions").goes_to("/");
    let remembered = [("email", email.as_str()), ("password", PASSWORD), ("remember", "yes")];
    browser.post("/sessions", &remembered).goes_to("/profile");
    browser.get("/profile").is(200).says(&email);
    let mut program = server.program().in_json();
    program.post("/reset_password", &[("email", &email)]).is(200);
    let link = eventually("the mail", || {
        let shown = server.program().get("/dev/mailbox").json();
        let mails = shown["mails"].as_array().expect("a list");
        let mail = mails.iter().find(|mail| mail["to"] == email.as_str())?;
        mail["links"][0].as_str().map(str::to_owned)
    });
    let token = link.rsplit('/').next().expect("a token");
    let form = [("reset_token", token), ("new_password", "another harbour")];
    program.put("/reset_password", &form).is(200);
    browser.get("/profile").goes_to("/login?next=/profile");
    program.post("/sessions", &pair("another harbour")).is(200);
    program.get("/profile").is(200);
    program.delete("/sessions").goes_to("/");
    program.get("/profile").is(403);
    server.program().get("/ready").is(200);
}

/// Somebody who is signed in until the browser closes, and somebody remembered.
fn two_signed_in(server: &Running, name: &str) -> [Visitor; 2] {
    let email = format!("{name}@example.com");
    let pair = [("email", email.as_str()), ("password", PASSWORD)];
    server.program().post("/users", &pair).is(200);
    [&pair[..], &[pair[0], pair[1], ("remember", "yes")]].map(|form| {
        let mut visitor = server.program();
        visitor.post("/sessions", form).is(200);
        visitor.get("/profile").is(200);
        visitor
    })
}

#[test]
fn b105d_the_clock_jumps_and_sessions_end_sooner_but_never_later() {
    let clock = Clock::new();
    let home = clock.home();
    let server = home.start();
    a_life_goes_well(&server, "today");
    let [mut short, mut remembered] = two_signed_in(&server, "ann");

    // A day ahead: who was not remembered has idled too long.
    clock.is_wrong_by(DAY);
    short.twin().get("/profile").is(403);
    remembered.get("/profile").is(200);
    a_life_goes_well(&server, "tomorrow");
    let [mut of_tomorrow, _] = two_signed_in(&server, "eve");
    eventually("the use of tomorrow is written down", || {
        let ahead = "SELECT CAST(count(*) AS TEXT) AS value FROM sessions, users WHERE email = \
                     'ann@example.com' AND user_id = users.id AND last_seen_at > \
                     sessions.created_at + 80000000";
        (select(&mut home.database(), ahead) == ["1"]).then_some(())
    });

    // Back again: what was used tomorrow is not used any more; what slept through it is.
    clock.is_wrong_by(0);
    short.get("/profile").is(200);
    remembered.get("/profile").is(403);
    of_tomorrow.get("/profile").is(403);
    a_life_goes_well(&server, "again");

    // A minute is what two machines may differ by.
    clock.is_wrong_by(-30);
    short.get("/profile").is(200);
    clock.is_wrong_by(-DAY);
    short.get("/profile").is(403);
    a_life_goes_well(&server, "yesterday");
    clock.is_wrong_by(0);
    assert!(!server.stop().out.contains("panicked"));
}

#[test]
fn b105d_the_service_works_in_1970_in_2038_and_later() {
    let clock = Clock::new();
    let home = clock.home();
    clock.says(DAY);
    // As a machine without a battery starts.
    let server = home.start();
    a_life_goes_well(&server, "y1970");
    let [mut of_1970, _] = two_signed_in(&server, "old");
    for (moment, name) in [
        (i64::from(i32::MAX) - 1, "y2038"),
        (i64::from(u32::MAX) - 1, "y2106"),
        (300 * YEAR, "y2269"),
        (7900 * YEAR, "y9864"),
    ] {
        clock.says(moment);
        of_1970.twin().get("/profile").is(403);
        a_life_goes_well(&server, name);
        let [mut of_then, mut remembered] = two_signed_in(&server, &format!("then.{name}"));
        // Nobody stays signed in until then by a clock that was wrong once.
        clock.is_wrong_by(0);
        for visitor in [&mut of_then, &mut remembered] {
            visitor.get("/profile").is(403);
        }
        a_life_goes_well(&server, &format!("after.{name}"));
    }
    of_1970.get("/profile").is(403);
    assert!(!server.stop().out.contains("panicked"));
}

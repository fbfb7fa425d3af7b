//! `gatehouse backup`: one whole file, of one moment, while the service is at work.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::contents::{Ends, dump, many, odd, open};
use crate::process::Process;
use crate::program::{Home, PASSWORD, Running, eventually};
use crate::rows::{integrity, select};
use crate::server::Database;

const WRITERS: usize = 3;

/// Signs people up until it is told to stop; who was told yes is in the list.
fn write(server: &Running, name: usize, acknowledged: &Mutex<Vec<String>>, enough: &AtomicBool) {
    let mut visitor = server.program().keeping_alive();
    for number in 0.. {
        if enough.load(Ordering::Relaxed) {
            return;
        }
        visitor.cookies.clear();
        let email = format!("w{name}n{number}@example.com");
        let pair = [("email", email.as_str()), ("password", PASSWORD)];
        // On a busy machine a deed may hear 503, and is then promised to nobody.
        if visitor.post("/users", &pair).status == 503
            || visitor.post("/sessions", &pair).status == 503
        {
            continue;
        }
        visitor.get("/profile").is(200);
        acknowledged.lock().expect("no panic").push(email);
    }
}

/// Backs up under load, puts it back on a machine of its own, and logs in there.
fn everything_acknowledged_before_is_in_it(home: &Home, elsewhere: &Home) {
    let server = home.start();
    let (acknowledged, enough) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let before = thread::scope(|scope| {
        for name in 0..WRITERS {
            let (server, acknowledged, enough) = (&server, &acknowledged, &enough);
            scope.spawn(move || write(server, name, acknowledged, enough));
        }
        let ends = Ends(&enough);
        let count = || acknowledged.lock().expect("no panic").len();
        eventually("some people", || (count() >= 30).then_some(()));
        let before = acknowledged.lock().expect("no panic").clone();
        let done = home.run(&["backup", "backup.db"]);
        let after = count();
        // Nobody had to wait for it.
        eventually("more people", || (count() > after).then_some(()));
        drop(ends);
        done.exits(0).says("the secret key is not in it");
        before
    });
    assert_eq!(home.mode("backup.db"), 0o600);
    let all: Vec<String> = home.listing();
    assert!(!all.iter().any(|name| name.starts_with("backup.db.")), "{all:?}");
    {
        let conn = &mut open(&home.file("backup.db"));
        assert_eq!(integrity(conn), "ok");
        let lost = "SELECT CAST(rowid AS TEXT) AS value FROM pragma_foreign_key_check";
        assert!(select(conn, lost).is_empty());
        let known = select(conn, "SELECT email AS value FROM users");
        let signed_in = "SELECT email AS value FROM users WHERE session_id IS NOT NULL";
        let signed_in = select(conn, signed_in);
        for email in &before {
            assert!(known.contains(email) && signed_in.contains(email), "{email}");
        }
    }
    server.stop();
    let file = home.file("backup.db");
    elsewhere.run(&["restore", file.to_str().expect("UTF-8")]).exits(0);
    let server = elsewhere.start();
    for email in [&before[0], before.last().expect("some")] {
        let pair = [("email", email.as_str()), ("password", PASSWORD)];
        server.program().post("/sessions", &pair).is(200);
    }
    server.logged_in("new@example.com").get("/profile").is(200);
}

#[test]
fn a_backup_of_busy_sqlite_holds_all_that_was_acknowledged_before_and_opens_on_postgresql() {
    let elsewhere = Database::new();
    everything_acknowledged_before_is_in_it(&Home::new(), &elsewhere.home());
}

#[test]
fn a_backup_of_busy_postgresql_holds_all_that_was_acknowledged_before_and_opens_on_sqlite() {
    let here = Database::new();
    everything_acknowledged_before_is_in_it(&here.home(), &Home::new());
}

#[test]
fn a_backup_is_the_same_file_whichever_database_it_is_of() {
    let (home, there) = (Home::new(), Database::new());
    odd(&home, "data/gatehouse.db");
    home.run(&["database", "copy", "sqlite:data/gatehouse.db", &there.url]).exits(0);
    home.write("data/secret_key", &crate::server::random_key());
    home.chmod("data/secret_key", 0o600);
    home.run(&["backup", "backup.db"]).exits(0);
    let served = there.home();
    served.run(&["backup", "backup.db"]).exits(0);
    let rows = dump(&home.file("data/gatehouse.db"));
    assert_eq!(dump(&home.file("backup.db")), rows);
    assert_eq!(dump(&served.file("backup.db")), rows);
}

#[test]
fn a_file_that_is_there_is_never_overwritten() {
    let (home, there) = (Home::new(), Database::new());
    let server = home.start();
    server.logged_in("ann@example.com");
    home.write("taken.db", "mine");
    std::os::unix::fs::symlink("nowhere", home.file("link.db")).expect("made");
    home.run(&["database", "copy", "sqlite:data/gatehouse.db", &there.url]).exits(0);
    let served = there.home();
    let taken = home.file("taken.db");
    served.run(&["backup", taken.to_str().expect("UTF-8")]).exits(1).says("exists already");
    for name in ["taken.db", "link.db"] {
        home.run(&["backup", name]).exits(1).says("exists already").complains_in_one_line();
    }
    assert_eq!(fs::read_to_string(taken).expect("there"), "mine");
    assert!(!home.file("nowhere").exists());
    home.run(&["backup", "no/such/folder"]).exits(1).says("No such file").complains_in_one_line();
}

#[test]
fn a_backup_that_was_killed_leaves_nothing_under_its_name_and_the_next_one_clears_away() {
    let (home, there) = (Home::new(), Database::new());
    many(&home, "a.db", 2000);
    home.run(&["database", "copy", "sqlite:a.db", &there.url]).exits(0);
    let served = there.home();
    let process = Process::spawn(served.command(&["backup", "backup.db"]));
    let unfinished = served.file("backup.db.unfinished-wal");
    eventually("it writes", || fs::metadata(&unfinished).ok().filter(|file| file.len() > 200_000));
    // Meanwhile nobody else writes to the same one.
    let second = served.run(&["backup", "backup.db"]);
    second.exits(1).says("another one is being written").complains_in_one_line();
    // The end of its process is kill -9.
    drop(process);
    assert!(!served.file("backup.db").exists());
    served.run(&["backup", "backup.db"]).exits(0);
    let left: Vec<String> =
        served.listing().into_iter().filter(|name| name.starts_with("backup.db")).collect();
    assert_eq!(left, ["backup.db"]);
    assert_eq!(dump(&served.file("backup.db")), dump(&home.file("a.db")));
}

/// In a mount namespace of its own, with a small file system at `small`; prints what is in it at
/// the end.
fn on_a_small_disk(home: &Home) -> Command {
    let words = "mount -t tmpfs -o size=256k,mode=700 tmpfs small && \"$0\" \"$@\"; code=$?; \
                 ls -A small; exit $code";
    fs::create_dir_all(home.file("small")).expect("made");
    let program = home.command(&["backup", "small/backup.db"]);
    let mut command = Command::new("unshare");
    command.args(if rustix::process::geteuid().is_root() { &[][..] } else { &["--map-root-user"] });
    command.args(["--mount", "sh", "-c", words]).arg(program.get_program());
    command.args(program.get_args()).current_dir(home.path()).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

fn a_full_disk_is_said_and_nothing_stays(home: &Home) {
    let ended = Process::spawn(on_a_small_disk(home)).wait(crate::process::PATIENCE);
    if ended.err.contains("mount:") || ended.err.contains("unshare:") {
        eprintln!("no file system may be mounted here: {ended:?}");
        return;
    }
    ended.exits(1).says("full");
    assert!(!ended.out.contains("backup.db"), "{ended:?}");
}

#[test]
fn b85_a_backup_onto_a_full_disk_says_so_and_leaves_nothing() {
    let there = Database::new();
    let (home, served) = (Home::new(), there.home());
    many(&home, "data/gatehouse.db", 3000);
    home.write("data/secret_key", &crate::server::random_key());
    home.chmod("data/secret_key", 0o600);
    home.run(&["database", "copy", "sqlite:data/gatehouse.db", &there.url]).exits(0);
    a_full_disk_is_said_and_nothing_stays(&home);
    a_full_disk_is_said_and_nothing_stays(&served);
    // And a service that is not there is not made.
    let nobody = Home::new();
    nobody.run(&["backup", "backup.db"]).exits(1).says("there is no database");
    assert!(!Path::new(&nobody.file("data")).exists());
}

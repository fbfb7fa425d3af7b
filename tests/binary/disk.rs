//! B-85: a disk that is full, then has room again.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::geteuid;

use crate::deeds::{everybody_is_turned_away, everybody_succeeds, two_people};
use crate::http::Visitor;
use crate::own_database::for_sqlite_alone;
use crate::program::{Home, IGNORING_XFSZ, PASSWORD};
use crate::rows::{integrity, select};

/// A small file system of the test's own, at `data` in the program's folder: a tmpfs in a mount
/// namespace that only the program enters, gone with the process that holds it.
struct Disk {
    holder: Child,
    folder: PathBuf,
}

impl Disk {
    /// None where the kernel lets this user have no namespace.
    fn under(home: &Home) -> Option<Self> {
        fs::create_dir(home.file("data")).expect("made");
        let mut command = Command::new("unshare");
        command.args(if geteuid().is_root() { &[][..] } else { &["--map-root-user"] });
        let mount = "mount -t tmpfs -o size=3m,mode=700 tmpfs data && echo mounted && exec cat";
        command.args(["--mount", "sh", "-c", mount]).current_dir(home.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut holder = command.spawn().expect("unshare is installed (util-linux)");
        let mut said = String::new();
        let out = holder.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut said).expect("readable");
        let folder = format!("/proc/{}/root{}", holder.id(), home.path().display()).into();
        let disk = Self { holder, folder };
        (said == "mounted\n").then_some(disk)
    }

    /// `home` on this disk.
    fn hold(&self, home: Home) -> Home {
        let (id, inside) = (self.holder.id().to_string(), home.path().display().to_string());
        let enter = ["nsenter", "--target", &id, "--mount"];
        let own = ["--user", "--preserve-credentials"];
        let own = if geteuid().is_root() { &[][..] } else { &own };
        let there = ["sh", "-c", "cd \"$0\" && exec \"$@\"", &inside];
        home.started_by(&[&enter, own, &there].concat()).seen_at(self.folder.clone())
    }

    fn filler(&self) -> PathBuf {
        self.folder.join("data/filler")
    }

    /// Until no byte more goes in, less what is left.
    fn fill(&self, left: usize) {
        let mut file = File::create(self.filler()).expect("made");
        let mut size = 0;
        while let Ok(written) = file.write(&[0; 4096]) {
            size += written as u64;
        }
        assert!(size > 0, "it was full before");
        file.set_len(size.saturating_sub(left as u64)).expect("shorter");
    }

    fn empty(&self) {
        fs::remove_file(self.filler()).expect("removed");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // The file system goes with the last process that sees it.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Signs up until the service cannot: who was told yes.
fn sign_up_to_the_brim(visitor: &mut Visitor) -> Vec<String> {
    let mut taken_in = Vec::new();
    loop {
        let email = format!("brim{}@example.com", taken_in.len());
        let answer = visitor.post("/users", &[("email", &email), ("password", PASSWORD)]);
        if answer.status == 503 {
            return taken_in;
        }
        answer.is(200);
        taken_in.push(email);
    }
}

/// A write that failed half-way leaves room in the write-ahead log for smaller ones: they take it up.
fn take_up_the_rest(visitor: &mut Visitor) {
    let nobody = [("email", "nobody@example.com"), ("password", PASSWORD)];
    while visitor.post("/sessions", &nobody).status != 503 {}
}

#[test]
fn b85_on_a_full_disk_sqlite_is_read_writes_are_503_and_it_recovers() {
    for_sqlite_alone();
    let home = Home::new();
    let Some(disk) = Disk::under(&home) else {
        // Past the test runner, which shows what a passing test prints to nobody.
        let note =
            "B-85: no file system may be mounted here; the limit on file size alone is tried";
        writeln!(std::io::stderr(), "{note}").expect("standard error is open");
        return;
    };
    let home = disk.hold(home);
    let server = home.start();
    let people = two_people(&home, &server);
    disk.fill(64 * 1024);
    let taken_in = sign_up_to_the_brim(&mut server.program());
    assert!(!taken_in.is_empty(), "there was room for some");
    // The last pages, which one more sign-up did not fit into.
    disk.empty();
    disk.fill(0);
    take_up_the_rest(&mut server.program());
    everybody_is_turned_away(&home, &server, &people);
    disk.empty();
    everybody_succeeds(&home, &people);

    // The same with kill -9 in between: it starts on the full disk, and serves who only looks.
    let cookies = server.logged_in("ann@example.com").cookies;
    disk.fill(0);
    server.kill();
    let server = home.start();
    let mut ann = server.program();
    ann.cookies = cookies;
    ann.get("/profile").is(200).says("ann@example.com");
    ann.delete("/sessions").is(503);
    disk.empty();
    ann.delete("/sessions").goes_to("/");
    assert_eq!(integrity(&mut home.database()), "ok");
    for email in &taken_in {
        server.program().post("/sessions", &[("email", email), ("password", PASSWORD)]).is(200);
    }
    let known = select(&mut home.database(), "SELECT email AS value FROM users ORDER BY id");
    let in_all = 2 * people.len() + taken_in.len() + 1;
    assert_eq!(known.len(), in_all, "{known:?}");
}

#[test]
fn b85_a_sqlite_file_that_may_not_grow_is_the_same() {
    for_sqlite_alone();
    let home = Home::new().started_by(&IGNORING_XFSZ);
    let server = home.start();
    let people = two_people(&home, &server);
    server.limit_files(Some(0));
    everybody_is_turned_away(&home, &server, &people);
    server.limit_files(None);
    everybody_succeeds(&home, &people);
    server.stop();
    assert_eq!(integrity(&mut home.database()), "ok");
}

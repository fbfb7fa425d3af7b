//! The program in a folder of its own: its settings, its start, its end.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::connection::SimpleConnection as _;
use gatehouse::db::AnyConnection;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::http::Visitor;

pub const PASSWORD: &str = "a quiet harbour";
/// A start takes a fraction of a second; a busy machine may make it seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const ANNOUNCEMENT: &str = "Gatehouse is at http://";

/// Names a release build, by its whole path, to be tested in the place of this one (script/smoke).
const RELEASE: &str = "GATEHOUSE_BINARY";

/// Whether a release build is tested.
pub fn is_release() -> bool {
    std::env::var_os(RELEASE).is_some()
}

/// A folder to start the program in, and its environment: nothing is inherited.
pub struct Home {
    folder: Arc<TempDir>,
    environment: BTreeMap<String, String>,
}

impl Home {
    pub fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let home = Self { folder, environment: BTreeMap::new() };
        // A release build takes no cheaper one than 10.
        let cost = if is_release() { "10" } else { "4" };
        // Tests try more often than people do; those about limits set their own.
        ["ROCKET_LIMIT_LOGIN", "ROCKET_LIMIT_ASK", "ROCKET_LIMIT_MAIL"]
            .into_iter()
            .fold(home, |home, limit| home.with(limit, "1000000/1m"))
            .with("ROCKET_PORT", "0")
            .with("ROCKET_BCRYPT_COST", cost)
    }

    pub fn with(mut self, variable: &str, value: &str) -> Self {
        self.set(variable, value);
        self
    }

    pub fn set(&mut self, variable: &str, value: &str) {
        self.environment.insert(variable.to_owned(), value.to_owned());
    }

    pub fn unset(&mut self, variable: &str) {
        self.environment.remove(variable);
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Writes a file and the folders it lies in.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().expect("within the folder")).expect("a folder");
        fs::write(path, text).expect("written");
    }

    pub fn chmod(&self, name: &str, mode: u32) {
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(mode)).expect("chmod");
    }

    pub fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.file(name)).expect(name).permissions().mode() & 0o7777
    }

    /// The names of everything in the folder, sorted.
    pub fn listing(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(self.path()).expect("within");
                names.push(name.to_str().expect("UTF-8").to_owned());
                if path.is_dir() {
                    folders.push(path);
                }
            }
        }
        names.sort();
        names
    }

    /// A connection to the database, past the program.
    pub fn database(&self) -> AnyConnection {
        let path = self.file("data/gatehouse.db");
        assert!(path.exists(), "there is no database yet");
        let mut conn = AnyConnection::establish(path.to_str().expect("UTF-8")).expect("opens");
        // The program writes its events when it likes.
        conn.batch_execute("PRAGMA busy_timeout = 10000").expect("set");
        conn
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let debug = || env!("CARGO_BIN_EXE_gatehouse").into();
        let mut command = Command::new(std::env::var_os(RELEASE).unwrap_or_else(debug));
        command.args(arguments).current_dir(self.path()).env_clear().envs(&self.environment);
        command
    }

    /// Runs the program to its end, which must come by itself.
    #[track_caller]
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Process::spawn(self.command(arguments)).wait(PATIENCE)
    }

    /// Serves; returns when it listens.
    #[track_caller]
    pub fn start(&self) -> Running {
        self.start_as(self.command(&[]))
    }

    #[track_caller]
    pub fn start_as(&self, mut command: Command) -> Running {
        loop {
            let process = Process::spawn_again(&mut command);
            if let Some(address) = process.address() {
                return Running { process, address, _folder: self.folder.clone() };
            }
            let ended = process.wait(PATIENCE);
            // Another process took the free port between its choice and its use.
            let taken = ended.err.contains("cannot listen on") && ended.err.contains("in use");
            assert!(taken, "did not start: {ended:?}");
        }
    }
}

/// How the program ended, and all it said.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Ended {
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{self:?}");
        self
    }

    /// Standard output or error holds `text`.
    #[track_caller]
    pub fn says(&self, text: &str) -> &Self {
        assert!(self.out.contains(text) || self.err.contains(text), "no {text:?} in {self:#?}");
        self
    }

    /// One line for the operator, and no Rust in it.
    #[track_caller]
    pub fn complains_in_one_line(&self) -> &Self {
        assert_eq!(self.err.lines().count(), 1, "{self:#?}");
        assert!(self.err.starts_with("gatehouse: "), "{self:#?}");
        assert!(!self.err.contains("panicked") && !self.err.contains("Error {"), "{self:#?}");
        self
    }
}

/// The program while it serves; it ends with the test, also when the test fails.
pub struct Running {
    process: Process,
    pub address: SocketAddr,
    /// Its files stay as long as it runs.
    _folder: Arc<TempDir>,
}

impl Running {
    pub fn browser(&self) -> Visitor {
        Visitor::browser(self.address)
    }

    pub fn program(&self) -> Visitor {
        Visitor::program(self.address)
    }

    /// A program whose owner has just signed up and logged in.
    #[track_caller]
    pub fn logged_in(&self, email: &str) -> Visitor {
        let mut program = self.program();
        let pair = [("email", email), ("password", PASSWORD)];
        program.post("/users", &pair).is(200);
        program.post("/sessions", &pair).is(200);
        program
    }

    pub fn id(&self) -> u32 {
        self.process.child.id()
    }

    /// What it has written to standard error so far.
    pub fn err(&self) -> String {
        self.process.err.text()
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).expect("signalled");
    }

    /// The end, which must come within `patience`.
    #[track_caller]
    pub fn wait(self, patience: Duration) -> Ended {
        self.process.wait(patience)
    }

    /// An orderly end.
    #[track_caller]
    pub fn stop(self) -> Ended {
        self.signal(Signal::TERM);
        let ended = self.wait(PATIENCE);
        ended.exits(0);
        ended
    }

    /// kill -9.
    #[track_caller]
    pub fn kill(self) {
        self.signal(Signal::KILL);
        assert_eq!(self.wait(PATIENCE).status.code(), None, "killed, not ended");
    }
}

/// A child process, ended with the test whatever happens.
pub struct Process {
    child: Child,
    pub out: Lines,
    pub err: Lines,
}

impl Process {
    pub fn spawn(mut command: Command) -> Self {
        Self::spawn_again(&mut command)
    }

    fn spawn_again(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program is built");
        let out = Lines::of(child.stdout.take().expect("piped"));
        let err = Lines::of(child.stderr.take().expect("piped"));
        Self { child, out, err }
    }

    /// Where it listens; none when it ended instead.
    fn address(&self) -> Option<SocketAddr> {
        let end = Instant::now() + PATIENCE;
        loop {
            let ended = self.err.is_over();
            let text = self.err.text();
            let line = text.lines().find_map(|line| line.strip_prefix(ANNOUNCEMENT));
            if let Some(address) = line {
                return Some(address.parse().expect("an address"));
            }
            if ended {
                return None;
            }
            assert!(Instant::now() < end, "neither listens nor ends: {text}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    #[track_caller]
    pub fn wait(mut self, patience: Duration) -> Ended {
        let end = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child of ours") {
                break status;
            }
            assert!(Instant::now() < end, "runs on after {patience:?}: {}", self.err.text());
            thread::sleep(Duration::from_millis(2));
        };
        Ended { status, out: self.out.finish(), err: self.err.finish() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Harmless when it has ended and was waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a child writes, gathered on a thread of its own, so that it never waits for a reader.
pub struct Lines {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(pipe: impl Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let gathered = text.clone();
        let reader = thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                lock(&gathered).push_str(&String::from_utf8_lossy(&line));
                line.clear();
            }
        });
        Self { text, reader: Some(reader) }
    }

    pub fn text(&self) -> String {
        lock(&self.text).clone()
    }

    pub fn is_over(&self) -> bool {
        self.reader.as_ref().is_none_or(JoinHandle::is_finished)
    }

    fn finish(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader never panics");
        }
        self.text()
    }
}

fn lock(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `look` finds what it looks for.
#[track_caller]
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

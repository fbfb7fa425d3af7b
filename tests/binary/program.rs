//! The program in a folder of its own: its settings, its start, its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::connection::SimpleConnection as _;
use gatehouse::db::AnyConnection;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use tempfile::TempDir;

use crate::http::Visitor;
use crate::own_database::{OwnDatabase, on_postgresql};
pub use crate::process::{Ended, Process, eventually};
use crate::process::{PATIENCE, Secrets, Watch};

pub const PASSWORD: &str = "a quiet harbour";
/// The other one that tests choose.
pub const NEW_PASSWORD: &str = "another harbour";
/// For [`Home::started_by`] before [`Running::limit_files`]: a signal would end the program, where a
/// disk only refuses.
pub const IGNORING_XFSZ: [&str; 3] = ["sh", "-c", "trap '' XFSZ && exec \"$0\" \"$@\""];
/// Names a release build, by its whole path, to be tested in the place of this one (script/smoke).
const RELEASE: &str = "GATEHOUSE_BINARY";

/// Whether a release build is tested.
pub fn is_release() -> bool {
    std::env::var_os(RELEASE).is_some()
}

/// A folder to start the program in, and its environment: nothing is inherited.
pub struct Home {
    folder: Arc<TempDir>,
    database: Arc<OwnDatabase>,
    environment: BTreeMap<String, String>,
    /// The words of another program that starts ours.
    starter: Vec<String>,
    /// Where we see the folder, if not where the program does.
    view: Option<PathBuf>,
}

impl Home {
    pub fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a folder"));
        let database = Arc::new(OwnDatabase::new(folder.path().join("data/gatehouse.db"), false));
        let (environment, starter) = (BTreeMap::new(), Vec::new());
        let mut home = Self { folder, database, environment, starter, view: None };
        if let Some(key) = home.database.secret_key().map(str::to_owned) {
            home.set("ROCKET_DATABASE_URL", &home.database.url());
            home.set("ROCKET_SECRET_KEY", &key);
        }
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

    /// Started by another program, whose last argument is ours.
    pub fn started_by(mut self, words: &[&str]) -> Self {
        self.starter = words.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Seen by the test at another path than by the program.
    pub fn seen_at(mut self, view: PathBuf) -> Self {
        self.view = Some(view);
        self
    }

    pub fn unset(&mut self, variable: &str) {
        self.environment.remove(variable);
    }

    pub fn variable(&self, name: &str) -> &str {
        &self.environment[name]
    }

    pub fn path(&self) -> &Path {
        self.view.as_deref().unwrap_or(self.folder.path())
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
        if on_postgresql() {
            return self.database.connect();
        }
        let path = self.file("data/gatehouse.db");
        assert!(path.exists(), "there is no database yet");
        if self.view.is_none() {
            return self.database.connect();
        }
        // SQLite follows every link by its name, and finds the way into another process's view of
        // the files no more. A copy shows the same; once opened, it needs no name.
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["gatehouse.db", "gatehouse.db-wal"] {
            let _ = fs::copy(path.with_file_name(name), folder.path().join(name));
        }
        let mut copy = OwnDatabase::File(folder.path().join("gatehouse.db")).connect();
        copy.batch_execute("SELECT count(*) FROM sqlite_master").expect("read");
        copy
    }

    /// See [`OwnDatabase::locked`].
    #[track_caller]
    pub fn locked(&self) -> AnyConnection {
        self.database.locked()
    }

    /// See [`OwnDatabase::raw`].
    pub fn raw_database(&self) -> Vec<u8> {
        self.database.raw()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let debug = || env!("CARGO_BIN_EXE_gatehouse").into();
        let ours = std::env::var_os(RELEASE).unwrap_or_else(debug);
        let mut words = self.starter.iter().map(OsString::from).chain([ours]);
        let mut command = Command::new(words.next().expect("ours at least"));
        command.args(words).args(arguments).current_dir(self.folder.path());
        command.env_clear().envs(&self.environment);
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
            let mut process = Process::spawn_again(&mut command);
            if let Some(url) = process.announced() {
                let secret = |text: &str| ("a password".to_owned(), text.to_owned());
                let secrets = Secrets::new(Mutex::new([PASSWORD, NEW_PASSWORD].map(secret).into()));
                let folder = self.path().to_owned();
                process.watch = Some(Watch { folder, secrets: secrets.clone() });
                let (address, host) = self.place(&url);
                let _place = (self.folder.clone(), self.database.clone());
                return Running { process, address, host, secrets, _place };
            }
            let ended = process.wait(PATIENCE);
            // Another process took the free port between its choice and its use.
            let taken = ended.err.contains("cannot listen on") && ended.err.contains("in use");
            assert!(taken, "did not start: {ended:?}");
        }
    }

    /// Where it listens, and the name that visitors call it by.
    fn place(&self, url: &str) -> (SocketAddr, String) {
        let (scheme, host) = url.split_once("://").expect("an address");
        let local = match scheme {
            "http" => host.to_owned(),
            // Behind a proxy that the test is: the port is the test's choice.
            _ => format!("127.0.0.1:{}", self.environment["ROCKET_PORT"]),
        };
        (local.parse().expect("an address"), host.to_owned())
    }
}

/// The program while it serves; it ends with the test, also when the test fails.
pub struct Running {
    process: Process,
    pub address: SocketAddr,
    host: String,
    /// What [`Watch`] looks for; visitors add their cookies.
    pub secrets: Secrets,
    /// Its files and its database stay as long as it runs.
    _place: (Arc<TempDir>, Arc<OwnDatabase>),
}

impl Running {
    pub fn browser(&self) -> Visitor {
        Visitor::browser(self.address).calling(&self.host).telling(&self.secrets)
    }

    pub fn program(&self) -> Visitor {
        Visitor::program(self.address).calling(&self.host).telling(&self.secrets)
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
        self.process.id()
    }

    /// Resident memory, in kilobytes.
    pub fn memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.id());
        let status = fs::read_to_string(status).expect("it runs, on Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        number.expect("a number of kB")
    }

    /// What it has logged so far.
    pub fn out(&self) -> String {
        self.process.out.text()
    }

    /// What it has written to standard error so far.
    pub fn err(&self) -> String {
        self.process.err.text()
    }

    fn pid(&self) -> Pid {
        i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process id")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("signalled");
    }

    /// From now on no byte may be written behind that many in any file.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(self.pid()), Resource::Fsize, limit).expect("set");
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

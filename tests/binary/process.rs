//! A child process: what it writes, its end, and a look at what it left behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// A start takes a fraction of a second; a busy machine may make it seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);
const ANNOUNCEMENT: &str = "Gatehouse is at ";

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

/// A child process, ended with the test whatever happens.
pub struct Process {
    child: Child,
    pub out: Lines,
    pub err: Lines,
    /// What it must have kept to itself, once it has ended.
    pub watch: Option<Watch>,
}

impl Process {
    pub fn spawn(mut command: Command) -> Self {
        Self::spawn_again(&mut command)
    }

    pub fn spawn_again(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program is built");
        let out = Lines::of(child.stdout.take().expect("piped"));
        let err = Lines::of(child.stderr.take().expect("piped"));
        Self { child, out, err, watch: None }
    }

    /// The address that it announces; none when it ended instead.
    pub fn announced(&self) -> Option<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let ended = self.err.is_over();
            let text = self.err.text();
            let line = text.lines().find_map(|line| line.strip_prefix(ANNOUNCEMENT));
            if let Some(address) = line {
                return Some(address.to_owned());
            }
            if ended {
                return None;
            }
            assert!(Instant::now() < end, "neither listens nor ends: {text}");
            thread::sleep(Duration::from_millis(2));
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
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
        if let Some(watch) = self.watch.take().filter(|_| !thread::panicking()) {
            watch.look(&[self.out.finish(), self.err.finish()]);
        }
    }
}

/// B-107 over the whole suite: passwords and cookies that went by, and where they must not be.
pub struct Watch {
    pub folder: PathBuf,
    pub secrets: Secrets,
}

/// Each by its name.
pub type Secrets = Arc<Mutex<Vec<(String, String)>>>;

impl Watch {
    /// Enough to find what is written again and again; a look takes milliseconds.
    const MOST_SECRETS: usize = 12;
    const MOST_BYTES: usize = 1 << 20;

    fn look(&self, said: &[String]) {
        let mut places: Vec<(String, String)> =
            said.iter().map(|text| ("what it said".to_owned(), text.clone())).collect();
        collect(&self.folder, &mut places);
        let secrets = lock(&self.secrets);
        for (place, text) in &places {
            for (name, secret) in secrets.iter().take(Self::MOST_SECRETS) {
                assert!(!text.contains(secret.as_str()), "{name} {secret:?} in {place}");
            }
        }
    }
}

/// The beginning of every file, as text.
fn collect(folder: &Path, places: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, places);
        } else if let Ok(bytes) = fs::read(&path) {
            let bytes = &bytes[..bytes.len().min(Watch::MOST_BYTES)];
            places.push((path.display().to_string(), String::from_utf8_lossy(bytes).into_owned()));
        }
    }
}

/// What a child writes, gathered on a thread of its own, so that it never waits for a reader.
pub struct Lines {
    text: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    pub fn of(pipe: impl Read + Send + 'static) -> Self {
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

fn lock<T>(text: &Mutex<T>) -> MutexGuard<'_, T> {
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

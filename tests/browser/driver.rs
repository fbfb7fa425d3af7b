//! chromedriver, the Chromium it starts, and their end, which comes also when a test fails.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::patience::soon;

/// Chromium wants a core for itself.
const AT_ONCE: usize = 2;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// Leave to run a browser.
struct Turn;

impl Turn {
    /// So many together: two tests that have one browser each and want another would wait for ever.
    fn wait<const N: usize>() -> [Self; N] {
        const { assert!(N <= AT_ONCE) };
        let running = ENDED.wait_while(running(), |running| *running + N > AT_ONCE);
        *running.unwrap_or_else(PoisonError::into_inner) += N;
        [(); N].map(|()| Self)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *running() -= 1;
        ENDED.notify_all();
    }
}

fn running() -> MutexGuard<'static, usize> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A chromedriver; the Chromium it starts belongs to its process group.
pub struct Driver {
    process: Child,
    folder: TempDir,
    pub url: String,
    /// Given up with the driver.
    turn: Option<Turn>,
}

impl Driver {
    #[track_caller]
    pub fn start<const N: usize>() -> [Self; N] {
        Turn::wait::<N>().map(Self::begin)
    }

    /// Now and then the port that the system gives chromedriver for IPv6 is taken for IPv4: it ends,
    /// and is asked again.
    #[track_caller]
    fn begin(mut turn: Turn) -> Self {
        for _ in 0..5 {
            match Self::try_to_begin(turn) {
                Ok(driver) => return driver,
                Err(again) => turn = again,
            }
        }
        panic!("chromedriver finds no port. {MEND}");
    }

    /// The turn again where the port was taken.
    #[track_caller]
    fn try_to_begin(turn: Turn) -> Result<Self, Turn> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("chromedriver.log");
        let output = File::create(&path).expect("a file");
        let process = Command::new("chromedriver")
            .arg("--port=0")
            // A Chromium that is killed leaves its own temporary files behind.
            .env("TMPDIR", folder.path())
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a handle"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|cause| panic!("chromedriver does not start ({cause}). {MEND}"));
        let mut driver = Self { process, folder, url: String::new(), turn: Some(turn) };
        let port = soon("chromedriver says its port", || {
            let said = fs::read_to_string(&path).expect("UTF-8");
            if driver.process.try_wait().expect("a child of ours").is_some() {
                assert!(said.contains("Address already in use"), "chromedriver ended: {said}");
                return Some(None);
            }
            let (_, port) = said.split_once("successfully on port ")?;
            port.split_once('.').map(|(port, _)| Some(port.to_owned()))
        });
        let Some(port) = port else { return Err(driver.turn.take().expect("its own")) };
        driver.url = format!("http://127.0.0.1:{port}");
        Ok(driver)
    }

    /// What a new session asks for: a Chromium with a profile of its own that talks to no one but
    /// this machine.
    pub fn capabilities(&self, more: &[&str]) -> Value {
        let mut arguments = vec![
            "--headless=new".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--no-proxy-server".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--window-size=1280,800".to_owned(),
            format!("--user-data-dir={}", self.folder.path().join("profile").display()),
            // A name that is not this site's but leads to it.
            format!(
                "--host-resolver-rules=MAP {STRANGE_HOST} 127.0.0.1, MAP * ~NOTFOUND, \
                 EXCLUDE 127.0.0.1, EXCLUDE localhost"
            ),
        ];
        if geteuid().is_root() {
            arguments.push("--no-sandbox".to_owned());
        }
        arguments.extend(more.iter().map(|argument| (*argument).to_owned()));
        json!({
            "goog:chromeOptions": {
                "args": arguments,
                "prefs": {
                    "credentials_enable_service": false,
                    "profile.password_manager_leak_detection": false,
                },
                "perfLoggingPrefs": { "enableNetwork": true, "enablePage": false },
            },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
            // A dialog makes the next command fail, and with it the test.
            "unhandledPromptBehavior": "ignore",
        })
    }
}

/// A host that leads to this machine and is none of Gatehouse's.
pub const STRANGE_HOST: &str = "elsewhere.test";

pub const MEND: &str = "`script/test` installs what the browser tests need \
    (Debian: chromium, chromium-driver, nodejs; from npm: axe-core, html-validate)";

impl Drop for Driver {
    fn drop(&mut self) {
        let group = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.process.wait();
    }
}

//! Nodes: the program in folders of their own, with one key and one database.

use std::fs;
use std::time::Instant;

use gatehouse::tokens::fingerprint;

use crate::http::Visitor;
use crate::process::eventually;
use crate::processes::free_address;
use crate::program::{Home, Running};

/// The key that nodes share.
pub fn key() -> String {
    // 32 bytes that look like no words.
    fingerprint("the key of every node")
}

/// A folder and settings for one node of that database.
pub fn home(database_url: &str) -> Home {
    Home::new()
        .with("ROCKET_DATABASE_URL", database_url)
        .with("ROCKET_SECRET_KEY", &key())
        // A machine that tests many things at once is slow.
        .with("ROCKET_DATABASE_WAIT", "20s")
}

/// For tests of what happens when that time is up.
pub fn hurried(database_url: &str) -> Home {
    home(database_url).with("ROCKET_DATABASE_WAIT", "2s")
}

pub struct Node {
    pub home: Home,
    pub running: Running,
}

impl Node {
    #[track_caller]
    pub fn start(home: Home) -> Self {
        Self { running: home.start(), home }
    }

    /// kill -9, and up again; when it was dead, which takes a moment on a busy machine.
    #[track_caller]
    pub fn kill_and_start(&mut self) -> Instant {
        self.running.signal(rustix::process::Signal::KILL);
        let process = format!("/proc/{}", self.running.id());
        // Its connections end with the last of its threads; what is left waits for us to look.
        eventually("its end", || {
            let stat = fs::read_to_string(format!("{process}/stat")).expect("ours to wait for");
            let threads = fs::read_dir(format!("{process}/task")).expect("the same").count();
            (stat.contains(") Z ") && threads == 1).then_some(())
        });
        let dead = Instant::now();
        self.running = self.home.start();
        dead
    }

    pub fn program(&self) -> Visitor {
        self.running.program()
    }
}

/// That many, which people know by one name, each at a port of its own.
#[track_caller]
pub fn of_one_name(count: usize, database_url: &str, settings: &[(&str, &str)]) -> Vec<Node> {
    (0..count)
        .map(|_| {
            let port = free_address().port().to_string();
            let base = home(database_url)
                .with("ROCKET_PORT", &port)
                .with("ROCKET_BASE_URL", "https://login.example.org")
                .with("ROCKET_TRUSTED_PROXIES", "[\"127.0.0.1\"]");
            Node::start(settings.iter().fold(base, |home, (name, value)| home.with(name, value)))
        })
        .collect()
}

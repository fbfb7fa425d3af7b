//! How quickly visitors are served meanwhile: log-in pages on new connections, a profile on one that is kept.

use std::io::BufReader;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{PAGES, Visitor};
use crate::site::{LOGIN, Site};

/// How long each page took, sorted.
pub struct Pulse {
    pub login: Vec<Duration>,
    pub profile: Vec<Duration>,
}

impl Pulse {
    /// Looks at pages until `over`. Every one must be served.
    fn take(site: &Site, person: &Visitor, over: &AtomicBool) -> Self {
        let mut person = person.clone().with(&[PAGES]);
        let mut stranger = site.visitor(1).with(&[PAGES]);
        let mut kept = BufReader::new(person.connects(LOGIN).expect("a connection"));
        let (mut login, mut profile) = (Vec::new(), Vec::new());
        while !over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            stranger.get(LOGIN, "/login").is(200);
            login.push(begun.elapsed());
            let begun = Instant::now();
            let answer = person.ask_on(&mut kept, "GET", LOGIN, "/profile", "");
            let answer = answer.expect("an answer");
            answer.is(200);
            profile.push(begun.elapsed());
            // A connection serves so many requests and no more.
            if answer.header("connection").is_some_and(|it| it.eq_ignore_ascii_case("close")) {
                kept = BufReader::new(person.connects(LOGIN).expect("a connection"));
            }
            thread::sleep(Duration::from_millis(5));
        }
        login.sort();
        profile.sort();
        Self { login, profile }
    }

    /// The pulse while `deed` is done, with what it gives.
    pub fn during<T>(site: &Site, person: &Visitor, deed: impl FnOnce() -> T) -> (T, Self) {
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            let pulse = scope.spawn(|| Self::take(site, person, &over));
            let end = End(&over);
            let done = deed();
            drop(end);
            (done, pulse.join().expect("every page is served"))
        })
    }
}

/// Ends the looking at pages, also when the deed fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Display for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (a, b) = (percentile(&self.login, 50), percentile(&self.login, 99));
        let (c, d) = (percentile(&self.profile, 50), percentile(&self.profile, 99));
        write!(f, "/login p50 {a:.1?} p99 {b:.1?}, /profile p50 {c:.1?} p99 {d:.1?}")?;
        write!(f, " ({} of each)", self.login.len())
    }
}

/// Of sorted times.
pub fn percentile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

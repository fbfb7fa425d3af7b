//! Figures to draw: how often each event happened, how requests were answered and how fast.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Event;
use super::event::TABLE;

/// Upper bounds of the answer times' buckets, in milliseconds.
const BOUNDS: [u64; 9] = [1, 5, 10, 50, 100, 500, 1000, 5000, 10_000];

/// Counted since the process started; shared by everything that counts.
pub struct Figures {
    events: [AtomicU64; TABLE.len()],
    /// By the status's first digit.
    answers: [AtomicU64; 6],
    within: [AtomicU64; BOUNDS.len()],
    micros: AtomicU64,
    lost: AtomicU64,
}

impl Default for Figures {
    fn default() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            events: std::array::from_fn(zero),
            answers: Default::default(),
            within: Default::default(),
            micros: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        }
    }
}

impl Figures {
    pub(super) fn count(&self, event: Event) {
        self.events[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// An event whose row was not written.
    pub(super) fn count_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer of that status, after that time.
    pub fn answered(&self, status: u16, after: Duration) {
        if let Some(class) = self.answers.get(usize::from(status / 100)) {
            class.fetch_add(1, Ordering::Relaxed);
        }
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        let bucket = BOUNDS.iter().position(|bound| micros <= bound * 1000);
        if let Some(bucket) = bucket {
            self.within[bucket].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// In Prometheus' text format, version 0.0.4.
    pub fn text(&self) -> String {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let mut text = String::new();
        head(
            &mut text,
            "gatehouse_events_total",
            "counter",
            "Security events, as in docs/events.md.",
        );
        for event in Event::all() {
            let count = read(&self.events[event as usize]);
            let _ = writeln!(text, "gatehouse_events_total{{event=\"{}\"}} {count}", event.name());
        }
        head(
            &mut text,
            "gatehouse_events_lost_total",
            "counter",
            "Events in the log alone: their row was not written.",
        );
        let _ = writeln!(text, "gatehouse_events_lost_total {}", read(&self.lost));
        head(
            &mut text,
            "gatehouse_answers_total",
            "counter",
            "Answers by the class of their status.",
        );
        for class in 1..self.answers.len() {
            let count = read(&self.answers[class]);
            let _ = writeln!(text, "gatehouse_answers_total{{status=\"{class}xx\"}} {count}");
        }
        self.add_times(&mut text);
        text
    }

    fn add_times(&self, text: &mut String) {
        let read = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let name = "gatehouse_answer_seconds";
        head(text, name, "histogram", "From a request's head to its answer's.");
        let mut sum = 0;
        for (bound, count) in BOUNDS.iter().zip(&self.within) {
            sum += read(count);
            let seconds = Duration::from_millis(*bound).as_secs_f64();
            let _ = writeln!(text, "{name}_bucket{{le=\"{seconds}\"}} {sum}");
        }
        let all: u64 = self.answers.iter().map(read).sum();
        let seconds = Duration::from_micros(read(&self.micros)).as_secs_f64();
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {all}");
        let _ = writeln!(text, "{name}_sum {seconds}\n{name}_count {all}");
    }
}

/// A figure's two lines of explanation.
pub fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

//! How far a long work is: a bar on a terminal, now and then a line anywhere else.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::db::transfer::{Step, Sum};

const BAR: usize = 24;
const REDRAW: Duration = Duration::from_millis(100);
const NEXT_LINE: Duration = Duration::from_secs(5);

/// Writes to standard error.
pub struct Progress {
    on_terminal: bool,
    doing: &'static str,
    began: Instant,
    shown: Instant,
}

impl Progress {
    pub fn new() -> Self {
        let now = Instant::now();
        Self { on_terminal: stderr().is_terminal(), doing: "", began: now, shown: now }
    }

    pub fn show(&mut self, step: Step) {
        if step.doing != self.doing {
            (self.doing, self.began, self.shown) = (step.doing, Instant::now(), Instant::now());
        }
        let pause = if self.on_terminal { REDRAW } else { NEXT_LINE };
        let is_last = step.done >= step.total && step.table == "events";
        if self.shown.elapsed() < pause && !is_last {
            return;
        }
        self.shown = Instant::now();
        let text = in_words(step, self.began.elapsed());
        // Standard error may be closed; the work goes on.
        let _ = match (self.on_terminal, is_last) {
            (false, _) => writeln!(stderr(), "gatehouse: {text}"),
            (true, false) => write!(stderr(), "\r\x1b[K{} {text}", bar(step)),
            (true, true) => writeln!(stderr(), "\r\x1b[K{} {text}", bar(step)),
        };
    }
}

fn share(step: Step, of: u64) -> u64 {
    (step.done * of).checked_div(step.total).unwrap_or(of)
}

fn bar(step: Step) -> String {
    let full = share(step, BAR as u64) as usize;
    format!("[{}{}]", "#".repeat(full.min(BAR)), ".".repeat(BAR.saturating_sub(full)))
}

fn in_words(step: Step, took: Duration) -> String {
    let Step { doing, table, done, total } = step;
    let rate = done as f64 / took.as_secs_f64().max(0.001);
    let left = total.saturating_sub(done) as f64 / rate.max(1.0);
    let percent = share(step, 100);
    format!(
        "{doing} {table}: {done} of {total} rows, {percent} %, {rate:.0} rows/s, {left:.0} s left"
    )
}

/// What was read back, a line a table, on standard output.
pub fn print_sums(sums: &[Sum]) {
    println!("{:<13} {:>10}  SHA-256 of the rows, read back", "table", "rows");
    for sum in sums {
        println!("{:<13} {:>10}  {}", sum.table, sum.rows, sum.checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_tells_the_share_the_rate_and_the_rest() {
        let step = Step { doing: "copying", table: "users", done: 250, total: 1000 };
        let text = in_words(step, Duration::from_secs(1));
        assert_eq!(text, "copying users: 250 of 1000 rows, 25 %, 250 rows/s, 3 s left");
        assert_eq!(bar(step), "[######..................]");
        // Nothing is all of nothing.
        let none = Step { done: 0, total: 0, ..step };
        assert_eq!(bar(none), format!("[{}]", "#".repeat(BAR)));
    }
}

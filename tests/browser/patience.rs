//! Waiting for what comes soon: asked again and again, with a deadline instead of a pause.

use std::fmt::Debug;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Far beyond what a healthy machine needs, so that a busy one passes too.
pub const LONGEST: Duration = Duration::from_secs(30);
const BREATH: Duration = Duration::from_millis(20);

/// The answer, as soon as there is one; none at the deadline.
pub fn in_time<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if answer.is_some() || begun.elapsed() > LONGEST {
            return answer;
        }
        sleep(BREATH);
    }
}

/// The answer, which must come.
#[track_caller]
pub fn soon<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    in_time(ask).unwrap_or_else(|| panic!("waited in vain: {what}"))
}

/// Waits until `actual` answers `expected`.
#[track_caller]
pub fn soon_is<T: Debug + PartialEq>(what: &str, expected: &T, mut actual: impl FnMut() -> T) {
    let mut last = None;
    let met = in_time(|| {
        let found = actual();
        let met = found == *expected;
        last = Some(found);
        met.then_some(())
    });
    assert!(met.is_some(), "{what}: {last:?}, not {expected:?}");
}

//! What a client is told of its limits.

use std::time::Duration;

use super::{Count, Rate};
use crate::clock::Timestamp;

/// What a client is told of its limits (draft-ietf-httpapi-ratelimit-headers-11).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quota {
    /// Names, with how much in how much time.
    pub policies: Vec<(String, Rate)>,
    /// The tightest: its name, what is left of it, and until when.
    pub left: Option<(String, u32, Duration)>,
}

/// What the client may know: its own windows, and the pause before its next try; not the whole
/// server's. `taken` is whether this try is counted.
pub(super) fn quota(counts: &[Count], now: Timestamp, taken: bool) -> Quota {
    let own: Vec<&Count> = counts.iter().filter(|count| !count.is_server).collect();
    let mut policies: Vec<(String, Rate)> =
        own.iter().map(|count| (count.name.clone(), count.rate)).collect();
    let mut left: Vec<(String, u32, Duration)> = Vec::new();
    for count in &own {
        let tries = i64::from(count.rate.tries) - count.window.tries - i64::from(taken);
        let tries = u32::try_from(tries.max(0)).unwrap_or(0);
        left.push((count.name.clone(), tries, count.window.ends_at.since(now)));
    }
    let pauses = own.iter().find_map(|count| count.pauses);
    let pause = pauses.map(|(this, next)| if taken { next } else { this });
    if let Some(pause) = pause.filter(|pause| !pause.is_zero()) {
        policies.push(("pause".to_owned(), Rate { tries: 1, per: pause }));
        left.push(("pause".to_owned(), 0, pause));
    }
    let left = left.into_iter().min_by_key(|(_, left, until)| (*left, std::cmp::Reverse(*until)));
    Quota { policies, left }
}

/// [`quota`] for a try that is refused. Where the whole server has had enough, what is left of the
/// client's own windows is not said: they may end later than what it has to wait.
pub(super) fn when_refused(counts: &[Count], now: Timestamp) -> Quota {
    let Quota { policies, left } = quota(counts, now, false);
    Quota { policies, left: left.filter(|(_, left, _)| *left == 0) }
}

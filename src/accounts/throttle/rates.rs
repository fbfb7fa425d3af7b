//! Rates: so many tries in so much time, and how long each further one must wait.

use std::time::Duration;

/// The longest wait between two tries.
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// So many tries in so much time, counted from the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub tries: u32,
    pub per: Duration,
}

/// All of them hold at once; the shortest time first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates(Vec<Rate>);

impl Rates {
    /// None when there is no rate, a rate without tries, or a longer time that allows fewer.
    pub fn new(rates: Vec<Rate>) -> Option<Self> {
        let grow =
            rates.windows(2).all(|two| two[0].per < two[1].per && two[0].tries < two[1].tries);
        (!rates.is_empty() && grow && rates[0].tries > 0).then_some(Self(rates))
    }

    pub fn iter(&self) -> impl Iterator<Item = Rate> {
        self.0.iter().copied()
    }

    /// As many times as much in the same times.
    pub fn times(&self, factor: u32) -> Self {
        let more = |rate: &Rate| Rate { tries: rate.tries.saturating_mul(factor), per: rate.per };
        Self(self.0.iter().map(more).collect())
    }

    /// The one of the shortest time alone.
    pub fn shortest(&self) -> Self {
        Self(self.0[..1].to_vec())
    }

    /// How long the next try must wait after `tries` of the longest time: nothing for the first
    /// few, then 1 s, 2 s, 4 s … 15 min. Somebody who mistypes does not notice; a word list gets
    /// four words an hour.
    pub fn delay_after(&self, tries: i64) -> Duration {
        let free = i64::from((self.0[0].tries * 3 / 10).max(1));
        match tries - free {
            ..=0 => Duration::ZERO,
            over => Duration::from_secs(1 << (over - 1).min(10)).min(LONGEST_DELAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(pairs: &[(u32, u64)]) -> Option<Rates> {
        let rate = |(tries, seconds): &(u32, u64)| Rate {
            tries: *tries,
            per: Duration::from_secs(*seconds),
        };
        Rates::new(pairs.iter().map(rate).collect())
    }

    #[test]
    fn longer_times_allow_more() {
        assert!(rates(&[(10, 60), (100, 86_400)]).is_some());
        for wrong in [
            &[][..],
            &[(0, 60)],
            &[(10, 60), (10, 120)],
            &[(10, 60), (20, 60)],
            &[(20, 90), (30, 60)],
        ] {
            assert_eq!(rates(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_delay_doubles_up_to_a_quarter_of_an_hour() {
        let rates = rates(&[(10, 60), (100, 86_400)]).expect("good rates");
        let delays: Vec<u64> = (0..16).map(|tries| rates.delay_after(tries).as_secs()).collect();
        assert_eq!(delays, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(rates.delay_after(i64::MAX), LONGEST_DELAY);
        assert_eq!(rates.times(5).iter().map(|rate| rate.tries).collect::<Vec<_>>(), [50, 500]);
    }
}

//! One hash by the `bcrypt` crate, several in step by our own: proved right and measured at start.

use std::ops::RangeInclusive;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use bcrypt_lanes::{Hash, Job, MOST, Salt};

use super::steps::{Step, parts_of};

type Alone = Box<dyn Fn(&Step) -> Hash + Send + Sync>;
type InStep = Box<dyn Fn(u32, &[Job<'_>], &mut [Hash]) + Send + Sync>;

/// What hashes; tests put something else in its place.
pub struct Engine {
    pub alone: Alone,
    pub in_step: InStep,
}

impl Default for Engine {
    fn default() -> Self {
        Self { alone: Box::new(Step::hash), in_step: Box::new(bcrypt_lanes::hash) }
    }
}

impl Engine {
    pub fn alone(&self, step: &Step) -> Hash {
        (self.alone)(step)
    }

    /// Steps of one cost.
    pub fn in_step(&self, steps: &[&Step]) -> Vec<Hash> {
        let mut hashes = vec![[0; 23]; steps.len()];
        let jobs: Vec<Job> = steps.iter().map(|step| step.job()).collect();
        let cost = steps.first().map_or(0, |step| step.cost());
        (self.in_step)(cost, &jobs, &mut hashes);
        hashes
    }
}

/// Hashing in step gave another answer than it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("of {lanes} in step, number {} has another hash than is published for its password", lane + 1)]
pub struct Differs {
    lanes: usize,
    lane: usize,
}

/// A password, and what `$2b$05$…` is made of.
type Known = (&'static [u8], Salt, Hash);

const COST: u32 = 5;
/// Published with Openwall's crypt_blowfish.
const PUBLISHED: [(&[u8], &str); MOST] = [
    (b"", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
    (b"U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
    (b"U*U*", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
    (b"U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
    (b"\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
    (b"\xff\xff\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
    (b"\xff\xa3345", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.nRht2l/HRhr6zmCp9vYUvvsqynflf9e"),
    (&[0xaa; 72], "$2y$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6"),
];

/// How often each number of lanes is measured; the best counts, for other programs disturb.
const ROUNDS: usize = 3;
/// More lanes must be worth it: each makes everybody in step wait a little longer.
const WORTH: f64 = 1.03;

/// [`settle`] for this program on this machine, asked once.
pub fn settle_once(setting: usize) -> Result<usize, Differs> {
    static MEASURED: OnceLock<Result<usize, Differs>> = OnceLock::new();
    match setting {
        0 => *MEASURED.get_or_init(|| settle(&Engine::default(), 0)),
        fixed => settle(&Engine::default(), fixed),
    }
}

fn known() -> [Known; MOST] {
    PUBLISHED.map(|(password, text)| {
        let (_, salt, hash) = parts_of(text).expect("published hashes are well-formed");
        (password, salt, hash)
    })
}

/// How many in step: as set, or with 0 what is fastest here. Every number of lanes up to it has
/// hashed known passwords right.
pub fn settle(engine: &Engine, setting: usize) -> Result<usize, Differs> {
    if setting > 0 {
        prove(engine, 2..=setting)?;
        return Ok(setting);
    }
    // Of one password, by the number of lanes.
    let mut times = [Duration::MAX; MOST + 1];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        engine.alone(&Step::dummy(COST));
        times[1] = times[1].min(start.elapsed());
        for (lanes, time) in (0..).zip(&mut times).skip(2) {
            let start = Instant::now();
            prove(engine, lanes..=lanes)?;
            *time = (*time).min(start.elapsed() / lanes as u32);
        }
    }
    Ok(fewest(&times))
}

/// The fewest lanes that are about as fast as the fastest.
fn fewest(times: &[Duration; MOST + 1]) -> usize {
    let best = times.iter().min().copied().unwrap_or_default();
    times.iter().position(|time| *time <= best.mul_f64(WORTH)).unwrap_or(1)
}

fn prove(engine: &Engine, numbers: RangeInclusive<usize>) -> Result<(), Differs> {
    let known = known();
    for lanes in numbers {
        // Each number begins with another one, so that a lane has many answers to give.
        let known: Vec<&Known> = known.iter().cycle().skip(lanes).take(lanes).collect();
        let jobs: Vec<Job> =
            known.iter().map(|(password, salt, _)| Job { password, salt }).collect();
        let mut hashes = vec![[0; 23]; lanes];
        (engine.in_step)(COST, &jobs, &mut hashes);
        let wrong = hashes.iter().zip(known).position(|(hash, (.., right))| hash != right);
        if let Some(lane) = wrong {
            return Err(Differs { lanes, lane });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_lanes_that_are_about_as_fast_as_the_fastest_are_chosen() {
        let fastest = |millis: [u64; MOST]| {
            let mut times = [Duration::MAX; MOST + 1];
            times.iter_mut().skip(1).zip(millis).for_each(|(time, millis)| {
                *time = Duration::from_millis(millis);
            });
            fewest(&times)
        };
        assert_eq!(fastest([1700, 930, 670, 560, 510, 490, 500, 520]), 6);
        assert_eq!(fastest([1700, 930, 670, 560, 500, 500, 480, 489]), 7);
        assert_eq!(fastest([1700, 930, 670, 560, 502, 490, 490, 520]), 5);
        // Where a core gains nothing there is one at a time.
        assert_eq!(fastest([1700, 1690, 1680, 1900, 1900, 1900, 1900, 1900]), 1);
    }
}

//! What holds for any input: addresses, targets, bodies, cookies, passwords and spans, made up by chance.

mod addresses; // what passes as an address can be mailed, and has one key
mod bodies; // a form, a multipart and a JSON body of the same fields mean the same
mod cookies; // a session's cookie is the sealed one or it is nobody's
mod details; // a name that is taken can be seen, a zone that is found is found again
mod passwords; // the right password and no other
mod settings; // any text as a setting is taken, or refused in one line
mod targets; // where log-in leads

use std::cell::Cell;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestRunner};

/// Steps towards a smaller value that fails.
const SHRINKING: u32 = 300;

/// Checks `property` of so many values. A failure prints the smallest value that fails and the seed, which
/// `PROPTEST_RNG_SEED` gives back to another run.
#[track_caller]
pub fn holds<S: Strategy>(cases: u32, values: S, property: impl Fn(S::Value)) {
    let config = Config::default();
    let seed = match config.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => u64::from_be_bytes(gatehouse::tokens::random_bytes()),
    };
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: SHRINKING,
        ..config
    };
    let outcome = TestRunner::new(config).run(&values, |value| {
        property(value);
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("PROPTEST_RNG_SEED={seed}: {failure}");
    }
}

/// How many values came to the point of a property: one that hardly any value reaches proves nothing.
#[derive(Default)]
pub struct Reached(Cell<u32>);

impl Reached {
    pub fn one(&self) {
        self.0.set(self.0.get() + 1);
    }

    #[track_caller]
    pub fn at_least(&self, wanted: u32) {
        assert!(self.0.get() >= wanted, "only {} values came to the point", self.0.get());
    }
}

/// Some of `words`, one after the other.
pub fn joined(words: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::sample::select(words), 0..=most)
        .prop_map(|words| words.concat())
}

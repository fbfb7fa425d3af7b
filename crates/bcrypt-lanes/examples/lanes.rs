//! Prints the time of one hash for each number of lanes, beside the `bcrypt` crate's, interleaved:
//! `cargo run --release --locked -p bcrypt-lanes --example lanes [COST] [ROUNDS]`.

use std::hint::black_box;
use std::time::Instant;

use bcrypt_lanes::{Hash, Job, MOST, hash};

const SALT: [u8; 16] = *b"sixteen bytes of";

/// Milliseconds of one hash of `lanes` in step; 0 is the crate.
fn milliseconds(cost: u32, lanes: usize) -> f64 {
    let start = Instant::now();
    if lanes == 0 {
        black_box(bcrypt::bcrypt(cost, SALT, b"a quiet harbour\0"));
        return start.elapsed().as_secs_f64() * 1e3;
    }
    let jobs = [Job { password: b"a quiet harbour", salt: &SALT }; MOST];
    let mut hashes: [Hash; MOST] = [[0; 23]; MOST];
    hash(cost, &jobs[..lanes], &mut hashes[..lanes]);
    black_box(hashes);
    start.elapsed().as_secs_f64() * 1e3 / lanes as f64
}

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse().expect("a number"));
    let (cost, rounds) = (words.next().unwrap_or(8), words.next().unwrap_or(15));
    let mut found = [const { Vec::new() }; MOST + 1];
    for _ in 0..rounds {
        for (lanes, times) in found.iter_mut().enumerate() {
            times.push(milliseconds(cost, lanes));
        }
    }
    println!(
        "cost {cost}, {rounds} rounds: milliseconds a hash, best and median; × the crate's, by the best"
    );
    let best = |times: &[f64]| times.iter().copied().fold(f64::INFINITY, f64::min);
    let crate_best = best(&found[0]);
    for (lanes, times) in found.iter_mut().enumerate() {
        times.sort_by(f64::total_cmp);
        let name = if lanes == 0 { "the crate".to_owned() } else { format!("{lanes} in step") };
        let (best, median) = (best(times), times[times.len() / 2]);
        println!("{name:10} {best:9.3} {median:9.3} {:6.2} ×", crate_best / best);
    }
}

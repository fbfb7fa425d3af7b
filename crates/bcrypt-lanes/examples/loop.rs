//! Prints how many hashes the `bcrypt` crate makes in a second, in a loop on all cores, and how many it made:
//! `cargo run --release --locked -p bcrypt-lanes --example loop SECONDS [COST]`.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse().expect("a number"));
    let time = Duration::from_secs(words.next().unwrap_or(10));
    let cost = words.next().unwrap_or(12) as u32;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let start = Instant::now();
    let on_one_core = || {
        let mut hashes = 0;
        while start.elapsed() < time {
            black_box(bcrypt::bcrypt(cost, *b"sixteen bytes of", b"a quiet harbour\0"));
            hashes += 1;
        }
        (hashes, f64::from(hashes) / start.elapsed().as_secs_f64())
    };
    let found: Vec<(u32, f64)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(on_one_core)).collect();
        threads.into_iter().map(|thread| thread.join().expect("hashes")).collect()
    });
    let rate: f64 = found.iter().map(|(_, rate)| rate).sum();
    let hashes: u32 = found.iter().map(|(hashes, _)| hashes).sum();
    println!("{rate:.3} {hashes}");
}

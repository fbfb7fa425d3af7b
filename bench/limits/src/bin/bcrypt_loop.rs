//! The bcrypt crate in a loop on every core: `bcrypt_loop SECONDS COST` prints hashes and seconds.

use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let mut words = std::env::args().skip(1).map(|word| word.parse::<u32>().expect("a number"));
    let (seconds, cost) = (words.next().expect("seconds"), words.next().expect("a cost"));
    let cores = thread::available_parallelism().expect("a number of cores").get();
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds.into());
    let threads: Vec<_> =
        (0..cores).map(|_| thread::spawn(move || hash_until(end, cost))).collect();
    let hashed: u32 = threads.into_iter().map(|thread| thread.join().expect("hashes")).sum();
    println!("{hashed} {:.3}", began.elapsed().as_secs_f64());
}

fn hash_until(end: Instant, cost: u32) -> u32 {
    let mut hashed = 0;
    while Instant::now() < end {
        bcrypt::hash("a quiet harbour", cost).expect("a hash");
        hashed += 1;
    }
    hashed
}

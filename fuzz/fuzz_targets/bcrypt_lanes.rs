//! Hashing in step, beside the `bcrypt` crate: any passwords and salts, every number of lanes, the same hashes.

#![no_main]

use bcrypt_lanes::{Hash, Job, MOST, Salt, hash};
use libfuzzer_sys::fuzz_target;

fn by_the_crate(cost: u32, job: &Job) -> Hash {
    let mut key = [job.password, &[0]].concat();
    key.truncate(72);
    let hash = bcrypt::bcrypt(cost, *job.salt, &key);
    std::array::from_fn(|index| hash[index])
}

// Two bytes say how many lanes, at which cost and how long the passwords are; salts and passwords follow,
// and begin again where the input ends.
fuzz_target!(|input: &[u8]| {
    let [shape, length, rest @ ..] = input else { return };
    let lanes = 1 + usize::from(*shape) % MOST;
    let cost = 4 + u32::from(*shape >= 0xf0);
    let length = usize::from(*length) % 80;
    let mut bytes = rest.iter().copied().cycle();
    let mut next = |count: usize| -> Vec<u8> {
        (0..count).map(|_| bytes.next().unwrap_or_default()).collect()
    };
    let people: Vec<(Vec<u8>, Salt)> = (0..lanes)
        .map(|lane| {
            let salt = next(16).try_into().expect("16 bytes");
            // Not all as long as each other.
            (next(length.saturating_sub(lane)), salt)
        })
        .collect();
    let jobs: Vec<Job> = people.iter().map(|(password, salt)| Job { password, salt }).collect();
    let mut hashes = vec![[0; 23]; lanes];
    hash(cost, &jobs, &mut hashes);
    for (job, hash) in jobs.iter().zip(hashes) {
        assert_eq!(hash, by_the_crate(cost, job));
    }
});

//! bcrypt of several passwords in step on one core.
//!
//! One bcrypt leaves most of a core idle: each of Blowfish's rounds waits for four table look-ups
//! whose addresses the round before it computes. Several *different* passwords, each with a salt
//! of its own, do not wait for each other: hashed in step, one round of each in turn, they fill
//! the pauses. Nothing is shared between them but the time.
//!
//! The algorithm is Provos and Mazières, "A Future-Adaptable Password Scheme" (USENIX 1999), over
//! Blowfish (Schneier, "Description of a New Variable-Length Key, 64-Bit Block Cipher", FSE 1993),
//! as OpenBSD has it under `$2b$`: a password is its first 72 bytes, ended by a NUL where it is
//! shorter, and in each turn of the schedule the password comes before the salt.
//!
//! ```
//! let (salt, other) = ([7; 16], [8; 16]);
//! let hashes = bcrypt_lanes::hash_each(4, [b"a quiet harbour", b"another one"], [&salt, &other]);
//! assert_ne!(hashes[0], hashes[1]);
//! ```

#![no_std]
#![forbid(unsafe_code)]

mod pi;
mod state;

use state::State;

/// The most passwords in step. More do not fit into a core's first cache: each has 4 KiB of tables.
pub const MOST: usize = 8;
/// bcrypt's own bounds: below 4 it is no work, 2^31 turns take weeks.
pub const COSTS: core::ops::RangeInclusive<u32> = 4..=31;

pub type Salt = [u8; 16];
/// The last of bcrypt's 24 bytes is not kept in `$2b$…`, nor here.
pub type Hash = [u8; 23];

/// A password, and the salt it is hashed with.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    pub password: &'a [u8],
    pub salt: &'a Salt,
}

/// The hash of each password with the salt in its place, all at `cost`, in step.
///
/// # Panics
/// When `cost` is outside of [`COSTS`].
pub fn hash_each<const N: usize>(cost: u32, passwords: [&[u8]; N], salts: [&Salt; N]) -> [Hash; N] {
    const { assert!(N >= 1 && N <= MOST, "1 to 8 passwords in step") };
    assert!(COSTS.contains(&cost), "bcrypt has no cost {cost}");
    let mut state = State::first();
    state.take(passwords, salts);
    state.expand_salted();
    for _ in 0..1_u32 << cost {
        state.expand_password();
        state.expand_salt();
    }
    state.magic()
}

/// [`hash_each`] of any number of jobs, [`MOST`] in step and then the rest.
///
/// # Panics
/// When `cost` is outside of [`COSTS`], or there is not one hash to fill for each job.
pub fn hash(cost: u32, jobs: &[Job<'_>], hashes: &mut [Hash]) {
    assert_eq!(jobs.len(), hashes.len(), "a hash for each job");
    for (jobs, hashes) in jobs.chunks(MOST).zip(hashes.chunks_mut(MOST)) {
        match jobs.len() {
            1 => in_step::<1>(cost, jobs, hashes),
            2 => in_step::<2>(cost, jobs, hashes),
            3 => in_step::<3>(cost, jobs, hashes),
            4 => in_step::<4>(cost, jobs, hashes),
            5 => in_step::<5>(cost, jobs, hashes),
            6 => in_step::<6>(cost, jobs, hashes),
            7 => in_step::<7>(cost, jobs, hashes),
            _ => in_step::<8>(cost, jobs, hashes),
        }
    }
}

fn in_step<const N: usize>(cost: u32, jobs: &[Job<'_>], hashes: &mut [Hash]) {
    let passwords = core::array::from_fn(|lane| jobs[lane].password);
    let salts = core::array::from_fn(|lane| jobs[lane].salt);
    hashes.copy_from_slice(&hash_each::<N>(cost, passwords, salts));
}

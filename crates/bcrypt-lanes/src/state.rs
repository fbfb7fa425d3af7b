//! Blowfish's state for several keys at once, and bcrypt's changes to it.

use zeroize::Zeroize;

use crate::{Hash, Salt, pi};

/// "OrpheanBeholderScryDoubt", what bcrypt enciphers.
const MAGIC: [u32; 6] =
    [0x4f72_7068, 0x6561_6e42, 0x6568_6f6c, 0x6465_7253, 0x6372_7944, 0x6f75_6274];
const MAGIC_TIMES: usize = 64;

/// A word of each lane.
type Words<const N: usize> = [u32; N];

/// Each lane's S boxes lie together, since a look-up knows its lane when the program is compiled;
/// what all lanes need in the same moment lies side by side.
pub struct State<const N: usize> {
    s: [[[u32; 256]; 4]; N],
    p: [Words<N>; 18],
    /// The password, repeated to 72 bytes.
    password: [Words<N>; 18],
    salt: [Words<N>; 4],
}

impl<const N: usize> State<N> {
    /// Blowfish's first state, which holds nothing of anybody yet.
    pub fn first() -> Self {
        Self {
            s: [pi::S; N],
            p: pi::P.map(|word| [word; N]),
            password: [[0; N]; 18],
            salt: [[0; N]; 4],
        }
    }

    /// Takes in what is hashed, in place: a state that is moved leaves a copy that nobody wipes.
    pub fn take(&mut self, passwords: [&[u8]; N], salts: [&Salt; N]) {
        for lane in 0..N {
            // Ended by a NUL and repeated. Of a longer one its first 72 bytes are all that fits.
            let bytes = passwords[lane].iter().chain(&[0]).copied().cycle();
            fill(&mut self.password, lane, bytes);
            fill(&mut self.salt, lane, salts[lane].iter().copied());
        }
    }

    /// ExpandKey(state, salt, password).
    pub fn expand_salted(&mut self) {
        self.mix_password();
        self.replace::<true>();
    }

    /// ExpandKey(state, 0, password).
    pub fn expand_password(&mut self) {
        self.mix_password();
        self.replace::<false>();
    }

    /// ExpandKey(state, 0, salt).
    pub fn expand_salt(&mut self) {
        for (index, words) in self.p.iter_mut().enumerate() {
            xor(words, &self.salt[index % 4]);
        }
        self.replace::<false>();
    }

    /// The hashes: the magic words, enciphered many times over.
    pub fn magic(&self) -> [Hash; N] {
        let mut hashes = [[0; 23]; N];
        for pair in 0..3 {
            let mut block = [[MAGIC[2 * pair]; N], [MAGIC[2 * pair + 1]; N]];
            for _ in 0..MAGIC_TIMES {
                self.encipher(&mut block);
            }
            for (lane, hash) in hashes.iter_mut().enumerate() {
                let [left, right] = block.map(|words| words[lane].to_be_bytes());
                let bytes = left.into_iter().chain(right);
                hash[8 * pair..].iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
            }
        }
        hashes
    }

    fn mix_password(&mut self) {
        for (words, password) in self.p.iter_mut().zip(&self.password) {
            xor(words, password);
        }
    }

    /// Replaces the P array and then the S boxes, two words at a time, by what a block of zeros
    /// becomes: enciphered on and on by what has been replaced so far, and each time mixed with a
    /// half of the salt where it is `SALTED`.
    fn replace<const SALTED: bool>(&mut self) {
        let mut block = [[0; N]; 2];
        for turn in 0..9 + 512 {
            if SALTED {
                let half = turn % 2;
                xor(&mut block[0], &self.salt[2 * half]);
                xor(&mut block[1], &self.salt[2 * half + 1]);
            }
            self.encipher(&mut block);
            if turn < 9 {
                self.p[2 * turn] = block[0];
                self.p[2 * turn + 1] = block[1];
                continue;
            }
            let first = 2 * (turn - 9);
            for (lane, s) in self.s.iter_mut().enumerate() {
                let s = s.as_flattened_mut();
                s[first] = block[0][lane];
                s[first + 1] = block[1][lane];
            }
        }
    }

    /// Blowfish of a block of each lane: one round of every lane before the next round of any.
    #[inline(always)]
    fn encipher(&self, block: &mut [Words<N>; 2]) {
        let [mut left, mut right] = *block;
        // Written out: the compiler leaves a loop of them, which takes a sixth longer.
        self.two_rounds(0, &mut left, &mut right);
        self.two_rounds(2, &mut left, &mut right);
        self.two_rounds(4, &mut left, &mut right);
        self.two_rounds(6, &mut left, &mut right);
        self.two_rounds(8, &mut left, &mut right);
        self.two_rounds(10, &mut left, &mut right);
        self.two_rounds(12, &mut left, &mut right);
        self.two_rounds(14, &mut left, &mut right);
        xor(&mut left, &self.p[16]);
        xor(&mut right, &self.p[17]);
        *block = [right, left];
    }

    #[inline(always)]
    fn two_rounds(&self, first: usize, left: &mut Words<N>, right: &mut Words<N>) {
        self.round(first, left, right);
        self.round(first + 1, right, left);
    }

    #[inline(always)]
    fn round(&self, number: usize, from: &mut Words<N>, into: &mut Words<N>) {
        for lane in 0..N {
            from[lane] ^= self.p[number][lane];
            into[lane] ^= self.mixed(lane, from[lane]);
        }
    }

    /// Blowfish's F.
    #[inline(always)]
    fn mixed(&self, lane: usize, word: u32) -> u32 {
        let [s0, s1, s2, s3] = &self.s[lane];
        let (high, low) = ((word >> 16) as u16, word as u16);
        // An index of one byte is always inside a box, so nothing is checked here.
        let sum = s0[usize::from(high >> 8)].wrapping_add(s1[usize::from(high as u8)]);
        (sum ^ s2[usize::from(low >> 8)]).wrapping_add(s3[usize::from(low as u8)])
    }

    fn wipe(&mut self) {
        self.s.as_flattened_mut().as_flattened_mut().zeroize();
        self.p.as_flattened_mut().zeroize();
        self.password.as_flattened_mut().zeroize();
        self.salt.as_flattened_mut().zeroize();
    }
}

impl<const N: usize> Drop for State<N> {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[inline(always)]
fn xor<const N: usize>(words: &mut Words<N>, others: &Words<N>) {
    for lane in 0..N {
        words[lane] ^= others[lane];
    }
}

/// Reads `bytes` into the words of one lane, the highest byte first.
fn fill<const N: usize>(words: &mut [[u32; N]], lane: usize, mut bytes: impl Iterator<Item = u8>) {
    for words in words {
        words[lane] = bytes.by_ref().take(4).fold(0, |word, byte| word << 8 | u32::from(byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_wiped_state() {
        let mut state = State::first();
        state.take([b"a quiet harbour", b"another"], [&[7; 16], &[8; 16]]);
        state.expand_salted();
        state.wipe();
        assert!(state.s.as_flattened().as_flattened().iter().all(|word| *word == 0));
        assert!(state.p.as_flattened().iter().all(|word| *word == 0));
        assert!(state.password.as_flattened().iter().all(|word| *word == 0));
        assert!(state.salt.as_flattened().iter().all(|word| *word == 0));
    }
}

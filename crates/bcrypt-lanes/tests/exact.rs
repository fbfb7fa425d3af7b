//! Every hash is bcrypt's own: the published ones, and what the `bcrypt` crate makes.

use std::thread;

use bcrypt_lanes::{Hash, Job, MOST, Salt, hash, hash_each};

/// bcrypt's base 64 has an order of its own.
const DIGITS: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

fn decode<const N: usize>(text: &str) -> [u8; N] {
    let mut bits = text.bytes().flat_map(|sign| {
        let digit = DIGITS.iter().position(|digit| *digit == sign).expect("base 64");
        (0..6).rev().map(move |bit| u8::from(digit >> bit & 1 == 1))
    });
    std::array::from_fn(|_| bits.by_ref().take(8).fold(0, |byte, bit| byte << 1 | bit))
}

/// Cost, salt and hash of `$2b$CC$…`.
fn parts(text: &str) -> (u32, Salt, Hash) {
    (text[4..6].parse().expect("a cost"), decode(&text[7..29]), decode(&text[29..]))
}

/// What jBCrypt's tests and Openwall's crypt_blowfish publish.
fn published() -> [(Vec<u8>, &'static str); 25] {
    let z = "abcdefghijklmnopqrstuvwxyz";
    let signs = "~!@#$%^&*()      ~!@#$%^&*()PNBFRD";
    let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ\
                0123456789chars after 72 are ignored";
    [
        (b"".to_vec(), "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
        (b"".to_vec(), "$2a$08$HqWuK6/Ng6sg9gQzbLrgb.Tl.ZHfXLhvt/SgVyWhQqgqcZ7ZuUtye"),
        (b"".to_vec(), "$2a$10$k1wbIrmNyFAPwPVPSVa/zecw2BCEnBwVS2GbrmgzxFUOqW9dk4TCW"),
        (b"a".to_vec(), "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        (b"a".to_vec(), "$2a$08$cfcvVd2aQ8CMvoMpP2EBfeodLEkkFJ9umNEfPD18.hUF62qqlC/V."),
        (b"a".to_vec(), "$2a$10$k87L/MF28Q673VKh8/cPi.SUl7MU/rWuSiIDDFayrKk/1tBsSQu4u"),
        (b"abc".to_vec(), "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        (b"abc".to_vec(), "$2a$08$Ro0CUfOqk6cXEKf3dyaM7OhSCvnwM9s4wIX9JeLapehKK5YdLxKcm"),
        (b"abc".to_vec(), "$2a$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi"),
        (z.into(), "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC"),
        (z.into(), "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz."),
        (z.into(), "$2a$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq"),
        (signs.into(), "$2a$06$fPIsBO8qRqkjj273rfaOI.HtSV9jLDpTbZn782DC6/t7qT67P6FfO"),
        (signs.into(), "$2a$08$Eq2r4G/76Wv39MzSX262huzPz612MZiYHVUJe/OcOql2jo4.9UxTW"),
        (signs.into(), "$2a$10$LgfYWkbzEvQ4JakH7rOvHe0y8pHKF9OaFgwUZ2q7W2FFZmZzJYlfS"),
        (b"U*U".to_vec(), "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"),
        (b"U*U*".to_vec(), "$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"),
        (b"U*U*U".to_vec(), "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"),
        (long.into(), "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui"),
        (b"\xff\xff\xa3".to_vec(), "$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"),
        (b"\xa3".to_vec(), "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"),
        (b"\xff\xa3345".to_vec(), "$2y$05$/OK.fbVrR/bpIqNJ5ianF.nRht2l/HRhr6zmCp9vYUvvsqynflf9e"),
        (vec![0xaa; 72], "$2y$05$/OK.fbVrR/bpIqNJ5ianF.swQOIzjOiJ9GHEPuhEkvqrUyvWhEMx6"),
        (b"".to_vec(), "$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy"),
        (
            b"\x55\xaa\xff".repeat(24),
            "$2y$05$/OK.fbVrR/bpIqNJ5ianF.9tQZzcJfm3uj2NvJ/n5xkhpqLrMpWCe",
        ),
    ]
}

/// Numbers that a seed decides (Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn number(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number(256) as u8).collect()
    }

    /// Of any length that matters, of any bytes but the NUL now and then.
    fn password(&mut self) -> Vec<u8> {
        let length = match self.number(8) {
            0 => 0,
            1 => 71 + self.number(3),
            2 => 200,
            _ => self.number(72),
        };
        self.bytes(length)
    }

    fn salt(&mut self) -> Salt {
        self.bytes(16).try_into().expect("16 bytes")
    }
}

fn by_the_crate(cost: u32, password: &[u8], salt: &Salt) -> Hash {
    let parts = bcrypt::hash_with_salt(password, cost, *salt).expect("hashed");
    decode(&parts.to_string()[29..])
}

fn assert_same(cost: u32, passwords: &[Vec<u8>], salts: &[Salt]) {
    let jobs: Vec<Job> =
        passwords.iter().zip(salts).map(|(password, salt)| Job { password, salt }).collect();
    let mut hashes = vec![[0; 23]; jobs.len()];
    hash(cost, &jobs, &mut hashes);
    for (lane, (job, hash)) in jobs.iter().zip(&hashes).enumerate() {
        let expected = by_the_crate(cost, job.password, job.salt);
        let lanes = jobs.len();
        assert_eq!(*hash, expected, "lane {lane} of {lanes}, cost {cost}: {:?}", job.password);
    }
}

#[test]
fn published_hashes_come_out_of_every_lane_of_every_number_of_lanes() {
    for (number, (password, text)) in published().into_iter().enumerate() {
        let (cost, salt, expected) = parts(text);
        assert_eq!(hash_each(cost, [&password], [&salt])[0], expected, "{text}");
        // Each of the dearer ones has one more place; together they have them all.
        let cheap = cost <= 5;
        for lanes in 1..=MOST {
            for lane in (0..lanes).filter(|lane| cheap || (lanes + lane) % 15 == number % 15) {
                let (stranger, other_salt) = (b"somebody else's", [lane as u8; 16]);
                let mut jobs = vec![Job { password: stranger, salt: &other_salt }; lanes];
                jobs[lane] = Job { password: &password, salt: &salt };
                let mut hashes = vec![[0; 23]; lanes];
                hash(cost, &jobs, &mut hashes);
                assert_eq!(hashes[lane], expected, "{text} in lane {lane} of {lanes}");
            }
        }
    }
}

#[test]
fn ten_thousand_random_pairs_are_hashed_as_the_crate_does() {
    const THREADS: usize = 2;
    thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut random = Random(0x9e37_79b9_7f4a_7c15 + thread as u64);
                let mut left = 10_000 / THREADS;
                for turn in 0.. {
                    let lanes = (1 + turn % MOST).min(left);
                    let cost = if turn % 50 == 0 { 5 + (turn / 50 % 2) as u32 } else { 4 };
                    let passwords: Vec<_> = (0..lanes).map(|_| random.password()).collect();
                    let salts: Vec<_> = (0..lanes).map(|_| random.salt()).collect();
                    assert_same(cost, &passwords, &salts);
                    left -= lanes;
                    if left == 0 {
                        break;
                    }
                }
            });
        }
    });
}

#[test]
fn the_edges_of_a_password_are_the_crates() {
    let passwords = [
        Vec::new(),
        vec![0],
        vec![0; 72],
        b"pw".to_vec(),
        b"pw\0pw".to_vec(),
        vec![b'a'; 71],
        vec![b'a'; 72],
        vec![b'a'; 73],
        vec![b'a'; 100],
        vec![0x80],
        vec![0xff; 72],
        (0x80..=0xff).collect(),
        "пароль-из-слов 😀".into(),
    ];
    for salt in [[0; 16], [0xff; 16], *b"sixteen bytes of"] {
        for start in 0..passwords.len() {
            let window: Vec<_> = passwords.iter().cycle().skip(start).take(MOST).cloned().collect();
            assert_same(4, &window, &[salt; MOST]);
        }
        // More than go in step at once.
        assert_same(4, &passwords, &vec![salt; passwords.len()]);
    }
    hash(4, &[], &mut []);
}

#[test]
fn equal_lanes_have_equal_hashes_and_nothing_else_does() {
    let salts = [[1; 16], [1; 16], [2; 16], [1; 16]];
    let [one, same, salted, other] =
        hash_each(4, [b"one", b"one", b"one", b"two"], salts.each_ref());
    assert_eq!(one, same);
    assert!(one != salted && one != other && salted != other);
}

#[test]
fn a_cost_that_bcrypt_does_not_have_panics() {
    for cost in [0, 3, 32, u32::MAX] {
        let hashed = std::panic::catch_unwind(|| hash_each(cost, [b"x"], [&[0; 16]]));
        assert!(hashed.is_err(), "{cost}");
    }
}

//! What bcrypt is asked for: a new hash, or a comparison with the one that is stored.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD as BASE64};
use bcrypt_lanes::{COSTS, Hash, Job, Salt};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha384};
use subtle::ConstantTimeEq;

use crate::accounts::password::HIGHEST_COST;
use crate::tokens::random_bytes;

/// What bcrypt reads of its input before cutting, less the NUL that ends it.
const BCRYPT_MAX_BYTES: usize = 71;
/// Marks hashes of `base64(SHA-384(password))`, for what bcrypt alone would cut.
const PREHASHED: &str = "sha384$";
/// The 23 bytes at the end of `$2b$…`, in bcrypt's own base 64.
const HASH_DIGITS: usize = 31;
const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, NO_PAD);

/// One bcrypt: what every hash and every comparison is made of.
pub struct Step {
    cost: u32,
    /// What bcrypt reads in full: [`BCRYPT_MAX_BYTES`] at most, and no NUL.
    input: SecretString,
    salt: Salt,
}

impl Step {
    pub fn cost(&self) -> u32 {
        self.cost
    }

    pub fn job(&self) -> Job<'_> {
        Job { password: self.input.expose_secret().as_bytes(), salt: &self.salt }
    }

    /// By the `bcrypt` crate, alone on a core.
    pub fn hash(&self) -> Hash {
        let input = self.input.expose_secret().as_bytes();
        let mut key = Zeroizing::new([0; BCRYPT_MAX_BYTES + 1]);
        key[..input.len()].copy_from_slice(input);
        let hash = bcrypt::bcrypt(self.cost, self.salt, &key[..=input.len()]);
        std::array::from_fn(|index| hash[index])
    }

    /// Work of that cost, for nothing.
    pub fn dummy(cost: u32) -> Self {
        Self { cost, input: "dummy".to_owned().into(), salt: *b"Gatehouse dummy." }
    }
}

/// A password that is to be stored as salted bcrypt: `$2b$…` when bcrypt reads all of it, else
/// `sha384$$2b$…`. bcrypt stops at 72 bytes, and repeats its key after a NUL, so that `pw`, NUL,
/// `pw` would be equal to `pw`; longer ones and those with a NUL are hashed as
/// base64(SHA-384(password)), 64 characters.
pub struct NewHash {
    step: Step,
    scheme: &'static str,
}

impl NewHash {
    pub fn of(password: &SecretString, cost: u32) -> Result<Self, bcrypt::BcryptError> {
        if !COSTS.contains(&cost) {
            return Err(bcrypt::BcryptError::CostNotAllowed(cost));
        }
        let password = password.expose_secret();
        let scheme = if fits_bcrypt(password) { "" } else { PREHASHED };
        let step = Step { cost, input: input_of(password), salt: random_bytes() };
        Ok(Self { step, scheme })
    }

    pub fn step(&self) -> &Step {
        &self.step
    }

    /// As it is stored, once [`NewHash::step`] is hashed.
    pub fn text(&self, hash: &Hash) -> String {
        let Step { cost, salt, .. } = &self.step;
        let (salt, hash) = (BCRYPT_BASE64.encode(salt), BCRYPT_BASE64.encode(hash));
        format!("{}$2b${cost:02}${salt}{hash}", self.scheme)
    }
}

/// A password beside the hash that is stored. An unknown, broken or missing hash takes the time of
/// one bcrypt at `cost` and is never equal.
pub struct Comparison {
    step: Step,
    expected: Option<Hash>,
    cost: u32,
}

impl Comparison {
    pub fn of(password: &SecretString, stored: Option<&str>, cost: u32) -> Self {
        let password = password.expose_secret();
        let stored = stored.unwrap_or_default();
        let (prehashed, standard) = match stored.strip_prefix(PREHASHED) {
            Some(rest) => (true, rest),
            None => (false, stored),
        };
        let same_scheme = prehashed != fits_bcrypt(password);
        // Without the dummy an account with a broken hash, and an address without an account,
        // would be told apart by the time it takes to say no.
        let (step, expected) = match parts_of(standard) {
            Some((stored_cost, salt, hash)) if same_scheme => {
                (Step { cost: stored_cost, input: input_of(password), salt }, Some(hash))
            }
            Some((stored_cost, ..)) => (Step::dummy(stored_cost), None),
            None => (Step::dummy(cost), None),
        };
        Self { step, expected, cost }
    }

    pub fn step(&self) -> &Step {
        &self.step
    }

    /// Whether `hash`, of [`Comparison::step`], is the one that is stored; in constant time.
    pub fn is_equal(&self, hash: &Hash) -> bool {
        self.expected.is_some_and(|expected| expected.ct_eq(hash).into())
    }

    /// The costs of the dummies that a refusal takes besides. A cheaper hash would be refused
    /// sooner; 2^old + 2^old + … + 2^(cost - 1) is 2^cost.
    pub fn owed(&self) -> Range<u32> {
        self.step.cost..self.cost.max(self.step.cost)
    }
}

/// The cost of a stored hash, in either scheme; none when it is broken.
pub fn cost_of(stored: &str) -> Option<u32> {
    parts_of(stored.strip_prefix(PREHASHED).unwrap_or(stored)).map(|(cost, ..)| cost)
}

/// Cost, salt and hash of a well-formed bcrypt hash. A cost that no setting allows is damage: taken
/// at its word it would keep a thread busy for days.
pub fn parts_of(hash: &str) -> Option<(u32, Salt, Hash)> {
    let parts: bcrypt::HashParts = hash.parse().ok()?;
    let cost = Some(parts.get_cost()).filter(|cost| (4..=HIGHEST_COST).contains(cost))?;
    let bytes = BCRYPT_BASE64.decode(&hash[hash.len() - HASH_DIGITS..]).ok()?;
    Some((cost, parts.get_salt_raw(), bytes.try_into().ok()?))
}

fn fits_bcrypt(password: &str) -> bool {
    password.len() <= BCRYPT_MAX_BYTES && !password.contains('\0')
}

fn input_of(password: &str) -> SecretString {
    if fits_bcrypt(password) {
        password.into()
    } else {
        BASE64.encode(Sha384::digest(password.as_bytes())).into()
    }
}

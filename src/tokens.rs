//! Random secrets, what is stored of them, and the sealing of what waits in the database.

use aes_gcm::aead::rand_core::RngCore;
use aes_gcm::aead::{Aead, AeadCore, KeyInit, OsRng, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A random (version 4) UUID as text, from the operating system's generator (RFC 9562, 5.4).
pub fn generate_uuid() -> String {
    Uuid::new_v4().to_string()
}

/// A token for a mailed link: two version 4 UUIDs joined, 244 random bits, 64 hexadecimal digits.
pub fn generate_token() -> SecretString {
    SecretString::from(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
}

/// Bytes from the operating system's generator.
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    OsRng.fill_bytes(&mut bytes);
    bytes
}

/// What the database keeps of a random secret: its SHA-256 in hexadecimal. Enough for secrets of
/// 112 random bits and more (ASVS 6.5.2), which need no salt and no slow hash.
pub fn fingerprint(secret: impl AsRef<[u8]>) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    Sha256::digest(secret).iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Encrypts and authenticates what waits in the database (AES-256-GCM, NIST SP 800-38D), under a
/// key derived from the service's secret key (HKDF-SHA-256, RFC 5869).
#[derive(Clone)]
pub struct Sealer {
    cipher: Aes256Gcm,
}

/// What was sealed under another key, for another row, or was altered.
#[derive(Debug, thiserror::Error)]
#[error("cannot be decrypted: altered, or sealed under another secret_key")]
pub struct Unsealable;

const NONCE_BYTES: usize = 12;

impl Sealer {
    /// `purpose` keeps the keys of different uses apart.
    pub fn new(secret_key: &SecretString, purpose: &str) -> Self {
        let mut key = [0u8; 32];
        Hkdf::<Sha256>::new(None, secret_key.expose_secret().as_bytes())
            .expand(purpose.as_bytes(), &mut key)
            .expect("32 bytes are within HKDF's limit of 255 blocks");
        Self { cipher: Aes256Gcm::new(&key.into()) }
    }

    /// `label` (the row's name) is authenticated too, so that contents cannot change places.
    pub fn seal(&self, plain: &[u8], label: &str) -> Vec<u8> {
        let nonce = Aes256Gcm::generate_nonce(&mut OsRng);
        let payload = Payload { msg: plain, aad: label.as_bytes() };
        let sealed =
            self.cipher.encrypt(&nonce, payload).expect("AES-GCM takes any text under 64 GiB");
        [nonce.as_slice(), &sealed].concat()
    }

    pub fn open(&self, sealed: &[u8], label: &str) -> Result<Vec<u8>, Unsealable> {
        let (nonce, text) = sealed.split_at_checked(NONCE_BYTES).ok_or(Unsealable)?;
        let payload = Payload { msg: text, aad: label.as_bytes() };
        self.cipher.decrypt(Nonce::from_slice(nonce), payload).map_err(|_| Unsealable)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn tokens_are_long_and_never_the_same() {
        let tokens: HashSet<String> =
            (0..10_000).map(|_| generate_token().expose_secret().to_owned()).collect();
        assert_eq!(tokens.len(), 10_000);
        assert!(tokens.iter().all(|t| t.len() == 64 && t.bytes().all(|b| b.is_ascii_hexdigit())));
    }

    #[test]
    fn fingerprint_is_sha_256() {
        assert_eq!(
            fingerprint("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn sealed_text_opens_only_whole_in_its_place_and_under_its_key() {
        let key = SecretString::from("first key".to_owned());
        let sealer = Sealer::new(&key, "test");
        let sealed = sealer.seal(b"a token", "row 1");
        assert_eq!(sealer.open(&sealed, "row 1").ok().as_deref(), Some(b"a token".as_slice()));
        assert!(sealer.open(&sealed, "row 2").is_err());
        assert!(Sealer::new(&key, "other purpose").open(&sealed, "row 1").is_err());
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert!(sealer.open(&altered, "row 1").is_err(), "byte {place}");
        }
        assert!(sealer.open(b"short", "row 1").is_err());
    }
}

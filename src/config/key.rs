//! The secret key: refused when weak, made and kept when none is set.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};

use super::ConfigError;
use crate::tokens::random_bytes;

const BYTES: usize = 64;
const FEWEST_BYTES: usize = 32;
/// Rocket's documentation prints this one; so everybody has it.
const PUBLISHED: &str = "hPRYyVRiMyxpw5sBB1XeCMN1kFsDCqKvBi2QJxBVHQk=";

/// 32 to 64 random bytes, in base64 as Rocket takes them.
#[derive(Debug, Clone)]
pub struct SecretKey(SecretString);

impl SecretKey {
    /// Takes base64 or hexadecimal; refuses what is short, published or plainly not random.
    pub fn parse(text: SecretString) -> Result<Self, ConfigError> {
        // `openssl rand -base64 64` breaks its output into lines.
        let written: String = text.expose_secret().split_ascii_whitespace().collect();
        let help = "make one with: openssl rand -base64 64";
        if written == PUBLISHED {
            return Err(ConfigError(format!("is the example of a manual; {help}")));
        }
        let bytes = decode(&written).ok_or_else(|| {
            ConfigError(format!("must be random bytes in base64 or hexadecimal; {help}"))
        })?;
        if !(FEWEST_BYTES..=BYTES).contains(&bytes.len()) {
            return Err(ConfigError(format!(
                "holds {} bytes, must be {FEWEST_BYTES} to {BYTES}; {help}",
                bytes.len()
            )));
        }
        // 32 random bytes hold fewer than 16 different values once in 10^18 times.
        let different = bytes.iter().collect::<HashSet<_>>().len();
        if different < 16 || bytes.iter().all(|b| (b' '..=b'~').contains(b)) {
            return Err(ConfigError(format!("is not random; {help}")));
        }
        Ok(Self(SecretString::from(BASE64.encode(bytes))))
    }

    pub fn text(&self) -> &SecretString {
        &self.0
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let hex = text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    if hex {
        return (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
            .collect();
    }
    BASE64.decode(text).ok()
}

/// Reads the kept key, or makes one for its owner alone (0600). The note says what was made.
pub fn load_or_create(path: &Path) -> Result<(SecretString, Option<String>), ConfigError> {
    let failed = |what: &str, cause: std::io::Error| {
        ConfigError(format!("{what} {}: {cause}", path.display()))
    };
    match fs::metadata(path) {
        Ok(found) => {
            if found.mode() & 0o077 != 0 {
                return Err(ConfigError(format!(
                    "{} can be read by others: chmod 600 {0}",
                    path.display()
                )));
            }
            let text = fs::read_to_string(path).map_err(|e| failed("cannot read", e))?;
            let key = SecretKey::parse(SecretString::from(text))
                .map_err(|why| ConfigError(format!("{}: {why}", path.display())))?;
            Ok((key.0, None))
        }
        Err(missing) if missing.kind() == ErrorKind::NotFound => {
            let key = generate();
            create(path, &key).map_err(|e| failed("cannot write", e))?;
            // Read back: of two processes that start at once, the first one's key counts.
            let (kept, _) = load_or_create(path)?;
            Ok((kept, Some(format!("a new secret key is kept in {}", path.display()))))
        }
        Err(cause) => Err(failed("cannot read", cause)),
    }
}

fn generate() -> SecretString {
    loop {
        let bytes = random_bytes::<BYTES>();
        if let Ok(key) = SecretKey::parse(SecretString::from(BASE64.encode(bytes))) {
            return key.0;
        }
    }
}

/// Written whole under another name, then linked: nobody reads half a key, nobody overwrites one.
fn create(path: &Path, key: &SecretString) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let unfinished = path.with_extension(format!("new-{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    writeln!(file, "{}", key.expose_secret())?;
    file.sync_all()?;
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    match linked {
        Err(taken) if taken.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SecretKey, ConfigError> {
        SecretKey::parse(SecretString::from(text.to_owned()))
    }

    #[test]
    fn b92_weak_keys_are_refused() {
        let short = BASE64.encode((0..16).collect::<Vec<u8>>());
        let zero = BASE64.encode([0u8; 64]);
        let words = BASE64.encode("correct horse battery staple correct horse battery");
        let graphic = BASE64.encode("abcdefghijklmnopqrstuvwxyzABCDEF");
        for weak in ["", "change me", &short, &zero, &"00".repeat(32), &graphic, &words, PUBLISHED]
        {
            assert!(parse(weak).is_err(), "{weak}");
        }
        // A passphrase is refused whether or not its bytes were put in base64 first.
        assert!(parse("correct horse battery staple").is_err());
    }

    #[test]
    fn random_keys_pass_in_base64_and_in_hexadecimal() {
        let bytes: Vec<u8> = (0..64u32).map(|n| (n * 197 % 251) as u8).collect();
        assert!(parse(&BASE64.encode(&bytes)).is_ok());
        let text = BASE64.encode(&bytes);
        assert!(
            parse(&format!("{}\n{}\n", &text[..64], &text[64..])).is_ok(),
            "as openssl prints it"
        );
        let hex: String = bytes[..32].iter().map(|b| format!("{b:02x}")).collect();
        assert!(parse(&hex).is_ok());
    }

    #[test]
    fn the_kept_key_is_private_and_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/secret_key");
        let (first, note) = load_or_create(&path).expect("made");
        assert!(note.is_some());
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(folder.path().join("data")).expect("there").mode() & 0o777, 0o700);
        let (second, note) = load_or_create(&path).expect("read");
        assert!(note.is_none());
        assert_eq!(first.expose_secret(), second.expose_secret());
    }
}

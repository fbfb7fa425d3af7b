//! B-107 over the whole suite: no app's files hold the password or a cookie that went by.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::app::PASSWORD;
use crate::own_database::{OwnDatabase, on_postgresql};

/// Enough to find what is written again and again; a look takes milliseconds.
const MOST_COOKIES: usize = 8;

/// An app's folder and its database, looked into when the app is gone.
pub struct Watched {
    folder: TempDir,
    pub database: OwnDatabase,
    cookies: Mutex<Vec<String>>,
}

impl Watched {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = OwnDatabase::new(folder.path().join("gatehouse.db"), true);
        Self { folder, database, cookies: Mutex::default() }
    }

    pub fn saw(&self, cookie: &str) {
        let mut cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        if cookies.len() < MOST_COOKIES && !cookie.is_empty() {
            cookies.push(cookie.to_owned());
        }
    }
}

impl Deref for Watched {
    type Target = TempDir;

    fn deref(&self) -> &TempDir {
        &self.folder
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let cookies = self.cookies.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |place: &str, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for secret in cookies.iter().map(String::as_str).chain([PASSWORD]) {
                assert!(!text.contains(secret), "{secret:?} in {place}");
            }
        };
        if on_postgresql() {
            told("the database", &self.database.raw());
        }
        for entry in std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let Ok(bytes) = std::fs::read(entry.path()) else { continue };
            told(&entry.path().display().to_string(), &bytes);
        }
    }
}

#[test]
#[should_panic(expected = "\"a quiet harbour\" in")]
fn b107_a_password_in_the_database_fails_whatever_test_it_is() {
    let app = crate::app::TestApp::new();
    app.signed_up("ann@example.com");
    app.sql(&format!("UPDATE users SET hashed_password = '{PASSWORD}'"));
}

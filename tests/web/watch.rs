//! B-107 over the whole suite: no app's files hold the password or a cookie that went by.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::app::PASSWORD;

/// Enough to find what is written again and again; a look takes milliseconds.
const MOST_COOKIES: usize = 8;

/// An app's folder, looked into when the app is gone.
pub struct Watched {
    folder: TempDir,
    cookies: Mutex<Vec<String>>,
}

impl From<TempDir> for Watched {
    fn from(folder: TempDir) -> Self {
        Self { folder, cookies: Mutex::default() }
    }
}

impl Watched {
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
        for entry in std::fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let Ok(bytes) = std::fs::read(entry.path()) else { continue };
            let text = String::from_utf8_lossy(&bytes);
            for secret in cookies.iter().map(String::as_str).chain([PASSWORD]) {
                assert!(!text.contains(secret), "{secret:?} in {}", entry.path().display());
            }
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

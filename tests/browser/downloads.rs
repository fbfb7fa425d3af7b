//! What a browser downloads, in a folder of its own.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::browser::Browser;
use super::patience::soon;

pub struct Downloads(TempDir);

impl Downloads {
    #[track_caller]
    pub fn of(ann: &Browser) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let allowed = json!({ "behavior": "allow", "downloadPath": folder.path() });
        ann.cdp("Browser.setDownloadBehavior", allowed);
        Self(folder)
    }

    /// The one JSON file, once it is whole.
    #[track_caller]
    pub fn file(&self) -> Value {
        soon("a file", || {
            let mut files = fs::read_dir(&self.0).expect("a folder");
            let path = files.next()?.expect("a file").path();
            let whole = path.extension().is_some_and(|extension| extension == "json");
            let text = whole.then(|| fs::read_to_string(path).expect("UTF-8"))?;
            serde_json::from_str(&text).ok()
        })
    }
}

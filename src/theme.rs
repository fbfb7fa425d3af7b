//! Templates and static files: embedded in the program, replaced by files of `theme_dir`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use include_dir::{Dir, DirEntry, include_dir};

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");
static STATIC: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/static");

/// Files by their path inside the folder, with `/` between its parts.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Where the owner's own templates and static files lie, if anywhere: `theme_dir/pages`,
/// `theme_dir/mail` and `theme_dir/static`, each laid out as in the source tree.
#[derive(Debug, Clone, Default)]
pub struct Theme {
    pub dir: Option<PathBuf>,
}

impl Theme {
    pub fn pages(&self) -> io::Result<Files> {
        self.overlay("pages", templates("pages"))
    }

    pub fn mails(&self) -> io::Result<Files> {
        self.overlay("mail", templates("mail"))
    }

    pub fn static_files(&self) -> io::Result<Files> {
        self.overlay("static", embedded(&STATIC))
    }

    fn overlay(&self, folder: &str, mut files: Files) -> io::Result<Files> {
        let own = self.dir.as_ref().map(|dir| dir.join(folder)).filter(|dir| dir.is_dir());
        if let Some(own) = own {
            read_folder(&own, &own, &mut files)?;
        }
        Ok(files)
    }
}

/// The folder whose changes a debug build watches and reads its page templates from.
pub fn source_pages() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/pages");
    (cfg!(debug_assertions) && folder.is_dir()).then_some(folder)
}

/// The shipped templates: from the source tree in a debug build that has one, so that an edit
/// shows at once; else those compiled in.
fn templates(folder: &str) -> Files {
    let mut files = Files::new();
    if let Some(source) = source_pages().and_then(|pages| Some(pages.parent()?.join(folder)))
        && read_folder(&source, &source, &mut files).is_ok()
    {
        return files;
    }
    TEMPLATES.get_dir(folder).map(embedded).unwrap_or_default()
}

fn embedded(dir: &Dir<'_>) -> Files {
    fn collect(root: &Path, dir: &Dir<'_>, files: &mut Files) {
        for entry in dir.entries() {
            match entry {
                DirEntry::Dir(dir) => collect(root, dir, files),
                DirEntry::File(file) => {
                    let name = file.path().strip_prefix(root).unwrap_or(file.path());
                    files.insert(name.to_string_lossy().into_owned(), file.contents().to_vec());
                }
            }
        }
    }
    let mut files = Files::new();
    collect(dir.path(), dir, &mut files);
    files
}

fn read_folder(root: &Path, folder: &Path, files: &mut Files) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_folder(root, &path, files)?;
        } else if let Some(name) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            files.insert(name.to_owned(), fs::read(&path)?);
        }
    }
    Ok(())
}

/// Reads templates for Tera: `extension` is cut off their names; other files are passed over.
pub fn as_templates(files: Files, extension: &str) -> Result<Vec<(String, String)>, ThemeError> {
    files
        .into_iter()
        .filter_map(|(name, bytes)| Some((name.strip_suffix(extension)?.to_owned(), bytes)))
        .map(|(name, bytes)| match String::from_utf8(bytes) {
            Ok(text) => Ok((name, text)),
            Err(_) => Err(ThemeError(format!("{name}{extension} is not UTF-8"))),
        })
        .collect()
}

/// A template or static file that cannot be used; the text names it.
#[derive(Debug, thiserror::Error)]
#[error("theme: {0}")]
pub struct ThemeError(pub String);

impl From<io::Error> for ThemeError {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

impl ThemeError {
    /// Of a template that cannot be loaded: Tera calls it by its name, an owner by its file.
    pub fn in_file(error: tera::Error, folder: &str, extension: &str) -> Self {
        let Self(text) = error.into();
        let mut parts = text.splitn(3, '\'');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(before), Some(name), Some(after)) => {
                Self(format!("{before}{folder}/{name}{extension}{after}"))
            }
            _ => Self(text),
        }
    }
}

/// Tera's errors hide their reason in their sources, and draw it over several lines.
impl From<tera::Error> for ThemeError {
    fn from(error: tera::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

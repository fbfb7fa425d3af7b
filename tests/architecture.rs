//! The import rule and the house style, enforced. Each failure names the file and the line.

mod rules {
    pub mod access; // who may ask for which route
    pub mod asvs; // each requirement of OWASP ASVS has its place and its tests
    pub mod attacks; // so has each attack of our list
    pub mod databases; // which tests run on which database
    pub mod document; // docs/security.md is what its sources say
    pub mod events; // docs/events.md
    pub mod evidence; // which tests there are
    pub mod imports; // who may name whom
    pub mod limits; // lifetimes and limits, read from the source
    pub mod performance; // docs/performance.md is what was measured
    pub mod settings; // Rocket.toml and the migrations
    pub mod style; // words, sizes, what is banned
}

use std::fs;
use std::path::{Path, PathBuf};

/// A Rust source: its path under the repository, and its lines.
struct Source {
    path: String,
    lines: Vec<Line>,
}

struct Line {
    number: usize,
    /// As written.
    text: String,
    /// Without its comment.
    code: String,
    /// In a module of unit tests.
    in_tests: bool,
}

impl Source {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("a readable source");
        let mut in_tests = false;
        let lines = text.lines().enumerate().map(|(index, text)| {
            // Unit tests stand at the end of their file.
            in_tests |= text == "#[cfg(test)]";
            let code = code_of(text);
            Line { number: index + 1, text: text.to_owned(), code, in_tests }
        });
        let path = path.strip_prefix(root()).expect("inside").display().to_string();
        Self { path, lines: lines.collect() }
    }

    /// The lines of the program itself.
    fn code(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| !line.in_tests)
    }
}

/// A line less what follows `//`, unless that stands in a text (`"http://…"`).
fn code_of(line: &str) -> String {
    let comment = line.match_indices("//").map(|(at, _)| at);
    let mut starts = comment.filter(|at| line[..*at].matches('"').count().is_multiple_of(2));
    starts.next().map_or(line, |at| &line[..at]).to_owned()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder`, sorted.
fn files(folder: &str) -> Vec<PathBuf> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.ends_with("node_modules") {
            } else if path.is_dir() {
                collect(&path, found);
            } else {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort();
    found
}

/// Every Rust source below `folder`.
fn sources(folder: &str) -> Vec<Source> {
    let rust = files(folder).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let sources: Vec<Source> = rust.map(|path| Source::read(&path)).collect();
    assert!(!sources.is_empty(), "{folder} holds no Rust");
    sources
}

/// Fails with every finding at once.
#[track_caller]
fn none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n{}", findings.join("\n"));
}

fn at(source: &Source, line: &Line) -> String {
    format!("{}:{}: {}", source.path, line.number, line.text.trim())
}

/// Whether `word` stands in `text` by itself, not as a part of a longer name.
fn names(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(part) && !text[at + word.len()..].starts_with(part))
}

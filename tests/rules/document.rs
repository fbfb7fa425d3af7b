//! `docs/security.md` holds what it says of the code: its tables are made of the tables beside it, of
//! the settings and of the source. GATEHOUSE_WRITE_DOCS=1 writes them.

use std::fs;

use rocket::figment::providers::{Format, Toml};
use serde::de::DeserializeOwned;

use super::{access, asvs, attacks, limits};
use crate::root;

const FILE: &str = "docs/security.md";

/// A table of `docs/`.
#[track_caller]
pub fn read<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read_to_string(root().join("docs").join(name)).expect(name);
    Toml::from_str(&text).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

/// A row of a Markdown table; `|` would end a cell.
pub fn row(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The first two lines of a Markdown table.
pub fn head(cells: &[&str]) -> String {
    format!("{}{}", row(cells), row(&vec!["---"; cells.len()]))
}

/// Tests in a cell.
pub fn in_code<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// `text` with what stands between the markers of `name` replaced by `content`.
#[track_caller]
fn with_part(text: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- made of {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("{FILE}: no {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{FILE}: no {end}"));
    format!("{before}{begin}\n{}\n\n{end}{after}", content.trim())
}

#[test]
fn security_md_says_what_the_tables_and_the_source_say() {
    let path = root().join(FILE);
    let written = fs::read_to_string(&path).expect(FILE);
    let mut text = written.clone();
    for (name, content) in [
        ("docs/asvs.toml: what is not met", asvs::not_met()),
        ("docs/asvs.toml", asvs::table()),
        ("docs/attacks.toml", attacks::table()),
        ("docs/limits.toml", limits::table()),
        ("docs/access.toml", access::table()),
    ] {
        text = with_part(&text, name, &content);
    }
    if std::env::var_os("GATEHOUSE_WRITE_DOCS").is_some() {
        fs::write(&path, &text).expect(FILE);
        return;
    }
    let differs = text.lines().zip(written.lines()).find(|(now, then)| now != then);
    assert!(
        text == written,
        "{FILE} is not what its sources say: GATEHOUSE_WRITE_DOCS=1 cargo test --locked --test \
         architecture security_md writes it. The first difference:\n{differs:#?}"
    );
}

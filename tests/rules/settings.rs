//! Every setting is explained where it is set; every migration can be undone; the folders tell of features.

use std::fs;

use crate::{files, none, root};

/// How many an operator can be asked to know: 40, and what PostgreSQL, hashing in lanes, the grace of a
/// deletion and the place of an address need.
const MOST: usize = 44;

#[test]
fn every_setting_has_its_line_of_meaning() {
    let text = fs::read_to_string(root().join("Rocket.toml")).expect("Rocket.toml");
    let lines: Vec<&str> = text.lines().collect();
    let default = lines.iter().position(|line| *line == "[default]").expect("[default]");
    let (mut findings, mut settings, mut section) = (Vec::new(), 0, "[default]");
    for (index, line) in lines.iter().enumerate().skip(default + 1) {
        if line.starts_with('[') {
            section = line;
        }
        if line.is_empty() || line.starts_with(['#', '[']) || section != "[default]" {
            continue;
        }
        settings += 1;
        let above = lines[index - 1];
        let explained = above.starts_with("# ") && !above.starts_with("# ---");
        let flat = line
            .split(" = ")
            .next()
            .is_some_and(|key| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
        if !explained || !flat {
            findings.push(format!("Rocket.toml:{}: {line}", index + 1));
        }
    }
    none("a setting without a comment right above it, or with no flat name", findings);
    assert!(settings > 20 && settings <= MOST, "{settings} settings, at most {MOST}");
}

#[test]
fn every_migration_goes_up_and_down() {
    let mut findings = Vec::new();
    let migrations = files("migrations");
    assert!(!migrations.is_empty());
    for file in &migrations {
        let folder = file.parent().expect("a folder");
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let twin = match name {
            "up.sql" => "down.sql",
            "down.sql" => "up.sql",
            _ => {
                findings.push(format!("{}: neither up.sql nor down.sql", file.display()));
                continue;
            }
        };
        let written = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
        if written(twin).trim().is_empty() {
            findings.push(format!("{}: has no {twin}", file.display()));
        }
        // `0001_accounts`: the order, then what it is about.
        let folder = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let (order, about) = folder.split_once('_').unwrap_or_default();
        if order.len() != 4 || !order.bytes().all(|b| b.is_ascii_digit()) || about.is_empty() {
            findings.push(format!("{}: a migration's folder is NNNN_what", file.display()));
        }
        let undone =
            |created: &str| written("down.sql").contains(&format!("DROP TABLE {created};"));
        for line in written("up.sql").lines().filter_map(|line| line.strip_prefix("CREATE TABLE "))
        {
            let table = line.split([' ', '(']).next().unwrap_or_default();
            if name == "up.sql" && !undone(table) {
                findings.push(format!("{}: {table} stays after down.sql", file.display()));
            }
        }
    }
    none("migrations", findings);
}

#[test]
fn every_mail_is_a_folder_of_three() {
    let mut findings = Vec::new();
    for entry in fs::read_dir(root().join("templates/mail")).expect("mails") {
        let folder = entry.expect("an entry").path();
        for part in ["subject.txt.tera", "body.txt.tera", "body.html.tera"] {
            if !folder.join(part).is_file() {
                findings.push(format!("{}: has no {part}", folder.display()));
            }
        }
    }
    none("a mail lacks a part", findings);
}

#[test]
fn no_file_is_a_drawer_for_odds_and_ends() {
    let drawers =
        ["util", "utils", "helper", "helpers", "common", "misc", "other", "others", "stuff"];
    let mut findings = Vec::new();
    for folder in ["src", "tests", "templates", "static", "migrations", "script"] {
        for file in files(folder) {
            let inside = file.strip_prefix(root()).expect("inside");
            let parts = inside.iter().filter_map(|part| part.to_str());
            let stems = parts.map(|part| part.split('.').next().unwrap_or(part));
            if stems.into_iter().any(|stem| drawers.contains(&stem)) {
                findings.push(inside.display().to_string());
            }
        }
    }
    none("a name that says nothing", findings);
}

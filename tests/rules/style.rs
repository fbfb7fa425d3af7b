//! What no source holds, how errors of queries travel, how long files and functions may be.

use crate::{Line, Source, at, none, sources};

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 80;

/// Words that no source of the program holds, each with its reason.
const BANNED: [(&str, &str); 17] = [
    ("process::Command", "the service starts no programs"),
    ("Command::new(", "the service starts no programs"),
    ("Tera::one_off", "templates are files, never data"),
    ("render_str(", "templates are files, never data"),
    ("thread_rng", "secrets come from the operating system (tokens.rs)"),
    ("rand::rng", "secrets come from the operating system (tokens.rs)"),
    ("rand::random", "secrets come from the operating system (tokens.rs)"),
    ("fastrand", "secrets come from the operating system (tokens.rs)"),
    ("SmallRng", "secrets come from the operating system (tokens.rs)"),
    (".unwrap()", "say with expect why it cannot happen"),
    ("unwrap_unchecked", "say with expect why it cannot happen"),
    (".expect(\"\")", "say why it cannot happen"),
    ("todo!(", "unfinished"),
    ("unimplemented!(", "unfinished"),
    ("dbg!(", "left over"),
    ("unsafe {", "forbidden"),
    ("std::env::set_var", "settings are read once, as values"),
];

fn everywhere() -> Vec<Source> {
    ["src", "crates", "tests"].into_iter().flat_map(sources).collect()
}

#[test]
fn banned_words_are_nowhere() {
    let mut findings = Vec::new();
    for source in ["src", "crates"].into_iter().flat_map(sources) {
        for line in source.code() {
            for (_, why) in BANNED.iter().filter(|(word, _)| line.code.contains(word)) {
                findings.push(format!("{} ({why})", at(&source, line)));
            }
        }
    }
    none("banned", findings);
}

#[test]
fn only_the_database_layer_begins_transactions() {
    // `.transaction(` begins deferred, and fails at once where `Db::write` waits its turn.
    const BEGIN: [&str; 3] = ["transaction(", "begin_transaction", "BEGIN "];
    let mut findings = Vec::new();
    for source in sources("src").iter().filter(|source| !source.path.starts_with("src/db/")) {
        let begins = |line: &&Line| BEGIN.iter().any(|word| line.code.contains(word));
        findings.extend(source.code().filter(begins).map(|line| at(source, line)));
    }
    none("a transaction outside src/db", findings);
}

/// The statements of a source, each with its first line: what stands between `;`, `{` and `}`.
fn statements(source: &Source) -> Vec<(&Line, String)> {
    let mut found: Vec<(&Line, String)> = Vec::new();
    let mut open: Option<(&Line, String)> = None;
    for line in source.code() {
        for piece in line.code.split_inclusive([';', '{', '}']) {
            let (_, text) = open.get_or_insert_with(|| (line, String::new()));
            text.push_str(piece.trim());
            if piece.ends_with([';', '{', '}']) {
                found.extend(open.take());
            }
        }
    }
    found
}

#[test]
fn no_query_swallows_its_error() {
    let query = ["(conn", "&mut conn", ".db.read", ".db.write", "_blocking(", ".connection()"];
    let swallow = [".ok()", ".unwrap_or_default()", ".unwrap_or(", ".is_ok()"];
    let mut findings = Vec::new();
    for source in sources("src") {
        for (line, text) in statements(&source) {
            // The end of a query whose closure had braces of its own.
            let ends = text.starts_with(").await").then_some(0);
            let asked = query.iter().filter_map(|word| text.find(word)).min().or(ends);
            let after = asked.map(|at| &text[at..]).unwrap_or_default();
            if swallow.iter().any(|word| after.contains(word)) {
                findings.push(at(&source, line));
            }
        }
    }
    none("NotFound is nobody, any other error is \"we do not know\": write .optional()?", findings);
}

#[test]
fn no_sql_is_put_together_from_text() {
    let mut findings = Vec::new();
    for source in sources("src") {
        for (line, text) in statements(&source) {
            let raw = ["sql_query(", "sql::<", "dsl::sql("].iter().any(|word| text.contains(word));
            let built =
                text.contains("format!") || text.contains(".push_str(") || text.contains("&sql");
            // What sets up a connection writes numbers of the configuration.
            let pragma =
                ["src/db/sqlite.rs", "src/db/postgres/mod.rs", "src/db/postgres/connection.rs"]
                    .contains(&source.path.as_str());
            let batch = text.contains("batch_execute(") && text.contains("format!") && !pragma;
            findings.extend(((raw && built && !pragma) || batch).then(|| at(&source, line)));
        }
    }
    none("SQL from text", findings);
}

#[test]
fn files_are_short_enough_to_be_read() {
    let mut findings = Vec::new();
    for source in everywhere() {
        let length = source.lines.len();
        if length > LONGEST_FILE {
            findings.push(format!("{}:{length}: more than {LONGEST_FILE} lines", source.path));
        }
    }
    none("a file that wants to become a folder", findings);
}

#[test]
fn functions_are_short_enough_to_be_read() {
    let mut findings = Vec::new();
    for source in everywhere() {
        for (index, line) in source.lines.iter().enumerate() {
            let Some(end) = end_of_function(&source.lines[index..]) else { continue };
            if end > LONGEST_FUNCTION {
                findings.push(format!("{} ({end} lines)", at(&source, line)));
            }
        }
    }
    none("a function that wants to become two", findings);
}

/// How many lines the function has that begins on the first of `lines`, if one does. The formatter
/// puts its closing brace where its first word stands.
fn end_of_function(lines: &[Line]) -> Option<usize> {
    let first = &lines[0].code;
    let indent: String = first.chars().take_while(|c| *c == ' ').collect();
    let mut words = first.trim_start().split(' ');
    let before = |word: &&str| {
        word.starts_with("pub") || ["async", "const", "super)", "crate)", "in"].contains(word)
    };
    let is_function = words.find(|word| !before(word)) == Some("fn");
    if !is_function || first.ends_with(['}', ';']) {
        return None;
    }
    let end = format!("{indent}}}");
    lines.iter().position(|line| line.code == end).map(|at| at + 1)
}

#[test]
fn every_module_says_in_one_sentence_what_lives_there() {
    let mut findings = Vec::new();
    for source in everywhere() {
        let first = &source.lines[0];
        if !first.text.starts_with("//! ") {
            findings.push(at(&source, first));
        }
    }
    none("a module opens with `//!`", findings);
}

#[test]
fn comments_tell_no_history_and_promise_nothing() {
    let words = ["TODO", "FIXME", "HACK", "for now:", "no longer used", "legacy"];
    let mut findings = Vec::new();
    for source in everywhere() {
        if source.path.starts_with("tests/rules/") {
            continue;
        }
        for line in &source.lines {
            let comment = &line.text[line.code.len()..];
            if words.iter().any(|word| comment.contains(word)) {
                findings.push(at(&source, line));
            }
        }
    }
    none("comments", findings);
}

#[test]
fn user_is_never_serialized() {
    let user = sources("src/accounts").into_iter().find(|s| s.path == "src/accounts/user.rs");
    let user = user.expect("src/accounts/user.rs");
    let lines: Vec<&Line> = user.code().collect();
    let at = lines.iter().position(|line| line.code == "pub struct User {").expect("User");
    let derive = lines[..at].iter().rev().find(|line| line.code.starts_with("#[derive("));
    let derive = &derive.expect("a derive").code;
    assert!(!derive.contains("Serialize") && !derive.contains("Debug"), "{derive}");
}

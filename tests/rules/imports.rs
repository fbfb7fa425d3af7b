//! main → cli → web → accounts, audit → mail → db, tokens; config names each layer's configuration.

use std::collections::BTreeSet;

use crate::{Source, at, names, none, sources};

/// What each module of `src/` may name of `crate::`. One that is not here is not allowed.
const MAY_NAME: [(&str, &[&str]); 12] = [
    (
        "cli",
        &["web", "accounts", "audit", "mail", "db", "tokens", "clock", "theme", "log", "config"],
    ),
    ("web", &["accounts", "audit", "mail", "db", "tokens", "clock", "theme", "log"]),
    ("accounts", &["audit", "mail", "db", "tokens", "clock", "theme"]),
    ("mail", &["db", "tokens", "clock", "theme"]),
    ("db", &["tokens"]),
    ("audit", &["db", "clock", "log"]),
    ("log", &["clock"]),
    ("tokens", &[]),
    ("clock", &[]),
    ("theme", &[]),
    // Each layer's configuration, as a value: no layer knows the others' or where it was read. The
    // secret key is made of random bytes.
    ("config", &["accounts", "mail", "db", "theme", "tokens", "web"]),
    ("lib", &[]),
];

/// What the sources outside one layer never name, and the files that may.
const FOREIGN: [(&str, &[&str]); 8] = [
    ("rocket", &["src/web/", "src/cli/serve.rs", "src/config/source.rs"]),
    ("rocket_dyn_templates", &["src/web/"]),
    ("tera", &["src/web/templates.rs", "src/mail/messages.rs", "src/theme.rs"]),
    ("lettre", &["src/mail/", "src/config/checks/mail.rs"]),
    ("diesel", &["src/db/", "src/accounts/", "src/mail/", "src/audit", "src/clock.rs"]),
    ("bcrypt", &["src/accounts/"]),
    ("bcrypt_lanes", &["src/accounts/hasher/", "src/config/checks.rs"]),
    ("clap", &["src/cli/"]),
];

/// The module of `src/` that a file belongs to.
fn module(source: &Source) -> &str {
    let inside = source.path.strip_prefix("src/").expect("under src");
    inside.split(['/', '.']).next().expect("a name")
}

/// The names after `crate::` on a line: one, or a group's.
fn crate_names(code: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => {
                let group = group.split('}').next().unwrap_or(group);
                let heads = group.split(',').filter_map(|item| item.trim().split("::").next());
                found.extend(heads.filter(|head| !head.is_empty()).map(str::to_owned));
            }
            None => {
                let name: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                found.extend((!name.is_empty()).then_some(name));
            }
        }
    }
    found
}

#[test]
fn each_layer_names_only_those_below_it() {
    let mut findings = Vec::new();
    for source in sources("src") {
        let module = module(&source);
        if module == "main" {
            continue;
        }
        let Some((_, allowed)) = MAY_NAME.iter().find(|(name, _)| *name == module) else {
            findings.push(format!("{}: no rule says what this module may name", source.path));
            continue;
        };
        for line in source.code() {
            let strangers = crate_names(&line.code);
            let foreign = |name: &&String| *name != module && !allowed.contains(&name.as_str());
            findings.extend(strangers.iter().filter(foreign).map(|_| at(&source, line)));
        }
    }
    none("a layer names one that it must not know", findings);
}

#[test]
fn main_names_the_command_line_alone() {
    let main = sources("src").into_iter().find(|source| source.path == "src/main.rs");
    let main = main.expect("src/main.rs");
    let ours = |line: &&crate::Line| names(&line.code, "gatehouse");
    let lines: Vec<String> = main
        .code()
        .filter(ours)
        .filter(|l| !l.code.contains("gatehouse::cli::"))
        .map(|l| at(&main, l))
        .collect();
    none("main.rs names more than cli", lines);
    assert!(main.lines.len() <= 15, "main.rs has {} lines", main.lines.len());
}

#[test]
fn super_never_climbs_past_its_own_layer() {
    let mut findings = Vec::new();
    for source in sources("src") {
        let folders = source.path.matches('/').count() - 1;
        // `super` of a file leads to its folder's module; one more `super` a folder further up.
        let depth = folders + usize::from(!source.path.ends_with("/mod.rs")) - 1;
        for line in source.code() {
            let climbs = line.code.matches("super::").count();
            if line.code.contains("super::super::") && climbs > depth {
                findings.push(at(&source, line));
            }
        }
    }
    none("write crate::… for another layer", findings);
}

#[test]
fn each_library_is_named_in_its_own_layer() {
    let mut findings = Vec::new();
    for source in sources("src") {
        for (library, homes) in FOREIGN {
            if homes.iter().any(|home| source.path.starts_with(home)) {
                continue;
            }
            let path = format!("{library}::");
            let used = |line: &&crate::Line| {
                line.code.match_indices(&path).any(|(at, _)| {
                    let before = line.code[..at].chars().next_back();
                    before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
                }) || line.code.trim_start().starts_with(&format!("use {library}"))
                    && names(&line.code, library)
            };
            findings.extend(source.code().filter(used).map(|line| at(&source, line)));
        }
    }
    none("a library is named outside its layer", findings);
}

#[test]
fn web_and_command_line_write_no_sql() {
    let words = [
        "diesel",
        "schema",
        "AnyConnection",
        "sql_query",
        "batch_execute",
        ".execute(",
        ".get_result(",
        "find_user_by",
        "add_user",
        "update_user",
    ];
    let mut findings = Vec::new();
    for source in sources("src/web").iter().chain(&sources("src/cli")) {
        let sql = |line: &&crate::Line| {
            let call = |word: &str| word.starts_with('.') && line.code.contains(word);
            let name = |word: &str| !word.starts_with('.') && names(&line.code, word);
            words.iter().any(|word| call(word) || name(word))
        };
        findings.extend(source.code().filter(sql).map(|line| at(source, line)));
    }
    none("queries belong to the domain", findings);
}

/// What pages share: `sudo` carries out what waited for the password, and so names its page.
const BETWEEN_PAGES: [&str; 2] = ["mailed_link", "sudo"];

#[test]
fn pages_do_not_import_pages() {
    let pages = sources("src/web/pages");
    let stem = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.trim_end_matches(".rs").to_owned()
    };
    let all: Vec<String> =
        pages.iter().map(|page| stem(&page.path)).filter(|n| n != "mod").collect();
    let shared = |name: &str| BETWEEN_PAGES.contains(&name);
    let all: Vec<String> = all.into_iter().filter(|name| !shared(name)).collect();
    let mut findings = Vec::new();
    let pages = pages.iter().filter(|page| !shared(&stem(&page.path)));
    for page in pages.filter(|page| !page.path.ends_with("mod.rs")) {
        for line in page.code().filter(|line| !line.code.contains("uri!(")) {
            let others = all.iter().filter(|name| **name != stem(&page.path));
            let imported = others.clone().any(|name| {
                line.code.contains(&format!("super::{name}::"))
                    || line.code.contains(&format!("pages::{name}"))
                    || line.code.contains("pages::{")
                    || names(&line.code, &format!("super::{name}"))
            });
            findings.extend(imported.then(|| at(page, line)));
        }
    }
    none("a page imports another", findings);
}

//! The templates' sources: nothing unescaped, nothing inline, nothing that only some builds would escape.

use std::fs;
use std::path::{Path, PathBuf};

/// Every template, by its path under `templates`, with its text.
fn templates() -> Vec<(String, String)> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { collect(&path, files) } else { files.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 15, "{files:?}");
    let read = |path: &PathBuf| {
        let name = path.strip_prefix(&root).expect("inside").display().to_string();
        (name, fs::read_to_string(path).expect("UTF-8"))
    };
    files.iter().map(read).collect()
}

/// Fails for each line of each template of which `wrong` is true.
#[track_caller]
fn no_line(of: &str, wrong: impl Fn(&str) -> bool) {
    for (name, text) in templates().iter().filter(|(name, _)| name.starts_with(of)) {
        for (number, line) in text.lines().enumerate() {
            assert!(!wrong(line), "templates/{name}:{}: {line}", number + 1);
        }
    }
}

/// Without its blanks and in small letters.
fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<String>().to_lowercase()
}

#[test]
fn names_say_whether_a_template_is_escaped() {
    for (name, _) in templates() {
        let html = name.ends_with(".html.tera");
        let plain = name.starts_with("mail/") && name.ends_with(".txt.tera");
        assert!(html || plain, "templates/{name}");
    }
}

#[test]
fn nothing_switches_escaping_off() {
    no_line("", |line| {
        let line = squeezed(line);
        line.contains("|safe") || line.contains("autoescape")
    });
}

#[test]
fn every_expansion_in_an_attribute_is_in_quotation_marks() {
    no_line("", |line| squeezed(line).contains("={{"));
    // Within `attribute="…"` no sign of the template may end the attribute early.
    no_line("pages", |line| line.contains("='{{"));
}

#[test]
fn pages_have_no_inline_style_script_or_handler() {
    no_line("pages", |line| {
        let line = line.to_lowercase();
        line.contains("<style") || line.contains(" style=") || line.contains("javascript:")
    });
    no_line("pages", |line| {
        let mut scripts = line.split("<script").skip(1);
        scripts.any(|rest| !rest.starts_with(" src=\"{{ site.js }}\" defer></script>"))
    });
    no_line("pages", |line| {
        let handler = |word: &str| {
            let name = word.split('=').next().unwrap_or_default();
            word.contains('=')
                && name.starts_with("on")
                && name.bytes().all(|b| b.is_ascii_lowercase())
        };
        line.split_whitespace().any(handler)
    });
}

#[test]
fn no_field_cuts_what_is_typed() {
    // But the field that people do not see: nothing must fill it in for them.
    let trap = |line: &str| line.contains("name=\"website\"");
    no_line("pages", |line| {
        line.contains("maxlength") || (line.contains("autocomplete=\"off\"") && !trap(line))
    });
    no_line("pages", |line| line.contains("onpaste"));
}

#[test]
fn pages_load_nothing_from_elsewhere() {
    no_line("pages", |line| {
        let line = line.to_lowercase();
        let addresses = ["src=\"http", "src=\"//", "href=\"http", "href=\"//", "url(", "@import"];
        addresses.iter().any(|address| line.contains(address))
    });
}

#[test]
fn forms_change_things_by_post_alone() {
    no_line("pages", |line| {
        line.contains("<form") && !line.contains("<form method=\"post\" action=\"/")
    });
}

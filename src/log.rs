//! The log: one line of JSON a record, on standard output; other crates' words stay out of it.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;

const OURS: &str = "gatehouse";
/// Longer texts are cut: nobody's input fills the disk.
const LONGEST: usize = 2048;

struct JsonLines;

/// Installs the log before any crate installs its own: Rocket would print the address of every
/// unmatched request, tokens included. A second call changes the level alone.
pub fn install(level: LevelFilter) {
    let _ = log::set_boxed_logger(Box::new(JsonLines));
    log::set_max_level(level);
    std::panic::set_hook(Box::new(|panic| {
        // The place, not the payload, which may hold anything.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        log::error!("a part of the program panicked at {place}");
    }));
}

impl Log for JsonLines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    /// Only our own modules speak. Rocket's generated code logs guard errors under their names,
    /// with targets that end in `::_`.
    fn log(&self, record: &Record<'_>) {
        let target = record.target();
        let ours = target == OURS || target.starts_with("gatehouse::");
        if !self.enabled(record.metadata()) || !ours || target.ends_with("::_") {
            return;
        }
        let mut line = Map::new();
        line.insert("event".to_owned(), json!("note"));
        line.insert("text".to_owned(), json!(record.args().to_string()));
        write(record.level(), line);
    }

    fn flush(&self) {}
}

/// Writes one line; `fields` say what happened.
pub fn write(level: log::Level, mut fields: Map<String, Value>) {
    if level > log::max_level() {
        return;
    }
    fields.insert("time".to_owned(), json!(Timestamp::now().rfc3339()));
    fields.insert("level".to_owned(), json!(level.as_str().to_lowercase()));
    for value in fields.values_mut() {
        if let Value::String(text) = value {
            *text = harmless(text);
        }
    }
    // Standard output may be closed; the service goes on without a log rather than not at all.
    let _ = writeln!(std::io::stdout().lock(), "{}", Value::Object(fields));
}

/// JSON escapes line breaks; this also takes out what moves a terminal's cursor or turns text
/// around (log forging, B-106).
pub fn harmless(text: &str) -> String {
    let seems = |c: char| {
        if c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            '\u{fffd}'
        } else {
            c
        }
    };
    text.chars().map(seems).take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b106_control_and_bidi_signs_become_harmless() {
        let forged = "ann\r\n{\"event\":\"x\"}\u{1b}[2J\u{202e}\0";
        let text = harmless(forged);
        assert!(!text.chars().any(char::is_control) && !text.contains('\u{202e}'), "{text}");
        assert_eq!(harmless(&"x".repeat(1 << 20)).len(), LONGEST);
    }
}

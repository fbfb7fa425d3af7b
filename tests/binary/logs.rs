//! What is in the log: every event on one harmless line.

use serde_json::Value;

use crate::canary::{ACCOUNTS, Tour};
use crate::program::Home;

/// The log's lines; each must be an object with a time, a level and an event.
#[track_caller]
pub fn lines(out: &str) -> Vec<Value> {
    let parse = |line: &str| {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2028}']), "{line:?}");
        let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        let time = object["time"].as_str().expect(line);
        assert!(time.ends_with('Z') && time.contains('T'), "{line}");
        assert!(
            ["error", "warn", "info", "debug"].contains(&object["level"].as_str().expect(line))
        );
        assert!(object["event"].is_string(), "{line}");
        object
    };
    out.lines().map(parse).collect()
}

#[test]
fn b106_every_flow_leaves_its_event_on_one_line() {
    let mut tour = Tour::begin(&[]);
    for (name, flow) in ACCOUNTS {
        // These leave the same, and take long.
        if !["a database that is locked", "the command line"].contains(&name) {
            flow(&mut tour);
        }
    }
    let lines = lines(&tour.end().out);
    for (event, outcome, knows_user) in [
        ("signed_up", "success", true),
        ("sign_up_refused", "refused", false),
        ("logged_in", "success", true),
        ("log_in_failed", "refused", true),
        ("logged_out", "success", true),
        ("reset_asked", "success", false),
        ("reset_opened", "success", true),
        ("reset_refused", "refused", false),
        ("password_changed", "success", true),
        ("sign_in_needed", "refused", false),
        ("cross_site_refused", "refused", false),
        ("host_refused", "refused", false),
    ] {
        let found = lines.iter().find(|line| line["event"] == event);
        let line = found.unwrap_or_else(|| panic!("no {event}"));
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["user"].is_i64(), knows_user, "{line}");
        assert_eq!(line["ip"], "127.0.0.1", "{line}");
        // The request's own line bears the same id.
        let id = line["request_id"].as_str().expect("an id");
        let same = |line: &&Value| line["event"] == "request" && line["request_id"] == id;
        assert_eq!(lines.iter().filter(same).count(), 1, "{line}");
    }
}

#[test]
fn b108_a_request_s_line_names_the_route_and_never_the_address() {
    let server = Home::new().start();
    let mut program = server.program();
    let mut ask = |path: &str| {
        let id = program.get(path).header("x-request-id").expect("an id").to_owned();
        (path.to_owned(), id)
    };
    let asked = [
        ask("/reset_password/canary"),
        ask("/login?next=/canary"),
        ask("/static/canary.css"),
        ask("/canary?canary=canary"),
    ];
    let lines = lines(&server.stop().out);
    let path_of = |id: &str| {
        let mut same = lines.iter().filter(|line| line["request_id"] == id);
        same.find(|line| line["event"] == "request").expect("a line")["path"].clone()
    };
    let paths: Vec<Value> = asked.iter().map(|(_, id)| path_of(id)).collect();
    assert_eq!(paths[0], "/reset_password/<token>");
    assert_eq!(paths[1], "/login?<next>");
    assert_eq!(paths[2], "/static/<name>");
    assert_eq!(paths[3], Value::Null);
    assert!(!format!("{lines:?}").contains("canary"));
}

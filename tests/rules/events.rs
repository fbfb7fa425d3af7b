//! `docs/events.md` is made of the enum of events: GATEHOUSE_WRITE_DOCS=1 writes it, a test compares.

use std::fmt::Write as _;
use std::{env, fs};

use gatehouse::audit::Event;

use crate::root;

const HEAD: &str = "# Security events

What Gatehouse writes down of what happened and what it refused. Each event is a line of JSON on standard
output, a row of the table `events`, and a figure for Prometheus (`metrics_port`). None holds a password, a
token, a cookie or an e-mail address; people are named by their id.

This page is made of `src/audit/mod.rs`: `GATEHOUSE_WRITE_DOCS=1 cargo test --test architecture events`.

## The events

`success`: it was done. `refused`: Gatehouse said no, as it should. `failure`: something broke on our side.

| event | outcome | meaning |
| --- | --- | --- |
";

const TAIL: &str = "
A refusal may leave two: what was refused, and `input_refused` where the answer was 400 or 422.

## The line

One object on a line, logged at `info` where the outcome is `success` and at `warn` otherwise; `log_level` says
what is written. Control characters and signs that turn text around are escaped, long texts cut.

| field | what it holds |
| --- | --- |
| `time` | the moment, RFC 3339 in UTC |
| `level` | `info` or `warn` |
| `event` | the event's name |
| `outcome` | `success`, `refused` or `failure` |
| `user` | the account's id; null where there is none, or where it must not be told |
| `factor` | `password`, for `logged_in`, `log_in_failed`, `password_confirmed` and `password_confirm_failed` |
| `ip` | the client's address (`trusted_proxies`); empty where no request brought the event about |
| `request_id` | in the answer's `X-Request-Id`, on its error page, and in the request's own line |

## The row

Kept for 90 days, and of nobody's account the newest million. What happens many times in one moment, to the
same person from the same address, is one row.

| column | what it holds |
| --- | --- |
| `at` | the moment, in milliseconds since 1970 |
| `event` | the event's name |
| `user_id` | the account's id; null once the account is deleted |
| `ip` | as in the line |
| `user_agent` | what the browser calls itself, at most 256 characters; anybody may write anything there |
| `request_id` | of the first, where several are one row |
| `times` | how many there were |

When the database cannot be written the line is all there is; `gatehouse_events_lost_total` counts such events.
";

fn made_of_the_enum() -> String {
    let mut text = HEAD.to_owned();
    for event in Event::all() {
        let (name, outcome, meaning) = (event.name(), event.outcome(), event.meaning());
        let _ = writeln!(text, "| `{name}` | {outcome} | {meaning} |");
    }
    text + TAIL
}

#[test]
fn the_page_of_events_is_made_of_the_enum() {
    let path = root().join("docs/events.md");
    let made = made_of_the_enum();
    if env::var_os("GATEHOUSE_WRITE_DOCS").is_some() {
        fs::write(&path, &made).expect("written");
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, made, "docs/events.md is old: run this with GATEHOUSE_WRITE_DOCS=1");
}

#[test]
fn every_event_is_one_plain_sentence() {
    for event in Event::all() {
        let (name, meaning) = (event.name(), event.meaning());
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert!(["success", "refused", "failure"].contains(&event.outcome()), "{name}");
        let one_line = !meaning.contains(['\n', '|']);
        assert!(one_line && meaning.ends_with('.'), "{name}: {meaning}");
    }
}

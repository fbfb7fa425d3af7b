//! Lifetimes and limits, as `docs/security.md` tells them: read from `Rocket.toml` and the source, so
//! that no number is written twice; what forms take; what the database keeps.

use std::fs;
use std::time::Duration;

use gatehouse::accounts::mailed_token::Purpose;
use gatehouse::accounts::throttle::{Rate, Rates};
use serde::Deserialize;

use super::document::{head, read, row};
use crate::{none, root, sources};

const DAY: u64 = 24 * 60 * 60;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    group: Vec<Group>,
    field: Vec<Field>,
    table: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    about: String,
    limit: Vec<Limit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    what: String,
    /// A setting, `FILE CONST`, or `= NAME` for what this test computes.
    from: String,
    /// What is counted, where it is no time.
    #[serde(default)]
    unit: String,
    why: String,
}

/// A field of a form or of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    name: String,
    takes: String,
}

/// A table of the database.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: String,
    holds: String,
    secret: String,
    until: String,
}

fn limits() -> Limits {
    read("limits.toml")
}

pub fn table() -> String {
    let limits = limits();
    let mut text = String::new();
    for group in &limits.group {
        text += &format!("**{}**\n\n", group.about);
        text += &head(&["what", "how much", "set by", "why"]);
        for limit in &group.limit {
            let value = value(limit).unwrap_or_else(|| panic!("{}: no {}", limit.what, limit.from));
            text += &row(&[&limit.what, &value, &set_by(&limit.from), &limit.why]);
        }
        text.push('\n');
    }
    text += "**What each field takes**, in a form, as multipart or as JSON, by one parser\n\n";
    text += &head(&["field", "takes"]);
    for field in &limits.field {
        text += &row(&[&format!("`{}`", field.name), &field.takes]);
    }
    text += "\n**What the database keeps**\n\n";
    text += &head(&["table", "holds", "secrets in it", "until"]);
    for it in &limits.table {
        text += &row(&[&format!("`{}`", it.name), &it.holds, &it.secret, &it.until]);
    }
    text
}

fn set_by(from: &str) -> String {
    let link = |file: &str| format!("[{file}](../{file})");
    match from.split_once(' ') {
        Some(("=", "unlock link" | "invitation")) => link("src/accounts/mailed_token.rs"),
        Some(("=", name)) if name.starts_with("limit_") => {
            format!("`{}`", name.split(' ').next().unwrap_or(name))
        }
        Some(("=", _)) => "follows from the above".to_owned(),
        Some((file, _)) => link(file),
        None => format!("`{from}`"),
    }
}

fn value(limit: &Limit) -> Option<String> {
    let with_unit = |text: String| format!("{text} {}", limit.unit).trim().to_owned();
    match limit.from.split_once(' ') {
        Some(("=", name)) => computed(name).map(with_unit),
        Some((file, "lines")) => {
            let text = fs::read_to_string(root().join(file)).ok()?;
            Some(with_unit(grouped(text.lines().count() as u64)))
        }
        Some((file, name)) => constant(file, name).map(with_unit),
        None => {
            let set = setting(&limit.from)?;
            // One unit is said, a list of rates says it itself.
            Some(with_unit(if set.contains('/') { set } else { spaced(&set) }))
        }
    }
}

/// The default as it is written in `Rocket.toml`.
fn setting(name: &str) -> Option<String> {
    let text = fs::read_to_string(root().join("Rocket.toml")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")))?;
    Some(line.trim_matches('"').to_owned())
}

/// `14d` → `14 days`.
fn spaced(text: &str) -> String {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', DAY)];
    let unit = units.iter().find(|(unit, _)| text.ends_with(*unit));
    let number = text.trim_end_matches(char::is_alphabetic).parse::<u64>();
    match (unit, number) {
        (Some((_, seconds)), Ok(number)) => in_words(Duration::from_secs(number * seconds)),
        _ => text.to_owned(),
    }
}

/// What `const NAME` of a file says: a time, or a number.
fn constant(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(root().join(file)).ok()?;
    let (_, rest) = text.split_once(&format!("const {name}: "))?;
    let (_, expression) = rest.split_once(" = ")?;
    let expression = expression.split(';').next()?;
    let time = |call: &str| expression.strip_prefix(call)?.strip_suffix(')').map(product);
    if let Some(seconds) = time("Duration::from_secs(") {
        return Some(in_words(Duration::from_secs(seconds?)));
    }
    if let Some(millis) = time("Duration::from_millis(") {
        return Some(in_words(Duration::from_millis(millis?)));
    }
    product(expression).map(grouped)
}

/// `16 * 1024` → 16384.
fn product(text: &str) -> Option<u64> {
    text.split('*').map(|factor| factor.trim().replace('_', "").parse::<u64>().ok()).product()
}

fn in_words(time: Duration) -> String {
    let millis = time.as_millis() as u64;
    let units = [(DAY * 1000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1000, "second")];
    let fits = units.iter().find(|(unit, _)| millis >= *unit && millis.is_multiple_of(*unit));
    let (count, name) = fits.map_or((millis, "millisecond"), |(unit, name)| (millis / unit, name));
    // A day is said in hours, as people plan it.
    let (count, name) = if (count, name) == (1, "day") { (24, "hour") } else { (count, name) };
    format!("{count} {name}{}", if count == 1 { "" } else { "s" })
}

/// 262144 → `262,144`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Each rate of a setting, so many times as much.
fn rates(name: &str, factor: u32) -> Option<Rates> {
    let rate = |text: &str| {
        let (tries, per) = text.trim().split_once('/')?;
        let (number, unit) = per.split_at(per.len() - 1);
        let unit = [("s", 1), ("m", 60), ("h", 3600), ("d", DAY)].iter().find(|it| it.0 == unit)?.1;
        let per = Duration::from_secs(number.parse::<u64>().ok()? * unit);
        Some(Rate { tries: tries.parse::<u32>().ok()? * factor, per })
    };
    Rates::new(setting(name)?.split(',').map(rate).collect::<Option<_>>()?)
}

fn rates_in_words(rates: &Rates) -> String {
    let rate = |rate: Rate| format!("{} in {}", grouped(rate.tries.into()), in_words(rate.per));
    rates.iter().map(rate).collect::<Vec<_>>().join(", ")
}

fn computed(name: &str) -> Option<String> {
    let (client, server) = (factor("CLIENT_FACTOR")?, factor("SERVER_FACTOR")?);
    let text = match name {
        "limit_login" => rates_in_words(&rates(name, 1)?),
        "limit_login of a client" => rates_in_words(&rates("limit_login", client)?),
        "limit_login of the server" => rates_in_words(&rates("limit_login", server)?),
        "limit_ask" | "limit_mail" => rates_in_words(&rates(name, 1)?),
        "limit_ask of the server" => rates_in_words(&rates("limit_ask", server)?),
        "unlock link" => in_words(Purpose::Unlock.lifetime()),
        "email change link" => in_words(Purpose::EmailChange.lifetime()),
        "secure link" => in_words(Purpose::SecureAccount.lifetime()),
        "invitation" => in_words(Purpose::Invitation.lifetime()),
        "guesses in a window" => {
            let (guesses, last) = guesses(&rates("limit_login", 1)?, 0, DAY);
            format!("{guesses}, the last after {} hours", last / 3600)
        }
        "guesses in any day" => most_guesses_in_a_day(&rates("limit_login", 1)?).to_string(),
        _ => return None,
    };
    Some(text)
}

fn factor(name: &str) -> Option<u32> {
    constant("src/accounts/throttle/mod.rs", name)?.parse().ok()
}

/// How many guesses at one account fit between two moments of its longest window, and when the last
/// of them is, for somebody who tries as soon as it is let.
fn guesses(rates: &Rates, from: u64, until: u64) -> (u32, u64) {
    let longest = rates.iter().last().expect("a rate");
    let until = until.min(longest.per.as_secs());
    let (mut tries, mut last) = (0, from);
    loop {
        let pause = rates.delay_after(i64::from(tries)).as_secs();
        let next = if tries == 0 { from } else { last + pause };
        if next >= until || tries >= longest.tries {
            return (tries, last);
        }
        (tries, last) = (tries + 1, next);
    }
}

/// A day may hold the end of one window and the beginning of the next, each with its quick first
/// guesses.
fn most_guesses_in_a_day(rates: &Rates) -> u32 {
    let end_and_beginning = |end: u64| guesses(rates, 0, end).0 + guesses(rates, 0, DAY - end).0;
    (0..=DAY).step_by(60).map(end_and_beginning).max().unwrap_or(0)
}

#[test]
fn every_field_of_a_form_is_explained() {
    let mut fields: Vec<String> = Vec::new();
    for source in sources("src/web/pages") {
        let text: String = source.code().map(|line| line.code.as_str()).collect();
        for (_, rest) in text.match_indices("const FIELDS").map(|(at, _)| text.split_at(at)) {
            let list = rest.split_once("= &[").and_then(|(_, list)| list.split_once(']'));
            let names =
                list.expect("a list").0.split(',').map(|name| name.trim().trim_matches('"'));
            fields.extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    fields.sort();
    fields.dedup();
    let mut told: Vec<String> = limits().field.into_iter().map(|field| field.name).collect();
    told.sort();
    assert_eq!(told, fields, "docs/limits.toml, [[field]]");
}

#[test]
fn every_table_of_the_database_is_explained() {
    let text = fs::read_to_string(root().join("src/db/schema.rs")).expect("the schema");
    let tables = text.split("diesel::table! {\n").skip(1);
    let tables = tables.filter_map(|it| it.trim_start().split([' ', '(']).next());
    let mut tables: Vec<String> = tables.map(str::to_owned).collect();
    tables.sort();
    let mut told: Vec<String> = limits().table.into_iter().map(|table| table.name).collect();
    told.sort();
    assert_eq!(told, tables, "docs/limits.toml, [[table]]");
}

#[test]
fn every_limit_is_found_where_it_is_said_to_be() {
    let mut findings = Vec::new();
    for limit in limits().group.iter().flat_map(|group| &group.limit) {
        if value(limit).is_none() {
            findings.push(format!("{}: {} is not there", limit.what, limit.from));
        }
    }
    none("docs/limits.toml", findings);
}

/// The text around the tables names three settings with their values, since sums follow from them,
/// and the draft that the headers follow.
#[test]
fn the_limits_that_the_text_names_are_the_shipped_ones() {
    let text = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let mut findings = Vec::new();
    for name in ["limit_login", "limit_ask", "limit_mail"] {
        let line = format!("`{name} = \"{}\"`", setting(name).expect("a setting"));
        findings.extend((!text.contains(&line)).then_some(line));
    }
    let headers = fs::read_to_string(root().join("src/web/headers.rs")).expect("the headers");
    let (_, draft) = headers.split_once("draft-ietf-httpapi-ratelimit-headers-").expect("a draft");
    let number: String = draft.chars().take_while(char::is_ascii_digit).collect();
    let draft = format!("(draft-ietf-httpapi-ratelimit-headers-{number})");
    findings.extend((!text.contains(&draft)).then_some(draft));
    none("docs/security.md does not say", findings);
}

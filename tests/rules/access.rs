//! The matrix of routes and who may ask: `docs/access.toml`, as a table for `docs/security.md`.

use serde::Deserialize;

use super::document::{head, read, row};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Access {
    route: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    route: String,
    who: String,
    what: String,
    #[serde(default, rename = "form")]
    _form: String,
    #[serde(default, rename = "browser")]
    _browser: String,
    #[serde(default)]
    own: String,
}

pub fn table() -> String {
    let access: Access = read("access.toml");
    let mut text = head(&["route", "who", "what"]);
    for entry in &access.route {
        let who = match entry.who.as_str() {
            "anybody" => "anybody",
            "link" => "who holds the link",
            "door" => "a proxy, with the visitor's cookie",
            "owner" => "who is signed in",
            "proven" => "who is signed in and gave the password within 10 minutes",
            other => panic!("docs/access.toml: nobody is called {other}"),
        };
        let what = match entry.own.as_str() {
            "" => entry.what.clone(),
            own => format!("{}; another's `{own}` is 404", entry.what),
        };
        text += &row(&[&format!("`{}`", entry.route), who, &what]);
    }
    text
}

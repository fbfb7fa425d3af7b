//! The program itself, in a folder of its own, at a port of its own.

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use diesel::prelude::*;
use gatehouse::clock::Timestamp;
use gatehouse::db::AnyConnection;
use gatehouse::db::schema::{events, outbox, sessions, users};
use serde_json::Value;
use tempfile::TempDir;

use super::own_database::OwnDatabase;
use super::patience::soon;

/// Running until it is dropped.
pub struct Gatehouse {
    process: Child,
    folder: TempDir,
    database: OwnDatabase,
    url: String,
}

/// How many rows there are.
#[derive(Debug, PartialEq, Eq)]
pub struct Rows {
    pub users: i64,
    pub sessions: i64,
    pub mails: i64,
}

impl Gatehouse {
    pub fn start() -> Self {
        Self::with("")
    }

    /// With more lines of settings.
    #[track_caller]
    pub fn with(settings: &str) -> Self {
        Self::with_profile("debug", settings)
    }

    #[track_caller]
    pub fn with_profile(profile: &str, settings: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name| File::create(folder.path().join(name)).expect("a file");
        let database = OwnDatabase::new(folder.path().join("data/gatehouse.db"), false);
        let place = database
            .secret_key()
            .map(|key| format!("database_url = \"{}\"\nsecret_key = \"{key}\"\n", database.url()));
        let place = place.unwrap_or_default();
        let settings = format!("[{profile}]\nport = 0\nbcrypt_cost = 4\n{place}{settings}\n");
        fs::write(folder.path().join("Rocket.toml"), settings).expect("settings");
        let mut process = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
            .current_dir(folder.path())
            // Settings of whoever runs the tests must not reach it.
            .env_clear()
            .env("ROCKET_PROFILE", profile)
            .stdin(Stdio::null())
            .stdout(file("log"))
            .stderr(file("words"))
            .spawn()
            .expect("the program starts");
        let url = soon("the program says where it is", || {
            let words = fs::read_to_string(folder.path().join("words")).expect("UTF-8");
            let ended = process.try_wait().expect("a child of ours");
            assert!(ended.is_none(), "the program ended: {words}");
            let (_, address) = words.split_once("Gatehouse is at ")?;
            address.split_once('\n').map(|(address, _)| address.to_owned())
        });
        Self { process, folder, database, url }
    }

    /// The address of a page.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.url.strip_prefix("http://").expect("plain http")
    }

    /// Invites somebody by the command line; the link's path.
    #[track_caller]
    pub fn invites(&self, email: &str) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_gatehouse"))
            .args(["invite", email])
            .current_dir(self.folder.path())
            .env_clear()
            .output()
            .expect("the program starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let link = String::from_utf8(output.stdout).expect("UTF-8");
        let (_, token) = link.trim_end().split_once("/invitation/").expect("a link");
        format!("/invitation/{token}")
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).expect("UTF-8")
    }

    /// The log's lines about requests, as `METHOD route status`.
    pub fn requests(&self) -> Vec<String> {
        let lines = self.log();
        let lines = lines.lines().map(|line| serde_json::from_str(line).expect("a line of JSON"));
        lines
            .filter(|line: &Value| line["event"] == "request")
            .map(|line| {
                let text = |key: &str| line[key].as_str().unwrap_or("?").to_owned();
                format!("{} {} {}", text("method"), text("path"), line["status"])
            })
            .collect()
    }

    /// A connection past the program's own.
    pub fn database(&self) -> AnyConnection {
        self.database.connect()
    }

    /// See [`OwnDatabase::locked`].
    pub fn locked(&self) -> AnyConnection {
        self.database.locked()
    }

    /// Eleven minutes go by for whoever is logged in: they are asked for the password again.
    pub fn lets_proofs_grow_old(&self) {
        let age = 11 * 60 * 1000_i64;
        let older = sessions::authenticated_at.eq(sessions::authenticated_at - age);
        let changed = diesel::update(sessions::table).set(older).execute(&mut self.database());
        assert!(changed.expect("sessions") > 0, "somebody is logged in");
    }

    /// Events of the first user for several pages, from as many places.
    pub fn writes_history(&self) {
        let conn = &mut self.database();
        let owner = first_user(conn);
        for number in 1..=60_u32 {
            let event = ["log_in_failed", "logged_in", "password_confirm_failed"];
            let row = (
                events::at.eq(Timestamp::now() - number * Duration::from_secs(97)),
                events::event.eq(event[number as usize % 3]),
                events::user_id.eq(owner),
                events::ip.eq(address(number)),
                events::user_agent.eq(user_agent(number)),
                events::request_id.eq(""),
                events::times.eq(i64::from(number % 12 + 1)),
            );
            diesel::insert_into(events::table).values(row).execute(conn).expect("an event");
        }
    }

    /// So many more devices of the first user.
    pub fn adds_devices(&self, more: u32) {
        let conn = &mut self.database();
        let owner = first_user(conn);
        for number in 1..=more {
            let at = Timestamp::now() - number * Duration::from_secs(97);
            let row = (
                sessions::id.eq(format!("{number:064x}")),
                sessions::user_id.eq(owner),
                sessions::created_at.eq(at),
                sessions::last_seen_at.eq(at),
                sessions::authenticated_at.eq(at),
                sessions::expires_at.eq(Timestamp::now() + Duration::from_secs(3600)),
                sessions::remembered.eq(false),
                sessions::user_agent.eq(user_agent(number)),
                sessions::ip.eq(address(number)),
            );
            diesel::insert_into(sessions::table).values(row).execute(conn).expect("a session");
        }
    }

    pub fn rows(&self) -> Rows {
        let conn = &mut self.database();
        Rows {
            users: users::table.count().get_result(conn).expect("users"),
            sessions: sessions::table.count().get_result(conn).expect("sessions"),
            mails: outbox::table.count().get_result(conn).expect("mails"),
        }
    }
}

fn first_user(conn: &mut AnyConnection) -> i64 {
    users::table.select(users::id).order(users::id).first(conn).expect("a user")
}

fn address(number: u32) -> String {
    format!("2001:db8:{number}:12a4::")
}

fn user_agent(number: u32) -> String {
    match number % 3 {
        0 => format!("An agent of no name {number} ").repeat(9),
        1 => format!("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/{number}.0"),
        _ => format!("curl/8.{number}.0"),
    }
}

impl Drop for Gatehouse {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("--- what the program logged\n{}", self.log());
        }
    }
}

//! The program itself, at https://login.example.org as far as it knows.

use std::net::SocketAddr;
use std::process::Command;

use diesel::prelude::*;
use gatehouse::db::AnyConnection;
use gatehouse::db::schema::sessions;
use tempfile::TempDir;

use crate::processes::Server;

/// Running until it is dropped.
pub struct Gatehouse {
    pub address: SocketAddr,
    server: Option<Server>,
    folder: TempDir,
}

impl Gatehouse {
    /// With settings as environment variables, each without its `ROCKET_`.
    #[track_caller]
    pub fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (server, [address]) =
            Server::start(&folder.path().join("words"), |[address]: [SocketAddr; 1]| {
                // A release build is tested in its place where one is named (script/smoke).
                let debug = || env!("CARGO_BIN_EXE_gatehouse").into();
                let program = std::env::var_os("GATEHOUSE_BINARY").unwrap_or_else(debug);
                let mut command = Command::new(program);
                // Settings of whoever runs the tests must not reach it.
                command.current_dir(folder.path()).env_clear();
                let own = [
                    ("BASE_URL", "https://login.example.org"),
                    ("TRUSTED_PROXIES", "[\"127.0.0.1\"]"),
                    ("ALLOWED_HOSTS", "[\"app.example.org\"]"),
                    ("BCRYPT_COST", "4"),
                ];
                for (name, value) in own.iter().chain(settings) {
                    command.env(format!("ROCKET_{name}"), value);
                }
                command.env("ROCKET_PORT", address.port().to_string());
                command
            });
        Self { address, folder, server: Some(server) }
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    /// In MB; none when it was stopped.
    pub fn memory(&self) -> Option<f64> {
        self.server.as_ref().map(Server::memory)
    }

    /// The address of each session's client, oldest first.
    pub fn session_addresses(&self) -> Vec<String> {
        let path = self.folder.path().join("data/gatehouse.db");
        let mut database =
            AnyConnection::establish(path.to_str().expect("UTF-8")).expect("the database opens");
        let rows = sessions::table.select(sessions::ip).order((sessions::created_at, sessions::ip));
        rows.load(&mut database).expect("sessions")
    }
}

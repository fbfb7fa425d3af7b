//! `gatehouse database`: a whole database, moved to another one.

use std::time::Duration;

use clap::Subcommand;

use super::progress::{Progress, print_sums};
use super::service::StartError;
use crate::config::Config;
use crate::db::transfer::{self, Present, Snapshot};
use crate::db::{Db, DbConfig};

/// For a connection, or for another process's lock.
const WAIT: Duration = Duration::from_secs(10);

#[derive(Subcommand)]
pub enum Command {
    /// Copy everything from one database into an empty other one, SQLite or PostgreSQL
    ///
    /// FROM and TO are written as database_url is; no other setting is needed. All or nothing, from one moment: stop
    /// the service first, or what is written meanwhile stays behind. Every row is read back and compared.
    /// The process list shows a password in a URL: better set ROCKET_DATABASE_PASSWORD_FILE, or
    /// ROCKET_DATABASE_PASSWORD, for the URLs without one.
    Copy { from: String, to: String },
}

pub fn run(command: &Command) -> Result<(), StartError> {
    crate::log::install(log::LevelFilter::Off);
    match command {
        Command::Copy { from, to } => copy(from, to),
    }
}

fn copy(from: &str, to: &str) -> Result<(), StartError> {
    let (source, place) = (Config::database("FROM", from)?, Config::database("TO", to)?);
    let config = DbConfig { place, pool_size: 1, wait: WAIT };
    // Before anything is made at the other end.
    let mut snapshot = Snapshot::open(&source, WAIT)?;
    config.check_private()?;
    let db = Db::open(&config)?;
    let target = config.place;
    let failed = |error| StartError::Other(format!("{target}: {error}"));
    transfer::prepare(&db, Present::Refuse).map_err(failed)?;
    eprintln!(
        "gatehouse: copying {source} to {target}; what is written to the first from now on stays behind"
    );
    let mut progress = Progress::new();
    let mut watch = |step| progress.show(step);
    let filled = transfer::fill(&db, &mut snapshot, Present::Refuse, |_| Ok(()), &mut watch);
    let (sums, ()) = filled.map_err(failed)?;
    print_sums(&sums);
    println!("copied {source} to {target}: every row is there and the same");
    Ok(())
}

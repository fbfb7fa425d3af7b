//! `gatehouse restore`: a backup, put back.

use std::path::Path;

use super::progress::{Progress, print_sums};
use super::service::StartError;
use crate::accounts::revocation::revoke_everything;
use crate::audit::{Event, journal};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::db::transfer::{self, Present};
use crate::db::{Db, backup};

pub fn run(file: &Path, replace: bool, config: &Config) -> Result<(), StartError> {
    crate::log::install(log::LevelFilter::Off);
    config.db.check_private()?;
    let mut from = backup::open(file, config.db.wait)?;
    let db = Db::open(&config.db)?;
    let place = &config.db.place;
    let failed = |error| {
        let way_out = match error {
            transfer::TransferError::NotEmpty { .. } => " (--replace deletes what it holds)",
            _ => "",
        };
        StartError::Other(format!("{place}: {error}{way_out}"))
    };
    let present = if replace { Present::Replace } else { Present::Refuse };
    transfer::prepare(&db, present).map_err(failed)?;
    let mut progress = Progress::new();
    let mut watch = |step| progress.show(step);
    let (sums, revoked) = transfer::fill(
        &db,
        &mut from.snapshot,
        present,
        |conn| {
            let revoked = revoke_everything(conn)?;
            journal::write_with(conn, Event::Restored, None, Timestamp::now())?;
            Ok(revoked)
        },
        &mut watch,
    )
    .map_err(failed)?;
    print_sums(&sums);
    println!(
        "restored {} to {place}; then, since the backup may be older than their end:",
        file.display()
    );
    println!("  {} sessions ended: everybody logs in again", revoked.sessions);
    println!("  {} links died, mailed or waiting: whoever needs one asks again", revoked.links);
    println!("  {} known browsers and all counts of tries forgotten", revoked.devices);
    if config.secret_key.is_none() && !config.key_file.exists() {
        println!(
            "there is no {} yet: put yours there, or the next start makes a new one",
            config.key_file.display()
        );
    }
    Ok(())
}

//! `gatehouse backup`: what the database holds at this moment, in one file.

use std::path::Path;

use super::progress::{Progress, print_sums};
use super::service::{StartError, must_exist};
use crate::config::Config;
use crate::db::backup;

pub fn run(file: &Path, config: &Config) -> Result<(), StartError> {
    crate::log::install(log::LevelFilter::Off);
    must_exist(config)?;
    let mut progress = Progress::new();
    let mut watch = |step| progress.show(step);
    let sums = backup::write(&config.db.place, config.db.wait, file, &mut watch)?;
    print_sums(&sums);
    println!("backed up {} to {}", config.db.place, file.display());
    println!("the secret key is not in it: keep a copy of that elsewhere");
    Ok(())
}

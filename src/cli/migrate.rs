//! `gatehouse migrate`: the database's schema, brought up to date.

use super::service::StartError;
use crate::config::Config;
use crate::db::{Db, migrations};

pub fn run(config: &Config) -> Result<(), StartError> {
    let ran = migrations::run(&Db::open(&config.db)?)?;
    for version in &ran {
        println!("ran migration {version}");
    }
    if ran.is_empty() {
        println!("nothing to do: the database is up to date");
    }
    Ok(())
}

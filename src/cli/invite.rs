//! `gatehouse invite`: a link with which one address may sign up.

use secrecy::ExposeSecret;

use super::service::{Service, StartError};
use crate::clock::Timestamp;
use crate::config::Config;

/// Prints the link on standard output and nothing else, so that a script can take it.
pub fn run(email: &str, config: &Config) -> Result<(), StartError> {
    crate::log::install(log::LevelFilter::Error);
    super::service::must_exist(config)?;
    let service = Service::open(config)?;
    let link = service
        .auth
        .invite(email, Timestamp::now())
        .map_err(|error| StartError::Other(format!("cannot invite {email}: {error}")))?;
    service.auth.journal().flush();
    println!("{}", link.expose_secret());
    eprintln!("gatehouse: the mail to {email} leaves while the service runs");
    Ok(())
}

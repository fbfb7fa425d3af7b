//! The framework's snares, each shown on a bare Rocket, and beside it what we do instead. A test that fails on
//! the bare Rocket says that the framework has changed, and that our part may be simpler.

mod cookies; // traps 5 and 17
mod requests; // traps 2, 3, 15 and 16
mod templates; // trap 18

use rocket::figment::Figment;
use rocket::local::blocking::Client;
use rocket::{Build, Rocket};

/// Rocket as it comes, but silent and with a key of no value.
fn bare() -> Rocket<Build> {
    rocket::custom(settings())
}

fn settings() -> Figment {
    Figment::from(rocket::Config::debug_default())
        .merge(("log_level", "off"))
        .merge(("secret_key", vec![7u8; 64]))
}

#[track_caller]
fn client(rocket: Rocket<Build>) -> Client {
    Client::untracked(rocket).expect("ignites")
}

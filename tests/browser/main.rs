//! The running program in a real Chromium.

mod browser;
mod driver;
mod gatehouse;
mod neighbour;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../own_database/mod.rs"]
mod own_database;
mod patience;
mod tour;
mod traffic;

mod admission; // every page on the way to an account, in every mode
mod attacks; // what other sites and harmful input can do: nothing
mod details; // a name and a time zone, the browser's own offered, and the file of it all
mod every_page; // every page and error state, in every mode
mod flow; // the whole way, with scripts, without, on a phone
mod keyboard; // the whole way by keys alone
mod limited; // too many tries: the wait that counts down
mod theme; // the owner's own look
mod weight; // requests and bytes

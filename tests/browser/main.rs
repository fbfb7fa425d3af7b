//! The running program in a real Chromium.

mod browser;
mod downloads;
mod driver;
mod gatehouse;
mod keys;
mod mailbox;
mod neighbour;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../own_database/mod.rs"]
mod own_database;
mod patience;
mod tour;
mod traffic;

mod account; // every page of an account, in every mode
mod account_keys; // all of an account by keys alone, on a phone
mod account_plain; // all of an account without scripts: nothing is sent twice, nothing is left behind
mod admission; // every page on the way to an account, in every mode
mod attacks; // what other sites and harmful input can do: nothing
mod details; // a name and a time zone, the browser's own offered, and the file of it all
mod every_page; // every page and error state, in every mode
mod flow; // the whole way, with scripts, without, on a phone
mod keyboard; // the whole way by keys alone
mod limited; // too many tries: the wait that counts down
mod theme; // the owner's own look
mod thief; // somebody with a copied session, and how its owner throws them out
mod weight; // requests and bytes

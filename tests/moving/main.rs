//! Moving: a whole database copied to the other kind, backed up, put back; and a key that has changed.

#[allow(dead_code, reason = "the tests of one program use the rest")]
#[path = "../own_database/mod.rs"]
mod own_database;

#[allow(dead_code, reason = "the tests of the program use the rest")]
#[path = "../binary/http.rs"]
mod http;
#[allow(dead_code, reason = "the tests of the program use the rest")]
#[path = "../binary/process.rs"]
mod process;
#[allow(dead_code, reason = "the tests of the program use the rest")]
#[path = "../binary/program.rs"]
mod program;
#[allow(dead_code, reason = "the tests of the program use the rest")]
#[path = "../binary/rows.rs"]
mod rows;

mod contents; // what fills a database: odd values, many rows
mod server; // a PostgreSQL server, and databases on it

mod backup; // `gatehouse backup` of a running service
mod copy; // `gatehouse database copy`
mod key; // another secret_key
mod killed; // kill -9 in the middle
mod restore; // `gatehouse restore`

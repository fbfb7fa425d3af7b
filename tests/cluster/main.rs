//! Several nodes on one PostgreSQL server, and what becomes of them when a node, the server or the network fails.

#[allow(dead_code, reason = "the tests of one program use the rest")]
#[path = "../own_database/mod.rs"]
mod own_database;

#[allow(dead_code, reason = "the tests of one program use the rest")]
#[path = "../binary/http.rs"]
mod http;
#[allow(dead_code, reason = "the tests of one program use the rest")]
#[path = "../binary/process.rs"]
mod process;
#[allow(dead_code, reason = "the tests of one program use the rest")]
#[path = "../binary/program.rs"]
mod program;
#[allow(dead_code, reason = "the mail tests use the rest")]
#[path = "../binary/smtp.rs"]
mod smtp;

#[allow(dead_code, reason = "the proxy tests use the rest")]
#[path = "../proxy/client.rs"]
mod client;
#[allow(dead_code, reason = "the browser tests use the rest")]
#[path = "../browser/patience.rs"]
mod patience;
#[allow(dead_code, reason = "the proxy tests use the rest")]
#[path = "../proxy/processes.rs"]
mod processes;
#[allow(dead_code, reason = "the proxy tests use the rest")]
#[path = "../proxy/proxy.rs"]
mod proxy;

mod load; // people who remember what they were told
mod nodes; // several of the program, alike
mod relay; // a network that can be cut
mod server; // PostgreSQL

mod conflicts; // B-88c: others are in the way
mod failover; // the primary dies, the standby takes over
mod killed; // nodes die behind nginx
mod outage; // B-88: the server restarts, refuses, is full
mod readme; // the way from one machine to three
mod shared; // what nodes have in common
mod silence; // B-88b: nothing answers
mod start; // B-89: what a start needs of the server
mod tls; // who the server is, who we are

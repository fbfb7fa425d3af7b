//! Gatehouse: the login service you start with one command.

#![forbid(unsafe_code)]

pub mod accounts; // who people are and how they prove it
pub mod audit; // security events, one line of JSON each
pub mod cli; // the command line
pub mod clock; // moments in time, as the database stores them
pub mod config; // every setting, gathered and checked
pub mod db; // the database and its one connection type
pub mod log; // the JSON-lines log
pub mod mail; // messages, the outbox, transports, the worker
pub mod theme; // templates and static files, embedded or the owner's
pub mod tokens; // random secrets and what is stored of them
pub mod web; // pages for browsers, JSON for programs

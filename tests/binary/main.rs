//! The running program: started, stopped, killed, misconfigured, driven over real sockets.

mod deeds; // what writes, as a form and as JSON
mod http; // a small blocking HTTP/1.1 client
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../own_database/mod.rs"]
mod own_database; // of the kind that GATEHOUSE_TEST_DATABASE says
mod process; // a child, what it said and left behind
mod program; // the program in a folder of its own
mod rows; // what the database holds
mod smtp; // a mail server of someone else's making

mod bad_start; // refused settings, as the operator sees them
mod canary; // B-107: secrets, and where they are not
mod check; // `gatehouse check`, `migrate`, `--help`
mod classroom; // the exercise's client, unmodified
mod clock; // B-105d: the clock jumps
mod crash; // kill -9 under load
mod database; // locked, read-only, gone
mod disk; // full, and with room again
mod events; // the lines and rows of security events
mod heads; // too many headers, cookies, fields
mod invite; // `gatehouse invite`
mod logs; // what is in the log
mod mail; // mails that arrive, wait, are refused
mod mail_faults; // mail servers that refuse, break off, flood or lie
mod mail_security; // passwords and certificates of mail servers
mod metrics; // figures for Prometheus
mod races; // B-66 between processes
mod settings; // the table of settings
mod smoke; // what script/smoke tries on a release build
mod sockets; // what only a raw socket can send
mod start; // the first start, the second, the impossible
mod stop; // SIGTERM once and twice
mod storm; // B-74: hundreds log in at once
mod user; // `gatehouse user`
mod word_list; // a thousand words against the limits that nobody has set

//! The running program: started, stopped, killed, misconfigured, driven over real sockets.

mod http; // a small blocking HTTP/1.1 client
mod program; // the program in a folder of its own
mod smtp; // a mail server of someone else's making

mod bad_start; // refused settings, as the operator sees them
mod check; // `gatehouse check`, `migrate`, `--help`
mod classroom; // the exercise's client, unmodified
mod crash; // kill -9 under load
mod logs; // what is in the log, and what must not be
mod mail; // mails that arrive, wait, are refused
mod mail_security; // passwords and certificates of mail servers
mod settings; // the table of settings
mod sockets; // what only a raw socket can send
mod start; // the first start, the second, the impossible
mod stop; // SIGTERM once and twice
mod word_list; // a thousand words against the limits that nobody has set

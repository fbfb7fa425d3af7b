//! What the service answers, through Rocket's local client: every test has its own database, of the
//! kind that `GATEHOUSE_TEST_DATABASE` says (own_database).

mod answer;
mod app;
mod crowd;
mod mailed;
mod mmdb;
mod overtake;
#[allow(dead_code, reason = "the other tests use the rest")]
#[path = "../own_database/mod.rs"]
mod own_database;
mod rows;
mod watch;

mod access; // the matrix of routes and who may ask
mod clock; // B-105d: a clock that was wrong
mod confirmation; // an account begins with a mail
mod contract; // every row of the contract, for people and for programs
mod cookie_size; // B-97: what browsers must carry
mod corrupt; // B-89b: rows that nobody of ours wrote
mod cross_site; // D5: the door, walked route by route
mod deletion; // asked, called off, carried out
mod details; // an owner's name and time zone
mod disabled; // B-32, B-45: kept out by an operator, wherever they try
mod disguise; // methods and content types that are not what they say
mod email; // one person, many spellings
mod email_change; // another address: asked for, confirmed, undone
mod events; // what is written down of deeds and refusals
mod export; // all that is stored about somebody, in one file
mod faults; // a database that fails
mod forward_auth; // the door to other applications
mod headers; // D11 on every answer
mod history; // what happened with one's account, and what was tried
mod host; // D7: whose name a request may bear
mod injection; // B-57: SQL where text belongs
mod input; // bad input of every kind
mod invitation; // one address, one link, one account
mod letters; // what a mail says, and its headers
mod limits; // D.2 and D.9: how often strangers may try, and whose address counts
mod login; // sameness, hash upgrades, long passwords, a full queue
mod mail; // the outbox and its worker
mod new_log_in; // a log-in that its owner should hear of
mod next; // redirect targets
mod pages; // escaping, titles, forms shown again
mod password_change; // the one so far and a new one
mod password_reset; // ask, open the link, choose a new password
mod properties; // what holds for any input
mod races; // many at once
mod reset_token; // what kills a token, and what does not
mod secure_account; // one link that throws out whoever should not be there
mod session; // cookies: forged, planted, replayed
mod session_life; // limits, several devices, what is stored
mod sessions; // where somebody is logged in, and the end of it
mod sign_up; // closed, by domain, for people and not programs
mod sudo; // the password once more, for what is sensitive
mod traps; // the framework's snares that the code is built around

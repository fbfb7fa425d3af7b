//! Gatehouse behind the proxies of `deploy/`: the real nginx and the real Caddy, with the very files that operators get.
//! With SQLite alone: a proxy sees the answers, and those are the same whatever database they come from.

mod application; // somebody's application, which the proxies protect
mod client; // a TLS client with an address and cookies of its own
mod gatehouse; // the program
mod processes; // servers that end with their test
mod proxy; // nginx and Caddy, from the files of deploy/
mod pulse; // how quickly others are served meanwhile
mod site; // all of them together
mod trickle; // connections that never come to an end

#[allow(dead_code, reason = "the browser tests use the rest")]
#[path = "../browser/browser.rs"]
mod browser;
#[path = "../browser/driver.rs"]
mod driver;
#[allow(dead_code, reason = "the browser tests use the rest")]
#[path = "../browser/patience.rs"]
mod patience;

mod address; // whose address Gatehouse sees
mod door; // who gets to the application, and what it learns
mod edges; // what the proxies themselves refuse
mod flood; // log-ins as fast as they are answered
mod people; // the way through the door in Chromium
mod slow; // clients that are slow on purpose
mod unit; // the service of systemd

/// A test of this module for each proxy, as `nginx::NAME` and `caddy::NAME`.
macro_rules! behind_each_proxy {
    ($($name:ident),+ $(,)?) => {
        mod nginx {
            $(#[test] fn $name() { super::$name(crate::proxy::Kind::Nginx) })+
        }
        mod caddy {
            $(#[test] fn $name() { super::$name(crate::proxy::Kind::Caddy) })+
        }
    };
}
use behind_each_proxy;

//! People who sign up, log in and out and choose new passwords, and remember every yes they heard.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use crate::client;
use crate::http::{self, Pairs};
use crate::program::{NEW_PASSWORD, PASSWORD};

pub const LOGIN: &str = "login.example.org";
const CLIENTS: usize = 4;

/// Somebody with cookies.
pub trait Person: Send {
    type Jar: Clone + Default + Send + Sync;

    fn send(&mut self, method: &str, path: &str, form: Pairs<'_>) -> io::Result<u16>;
    fn jar(&mut self) -> &mut Self::Jar;
}

impl Person for http::Visitor {
    type Jar = BTreeMap<String, String>;

    fn send(&mut self, method: &str, path: &str, form: Pairs<'_>) -> io::Result<u16> {
        let answer = match method {
            "GET" => self.try_get(path),
            "DELETE" => self.try_delete(path),
            _ => self.try_post(path, form),
        };
        answer.map(|answer| answer.status)
    }

    fn jar(&mut self) -> &mut Self::Jar {
        &mut self.cookies
    }
}

impl Person for client::Visitor {
    type Jar = BTreeMap<(String, String), String>;

    fn send(&mut self, method: &str, path: &str, form: Pairs<'_>) -> io::Result<u16> {
        self.ask(method, LOGIN, path, &client::urlencoded(form)).map(|answer| answer.status)
    }

    fn jar(&mut self) -> &mut Self::Jar {
        &mut self.cookies
    }
}

/// What was promised.
pub struct Promises<J> {
    pub signed_up: Vec<String>,
    /// Sessions that must be alive.
    pub signed_in: Vec<J>,
    /// Sessions that must be dead.
    pub logged_out: Vec<J>,
    /// These have the new password.
    pub reset: Vec<String>,
    /// Answers that were no yes.
    pub odd: Vec<Odd>,
}

#[derive(Debug)]
#[expect(dead_code, reason = "`what` is for whoever reads why a test failed")]
pub struct Odd {
    pub what: String,
    pub began: Instant,
    pub ended: Instant,
    /// None where the connection broke.
    pub status: Option<u16>,
}

impl<J> Default for Promises<J> {
    fn default() -> Self {
        let (signed_up, signed_in, logged_out) = Default::default();
        Self { signed_up, signed_in, logged_out, reset: Vec::new(), odd: Vec::new() }
    }
}

impl<J> Promises<J> {
    fn add(&mut self, other: Self) {
        self.signed_up.extend(other.signed_up);
        self.signed_in.extend(other.signed_in);
        self.logged_out.extend(other.logged_out);
        self.reset.extend(other.reset);
        self.odd.extend(other.odd);
    }

    pub fn in_words(&self) -> String {
        format!(
            "{} sign-ups, {} sessions, {} log-outs, {} resets; {} errors",
            self.signed_up.len(),
            self.signed_in.len(),
            self.logged_out.len(),
            self.reset.len(),
            self.odd.len()
        )
    }
}

/// The links that have arrived, by address.
pub type Links<'a> = &'a (dyn Fn() -> BTreeMap<String, String> + Sync);

/// One client.
struct Client<'a, P: Person> {
    person: P,
    promises: Promises<P::Jar>,
    waiting: Vec<String>,
    yes: &'a AtomicUsize,
}

impl<P: Person> Client<'_, P> {
    fn asks(&mut self, method: &str, path: &str, form: Pairs<'_>, wanted: u16) -> bool {
        let began = Instant::now();
        let status = self.person.send(method, path, form).ok();
        let ended = Instant::now();
        if status == Some(wanted) {
            self.yes.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        let what = format!("{method} {path}");
        self.promises.odd.push(Odd { what, began, ended, status });
        // Whoever was refused does not ask again at once.
        thread::sleep(std::time::Duration::from_millis(20));
        false
    }

    fn logs_in(&mut self, email: &str) -> Option<P::Jar> {
        *self.person.jar() = P::Jar::default();
        let pair = [("email", email), ("password", PASSWORD)];
        self.asks("POST", "/sessions", &pair, 200).then(|| self.person.jar().clone())
    }

    fn works(&mut self, name: &str, over: &AtomicBool, links: Links<'_>) {
        for number in 0.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let email = format!("{name}n{number}@example.org");
            *self.person.jar() = P::Jar::default();
            if !self.asks("POST", "/users", &[("email", &email), ("password", PASSWORD)], 200) {
                continue;
            }
            self.promises.signed_up.push(email.clone());
            if number % 4 == 3 && self.asks("POST", "/reset_password", &[("email", &email)], 200) {
                self.waiting.push(email);
                self.resets(&links());
                continue;
            }
            let Some(jar) = self.logs_in(&email) else { continue };
            self.promises.signed_in.push(jar);
            if self.logs_in(&email).is_some() {
                let jar = self.person.jar().clone();
                if self.asks("DELETE", "/sessions", &[], 303) {
                    self.promises.logged_out.push(jar);
                }
            }
            let earlier = number * 7 % self.promises.signed_in.len();
            *self.person.jar() = self.promises.signed_in[earlier].clone();
            self.asks("GET", "/profile", &[], 200);
        }
    }

    fn resets(&mut self, links: &BTreeMap<String, String>) {
        for email in std::mem::take(&mut self.waiting) {
            let Some(token) = links.get(&email) else {
                self.waiting.push(email);
                continue;
            };
            *self.person.jar() = P::Jar::default();
            // As browsers send it: a POST, which no proxy sends again by itself.
            let form = [
                ("_method", "PUT"),
                ("reset_token", token.as_str()),
                ("new_password", NEW_PASSWORD),
            ];
            if self.asks("POST", "/reset_password", &form, 200) {
                self.promises.reset.push(email);
            }
        }
    }
}

/// Load from several clients while `meanwhile` does its worst, which sees how many answers were a
/// yes so far.
pub fn under_load<P: Person>(
    person: impl Fn(usize) -> P + Sync,
    links: Links<'_>,
    meanwhile: impl FnOnce(&AtomicUsize),
) -> Promises<P::Jar> {
    let (yes, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (person, yes, over) = (&person, &yes, &over);
                scope.spawn(move || {
                    let (person, waiting) = (person(number), Vec::new());
                    let mut client = Client { person, promises: Promises::default(), waiting, yes };
                    client.works(&format!("c{number}"), over, links);
                    client.promises
                })
            })
            .collect();
        // Also when it fails, the clients come to an end.
        let stop = StopAtEnd(&over);
        meanwhile(&yes);
        drop(stop);
        let mut all = Promises::default();
        for client in clients {
            all.add(client.join().expect("clients do not panic"));
        }
        all
    })
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for that many more yeses.
#[track_caller]
pub fn after_more(yes: &AtomicUsize, count: usize) {
    let wanted = yes.load(Ordering::Relaxed) + count;
    crate::process::eventually("more answers", || {
        (yes.load(Ordering::Relaxed) >= wanted).then_some(())
    });
}

/// Every promise is kept.
pub fn read_back<P: Person>(person: impl Fn(usize) -> P + Sync, all: &Promises<P::Jar>) {
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let person = &person;
            scope.spawn(move || {
                let mut person = person(number);
                let mut is = |jar: P::Jar, method: &str, path: &str, form: Pairs<'_>, status| {
                    *person.jar() = jar;
                    let answer = person.send(method, path, form).expect("an answer");
                    assert_eq!(answer, status, "{method} {path} {form:?}");
                };
                let none = P::Jar::default;
                for email in all.signed_up.iter().skip(number).step_by(CLIENTS) {
                    is(none(), "POST", "/users", &[("email", email), ("password", PASSWORD)], 400);
                }
                for jar in all.signed_in.iter().skip(number).step_by(CLIENTS) {
                    is(jar.clone(), "GET", "/profile", &[], 200);
                }
                for jar in all.logged_out.iter().skip(number).step_by(CLIENTS) {
                    is(jar.clone(), "GET", "/profile", &[], 403);
                }
                for email in all.reset.iter().skip(number).step_by(CLIENTS) {
                    let pair = |password| [("email", email.as_str()), ("password", password)];
                    is(none(), "POST", "/sessions", &pair(PASSWORD), 401);
                    is(none(), "POST", "/sessions", &pair(NEW_PASSWORD), 200);
                }
            });
        }
    });
}

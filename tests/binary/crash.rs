//! kill -9 under load: what was acknowledged is there after the restart.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use diesel::prelude::*;
use gatehouse::db::schema::{limits, outbox, users};
use gatehouse::tokens::{fingerprint, generate_uuid};
use serde_json::json;

use crate::http::Visitor;
use crate::program::{Home, NEW_PASSWORD, PASSWORD, Running, eventually};
use crate::rows::integrity;

/// Rounds in the test command; GATEHOUSE_CRASH_ROUNDS makes them more (script/crash).
const ROUNDS: usize = 12;
const WRITES: usize = 200;
const CLIENTS: usize = 8;
/// The window of a limit, in seconds: longer than the test.
const DAY: u32 = 86_400;

type Cookies = BTreeMap<String, String>;

/// What the server has said yes to.
#[derive(Default)]
struct Acknowledged {
    signed_up: Vec<String>,
    /// Sessions that must be alive, with their user.
    logged_in: Vec<(String, Cookies)>,
    /// Sessions that must be dead.
    logged_out: Vec<Cookies>,
    /// Asked for a reset. Some of these links were used, acknowledged or not.
    asked: usize,
    resets_tried: usize,
    /// These have the new password; with the token that is used up.
    reset: Vec<(String, String)>,
    /// Wrong passwords, by address: each is counted.
    guessed: Vec<String>,
    /// Asked, and saw no link before the end: theirs arrive after the restart.
    waiting: Vec<String>,
}

impl Acknowledged {
    fn writes(&self) -> usize {
        // Who logged out had logged in.
        let sessions = self.logged_in.len() + 2 * self.logged_out.len();
        self.signed_up.len() + sessions + self.asked + self.reset.len() + self.guessed.len()
    }

    fn add(&mut self, other: Self) {
        self.signed_up.extend(other.signed_up);
        self.logged_in.extend(other.logged_in);
        self.logged_out.extend(other.logged_out);
        self.asked += other.asked;
        self.resets_tried += other.resets_tried;
        self.reset.extend(other.reset);
        self.guessed.extend(other.guessed);
        self.waiting.extend(other.waiting);
    }
}

/// One client; it ends with an error when the server dies.
struct Client<'a> {
    visitor: Visitor,
    acknowledged: Acknowledged,
    /// Who waits for a link.
    waiting: Vec<String>,
    writes: &'a AtomicUsize,
}

impl Client<'_> {
    fn work(&mut self, name: &str) -> std::io::Result<()> {
        self.reset()?;
        for number in 0.. {
            let email = format!("{name}n{number}@example.com");
            self.sign_up(&email)?;
            match number % 6 {
                1 => self.ask(email)?,
                5 => self.reset()?,
                4 => drop(self.log_in(&email)?),
                3 => {
                    self.guess(&email)?;
                    self.guess(&email)?;
                }
                _ => {
                    let first = self.log_in(&email)?;
                    // Another device, which stays.
                    self.log_in(&email)?;
                    self.log_out(first)?;
                }
            }
        }
        Ok(())
    }

    fn yes(&self) {
        self.writes.fetch_add(1, Ordering::Relaxed);
    }

    fn sign_up(&mut self, email: &str) -> std::io::Result<()> {
        self.visitor.cookies.clear();
        let pair = [("email", email), ("password", PASSWORD)];
        self.visitor.try_post("/users", &pair)?.is(200);
        self.yes();
        self.acknowledged.signed_up.push(email.to_owned());
        Ok(())
    }

    /// The place of the new session in the list.
    fn log_in(&mut self, email: &str) -> std::io::Result<usize> {
        self.visitor.cookies.clear();
        let pair = [("email", email), ("password", PASSWORD)];
        self.visitor.try_post("/sessions", &pair)?.is(200);
        self.yes();
        self.acknowledged.logged_in.push((email.to_owned(), self.visitor.cookies.clone()));
        Ok(self.acknowledged.logged_in.len() - 1)
    }

    fn guess(&mut self, email: &str) -> std::io::Result<()> {
        let pair = [("email", email), ("password", NEW_PASSWORD)];
        self.visitor.try_post("/sessions", &pair)?.is(401);
        self.yes();
        self.acknowledged.guessed.push(email.to_owned());
        Ok(())
    }

    fn log_out(&mut self, place: usize) -> std::io::Result<()> {
        // Until the answer is here, nobody knows whether this session lives.
        let (_, cookies) = self.acknowledged.logged_in.remove(place);
        self.visitor.cookies = cookies.clone();
        // The log-in was one write, which is counted with the log-out or not at all.
        self.writes.fetch_sub(1, Ordering::Relaxed);
        self.visitor.try_delete("/sessions")?.goes_to("/");
        self.writes.fetch_add(2, Ordering::Relaxed);
        self.acknowledged.logged_out.push(cookies);
        Ok(())
    }

    fn ask(&mut self, email: String) -> std::io::Result<()> {
        self.visitor.try_post("/reset_password", &[("email", &email)])?.is(200);
        self.yes();
        self.acknowledged.asked += 1;
        self.waiting.push(email);
        Ok(())
    }

    /// Uses the links that have arrived meanwhile.
    fn reset(&mut self) -> std::io::Result<()> {
        let shown = self.visitor.try_get("/dev/mailbox")?.json();
        let mails = shown["mails"].as_array().expect("a list");
        for email in std::mem::take(&mut self.waiting) {
            let Some(mail) = mails.iter().find(|mail| mail["to"] == email.as_str()) else {
                self.waiting.push(email);
                continue;
            };
            let link = mail["links"][0].as_str().expect("a link");
            let token = link.rsplit('/').next().expect("a token").to_owned();
            self.acknowledged.resets_tried += 1;
            self.visitor.try_put("/reset_password", &reset_form(&token))?.is(200);
            self.yes();
            self.acknowledged.reset.push((email, token));
        }
        Ok(())
    }
}

fn reset_form(token: &str) -> [(&str, &str); 2] {
    [("reset_token", token), ("new_password", NEW_PASSWORD)]
}

/// Load from every client until enough is acknowledged, then kill -9 in the middle of it.
fn load_and_kill(server: Running, round: usize, waiting: &[String]) -> Acknowledged {
    let writes = AtomicUsize::new(0);
    let chance = u64::from_str_radix(&generate_uuid()[..8], 16).expect("hexadecimal digits");
    let enough = WRITES + (chance % 64) as usize;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (server, writes) = (&server, &writes);
                scope.spawn(move || {
                    let visitor = server.program().keeping_alive();
                    let acknowledged = Acknowledged::default();
                    let waiting = share(waiting, number).cloned().collect();
                    let mut client = Client { visitor, acknowledged, waiting, writes };
                    client.work(&format!("r{round}c{number}")).expect_err("works until it dies");
                    Acknowledged { waiting: client.waiting, ..client.acknowledged }
                })
            })
            .collect();
        let working = || !clients.iter().any(|client| client.is_finished());
        while writes.load(Ordering::Relaxed) < enough && working() {
            thread::sleep(std::time::Duration::from_millis(1));
        }
        server.signal(rustix::process::Signal::KILL);
        let mut all = Acknowledged::default();
        for client in clients {
            let done = client.join();
            all.add(
                done.unwrap_or_else(|_| panic!("not every answer was a yes: {}", server.out())),
            );
        }
        all
    })
}

/// Every promise, over HTTP.
fn read_back(server: &Running, all: &Acknowledged) {
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            scope.spawn(move || {
                let mut visitor = server.program().keeping_alive();
                for email in share(&all.signed_up, number) {
                    let pair = [("email", email.as_str()), ("password", PASSWORD)];
                    visitor.post("/users", &pair).is(400).says("email already registered");
                }
                for (email, cookies) in share(&all.logged_in, number) {
                    visitor.cookies = cookies.clone();
                    assert_eq!(visitor.get("/profile").is(200).json(), json!({ "email": email }));
                }
                for cookies in share(&all.logged_out, number) {
                    visitor.cookies = cookies.clone();
                    visitor.get("/profile").is(403);
                }
                for (email, token) in share(&all.reset, number) {
                    visitor.cookies.clear();
                    let pair = |password| [("email", email.as_str()), ("password", password)];
                    visitor.post("/sessions", &pair(PASSWORD)).is(401);
                    visitor.post("/sessions", &pair(NEW_PASSWORD)).is(200);
                    visitor.put("/reset_password", &reset_form(token)).is(403);
                }
            });
        }
    });
}

/// Every client's share of a list.
fn share<T>(list: &[T], number: usize) -> impl Iterator<Item = &T> {
    list.iter().skip(number).step_by(CLIENTS)
}

/// Every wrong password that was answered is counted still: kill -9 clears no limit (B-21).
fn every_guess_counts(home: &Home, guessed: &[String]) {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for email in guessed {
        *counts.entry(email).or_default() += 1;
    }
    let conn = &mut home.database();
    for (email, count) in counts {
        let bucket = format!("log_in/account/{DAY}/{}", fingerprint(email));
        let tries = limits::table.find(bucket).select(limits::tries).first::<i64>(conn);
        // One more may have been on its way.
        assert!(tries == Ok(count) || tries == Ok(count + 1), "{email}: {tries:?} of {count}");
    }
}

fn count(rows: QueryResult<i64>) -> usize {
    usize::try_from(rows.expect("counted")).expect("not negative")
}

#[test]
fn b86_kill_9_under_load_again_and_again_loses_nothing() {
    let began = Instant::now();
    let rounds = std::env::var("GATEHOUSE_CRASH_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |number| number.parse().expect("a number of rounds"));
    let a_day = format!("1000000/{DAY}s");
    // A stall of the machine is not what this is about.
    let home = Home::new().with("ROCKET_LOG_LEVEL", "error").with("ROCKET_DATABASE_WAIT", "30s");
    let home = home.with("ROCKET_LIMIT_LOGIN", &a_day);
    let mut all = Acknowledged::default();
    let mut server = home.start();
    for round in 1..=rounds {
        let waiting = std::mem::take(&mut all.waiting);
        let written = load_and_kill(server, round, &waiting);
        assert!(written.writes() >= WRITES, "round {round}: {} writes", written.writes());
        server = home.start();
        read_back(&server, &written);
        every_guess_counts(&home, &written.guessed);
        assert_eq!(integrity(&mut home.database()), "ok", "round {round}");
        all.add(written);
    }
    // And what was there after the first round is there after the last.
    read_back(&server, &all);
    every_guess_counts(&home, &all.guessed);
    let conn = &mut home.database();
    let people = count(users::table.count().get_result(conn));
    assert!(people >= all.signed_up.len(), "{people} of {}", all.signed_up.len());
    let resets = outbox::table.filter(outbox::kind.eq("password_reset"));
    let links = count(resets.count().get_result(conn));
    assert!(links + all.resets_tried >= all.asked, "{links} of {}", all.asked);
    // Past the test runner, which shows what a passing test prints to nobody.
    let shown = writeln!(
        std::io::stderr(),
        "B-86: {rounds} rounds of kill -9 with {CLIENTS} clients, {} acknowledged writes: {} sign-ups, \
         {} log-ins, {} log-outs, {} resets asked for, {} passwords changed, \
         {} wrong passwords counted; \
         all read back over HTTP, integrity ok, {:.0} s",
        all.writes(),
        all.signed_up.len(),
        all.logged_in.len() + all.logged_out.len(),
        all.logged_out.len(),
        all.asked,
        all.reset.len(),
        all.guessed.len(),
        began.elapsed().as_secs_f32(),
    );
    shown.expect("standard error is open");
    assert!(all.writes() >= rounds * WRITES);
    for (what, number) in [
        ("sign-ups", all.signed_up.len()),
        ("sessions", all.logged_in.len()),
        ("log-outs", all.logged_out.len()),
        ("resets", all.reset.len()),
        ("guesses", all.guessed.len()),
    ] {
        assert!(number >= rounds, "only {number} {what}");
    }
}

#[test]
fn b21_kill_9_gives_nobody_another_try() {
    let home = Home::new().with("ROCKET_LIMIT_LOGIN", "3/1h");
    let mut server = home.start();
    let people = ["form@example.com", "json@example.com", "nobody@example.com"];
    for email in &people[..2] {
        server.program().post("/users", &[("email", email), ("password", PASSWORD)]).is(200);
    }
    let wrong = |email: &'static str| [("email", email), ("password", NEW_PASSWORD)];
    for email in people {
        // Between the three tries it makes everybody wait a moment, and then for the hour.
        eventually("the end of the tries", || {
            let answer = server.program().post("/sessions", &wrong(email));
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u32>().ok());
            assert!([401, 429].contains(&answer.status), "{answer:?}");
            wait.filter(|wait| *wait > 60)
        });
    }
    for round in 0..3 {
        server.kill();
        server = home.start();
        for email in people {
            for mut visitor in [server.browser(), server.program().in_json()] {
                for form in [wrong(email), [("email", email), ("password", PASSWORD)]] {
                    let refused = visitor.post("/sessions", &form);
                    let waits = refused.header("retry-after").is_some();
                    assert!(refused.status == 429 && waits, "{round}: {refused:?}");
                }
            }
        }
    }
}

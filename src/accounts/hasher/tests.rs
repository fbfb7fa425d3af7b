//! The pool: who is hashed with whom, and that everybody hears an answer of their own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use bcrypt_lanes::{Hash, Job};
use secrecy::SecretString;
use tokio::task::JoinHandle;

use super::lanes::{Differs, settle};
use super::*;
use crate::accounts::password::{hash_password, verify_password};

const COST: u32 = 4;

/// A hasher, and what its threads were seen to do: the cost and the number of each batch.
struct Pool {
    hasher: Hasher,
    batches: Arc<Mutex<Vec<(u32, usize)>>>,
    /// Whoever hashes the password "gate" waits for this.
    gate: Sender<()>,
    differs: Arc<AtomicBool>,
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
        thread::yield_now();
    }
}

impl Pool {
    fn start(lanes: usize, config: HasherConfig) -> Self {
        let pool = Self::settled_by(config, move |_| Ok(lanes));
        while pool.hasher.queue.lanes() != lanes {
            thread::yield_now();
        }
        pool
    }

    fn settled_by(
        config: HasherConfig,
        settle: impl FnOnce(&Engine) -> Result<usize, Differs> + Send + 'static,
    ) -> Self {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let (gate, opened) = channel::<()>();
        let opened = Mutex::new(opened);
        let seen = batches.clone();
        let see = Arc::new(move |cost: u32, jobs: &[Job<'_>]| {
            seen.lock().expect("whole").push((cost, jobs.len()));
            for job in jobs {
                match job.password {
                    b"gate" => opened.lock().expect("whole").recv().expect("opened"),
                    b"panic" => panic!("on purpose"),
                    _ => {}
                }
            }
        });
        let see_one = see.clone();
        let engine = Engine {
            alone: Box::new(move |step| {
                see_one(step.cost(), &[step.job()]);
                step.hash()
            }),
            in_step: Box::new(move |cost, jobs, hashes| {
                see(cost, jobs);
                bcrypt_lanes::hash(cost, jobs, hashes);
            }),
        };
        let differs = Arc::new(AtomicBool::new(false));
        let heard = differs.clone();
        let hear = move || heard.store(true, Ordering::SeqCst);
        let hasher = Hasher::start_with(&config, engine, settle, hear).expect("started");
        Self { hasher, batches, gate, differs }
    }

    fn batches(&self) -> Vec<(u32, usize)> {
        self.batches.lock().expect("whole").clone()
    }

    /// Keeps one thread busy until the gate is opened.
    async fn busy(&self) -> JoinHandle<Result<String, Broken>> {
        let (hasher, before) = (self.hasher.clone(), self.batches().len());
        let busy = tokio::spawn(async move { hasher.hash(&secret("gate"), "busy").await });
        until(|| self.batches().len() > before).await;
        busy
    }

    /// Asks, and returns once the question waits in the queue.
    async fn ask(
        &self,
        password: &str,
        stored: Option<&str>,
    ) -> JoinHandle<Result<bool, Overloaded>> {
        let (hasher, before) = (self.hasher.clone(), self.hasher.waiting());
        let (password, stored) = (secret(password), stored.map(str::to_owned));
        let asked = tokio::spawn(async move { hasher.verify(&password, stored, "one").await });
        until(|| self.hasher.waiting() > before).await;
        asked
    }
}

fn config(threads: usize, queue: usize) -> HasherConfig {
    HasherConfig { cost: COST, threads, queue, lanes: 0 }
}

fn hashed(password: &str, cost: u32) -> String {
    hash_password(&secret(password), cost).expect("hashed")
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_recovers() {
    let pool = Pool::start(1, config(1, 2));
    let busy = pool.busy().await;
    let hasher = &pool.hasher;
    let one = hasher.reserve("one").expect("room for two");
    assert!(hasher.reserve("one").is_err(), "half of the queue is its");
    drop(one);
    let waits = pool.ask("x", None).await;
    // Reserved is as good as taken.
    let other = hasher.reserve("other").expect("room for two");
    let refused = hasher.verify(&secret("x"), None, "third").await;
    assert!(refused.is_err_and(|full| full.retry_after >= Duration::from_secs(1)));
    drop(other);
    pool.gate.send(()).expect("the thread waits");
    busy.await.expect("joined").expect("answered");
    assert!(!waits.await.expect("joined").expect("answered"));
    assert!(!hasher.verify(&secret("x"), None, "one").await.expect("room again"));
}

#[tokio::test]
async fn hundreds_at_once_hear_each_their_own_answer() {
    let pool = Pool::start(6, config(2, 1000));
    let people: Vec<(String, String)> = (0..60)
        .map(|number| {
            // Some hashes are cheaper, some prehashed, some of nobody.
            let password = format!("{}{number}", "x".repeat(if number % 5 == 0 { 80 } else { 8 }));
            let cost = if number % 3 == 0 { COST } else { COST + 1 };
            let hash = if number % 7 == 0 { String::new() } else { hashed(&password, cost) };
            (password, hash)
        })
        .collect();
    let mut asked = Vec::new();
    for turn in 0..360 {
        let (password, hash) = people[turn % people.len()].clone();
        let wrong = turn * 7 % 5 < 2;
        let password = if wrong { format!("{password}.") } else { password };
        let right = !wrong && !hash.is_empty();
        let hasher = pool.hasher.clone();
        let client = turn.to_string();
        asked.push(tokio::spawn(async move {
            let equal = hasher.verify(&secret(&password), Some(hash), &client).await;
            assert_eq!(equal.expect("answered"), right, "{turn}: {password}");
            // And a new one, which is nobody else's.
            let new = hasher.hash(&secret(&password), &client).await.expect("hashed");
            assert!(verify_password(&secret(&password), Some(&new), COST), "{turn}: {password}");
        }));
    }
    for one in asked {
        one.await.expect("each its own");
    }
    let batches = pool.batches();
    assert!(batches.iter().any(|(_, number)| *number == 6), "{batches:?}");
    assert!(batches.iter().all(|(_, number)| *number <= 6), "{batches:?}");
}

#[tokio::test]
async fn a_lone_password_goes_through_the_crate() {
    let pool = Pool::start(6, config(2, 10));
    for _ in 0..3 {
        assert!(!pool.hasher.verify(&secret("x"), None, "one").await.expect("answered"));
    }
    assert_eq!(pool.batches(), [(COST, 1); 3]);
}

#[tokio::test]
async fn b02_who_has_no_account_is_hashed_in_step_with_who_has() {
    let pool = Pool::start(6, config(1, 20));
    let busy = pool.busy().await;
    let hash = hashed("a quiet harbour", COST);
    let mut asked = Vec::new();
    for (password, stored) in [
        ("a quiet harbour", Some(hash.as_str())),
        ("wrong", Some(hash.as_str())),
        ("wrong", None),
        ("wrong", Some("$2b$04$short")),
        (&"x".repeat(100), Some(hash.as_str())),
    ] {
        asked.push(pool.ask(password, stored).await);
    }
    pool.gate.send(()).expect("the thread waits");
    let mut answers = Vec::new();
    for one in asked {
        answers.push(one.await.expect("joined").expect("answered"));
    }
    assert_eq!(answers, [true, false, false, false, false]);
    busy.await.expect("joined").expect("answered");
    assert_eq!(pool.batches(), [(COST, 1), (COST, 5)]);
}

#[tokio::test]
async fn b03_cheaper_hashes_are_refused_in_the_time_of_a_dear_one_in_step_too() {
    let pool = Pool::start(6, HasherConfig { cost: COST + 2, ..config(1, 20) });
    let busy = pool.busy().await;
    let cheap = hashed("a quiet harbour", COST);
    let (right, wrong) = (
        pool.ask("a quiet harbour", Some(&cheap)).await,
        [pool.ask("one", Some(&cheap)).await, pool.ask("two", Some(&cheap)).await],
    );
    pool.gate.send(()).expect("the thread waits");
    assert!(right.await.expect("joined").expect("answered"));
    for wrong in wrong {
        assert!(!wrong.await.expect("joined").expect("answered"));
    }
    busy.await.expect("joined").expect("answered");
    let batches = [(COST + 2, 1), (COST, 3), (COST, 2), (COST + 1, 2)];
    assert_eq!(pool.batches(), batches);
}

#[tokio::test]
async fn those_who_have_gone_are_skipped_and_their_places_free() {
    let pool = Pool::start(6, config(1, 6));
    let busy = pool.busy().await;
    let gone = [pool.ask("gone", None).await, pool.ask("gone", None).await];
    let stays = pool.ask("stays", None).await;
    assert!(pool.hasher.reserve("one").is_err(), "it has its half");
    for gone in gone {
        gone.abort();
        assert!(gone.await.is_err_and(|error| error.is_cancelled()));
    }
    pool.gate.send(()).expect("the thread waits");
    assert!(!stays.await.expect("joined").expect("answered"));
    busy.await.expect("joined").expect("answered");
    assert_eq!(pool.batches(), [(COST, 1), (COST, 1)]);
    drop([(); 3].map(|()| pool.hasher.reserve("one").expect("its half is free")));
}

#[tokio::test]
async fn a_panic_answers_and_keeps_the_thread() {
    let pool = Pool::start(6, config(1, 20));
    assert!(pool.hasher.hash(&secret("panic"), "one").await.is_err());
    assert!(pool.hasher.hash(&secret("x"), "one").await.is_ok(), "the thread lives");
}

#[tokio::test]
async fn a_panic_in_step_costs_the_others_nothing_and_ends_the_lanes() {
    let pool = Pool::start(6, config(1, 20));
    let busy = pool.busy().await;
    let hash = hashed("a quiet harbour", COST);
    let one = pool.ask("a quiet harbour", Some(&hash)).await;
    let panics = pool.ask("panic", Some(&hash)).await;
    let other = pool.ask("wrong", Some(&hash)).await;
    pool.gate.send(()).expect("the thread waits");
    assert!(one.await.expect("joined").expect("answered"));
    assert!(panics.await.expect("joined").is_err());
    assert!(!other.await.expect("joined").expect("answered"));
    busy.await.expect("joined").expect("answered");
    assert_eq!(pool.hasher.queue.lanes(), 1);
}

/// Right but for the last of three in step.
fn broken() -> Engine {
    let in_step = |cost: u32, jobs: &[Job<'_>], hashes: &mut [Hash]| {
        bcrypt_lanes::hash(cost, jobs, hashes);
        if let [_, _, last] = hashes {
            last[22] ^= 1;
        }
    };
    Engine { in_step: Box::new(in_step), ..Engine::default() }
}

#[test]
fn lanes_that_differ_are_found_and_those_that_do_not_are_used() {
    for setting in [0, 3, 8] {
        let error = settle(&broken(), setting).expect_err("found");
        assert!(error.to_string().starts_with("of 3 in step, number 3 has"), "{error}");
        let lanes = settle(&Engine::default(), setting).expect("right");
        assert!(setting == 0 && (1..=8).contains(&lanes) || lanes == setting, "{lanes}");
    }
    // What is not used need not be right.
    assert_eq!(settle(&broken(), 2), Ok(2));
    assert_eq!(settle(&broken(), 1), Ok(1));
}

#[tokio::test]
async fn a_hasher_whose_lanes_differ_says_so_and_hashes_one_at_a_time() {
    let pool = Pool::settled_by(config(1, 20), |_| settle(&broken(), 0));
    until(|| pool.differs.load(Ordering::SeqCst)).await;
    let busy = pool.busy().await;
    let hash = hashed("a quiet harbour", COST);
    let (right, wrong) =
        (pool.ask("a quiet harbour", Some(&hash)).await, pool.ask("wrong", Some(&hash)).await);
    pool.gate.send(()).expect("the thread waits");
    assert!(right.await.expect("joined").expect("answered"));
    assert!(!wrong.await.expect("joined").expect("answered"));
    busy.await.expect("joined").expect("answered");
    assert_eq!(pool.batches(), [(COST, 1); 3]);
}

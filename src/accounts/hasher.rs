//! The bounded lane for password hashing: threads of its own, a queue with an end.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::Broken;
use super::password::{hash_password, verify_password};

/// Bounds and cost of hashing.
#[derive(Debug, Clone)]
pub struct HasherConfig {
    /// bcrypt's cost: each step up doubles the work.
    pub cost: u32,
    /// One thread a core: more only wait for each other.
    pub threads: usize,
    /// How many may wait; the rest hear 503 at once instead of waiting for nothing.
    pub queue: usize,
}

/// The queue is full.
#[derive(Debug, thiserror::Error)]
#[error("too many passwords wait to be hashed")]
pub struct Overloaded {
    /// How long the queue needs to empty, roughly.
    pub retry_after: Duration,
}

type Job = Box<dyn FnOnce() + Send>;

/// Hashes passwords on its own threads, in the order they came. Clones share the lane.
#[derive(Clone)]
pub struct Hasher {
    lane: Arc<Lane>,
    cost: u32,
    /// Ends the threads when the last clone is gone.
    _open: Arc<Open>,
}

struct Lane {
    jobs: Mutex<Waiting>,
    wake: Condvar,
    limit: usize,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<(Place, Job)>,
    /// How many places are given away, to those who wait and to those who will.
    places: usize,
    /// And to each client.
    of_client: HashMap<String, usize>,
    closed: bool,
}

/// A place in the queue, free again when its work begins or when it is dropped. It is taken before
/// anything is looked up or written: a crowd that comes at one moment would find room for all, and
/// be turned away much later.
pub struct Place {
    lane: Arc<Lane>,
    client: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.lane.lock();
        waiting.places -= 1;
        let own = waiting.of_client.get_mut(&self.client);
        let left = own.map_or(0, |own| {
            *own -= 1;
            *own
        });
        if left == 0 {
            waiting.of_client.remove(&self.client);
        }
    }
}

struct Open(Arc<Lane>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_all();
    }
}

impl Hasher {
    pub fn start(config: &HasherConfig) -> std::io::Result<Self> {
        let lane =
            Arc::new(Lane { jobs: Mutex::default(), wake: Condvar::new(), limit: config.queue });
        for number in 0..config.threads {
            let lane = lane.clone();
            thread::Builder::new().name(format!("hasher-{number}")).spawn(move || {
                step_back();
                lane.work();
            })?;
        }
        Ok(Self { _open: Arc::new(Open(lane.clone())), lane, cost: config.cost })
    }

    /// The cost of new hashes.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.lane.lock().jobs.len()
    }

    /// A place for one password of the client of that address; late comers are told at once.
    pub fn reserve(&self, client: &str) -> Result<Place, Overloaded> {
        let mut waiting = self.lane.lock();
        self.lane.room(&waiting, client)?;
        waiting.places += 1;
        *waiting.of_client.entry(client.to_owned()).or_default() += 1;
        Ok(Place { lane: self.lane.clone(), client: client.to_owned() })
    }

    /// See [`hash_password`]. `client` is the address that asks.
    pub async fn hash(&self, password: &SecretString, client: &str) -> Result<String, Broken> {
        self.hash_at(self.reserve(client)?, password).await
    }

    /// [`Hasher::hash`] at a place that was reserved.
    pub async fn hash_at(&self, place: Place, password: &SecretString) -> Result<String, Broken> {
        let (password, cost) = (password.clone(), self.cost);
        Ok(self.run(place, move || hash_password(&password, cost)).await??)
    }

    /// See [`verify_password`].
    pub async fn verify(
        &self,
        password: &SecretString,
        stored: Option<String>,
        client: &str,
    ) -> Result<bool, Overloaded> {
        self.verify_at(self.reserve(client)?, password, stored).await
    }

    /// [`Hasher::verify`] at a place that was reserved.
    pub async fn verify_at(
        &self,
        place: Place,
        password: &SecretString,
        stored: Option<String>,
    ) -> Result<bool, Overloaded> {
        let (password, cost) = (password.clone(), self.cost);
        self.run(place, move || verify_password(&password, stored.as_deref(), cost)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        place: Place,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(move || {
            // Nobody waits any more: the work would be for nothing.
            if !reply.is_closed() {
                let _ = reply.send(work());
            }
        });
        self.lane.push(place, job);
        // No answer means that the work panicked: whoever asked is not let in.
        answer.await.map_err(|_| Overloaded { retry_after: Duration::from_secs(1) })
    }
}

/// Lets everything else go first. Under a storm of log-ins this halved the slowest pages at the
/// same number of log-ins (README, "Figures"); lower still, a busy neighbour could starve log-in.
#[cfg(target_os = "linux")]
fn step_back() {
    const NICE: i32 = 10;
    let thread = rustix::thread::gettid();
    if let Err(cause) = rustix::process::setpriority_process(Some(thread), NICE) {
        log::warn!("passwords are hashed at normal priority: {cause}");
    }
}

/// Elsewhere a priority belongs to the whole process.
#[cfg(not(target_os = "linux"))]
fn step_back() {}

impl Lane {
    /// One client address takes half of the queue at most: whoever has a good password, or a live
    /// link, could fill it all and shut everybody else out.
    fn room(&self, waiting: &Waiting, client: &str) -> Result<(), Overloaded> {
        let own = waiting.of_client.get(client).copied().unwrap_or(0);
        if waiting.places < self.limit && own < self.limit.div_ceil(2) {
            return Ok(());
        }
        // A hash takes about a quarter of a second; the queue is shared by every core.
        let seconds = (waiting.places as u64 / 8).clamp(1, 60);
        Err(Overloaded { retry_after: Duration::from_secs(seconds) })
    }

    fn push(&self, place: Place, job: Job) {
        self.lock().jobs.push_back((place, job));
        self.wake.notify_one();
    }

    fn work(&self) {
        while let Some((place, job)) = self.next() {
            drop(place);
            // A panic in one job must not cost the lane a thread.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<(Place, Job)> {
        let mut waiting = self.lock();
        loop {
            if let Some(next) = waiting.jobs.pop_front() {
                return Some(next);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_recovers() {
        let hasher =
            Hasher::start(&HasherConfig { cost: 4, threads: 1, queue: 2 }).expect("started");
        let (release, gate) = mpsc::channel::<()>();
        let (entered, begun) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let hasher = hasher.clone();
            async move {
                hasher
                    .run(hasher.reserve("busy").expect("room"), move || {
                        entered.send(()).expect("heard");
                        gate.recv().expect("released")
                    })
                    .await
            }
        });
        tokio::task::spawn_blocking(move || begun.recv().expect("the thread is busy"))
            .await
            .expect("joined");
        let one = hasher.reserve("one").expect("room for two");
        assert!(hasher.reserve("one").is_err(), "half of the queue is its");
        drop(one);
        hasher.lane.push(hasher.reserve("one").expect("room again"), Box::new(|| {}));
        // Reserved is as good as taken.
        let other = hasher.reserve("other").expect("room for two");
        let refused = hasher.verify(&SecretString::from("x".to_owned()), None, "third").await;
        assert!(refused.is_err_and(|full| full.retry_after >= Duration::from_secs(1)));
        hasher.lane.push(other, Box::new(|| {}));
        release.send(()).expect("the job waits");
        busy.await.expect("joined").expect("answered");
        while hasher.verify(&SecretString::from("x".to_owned()), None, "one").await.is_err() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_panic_answers_and_keeps_the_thread() {
        let hasher =
            Hasher::start(&HasherConfig { cost: 4, threads: 1, queue: 2 }).expect("started");
        let place = || hasher.reserve("one").expect("room");
        assert!(hasher.run(place(), || panic!("on purpose")).await.map(|(): ()| ()).is_err());
        assert_eq!(hasher.run(place(), || 7).await.expect("the thread lives"), 7);
    }
}

//! Hashes passwords on threads of its own, behind a queue with an end, several in step on each core.

mod lanes;
mod queue;
pub mod steps;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::oneshot;

use super::Broken;
use lanes::Engine;
use queue::{Job, Queue, Task};
use steps::{Comparison, NewHash};

pub use lanes::{Differs, settle_once};
pub use queue::Place;

/// Bounds and cost of hashing.
#[derive(Debug, Clone)]
pub struct HasherConfig {
    /// bcrypt's cost: each step up doubles the work.
    pub cost: u32,
    /// One thread a core: more only wait for each other.
    pub threads: usize,
    /// How many may wait; the rest hear 503 at once instead of waiting for nothing.
    pub queue: usize,
    /// How many a thread hashes in step at most; 0 is what proves fastest on this machine.
    pub lanes: usize,
}

/// The queue is full.
#[derive(Debug, thiserror::Error)]
#[error("too many passwords wait to be hashed")]
pub struct Overloaded {
    /// How long the queue needs to empty, roughly.
    pub retry_after: Duration,
}

/// Hashes passwords in the order they came. Clones share the queue.
#[derive(Clone)]
pub struct Hasher {
    queue: Arc<Queue>,
    cost: u32,
    /// Ends the threads when the last clone is gone.
    _open: Arc<Open>,
}

struct Open(Arc<Queue>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Hasher {
    /// Passwords are hashed one at a time until the lanes have proved themselves, on a thread
    /// beside. `differs` hears it when they have not: then it stays so.
    pub fn start(
        config: &HasherConfig,
        differs: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let setting = config.lanes;
        Self::start_with(config, Engine::default(), move |_| settle_once(setting), differs)
    }

    fn start_with(
        config: &HasherConfig,
        engine: Engine,
        settle: impl FnOnce(&Engine) -> Result<usize, Differs> + Send + 'static,
        differs: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(config.queue, config.threads, engine));
        for number in 0..config.threads {
            let queue = queue.clone();
            thread::Builder::new().name(format!("hasher-{number}")).spawn(move || {
                step_back();
                queue.work();
            })?;
        }
        let settling = queue.clone();
        thread::Builder::new().name("lanes".to_owned()).spawn(move || {
            step_back();
            match settle(&settling.engine) {
                Ok(lanes) => settling.set_lanes(lanes),
                Err(error) => {
                    log::error!("passwords are hashed one at a time: {error}");
                    differs();
                }
            }
        })?;
        Ok(Self { _open: Arc::new(Open(queue.clone())), queue, cost: config.cost })
    }

    /// The cost of new hashes.
    pub fn cost(&self) -> u32 {
        self.cost
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    /// A place for one password of the client of that address; late comers are told at once.
    pub fn reserve(&self, client: &str) -> Result<Place, Overloaded> {
        Queue::reserve(&self.queue, client)
    }

    /// See [`NewHash`]. `client` is the address that asks.
    pub async fn hash(&self, password: &SecretString, client: &str) -> Result<String, Broken> {
        self.hash_at(self.reserve(client)?, password).await
    }

    /// [`Hasher::hash`] at a place that was reserved.
    pub async fn hash_at(&self, place: Place, password: &SecretString) -> Result<String, Broken> {
        let new = NewHash::of(password, self.cost)?;
        Ok(self.run(place, |reply| Task::Hash(new, reply)).await?)
    }

    /// See [`Comparison`].
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
        let comparison = Comparison::of(password, stored.as_deref(), self.cost);
        self.run(place, |reply| Task::Compare(comparison, reply)).await
    }

    async fn run<T>(
        &self,
        place: Place,
        task: impl FnOnce(oneshot::Sender<T>) -> Task,
    ) -> Result<T, Overloaded> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(Job { place, task: task(reply) });
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

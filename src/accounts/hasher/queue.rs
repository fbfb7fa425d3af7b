//! Who waits for a hash, in which order, and which of them a thread hashes in step.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bcrypt_lanes::Hash;
use tokio::sync::oneshot;

use super::Overloaded;
use super::lanes::Engine;
use super::steps::{Comparison, NewHash, Step};

/// What is asked for, and who hears it.
pub enum Task {
    Hash(NewHash, oneshot::Sender<String>),
    Compare(Comparison, oneshot::Sender<bool>),
}

impl Task {
    fn step(&self) -> &Step {
        match self {
            Self::Hash(new, _) => new.step(),
            Self::Compare(comparison, _) => comparison.step(),
        }
    }

    /// Nobody waits any more: the work would be for nothing.
    fn is_forsaken(&self) -> bool {
        match self {
            Self::Hash(_, reply) => reply.is_closed(),
            Self::Compare(_, reply) => reply.is_closed(),
        }
    }
}

pub struct Job {
    pub place: Place,
    pub task: Task,
}

pub struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    limit: usize,
    /// How many a thread hashes in step at most.
    lanes: AtomicUsize,
    pub engine: Engine,
}

struct Waiting {
    jobs: VecDeque<Job>,
    /// How many places are given away, to those who wait and to those who will.
    places: usize,
    /// And to each client.
    of_client: HashMap<String, usize>,
    /// Threads that hash nothing.
    idle: usize,
    closed: bool,
}

/// A place in the queue, free again when its work begins or when it is dropped. It is taken before
/// anything is looked up or written: a crowd that comes at one moment would find room for all, and
/// be turned away much later.
pub struct Place {
    queue: Arc<Queue>,
    client: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock();
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

impl Waiting {
    /// One client address takes half of the queue at most: whoever has a good password, or a live
    /// link, could fill it all and shut everybody else out.
    fn room(&self, limit: usize, client: &str) -> Result<(), Overloaded> {
        let own = self.of_client.get(client).copied().unwrap_or(0);
        if self.places < limit && own < limit.div_ceil(2) {
            return Ok(());
        }
        // A hash takes about a quarter of a second; the queue is shared by every core.
        let seconds = (self.places as u64 / 8).clamp(1, 60);
        Err(Overloaded { retry_after: Duration::from_secs(seconds) })
    }

    /// What a thread hashes next: whoever has waited longest, and the next ones of the same cost,
    /// as many as go in step. They overtake others, who lose little: two in step take a tenth
    /// longer than one, and the longest wait is always served first.
    ///
    /// Idle cores share what waits. Two in step on one of them are slower than one on each.
    fn next_batch(&mut self, lanes: usize) -> Vec<Job> {
        let most = self.jobs.len().div_ceil(self.idle.max(1)).min(lanes);
        let Some(first) = self.jobs.pop_front() else { return Vec::new() };
        let cost = first.task.step().cost();
        let mut batch = vec![first];
        let mut index = 0;
        while batch.len() < most && index < self.jobs.len() {
            if self.jobs[index].task.step().cost() == cost {
                batch.extend(self.jobs.remove(index));
            } else {
                index += 1;
            }
        }
        batch
    }

    /// Takes out those whose askers are gone; a place must not be given back under the lock.
    fn forsaken(&mut self) -> Vec<Job> {
        if !self.jobs.iter().any(|job| job.task.is_forsaken()) {
            return Vec::new();
        }
        let (gone, waiting): (VecDeque<Job>, VecDeque<Job>) =
            self.jobs.drain(..).partition(|job| job.task.is_forsaken());
        self.jobs = waiting;
        gone.into()
    }
}

impl Queue {
    pub fn new(limit: usize, threads: usize, engine: Engine) -> Self {
        let waiting = Waiting {
            jobs: VecDeque::new(),
            places: 0,
            of_client: HashMap::new(),
            idle: threads,
            closed: false,
        };
        let (waiting, lanes) = (Mutex::new(waiting), AtomicUsize::new(1));
        Self { waiting, wake: Condvar::new(), limit, lanes, engine }
    }

    pub fn set_lanes(&self, lanes: usize) {
        self.lanes.store(lanes, Ordering::Relaxed);
    }

    pub fn lanes(&self) -> usize {
        self.lanes.load(Ordering::Relaxed)
    }

    pub fn waiting(&self) -> usize {
        self.lock().jobs.len()
    }

    pub fn reserve(queue: &Arc<Self>, client: &str) -> Result<Place, Overloaded> {
        let mut waiting = queue.lock();
        waiting.room(queue.limit, client)?;
        waiting.places += 1;
        *waiting.of_client.entry(client.to_owned()).or_default() += 1;
        Ok(Place { queue: queue.clone(), client: client.to_owned() })
    }

    pub fn push(&self, job: Job) {
        self.lock().jobs.push_back(job);
        self.wake.notify_one();
    }

    /// The threads end once nothing waits.
    pub fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// What a hashing thread does.
    pub fn work(&self) {
        while let Some(batch) = self.next() {
            let begin = |Job { place, task }| {
                drop(place);
                task
            };
            let tasks = batch.into_iter().map(begin).collect();
            // A panic in one job must not cost the queue a thread.
            let _ = catch_unwind(AssertUnwindSafe(|| self.answer(tasks)));
            self.lock().idle += 1;
        }
    }

    fn next(&self) -> Option<Vec<Job>> {
        let mut waiting = self.lock();
        loop {
            let gone = waiting.forsaken();
            if !gone.is_empty() {
                drop(waiting);
                drop(gone);
                waiting = self.lock();
                continue;
            }
            let batch = waiting.next_batch(self.lanes());
            if !batch.is_empty() {
                waiting.idle -= 1;
                return Some(batch);
            }
            if waiting.closed {
                return None;
            }
            waiting = self.wake.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Answers tasks of one cost.
    fn answer(&self, tasks: Vec<Task>) {
        let hashes = self.hash(&tasks.iter().map(Task::step).collect::<Vec<_>>());
        let mut refused = Vec::new();
        for (task, hash) in tasks.into_iter().zip(hashes) {
            // No hash: the asker hears it when the task is dropped.
            let Some(hash) = hash else { continue };
            // A reply that nobody hears any more is nobody's loss.
            match task {
                Task::Hash(new, reply) => drop(reply.send(new.text(&hash))),
                Task::Compare(comparison, reply) if comparison.is_equal(&hash) => {
                    let _ = reply.send(true);
                }
                Task::Compare(comparison, reply) => refused.push((comparison, reply)),
            }
        }
        // Of one cost each, so all have the same left to do.
        let costs = refused.first().map_or(0..0, |(comparison, _)| comparison.owed());
        for cost in costs {
            let dummy = Step::dummy(cost);
            self.hash(&vec![&dummy; refused.len()]);
        }
        for (_, reply) in refused {
            let _ = reply.send(false);
        }
    }

    /// The hash of each step, all of one cost; none where hashing it panicked.
    fn hash(&self, steps: &[&Step]) -> Vec<Option<Hash>> {
        if steps.len() > 1 {
            match catch_unwind(AssertUnwindSafe(|| self.engine.in_step(steps))) {
                Ok(hashes) => return hashes.into_iter().map(Some).collect(),
                Err(_) => {
                    log::error!("hashing in step panicked: from now on it is one at a time");
                    self.set_lanes(1);
                }
            }
        }
        let alone = |step| catch_unwind(AssertUnwindSafe(|| self.engine.alone(step))).ok();
        steps.iter().copied().map(alone).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;

    /// The costs of each batch that a thread takes, of those that wait.
    fn batches(costs: &[u32], idle: usize, lanes: usize) -> Vec<Vec<u32>> {
        let queue = Arc::new(Queue::new(100, idle, Engine::default()));
        let mut kept = Vec::new();
        for cost in costs {
            let new = NewHash::of(&SecretString::from("x".to_owned()), *cost).expect("a cost");
            let (reply, answer) = oneshot::channel();
            kept.push(answer);
            let place = Queue::reserve(&queue, &kept.len().to_string()).expect("room");
            queue.push(Job { place, task: Task::Hash(new, reply) });
        }
        let mut found = Vec::new();
        loop {
            let mut waiting = queue.lock();
            let batch = waiting.next_batch(lanes);
            waiting.idle -= usize::from(waiting.idle > 1);
            drop(waiting);
            if batch.is_empty() {
                return found;
            }
            found.push(batch.iter().map(|job| job.task.step().cost()).collect());
        }
    }

    #[test]
    fn a_thread_takes_those_of_one_cost_and_the_longest_wait_first() {
        assert_eq!(batches(&[4; 14], 1, 6), [vec![4; 6], vec![4; 6], vec![4; 2]]);
        assert_eq!(batches(&[5, 4, 5, 6, 4, 5], 1, 6), [vec![5; 3], vec![4; 2], vec![6]]);
        assert_eq!(batches(&[5, 4, 5, 5], 1, 2), [vec![5; 2], vec![4], vec![5]]);
        assert_eq!(batches(&[4; 3], 1, 1), [[4], [4], [4]]);
    }

    #[test]
    fn idle_threads_share_what_waits() {
        assert_eq!(batches(&[4; 2], 2, 6), [[4], [4]]);
        assert_eq!(batches(&[4; 7], 2, 6), [vec![4; 4], vec![4; 3]]);
        assert_eq!(batches(&[4; 5], 4, 6), [vec![4; 2], vec![4], vec![4], vec![4]]);
        assert_eq!(batches(&[4], 4, 6), [[4]]);
    }
}

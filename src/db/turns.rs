//! Who may use the database when: waiting here is first come, first served, and holds no thread.

use std::any::Any;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

#[derive(Clone)]
pub(super) enum Turns {
    /// SQLite has one writer at a time, and waiting for its file lock is a game of chance.
    Writer(Arc<Mutex<()>>),
    /// PostgreSQL has as many as there are connections. Writers leave some to readers: when nothing
    /// can be written (a lock, a standby that is waited for), pages can still be looked at.
    Connections { all: Arc<Semaphore>, writers: Arc<Semaphore> },
}

/// What somebody wants of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Read,
    Write,
}

/// Held while it is somebody's turn.
pub(super) type Turn = Box<dyn Any + Send>;

impl Turns {
    pub fn of_file() -> Self {
        Self::Writer(Arc::default())
    }

    pub fn of_server(seats: usize) -> Self {
        let writers = seats - seats.div_ceil(4).min(seats - 1);
        let [all, writers] = [seats, writers].map(|seats| Arc::new(Semaphore::new(seats)));
        Self::Connections { all, writers }
    }

    pub async fn next(&self, purpose: Use) -> Option<Turn> {
        match self {
            Self::Writer(writer) => Some(Box::new(writer.clone().lock_owned().await)),
            Self::Connections { all, writers } => {
                let writer = match purpose {
                    Use::Read => None,
                    Use::Write => Some(seat(writers).await?),
                };
                Some(Box::new((writer, seat(all).await?)))
            }
        }
    }
}

async fn seat(seats: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    seats.clone().acquire_owned().await.ok()
}

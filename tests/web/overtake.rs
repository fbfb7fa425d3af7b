//! Puts a change between what a request has read and what it is about to write.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

use crate::app::TestApp;
use diesel::connection::SimpleConnection;

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How long nothing must happen before the deed is taken to wait for us.
const QUIET: Duration = Duration::from_millis(300);

/// Drives `deed` until it waits to write, which another process is doing here; `sql` is what that
/// process does; returns what became of the deed.
#[track_caller]
pub fn overtake<T>(app: &TestApp, deed: impl Future<Output = T>, sql: &str) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let mut deed = pin!(deed);
    let mut other = app.locked();
    {
        let _inside = runtime.enter();
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        let mut context = Context::from_waker(&waker);
        // What it reads and each password that is hashed wakes it once; the lock never does.
        while woken.0.swap(false, Ordering::SeqCst) {
            assert!(deed.as_mut().poll(&mut context).is_pending(), "done without a write");
            let end = Instant::now() + QUIET;
            while !woken.0.load(Ordering::SeqCst) && Instant::now() < end {
                std::thread::yield_now();
            }
        }
    }
    other.batch_execute(sql).expect("good SQL");
    other.batch_execute("COMMIT").expect("changed");
    runtime.block_on(deed)
}

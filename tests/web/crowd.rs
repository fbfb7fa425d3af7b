//! Many visitors at once: on threads of their own, or on the one thread that serves them all.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use gatehouse::cli::serve;
use gatehouse::cli::service::Service;
use rocket::futures::future::join_all;
use rocket::http::{Accept, ContentType, Header, Method};
use rocket::local::asynchronous::Client;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::app::{HOST, TestApp};
use crate::watch::Watched;

pub const CROWD: usize = 32;
/// A stall of the machine is not what a race is about.
pub const PATIENT: &str = "database_wait = \"60s\"\nhash_queue = 1000";

/// Runs a future of the domain on this thread.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// `deed` by each of the crowd, all at one moment.
pub fn all_at_once<T: Send>(deed: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(CROWD);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CROWD)
            .map(|number| {
                let (barrier, deed) = (&barrier, &deed);
                scope.spawn(move || {
                    barrier.wait();
                    deed(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// The service for many threads: Rocket's asynchronous client may be shared.
pub struct Crowd {
    runtime: Runtime,
    client: Client,
}

impl Crowd {
    pub fn over(folder: &Watched, settings: &str) -> (Self, Service) {
        let config = TestApp::config(folder, settings, &[]);
        let service = Service::open(&config).expect("opens");
        let rocket = serve::rocket(&config, &service).expect("templates");
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
        let client = runtime.block_on(Client::untracked(rocket)).expect("ignites");
        (Self { runtime, client }, service)
    }

    /// The status and the body.
    pub fn send(&self, method: Method, path: &str, accept: Accept, body: &Value) -> (u16, String) {
        self.runtime.block_on(self.ask(method, path, accept, body))
    }

    /// As many times at once, on one thread, as Rocket's workers serve more requests than they are:
    /// the statuses, and when they came.
    pub fn send_all(&self, count: usize, path: &str, body: &Value) -> Vec<(u16, Duration)> {
        let began = Instant::now();
        let requests = (0..count).map(|_| async {
            let (status, _) = self.ask(Method::Post, path, Accept::JSON, body).await;
            (status, began.elapsed())
        });
        self.runtime.block_on(join_all(requests))
    }

    async fn ask(&self, method: Method, path: &str, accept: Accept, body: &Value) -> (u16, String) {
        let request = self.client.req(method, path.to_owned()).header(ContentType::JSON);
        let request = request.header(accept).header(Header::new("Host", HOST));
        let response = request.body(body.to_string()).dispatch().await;
        (response.status().code, response.into_string().await.unwrap_or_default())
    }
}

//! B-88b: the network swallows everything, the server's processes stand still.

use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};

use crate::nodes::{Node, hurried};
use crate::outage::is_out;
use crate::process::eventually;
use crate::program::PASSWORD;
use crate::relay::Relay;
use crate::server::{NAME, Postgres};

/// Waiting for a connection, then for an answer: twice `database_wait`, and a busy machine's share.
const BOUND: Duration = Duration::from_secs(2 * 2 + 1);

#[test]
fn b88b_a_network_that_swallows_everything_is_503_in_time_until_it_speaks_again() {
    let server = Postgres::start(&[]);
    let relay = Relay::to(server.port);
    let url = format!("postgresql://postgres@127.0.0.1:{}/{NAME}", relay.port);
    let node = Node::start(hurried(&url));
    let mut ann = node.running.logged_in("ann@example.org");
    relay.silence();
    // The first finds a connection that says nothing, those after it get none.
    for _ in 0..4 {
        is_out(&node.running, BOUND);
    }
    let began = Instant::now();
    ann.get("/profile").is(503);
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    node.program().get("/ready").is(503);
    relay.speak();
    let began = Instant::now();
    eventually("an answer", || (ann.get("/profile").status == 200).then_some(()));
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    let pair = [("email", "bob@example.org"), ("password", PASSWORD)];
    eventually("a sign-up", || {
        // One that was on its way may have arrived after all.
        matches!(node.program().post("/users", &pair).status, 200 | 400).then_some(())
    });
}

#[test]
fn b88b_server_processes_that_stand_still_are_left_alone() {
    let server = Postgres::start(&[]);
    let node = Node::start(hurried(&server.url()));
    let mut ann = node.running.logged_in("ann@example.org");
    let stopped = server.backends();
    assert!(!stopped.is_empty());
    for process in &stopped {
        kill_process(*process, Signal::STOP).expect("stopped");
    }
    let began = Instant::now();
    eventually("an answer", || {
        let began = Instant::now();
        let status = ann.get("/profile").status;
        assert!(matches!(status, 200 | 503) && began.elapsed() < BOUND, "{status}");
        (status == 200).then_some(())
    });
    assert!(began.elapsed() < BOUND, "{:?}", began.elapsed());
    for process in &stopped {
        let _ = kill_process(*process, Signal::CONT);
    }
}

#[test]
fn b88b_a_host_that_takes_connections_and_says_nothing_is_passed_over() {
    let server = Postgres::start(&[]);
    let hole = Relay::to(server.port);
    hole.silence();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", hole.port, server.port);
    let node = Node::start(hurried(&format!("postgresql://postgres@{hosts}/{NAME}")));
    node.running.logged_in("ann@example.org").get("/profile").is(200);
    // It is asked once, not for every connection.
    server.cut_off_all();
    let began = Instant::now();
    node.running.logged_in("bob@example.org").get("/profile").is(200);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

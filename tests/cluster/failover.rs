//! The primary is killed under load, its synchronous standby is promoted, the service goes on by itself.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};

use crate::load::{after_more, read_back, under_load};
use crate::nodes::{Node, home, hurried};
use crate::process::eventually;
use crate::server::{NAME, Postgres};

/// Seconds that a node may need to find the promoted one, on a busy machine.
const RESUMED: Duration = Duration::from_secs(10);
/// No request hangs for longer, database or not: twice `database_wait`, and a busy machine's share.
const LONGEST: Duration = Duration::from_secs(2 * 6 + 2);

fn url(servers: &[&Postgres]) -> String {
    let hosts: Vec<String> =
        servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    format!("postgresql://postgres@{}/{NAME}", hosts.join(","))
}

#[test]
fn b88_the_primary_dies_under_load_and_the_promoted_standby_has_all_that_was_acknowledged() {
    let primary = Postgres::start(&[]);
    let standby = primary.standby();
    let url = url(&[&primary, &standby]);
    let start = || Node::start(home(&url).with("ROCKET_DATABASE_WAIT", "6s"));
    let nodes = [start(), start()];
    let person = |number: usize| nodes[number % 2].program().keeping_alive();
    let (mut killed, mut promoted, mut resumed) = (None, None, None);
    let promises = under_load(person, &BTreeMap::new, |yes| {
        after_more(yes, 200);
        primary.kill();
        killed = Some(Instant::now());
        // Meanwhile there is no server that takes writes.
        let mut visitor = nodes[0].program();
        let nobody = [("email", "nobody@example.org"), ("password", "x")];
        // The server's processes see only in a moment that their parent is dead.
        let refused = eventually("503", || {
            let answer = visitor.post("/sessions", &nobody);
            (answer.status == 503).then_some(answer)
        });
        assert!(refused.header("retry-after").is_some());
        visitor.get("/health").is(200);
        visitor.get("/ready").is(503);
        standby.promote();
        // Else the new primary waits for a standby of its own at each commit. It copied this
        // setting.
        standby.set("synchronous_standby_names", "");
        promoted = Some(Instant::now());
        for node in &nodes {
            eventually("ready", || (node.program().get("/ready").status == 200).then_some(()));
        }
        resumed = Some(Instant::now());
        after_more(yes, 200);
    });
    let (killed, promoted, resumed) =
        (killed.expect("so"), promoted.expect("so"), resumed.expect("so"));
    assert!(resumed - promoted < RESUMED, "{:?}", resumed - promoted);
    let mut longest = Duration::ZERO;
    for odd in &promises.odd {
        assert_eq!(odd.status, Some(503), "{odd:?}");
        assert!(odd.ended >= killed && odd.began <= resumed + LONGEST, "{odd:?}");
        longest = longest.max(odd.ended - odd.began);
    }
    assert!(!promises.odd.is_empty() && longest < LONGEST, "{longest:?}");
    read_back(person, &promises);
    let shown = writeln!(
        std::io::stderr(),
        "B-88: primary killed by kill -9 under load, promoted {:.1} s later, served again after \
         another {:.1} s: {} (503, the longest after {:.1} s); all promises kept",
        (promoted - killed).as_secs_f32(),
        (resumed - promoted).as_secs_f32(),
        promises.in_words(),
        longest.as_secs_f32(),
    );
    shown.expect("standard error is open");
}

/// What a commit that no standby has confirmed is worth: nothing, and nobody is told otherwise.
#[test]
fn b88_without_its_standby_the_primary_acknowledges_nothing() {
    let primary = Postgres::start(&[]);
    let standby = primary.standby();
    let node = Node::start(hurried(&primary.url()));
    let ann = [("email", "ann@example.org"), ("password", crate::program::PASSWORD)];
    let mut visitor = node.running.logged_in("bob@example.org");
    standby.stop();
    let refused = visitor.post("/users", &ann);
    assert!(refused.is(503).header("retry-after").is_some());
    // Reads go on.
    visitor.get("/profile").is(200);
    primary.set("synchronous_standby_names", "");
    eventually("an answer", || {
        // The one that was waiting may have been carried out: nobody knew.
        let status = node.program().post("/users", &ann).status;
        matches!(status, 200 | 400).then_some(())
    });
}

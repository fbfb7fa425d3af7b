//! Nodes behind nginx, killed again and again under load.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::client::Visitor;
use crate::load::{Promises, after_more, read_back, under_load};
use crate::nodes::{Node, of_one_name};
use crate::proxy::{Changes, Kind, Proxy};
use crate::server::Postgres;
use crate::smtp::{MailServer, link_in};

/// In the test command; GATEHOUSE_NODE_ROUNDS makes them more.
const ROUNDS: usize = 6;
/// Answers between two kills.
const ANSWERS: usize = 90;
/// For two seconds (`fail_timeout`) nginx asks nothing of a node that failed it: were each of them
/// killed within that time, nobody would be left to ask.
const LEFT_ALONE: Duration = Duration::from_millis(2500);
/// On a busy machine nginx may have yet to read that a connection has ended.
const LAST_GASP: Duration = Duration::from_millis(600);

/// deploy/nginx.conf, with the part about several nodes.
#[track_caller]
pub fn nginx(nodes: &[Node]) -> Proxy {
    let mut changes: Changes = vec![("        server 127.0.0.1:8000;  # CHANGE\n", String::new())];
    let lines = ["#server 10.0.0.11:8000", "#server 10.0.0.12:8000", "#server 10.0.0.13:8000"];
    for (line, node) in lines.into_iter().zip(nodes) {
        changes.push((line, format!("server {}", node.running.address)));
    }
    Proxy::start(Kind::Nginx, &changes, 8192)
}

/// The links in mails, by address; of several the newest.
fn links(mails: &MailServer) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for mail in mails.mails().iter().filter(|mail| mail.text().contains("/reset_password/")) {
        let token = link_in(mail.text()).rsplit('/').next().expect("a token").to_owned();
        found.insert(mail.recipients()[0].to_owned(), token);
    }
    found
}

/// Each error was of a request that was on its way when a node was killed.
#[track_caller]
fn only_in_flight<J>(promises: &Promises<J>, kills: &[(Instant, Instant)]) {
    for odd in &promises.odd {
        let in_flight = |(killed, dead): &(Instant, Instant)| {
            odd.began <= *dead + LAST_GASP && *killed <= odd.ended
        };
        assert!(kills.iter().any(in_flight), "{odd:?}, killed at {kills:?}");
        assert!(matches!(odd.status, Some(502 | 504 | 403)), "{odd:?}");
    }
}

#[test]
fn b86_of_three_nodes_one_is_killed_again_and_again_and_nothing_is_lost() {
    let began = Instant::now();
    let rounds = std::env::var("GATEHOUSE_NODE_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |number| number.parse().expect("a number of rounds"));
    let (server, mails) = (Postgres::start(&[]), MailServer::start(&[]));
    let settings = [("ROCKET_SMTP_URL", &*mails.url()), ("ROCKET_LOG_LEVEL", "error")];
    let mut nodes = of_one_name(3, &server.url(), &settings);
    let proxy = nginx(&nodes);
    let person =
        |number: usize| Visitor::new(proxy.https, Ipv4Addr::new(127, 0, 0, 10 + number as u8));
    let mut kills = Vec::new();
    let promises = under_load(person, &|| links(&mails), |yes| {
        for round in 0..rounds {
            after_more(yes, ANSWERS);
            while kills.last().is_some_and(|(_, dead): &(_, Instant)| dead.elapsed() < LEFT_ALONE) {
                after_more(yes, 1);
            }
            let killed = Instant::now();
            kills.push((killed, nodes[round % 3].kill_and_start()));
        }
        after_more(yes, ANSWERS);
    });
    only_in_flight(&promises, &kills);
    read_back(person, &promises);
    let shown = writeln!(
        std::io::stderr(),
        "B-86: three nodes behind nginx, {rounds} killed by kill -9 under load: {}, all kept; {:.0} s",
        promises.in_words(),
        began.elapsed().as_secs_f32()
    );
    shown.expect("standard error is open");
    let enough = [promises.signed_up.len(), promises.signed_in.len(), promises.logged_out.len()];
    assert!(enough.iter().all(|count| *count >= rounds * 8), "{}", promises.in_words());
    assert!(promises.reset.len() >= rounds, "{}", promises.in_words());
}

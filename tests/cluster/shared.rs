//! What nodes have in common: sessions, limits, mails, events, and the clearing away.

use std::collections::BTreeSet;
use std::thread;

use diesel::connection::SimpleConnection as _;
use gatehouse::tokens::fingerprint;

use crate::nodes::{Node, home};
use crate::process::eventually;
use crate::program::PASSWORD;
use crate::server::{NAME, Postgres};
use crate::smtp::MailServer;

fn three(server: &Postgres, settings: &[(&str, &str)]) -> Vec<Node> {
    let start = || {
        let home =
            settings.iter().fold(home(&server.url()), |home, (name, value)| home.with(name, value));
        Node::start(home)
    };
    (0..3).map(|_| start()).collect()
}

#[test]
fn b91_a_session_of_one_node_is_every_nodes_and_another_keys_nobodys() {
    let server = Postgres::start(&[]);
    let nodes = three(&server, &[]);
    let ann = nodes[0].running.logged_in("ann@example.org");
    // The same browser at another node.
    let at = |node: &Node, cookies: &std::collections::BTreeMap<String, String>| {
        let mut visitor = node.program();
        visitor.cookies = cookies.clone();
        visitor
    };
    for node in &nodes {
        at(node, &ann.cookies).get("/profile").is(200);
    }
    let stranger =
        Node::start(home(&server.url()).with("ROCKET_SECRET_KEY", &fingerprint("another key")));
    at(&stranger, &ann.cookies).get("/profile").is(403);
    // It took nothing from the others, and the account is the same.
    at(&nodes[1], &ann.cookies).get("/profile").is(200);
    let pair = [("email", "ann@example.org"), ("password", PASSWORD)];
    stranger.program().post("/sessions", &pair).is(200);
    at(&nodes[2], &ann.cookies).delete("/sessions").goes_to("/");
    for node in &nodes {
        at(node, &ann.cookies).get("/profile").is(403);
    }
    let events = |event: &str| {
        server.number(&format!(
            "SELECT coalesce(sum(times), 0)::bigint AS number FROM events WHERE event = '{event}'"
        ))
    };
    eventually("the events of two nodes", || {
        (events("logged_in") == 2 && events("logged_out") == 1).then_some(())
    });
}

/// How many of sixty, asked of three nodes at once, were answered that.
fn of_sixty(nodes: &[Node], path: &str, status: u16) -> usize {
    let answers: Vec<u16> = thread::scope(|scope| {
        let asking: Vec<_> = (0..12)
            .map(|client| {
                scope.spawn(move || {
                    let mut visitor = nodes[client % 3].program();
                    let asked = (0..5).map(|number| {
                        let email = format!("c{client}n{number}@example.org");
                        visitor.cookies.clear();
                        visitor.post(path, &[("email", &email), ("password", PASSWORD)]).status
                    });
                    asked.collect::<Vec<_>>()
                })
            })
            .collect();
        asking.into_iter().flat_map(|client| client.join().expect("answered")).collect()
    });
    assert!(answers.iter().all(|answer| *answer == status || *answer == 429), "{answers:?}");
    answers.iter().filter(|answer| **answer == status).count()
}

#[test]
fn b16_limits_are_counted_across_nodes() {
    let server = Postgres::start(&[]);
    // One client address may fail five times as often as one account.
    let nodes = three(&server, &[("ROCKET_LIMIT_LOGIN", "4/1h"), ("ROCKET_LIMIT_ASK", "30/1h")]);
    assert_eq!(of_sixty(&nodes, "/sessions", 401), 20);
    assert_eq!(of_sixty(&nodes, "/users", 200), 30);
}

#[test]
fn b66_one_address_signed_up_at_three_nodes_at_once_is_one_account() {
    let server = Postgres::start(&[]);
    let nodes = three(&server, &[]);
    for round in 0..5 {
        let email = format!("r{round}@example.org");
        let answers: Vec<u16> = thread::scope(|scope| {
            let pair = [("email", email.as_str()), ("password", PASSWORD)];
            let asking: Vec<_> = (0..9)
                .map(|client| {
                    let node = &nodes[client % 3];
                    scope.spawn(move || node.program().post("/users", &pair).status)
                })
                .collect();
            asking.into_iter().map(|client| client.join().expect("answered")).collect()
        });
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 400).count(), 8, "{answers:?}");
    }
    assert_eq!(server.number("SELECT count(*) AS number FROM users"), 5);
}

#[test]
fn b100_three_workers_send_each_mail_once_also_those_of_a_node_that_died() {
    let (server, mails) = (Postgres::start(&[]), MailServer::start(&[]));
    let mut nodes = three(&server, &[("ROCKET_SMTP_URL", &mails.url())]);
    let ask = |nodes: &[Node], from: usize, to: usize| {
        for number in from..to {
            let email = format!("n{number}@example.org");
            let mut visitor = nodes[number % nodes.len()].program();
            visitor.post("/users", &[("email", &email), ("password", PASSWORD)]).is(200);
            visitor.post("/reset_password", &[("email", &email)]).is(200);
        }
    };
    ask(&nodes, 0, 40);
    mails.wait_for(40);
    // Nobody can take a mail now; a node dies with what was asked of it.
    server.sql(
        NAME,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN RAISE EXCEPTION 'deadlock detected' USING ERRCODE = '40P01'; END $$; \
         CREATE TRIGGER refuse BEFORE UPDATE ON outbox FOR EACH ROW EXECUTE FUNCTION refuse()",
    );
    ask(&nodes, 40, 60);
    nodes.remove(0).running.kill();
    assert_eq!(mails.mails().len(), 40);
    server.sql(NAME, "DROP TRIGGER refuse ON outbox");
    let sent = mails.wait_for(60);
    let to: BTreeSet<&str> = sent.iter().flat_map(|mail| mail.recipients()).collect();
    assert_eq!(to.len(), 60, "{to:?}");
    eventually("all written down as sent", || {
        let waiting = "SELECT count(*) AS number FROM outbox WHERE state <> 'sent'";
        (server.number(waiting) == 0).then_some(())
    });
}

#[test]
fn what_has_expired_is_cleared_away_by_one_node_at_a_time() {
    let server = Postgres::start(&[]);
    let nodes = three(&server, &[("ROCKET_PURGE_EVERY", "1s")]);
    nodes[0].running.logged_in("ann@example.org");
    let db = server.db();
    let expired = "SELECT count(*) AS number FROM sessions";
    // Each look at the lock is a connection of its own.
    let looks = "SELECT sessions AS number FROM pg_stat_database WHERE datname = 'gatehouse'";
    let meanwhile = || {
        let mut conn = server.connection(NAME);
        conn.batch_execute("UPDATE sessions SET expires_at = 1").expect("expired");
        let before = crate::server::number(&mut conn, looks);
        eventually("looks at the lock", || {
            (crate::server::number(&mut conn, looks) >= before + 9).then_some(())
        });
        assert_eq!(crate::server::number(&mut conn, expired), 1);
    };
    // One of them may be at it just now.
    eventually("our turn", || db.if_alone("purge", meanwhile).expect("asked"));
    eventually("cleared away", || (server.number(expired) == 0).then_some(()));
}

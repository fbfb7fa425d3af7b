//! What a start needs of the server, what is said when it is not there, and many starts at once.

use std::thread;
use std::time::{Duration, Instant};

use crate::nodes::{Node, home};
use crate::process::{Process, eventually};
use crate::server::{NAME, Postgres};

#[test]
fn b89_four_nodes_that_start_at_once_on_an_empty_database_migrate_it_once() {
    let server = Postgres::start(&[]);
    let migrations =
        std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgresql"));
    let migrations = i64::try_from(migrations.expect("a folder").count()).expect("few");
    for round in 0..4 {
        let name = format!("round{round}");
        server.sql("postgres", &format!("CREATE DATABASE {name}"));
        let url = server.url().replace(NAME, &name);
        let nodes: Vec<Node> = thread::scope(|scope| {
            let starting: Vec<_> =
                (0..4).map(|_| scope.spawn(|| Node::start(home(&url)))).collect();
            starting.into_iter().map(|node| node.join().expect("starts")).collect()
        });
        for node in &nodes {
            node.program().get("/ready").is(200);
        }
        let rows = "SELECT count(*) AS number FROM __diesel_schema_migrations";
        let ran = crate::server::number(&mut server.connection(&name), rows);
        assert_eq!(ran, migrations, "{name}");
    }
}

#[test]
fn b88_a_node_waits_for_a_server_that_is_on_its_way_up_and_not_for_ever() {
    let server = Postgres::start(&[]);
    server.stop();
    let (early, never) = (home(&server.url()), home("postgresql://postgres@127.0.0.1:1/gatehouse"));
    let never = Process::spawn(never.command(&[]));
    let began = Instant::now();
    let process = Process::spawn(early.command(&[]));
    eventually("what it waits for", || {
        process.err.text().contains("gatehouse: waits up to 30 s for postgresql://").then_some(())
    });
    server.start_again();
    assert!(process.announced().is_some(), "{}", process.err.text());
    let ended = never.wait(Duration::from_secs(45));
    assert!(began.elapsed() >= Duration::from_secs(25), "{:?}", began.elapsed());
    assert!(!ended.status.success(), "{ended:?}");
    ended.says("cannot open the database postgresql://127.0.0.1:1/gatehouse").says("refused");
    assert_eq!(ended.err.lines().count(), 2, "{}", ended.err);
}

#[test]
fn b88_what_waiting_cannot_mend_ends_a_start_at_once() {
    let server = Postgres::start(&[]);
    for (wrong, why) in [
        (server.url().replace(NAME, "nothing"), "database \"nothing\" does not exist"),
        (server.url().replace("postgres@", "nobody@"), "role \"nobody\" does not exist"),
        (format!("{}?sslmode=require", server.url()), "TLS"),
    ] {
        let began = Instant::now();
        let ended = home(&wrong).run(&[]);
        ended.complains_in_one_line().says(why).exits(1);
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    }
}

#[test]
fn check_looks_at_the_servers_version_and_clock() {
    let server = Postgres::start(&[]);
    let home = home(&server.url());
    home.run(&["check"]).says("database server: PostgreSQL 1").says("clock");
    // A function of ours stands before the server's own.
    server.sql(
        NAME,
        "CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE sql AS \
         'SELECT now() + interval ''5 minutes'''; \
         ALTER DATABASE gatehouse SET search_path = public, pg_catalog",
    );
    let found = home.run(&["check"]);
    found.says("MEND  database server: its clock is 300 s ahead").says("NTP");
}

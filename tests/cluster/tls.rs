//! Who the server is, and who we are to it.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::nodes::{Node, home};
use crate::program::Home;
use crate::server::{NAME, Postgres};
use crate::smtp::make_certificates;

const SECRET: &str = "a password for the server alone";

/// A server with a certificate for that name, and the folder with its authority.
fn with_certificate(name: &str) -> (Postgres, TempDir) {
    let (server, folder) = (Postgres::start(&[]), tempfile::tempdir().expect("a folder"));
    make_certificates(folder.path(), name);
    let data = Path::new(server.path()).join("data");
    for file in ["cert.pem", "key.pem"] {
        std::fs::copy(folder.path().join(file), data.join(file)).expect("copied");
        // The server takes a key that is its own user's alone.
        let done = Command::new("sh")
            .args(["-c", "chmod 600 \"$0\" && chown --reference=\"$1\" \"$0\""])
            .args([&data.join(file), &data])
            .status();
        assert!(done.expect("a shell").success());
    }
    server.set("ssl_cert_file", "cert.pem");
    server.set("ssl_key_file", "key.pem");
    server.set("ssl", "on");
    (server, folder)
}

fn asking(server: &Postgres, host: &str, parameters: &str) -> Home {
    home(&format!("postgresql://postgres@{host}:{}/{NAME}?{parameters}", server.port))
}

#[test]
fn b102_the_server_proves_who_it_is() {
    let (server, folder) = with_certificate("localhost");
    let other = tempfile::tempdir().expect("a folder");
    make_certificates(other.path(), "localhost");
    let root = |folder: &TempDir| format!("sslrootcert={}", folder.path().join("ca.pem").display());
    let full = format!("sslmode=verify-full&{}", root(&folder));
    let node = Node::start(asking(&server, "localhost", &full));
    node.running.logged_in("ann@example.org").get("/profile").is(200);
    let encrypted = "SELECT count(*) AS number FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
                     WHERE application_name = 'gatehouse' AND NOT ssl";
    assert_eq!(server.number(encrypted), 0);
    // For a name or to an authority that was not asked for, nobody listens.
    for (host, mode, trusted, why) in [
        ("127.0.0.1", "verify-full", &folder, "not valid for"),
        ("localhost", "verify-full", &other, "invalid peer certificate"),
        ("localhost", "verify-ca", &other, "invalid peer certificate"),
        // As libpq does: an authority that is named is checked.
        ("localhost", "require", &other, "invalid peer certificate"),
    ] {
        let refused = asking(&server, host, &format!("sslmode={mode}&{}", root(trusted))).run(&[]);
        refused.complains_in_one_line().says(why).exits(1);
    }
    for (host, parameters) in [
        ("127.0.0.1", format!("sslmode=verify-ca&{}", root(&folder))),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", "sslmode=prefer".to_owned()),
    ] {
        asking(&server, host, &parameters).run(&["check"]).says("ok    database: up to date");
    }
    let missing = asking(&server, "localhost", "sslmode=verify-full&sslrootcert=/nothing.pem");
    missing.run(&[]).complains_in_one_line().says("/nothing.pem").exits(1);
}

#[test]
fn b102_a_server_without_tls_is_refused_where_it_is_required() {
    let server = Postgres::start(&[]);
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = asking(&server, "127.0.0.1", &format!("sslmode={mode}")).run(&[]);
        refused.complains_in_one_line().says("TLS").exits(1);
    }
    asking(&server, "127.0.0.1", "sslmode=prefer").run(&["migrate"]).exits(0);
}

#[test]
fn b107_the_servers_password_comes_from_a_file_and_is_never_said() {
    let (server, _folder) = with_certificate("localhost");
    server.sql("postgres", &format!("CREATE ROLE gatehouse LOGIN PASSWORD '{SECRET}'"));
    server.sql("postgres", "ALTER DATABASE gatehouse OWNER TO gatehouse");
    let rules = Path::new(server.path()).join("data/pg_hba.conf");
    let rest = std::fs::read_to_string(&rules).expect("rules");
    let first = "host all gatehouse 127.0.0.1/32 scram-sha-256\n";
    std::fs::write(&rules, format!("{first}{rest}")).expect("written");
    server.sql("postgres", "SELECT pg_reload_conf()");
    for mode in ["disable", "require"] {
        let url = server.url().replace("postgres@", "gatehouse@");
        let mut home = home(&format!("{url}?sslmode={mode}"));
        home.write("password", &format!("{SECRET}\n"));
        home.chmod("password", 0o600);
        let file = home.file("password").display().to_string();
        home.set("ROCKET_DATABASE_PASSWORD_FILE", &file);
        let node = Node::start(home);
        node.running.logged_in(&format!("{mode}@example.org")).get("/profile").is(200);
        let Node { mut home, running } = node;
        running.stop();
        home.write("password", "not the one");
        let ended = home.run(&[]);
        ended.complains_in_one_line().says("password authentication failed").exits(1);
        assert!(!format!("{ended:?}").contains("not the one"), "{ended:?}");
        home.unset("ROCKET_DATABASE_PASSWORD_FILE");
        home.run(&[]).complains_in_one_line().says("database_password").exits(1);
    }
}

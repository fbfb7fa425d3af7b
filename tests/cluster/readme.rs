//! The way from one machine to three nodes, as the README tells it: its commands are run, with paths and addresses of the
//! test in place of the reader's.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::client::Visitor;
use crate::killed::nginx;
use crate::load::LOGIN;
use crate::nodes::Node;
use crate::processes::free_address;
use crate::program::{Home, PASSWORD};
use crate::proxy::{Kind, configuration};
use crate::server::Postgres;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The blocks of that language in the section, in order, less their indentation.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).expect("README.md");
    let (_, section) = readme.split_once("## When one machine is not enough\n").expect("it");
    let section = section.split("\n## ").next().unwrap_or_default();
    let opening = format!("   ```{language}\n");
    let found = section.split(&opening).skip(1).map(|rest| {
        let (block, _) = rest.split_once("\n   ```").expect("its end");
        block.lines().map(|line| line.strip_prefix("   ").unwrap_or(line)).collect::<Vec<_>>()
    });
    found.map(|lines| lines.join("\n")).collect()
}

/// The reader's machine: its root, and programs in the place of those that only a real one has.
struct Machine {
    home: Home,
    root: String,
}

impl Machine {
    fn new(server: &Postgres) -> Self {
        let home = Home::new();
        let root = home.file("root").display().to_string();
        for folder in ["etc/gatehouse", "etc/nginx", "var/lib/gatehouse"] {
            fs::create_dir_all(Path::new(&root).join(folder)).expect("a folder");
        }
        let postgres = format!(
            "exec {ROOT}/script/postgresql run psql -h 127.0.0.1 -p {} -U postgres",
            server.port
        );
        for (name, text) in [
            ("apt", "exit 0"),
            ("systemctl", "exit 0"),
            ("nginx", "exit 0"),
            ("sudo", "case \"$1\" in -u) shift 2;; -E) shift;; esac; exec \"$@\""),
            ("psql", &format!("{postgres} -v ON_ERROR_STOP=1 \"$@\"")),
            ("gatehouse", &format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_gatehouse"))),
        ] {
            home.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{text}\n"));
            home.chmod(&format!("bin/{name}"), 0o755);
        }
        Self { home, root }
    }

    /// A text of the README as it is for this machine.
    fn here(&self, text: &str, server: &Postgres) -> String {
        let one = format!("127.0.0.1:{}", server.port);
        let text = text
            .replace("db1.example.org,db2.example.org", &one)
            .replace("db1.example.org", &one)
            .replace("sslmode=verify-full", "sslmode=disable")
            .replace("\"10.0.0.10\"", "\"127.0.0.1\"")
            .replace("\"0.0.0.0\"", "\"127.0.0.1\"");
        ["/etc/gatehouse", "/etc/nginx", "/var/lib/gatehouse"]
            .iter()
            .fold(text, |text, path| text.replace(path, &format!("{}{path}", self.root)))
    }

    #[track_caller]
    fn run(&self, commands: &str) {
        let path = format!("{}:/usr/bin:/bin", self.home.file("bin").display());
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", commands]).current_dir(ROOT);
        shell.env_clear().env("PATH", path).env("ROCKET_BCRYPT_COST", "4");
        for secret in ["secret_key", "database_password"] {
            let file = format!("{}/etc/gatehouse/{secret}", self.root);
            if Path::new(&file).exists() {
                shell.env(format!("ROCKET_{}_FILE", secret.to_uppercase()), file);
            }
        }
        let done = shell.output().expect("bash");
        let said =
            [done.stdout, done.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
        assert!(done.status.success(), "{commands}\n{}", said.join("\n"));
    }
}

/// Of a service with SQLite: an account that moves, and its session.
fn before(machine: &Machine) -> BTreeMap<String, String> {
    let data = format!("{}/var/lib/gatehouse/data", machine.root);
    let old = Home::new()
        .with("ROCKET_DATABASE_URL", &format!("sqlite:{data}/gatehouse.db"))
        .with("ROCKET_PORT", &free_address().port().to_string())
        .with("ROCKET_TRUSTED_PROXIES", "[\"127.0.0.1\"]")
        .with("ROCKET_BASE_URL", &format!("https://{LOGIN}"));
    let running = old.start();
    let ann = running.logged_in("ann@example.org");
    let cookies = ann.cookies.clone();
    running.stop();
    assert_eq!(fs::metadata(&data).expect("made").permissions().mode() & 0o077, 0);
    cookies
}

#[test]
fn the_readme_leads_from_one_machine_to_three_nodes() {
    let server = Postgres::start(&[]);
    server.sql("postgres", "DROP DATABASE gatehouse");
    let machine = Machine::new(&server);
    let cookies = before(&machine);
    let sh = blocks("sh");
    assert_eq!(sh.len(), 4, "{sh:#?}");
    let toml = machine.here(&blocks("toml").remove(0), &server);
    fs::write(format!("{}/etc/gatehouse/Rocket.toml", machine.root), &toml).expect("written");
    for block in &sh {
        machine.run(&machine.here(block, &server));
    }
    let written = fs::read_to_string(format!("{}/etc/nginx/nginx.conf", machine.root));
    let wanted = configuration(Kind::Nginx)
        .replace("        server 127.0.0.1:8000;  # CHANGE\n", "")
        .replace("#server 10.0.0.", "server 10.0.0.");
    assert_eq!(written.expect("nginx's file"), wanted);

    let nodes: Vec<Node> = (0..3).map(|_| node(&machine)).collect();
    let proxy = nginx(&nodes);
    let visitor = || Visitor::new(proxy.https, Ipv4Addr::new(127, 0, 0, 7));
    let mut bob = visitor();
    let pair = [("email", "bob@example.org"), ("password", PASSWORD)];
    bob.post(LOGIN, "/users", &pair).is(200);
    bob.post(LOGIN, "/sessions", &pair).is(200);
    for _ in 0..3 {
        bob.get(LOGIN, "/profile").is(200);
    }
    // Whoever was signed in before the move is signed in after it.
    let mut ann = visitor();
    ann.cookies = cookies.into_iter().map(|(name, it)| ((LOGIN.to_owned(), name), it)).collect();
    ann.get(LOGIN, "/profile").is(200);
}

fn node(machine: &Machine) -> Node {
    let file = |name: &str| format!("{}/etc/gatehouse/{name}", machine.root);
    let home = Home::new()
        .with("ROCKET_CONFIG", &file("Rocket.toml"))
        .with("ROCKET_SECRET_KEY_FILE", &file("secret_key"))
        .with("ROCKET_DATABASE_PASSWORD_FILE", &file("database_password"))
        // What the file says of it, for the test to find the node.
        .with("ROCKET_BASE_URL", &format!("https://{LOGIN}"))
        .with("ROCKET_PORT", &free_address().port().to_string());
    Node::start(home)
}

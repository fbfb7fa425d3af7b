//! nginx and Caddy with the files of `deploy/`, in which a test replaces names, ports and paths.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::processes::{MEND, Server};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Nginx,
    Caddy,
}

/// Running until it is dropped.
pub struct Proxy {
    pub https: SocketAddr,
    pub http: SocketAddr,
    pub server: Server,
    _folder: TempDir,
}

/// What is replaced in the file by what. Each must be there.
pub type Changes = Vec<(&'static str, String)>;

/// The file as operators get it.
pub fn configuration(kind: Kind) -> String {
    let name = match kind {
        Kind::Nginx => "nginx.conf",
        Kind::Caddy => "Caddyfile",
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    fs::read_to_string(path).expect("a file of deploy/")
}

impl Proxy {
    /// With `changes` besides those that every test makes, and at most `files` open at once.
    #[track_caller]
    pub fn start(kind: Kind, changes: &Changes, files: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path();
        let (server, [https, http]) =
            Server::start(&here.join("words"), |[https, http]: [SocketAddr; 2]| {
                let always = match kind {
                    Kind::Nginx => nginx_changes(here, https, http),
                    Kind::Caddy => caddy_changes(https, http),
                };
                let mut text = configuration(kind);
                for (old, new) in always.iter().chain(changes) {
                    assert!(text.contains(old), "{kind:?}'s file lacks {old:?}:\n{text}");
                    text = text.replace(old, new);
                }
                let file = here.join("configuration");
                fs::write(&file, text).expect("written");
                command(kind, &file, files)
            });
        Self { https, http, _folder: folder, server }
    }
}

/// The paths, ports and the certificate; that it stays in the foreground; and nobody else's user.
fn nginx_changes(here: &Path, https: SocketAddr, http: SocketAddr) -> Changes {
    let at = |name: &str| here.join(name).display().to_string();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = kinds.map(|kind| format!("{kind}_temp_path {};", at(kind))).join(" ");
    let certificate = certificate();
    vec![
        ("user www-data;", "user root; daemon off;".to_owned()),
        ("/run/nginx.pid", at("pid")),
        ("/var/log/nginx/error.log", "stderr".to_owned()),
        ("/var/log/nginx/access.log", at("access.log")),
        ("http {", format!("http {{ {folders}")),
        ("listen 443 ", format!("listen {https} ")),
        ("listen 80", format!("listen {http}")),
        // Not every machine that runs tests has IPv6.
        ("listen [::]:443 ", format!("listen unix:{} ", at("443"))),
        ("listen [::]:80", format!("listen unix:{}", at("80"))),
        ("/etc/letsencrypt/live/login.example.org/fullchain.pem", certificate.chain()),
        ("/etc/letsencrypt/live/login.example.org/privkey.pem", certificate.key()),
    ]
}

fn caddy_changes(https: SocketAddr, http: SocketAddr) -> Changes {
    let certificate = certificate();
    let here = "admin off\n\tdefault_bind 127.0.0.1";
    vec![
        ("http_port 80\n", format!("http_port {}\n\t{here}\n", http.port())),
        ("https_port 443\n", format!("https_port {}\n", https.port())),
        (
            "# tls /etc/ssl/example.org.pem /etc/ssl/example.org.key",
            format!("tls {} {}", certificate.chain(), certificate.key()),
        ),
    ]
}

fn command(kind: Kind, file: &Path, files: u32) -> Command {
    let start = match kind {
        Kind::Nginx => "exec nginx -e stderr -c \"$1\"",
        Kind::Caddy => "exec caddy run --adapter caddyfile --config \"$1\"",
    };
    let mut command = Command::new("sh");
    command.args(["-c", &format!("ulimit -n {files} && {start}"), "sh"]).arg(file);
    // Caddy keeps what it knows of certificates there.
    command.env("HOME", file.parent().expect("a folder")).env_remove("XDG_DATA_HOME");
    command
}

/// For every name below example.org; made once for all tests.
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn key(&self) -> String {
        self.path("key.pem").display().to_string()
    }

    fn chain(&self) -> String {
        self.path("chain.pem").display().to_string()
    }

    /// As a client is given it, to trust it.
    pub fn der(&self) -> Vec<u8> {
        fs::read(self.path("der")).expect("a certificate")
    }
}

pub fn certificate() -> &'static Certificate {
    static MADE: OnceLock<Certificate> = OnceLock::new();
    MADE.get_or_init(|| {
        let certificate = Certificate { folder: tempfile::tempdir().expect("a folder") };
        let (key, chain) = (certificate.key(), certificate.chain());
        openssl(&[
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=example.org",
            "-addext",
            "subjectAltName=DNS:*.example.org",
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            &key,
            "-out",
            &chain,
        ]);
        let der = certificate.path("der").display().to_string();
        openssl(&["x509", "-in", &chain, "-outform", "der", "-out", &der]);
        certificate
    })
}

fn openssl(arguments: &[&str]) {
    let done = Command::new("openssl").args(arguments).output();
    let done = done.unwrap_or_else(|cause| panic!("openssl does not start ({cause}). {MEND}"));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

//! A mail server of someone else's making (aiosmtpd), and certificates for it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{Process, eventually};

/// Debian's own python, which has Debian's packages.
pub const PYTHON: &str = "/usr/bin/python3";

pub struct MailServer {
    process: Process,
    pub port: u16,
}

impl MailServer {
    /// On a free port; the arguments are those of `smtp_server.py`.
    #[track_caller]
    pub fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/binary/smtp_server.py");
        let mut command = Command::new(PYTHON);
        command.args(["-I", script]).args(arguments).env_clear();
        let process = Process::spawn(command);
        let port = eventually("the mail server's port", || {
            assert!(!process.err.is_over(), "no mail server: {}", process.err.text());
            process.out.text().lines().next()?.parse().ok()
        });
        Self { process, port }
    }

    /// On the port of one that has ended.
    #[track_caller]
    pub fn start_on(port: u16) -> Self {
        Self::start(&["--port", &port.to_string()])
    }

    /// A port that nothing listens on now, and a mail server may later.
    #[track_caller]
    pub fn port_of_none() -> u16 {
        Self::start(&[]).port
    }

    /// For ROCKET_SMTP_URL.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// What has happened, in order: `mail`, `refused`, `auth`, `receiving`.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let text = self.process.out.text();
        let events = text.lines().skip(1).filter_map(|line| serde_json::from_str(line).ok());
        events.filter(|event: &Value| event["event"] == kind).collect()
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.events("mail").into_iter().map(Mail).collect()
    }

    /// Waits for that many mails, which must be all.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Mail> {
        let mails = eventually("mails", || {
            let mails = self.mails();
            (mails.len() >= count).then_some(mails)
        });
        assert_eq!(mails.len(), count, "{mails:#?}");
        mails
    }
}

#[derive(Debug)]
pub struct Mail(Value);

impl Mail {
    pub fn recipients(&self) -> Vec<&str> {
        let all = self.0["recipients"].as_array().expect("a list");
        all.iter().map(|address| address.as_str().expect("text")).collect()
    }

    /// The value of a header that must be there once.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let headers = self.0["headers"].as_array().expect("a list");
        let mut same = headers.iter().filter(|pair| pair[0] == name);
        let value = same.next().unwrap_or_else(|| panic!("no {name}: {self:#?}"));
        assert!(same.next().is_none(), "{name} twice: {self:#?}");
        value[1].as_str().expect("text")
    }

    pub fn text(&self) -> &str {
        self.0["text"].as_str().expect("text")
    }

    pub fn html(&self) -> &str {
        self.0["html"].as_str().expect("text")
    }

    /// Who had authenticated.
    pub fn user(&self) -> Option<&str> {
        self.0["user"].as_str()
    }

    /// The path of the reset link.
    #[track_caller]
    pub fn link(&self) -> String {
        link_in(self.text())
    }
}

/// The path of the reset link in a mail's text.
#[track_caller]
pub fn link_in(text: &str) -> String {
    let link = text.split_whitespace().find(|word| word.contains("/reset_password/"));
    let link = link.unwrap_or_else(|| panic!("no link in {text}"));
    link[link.find("/reset_password/").expect("just seen")..].to_owned()
}

/// Makes `ca.pem`, and `cert.pem` with `key.pem` for `host`, signed by it.
#[track_caller]
pub fn make_certificates(folder: &Path, host: &str) {
    let openssl = |arguments: &str| {
        let done = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
        let done = done.expect("openssl is installed");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let new_key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    openssl(&format!("{new_key} -subj /CN=test-ca -keyout ca.key -out ca.pem"));
    openssl(&format!(
        "{new_key} -subj /CN={host} -addext subjectAltName=DNS:{host} \
         -addext basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key \
         -keyout key.pem -out cert.pem"
    ));
}

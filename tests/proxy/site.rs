//! A proxy, Gatehouse and an application, put together as `deploy/` says.

use std::net::Ipv4Addr;

use crate::application::Application;
use crate::client::Visitor;
use crate::gatehouse::Gatehouse;
use crate::proxy::{Changes, Kind, Proxy};

pub const LOGIN: &str = "login.example.org";
pub const APP: &str = "app.example.org";
pub const PASSWORD: &str = "a quiet harbour";
/// Open files of a proxy, where a test does not care.
pub const MANY_FILES: u32 = 8192;

pub struct Site {
    pub proxy: Proxy,
    pub gatehouse: Gatehouse,
    pub application: Application,
}

impl Site {
    #[track_caller]
    pub fn start(kind: Kind) -> Self {
        Self::start_with(kind, Vec::new(), &[], MANY_FILES)
    }

    /// With changes to the proxy's file, settings of Gatehouse, and a limit of the proxy's files.
    #[track_caller]
    pub fn start_with(
        kind: Kind,
        mut changes: Changes,
        settings: &[(&str, &str)],
        files: u32,
    ) -> Self {
        let gatehouse = Gatehouse::start(settings);
        let application = Application::start();
        changes.push(("127.0.0.1:8000", gatehouse.address.to_string()));
        changes.push(("127.0.0.1:3000", application.address.to_string()));
        if kind == Kind::Nginx {
            changes.push(("worker_rlimit_nofile 16384", format!("worker_rlimit_nofile {files}")));
        }
        let proxy = Proxy::start(kind, &changes, files);
        Self { proxy, gatehouse, application }
    }

    /// Somebody whose connections come from `127.0.0.LAST`.
    pub fn visitor(&self, last: u8) -> Visitor {
        Visitor::new(self.proxy.https, Ipv4Addr::new(127, 0, 0, last))
    }

    /// The same, with an account and signed in.
    #[track_caller]
    pub fn signed_in(&self, last: u8, email: &str) -> Visitor {
        let mut visitor = self.visitor(last);
        let pair = [("email", email), ("password", PASSWORD)];
        visitor.post(LOGIN, "/users", &pair).is(200);
        visitor.post(LOGIN, "/sessions", &pair).is(200);
        visitor
    }
}

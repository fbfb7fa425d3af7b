//! `TestApp`: the whole service over a database of its own, and visitors to drive it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatehouse::accounts::Auth;
use gatehouse::accounts::session::{Beginning, Session};
use gatehouse::accounts::user::User;
use gatehouse::cli::serve;
use gatehouse::cli::service::Service;
use gatehouse::clock::Timestamp;
use gatehouse::config::Config;
use gatehouse::mail::Letter;
use rocket::http::{Header, Method};
use rocket::local::blocking::Client;
use secrecy::SecretString;
use serde_json::Value;

pub use crate::answer::Answer;
use crate::watch::Watched;

pub const PASSWORD: &str = "a quiet harbour";
pub const HOST: &str = "127.0.0.1:8000";

/// The service, not listening anywhere.
pub struct TestApp {
    pub client: Client,
    pub service: Service,
    pub folder: Watched,
    pub config: Config,
    https: bool,
    /// What a visitor's `Host` says: base_url's host and port.
    host: String,
}

impl TestApp {
    pub fn new() -> Self {
        Self::with("", &[])
    }

    /// With more settings, for every profile, and environment variables.
    pub fn with(settings: &str, environment: &[(&str, &str)]) -> Self {
        let folder = Watched::new();
        let config = Self::config(&folder, settings, environment);
        Self::open(folder, config)
    }

    /// The settings of an app whose files lie in `folder`.
    pub fn config(folder: &Watched, settings: &str, environment: &[(&str, &str)]) -> Config {
        let key_is_set = environment.iter().any(|(name, _)| *name == "ROCKET_SECRET_KEY");
        let key = folder.database.secret_key().filter(|_| !key_is_set);
        let file = format!(
            "[global]\ndatabase_url = \"{}\"\n{}mail_folder = \"{}/outbox\"\n\
             bcrypt_cost = 4\nlog_level = \"off\"\n{}{settings}\n",
            folder.database.url(),
            key.map(|key| format!("secret_key = \"{key}\"\n")).unwrap_or_default(),
            folder.path().display(),
            limits_beside(settings)
        );
        Config::from_parts(&file, environment).expect("good settings")
    }

    /// Over the files and the database of `folder`.
    pub fn open(folder: Watched, config: Config) -> Self {
        let service = Service::open(&config).expect("the service opens");
        let rocket = serve::rocket(&config, &service).expect("templates");
        let client = Client::untracked(rocket).expect("ignites");
        let https = config.base_url.scheme() == "https";
        let address = &config.base_url;
        let name = address.host_str().expect("base_url has a host");
        let host = address.port().map_or(name.to_owned(), |port| format!("{name}:{port}"));
        Self { client, service, folder, config, https, host }
    }

    /// The same files and settings, in a new process as it were.
    pub fn restarted(self) -> Self {
        let Self { client, service, folder, config, .. } = self;
        drop((client, service));
        Self::open(folder, config)
    }

    pub fn auth(&self) -> &Auth {
        &self.service.auth
    }

    /// Somebody with a browser: wants pages, says where its requests come from, keeps cookies.
    pub fn browser(&self) -> Visitor<'_> {
        let visitor = Visitor::new(self);
        visitor.header("Accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        visitor.header("Sec-Fetch-Site", "same-origin");
        visitor
    }

    /// A script: wants JSON, says nothing else, keeps cookies.
    pub fn program(&self) -> Visitor<'_> {
        Visitor::new(self)
    }

    /// A browser whose owner has just signed up as `email`.
    #[track_caller]
    pub fn signed_up(&self, email: &str) -> Visitor<'_> {
        let browser = self.browser();
        browser.post("/users", &[("email", email), ("password", PASSWORD)]).goes_to("/profile");
        browser
    }

    /// What was mailed so far, newest first, after the worker has had its turn.
    #[track_caller]
    pub fn mailbox(&self) -> Vec<Letter> {
        self.service.worker.deliver_due(Timestamp::now()).expect("the outbox can be read");
        let mailbox = self.service.transport.mailbox().expect("a debug build's mailbox");
        mailbox.letters().into_iter().map(|(_, letter)| letter).collect()
    }

    /// The path of the newest mailed reset link.
    #[track_caller]
    pub fn mailed_link(&self) -> String {
        let mails = self.mailbox();
        let links = mails.iter().flat_map(|mail| mail.text.split_whitespace());
        let mut links = links.filter(|word| word.contains("/reset_password/"));
        let link = links.next().expect("a mail with a link");
        let own = format!("{}://{}", if self.https { "https" } else { "http" }, self.host);
        link.strip_prefix(&own).expect("a link to this site").to_owned()
    }

    /// A session of that user past the web, as a guard finds it.
    #[track_caller]
    pub fn session(&self, email: &str) -> (User, Session) {
        let now = Timestamp::now();
        let begun = self.wait(self.auth().create_session(email, Beginning::default(), now));
        let found = self.wait(self.auth().find_session(&begun.expect("begun"), now));
        found.expect("looked").expect("alive")
    }

    /// Runs a future of the domain.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
            .block_on(future)
    }
}

/// One device: its headers and its cookies.
pub struct Visitor<'a> {
    app: &'a TestApp,
    headers: Mutex<BTreeMap<String, String>>,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// Forms have fields.
pub type Pairs<'a> = &'a [(&'a str, &'a str)];

impl<'a> Visitor<'a> {
    fn new(app: &'a TestApp) -> Self {
        let headers = BTreeMap::from([("Host".to_owned(), app.host.clone())]);
        Self { app, headers: Mutex::new(headers), cookies: Mutex::default() }
    }

    /// Sends this header from now on.
    pub fn header(&self, name: &str, value: &str) -> &Self {
        lock(&self.headers).insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn without_header(&self, name: &str) -> &Self {
        lock(&self.headers).remove(name);
        self
    }

    /// A cookie as it goes over the wire, if the visitor has it.
    pub fn cookie(&self, name: &str) -> Option<String> {
        lock(&self.cookies).get(name).cloned()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        lock(&self.cookies).insert(name.to_owned(), value.to_owned());
    }

    pub fn forget_cookies(&self) {
        lock(&self.cookies).clear();
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.send(Method::Get, path, &[], Vec::new())
    }

    #[track_caller]
    pub fn post(&self, path: &str, form: Pairs<'_>) -> Answer {
        self.submit(Method::Post, path, form)
    }

    #[track_caller]
    pub fn put(&self, path: &str, form: Pairs<'_>) -> Answer {
        self.submit(Method::Put, path, form)
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> Answer {
        self.send(Method::Delete, path, &[], Vec::new())
    }

    /// An urlencoded form.
    #[track_caller]
    pub fn submit(&self, method: Method, path: &str, form: Pairs<'_>) -> Answer {
        let body = urlencoded(form);
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        self.send(method, path, &[kind], body.into_bytes())
    }

    #[track_caller]
    pub fn json(&self, method: Method, path: &str, body: &Value) -> Answer {
        let kind = ("Content-Type", "application/json");
        self.send(method, path, &[kind], body.to_string().into_bytes())
    }

    /// Any request; headers of `extra` win over the visitor's own.
    #[track_caller]
    pub fn send(
        &self,
        method: Method,
        path: &str,
        extra: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let answer = self.send_for_a_fault(method, path, extra, body);
        assert!(answer.status.code < 500 || answer.status.code == 503, "{answer:?}");
        answer
    }

    /// [`Visitor::send`], where the test has broken the service and wants to see how it says so.
    #[track_caller]
    pub fn send_for_a_fault(
        &self,
        method: Method,
        path: &str,
        extra: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Answer {
        let mut request = self.app.client.req(method, path.to_owned());
        for (name, value) in lock(&self.headers).iter() {
            if !extra.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                request.add_header(Header::new(name.clone(), value.clone()));
            }
        }
        for (name, value) in extra {
            request.add_header(Header::new((*name).to_owned(), (*value).to_owned()));
        }
        let cookies: Vec<String> =
            lock(&self.cookies).iter().map(|(name, value)| format!("{name}={value}")).collect();
        for cookie in &cookies {
            // Rocket's local client wants them one by one, decoded as a server decodes them.
            // What cannot be decoded is no cookie to either.
            if let Ok(cookie) = rocket::http::Cookie::parse_encoded(cookie.clone()) {
                request = request.cookie(cookie);
            }
        }
        let response = request.remote(([127, 0, 0, 1], 4321).into()).body(body).dispatch();
        let answer = Answer {
            status: response.status(),
            headers: response
                .headers()
                .iter()
                .map(|header| (header.name().to_string(), header.value().to_owned()))
                .collect(),
            body: response.into_bytes().unwrap_or_default(),
        };
        self.keep_cookies(&answer);
        answer.check_what_all_answers_share(self.app.https);
        answer
    }

    fn keep_cookies(&self, answer: &Answer) {
        let mut cookies = lock(&self.cookies);
        for set in answer.all("set-cookie") {
            let (pair, attributes) = set.split_once(';').unwrap_or((&set, ""));
            let (name, value) = pair.split_once('=').expect("a cookie has a value");
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                self.app.folder.saw(value);
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// Tests try more often than people do; those about limits set their own.
fn limits_beside(settings: &str) -> String {
    ["limit_login", "limit_ask", "limit_mail"]
        .into_iter()
        .filter(|limit| !settings.contains(limit))
        .map(|limit| format!("{limit} = \"1000000/1m\"\n"))
        .collect()
}

pub fn secret(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

pub fn urlencoded(form: Pairs<'_>) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

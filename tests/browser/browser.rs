//! `Browser`: somebody's Chromium, told in their words what to do and asked what it shows.

use std::cell::RefCell;
use std::time::Duration;

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use url::Url;

use super::driver::{Driver, MEND};
use super::patience::{LONGEST, in_time, soon, soon_is};

/// Ends with the test, which fails if the pages made the browser complain.
pub struct Browser {
    runtime: Runtime,
    client: Client,
    expected_complaints: RefCell<Vec<&'static str>>,
    _driver: Driver,
}

/// A command that WebDriver's standard lacks.
#[derive(Debug)]
struct Extra {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extra {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    #[track_caller]
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments for Chromium.
    #[track_caller]
    pub fn start_with(arguments: &[&str]) -> Self {
        let [driver] = Driver::start();
        Self::driven_by(driver, arguments)
    }

    /// Two people's, or one's who has two devices.
    #[track_caller]
    pub fn start_two() -> [Self; 2] {
        Driver::start().map(|driver| Self::driven_by(driver, &[]))
    }

    #[track_caller]
    fn driven_by(driver: Driver, arguments: &[&str]) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let capabilities = driver.capabilities(arguments);
        let mut connector = HttpConnector::new();
        // A command's head and body would wait for each other.
        connector.set_nodelay(true);
        let mut builder = ClientBuilder::new(connector);
        builder.capabilities(capabilities.as_object().expect("an object").clone());
        let client = runtime
            .block_on(async { timeout(2 * LONGEST, builder.connect(&driver.url)).await })
            .expect("Chromium starts in time")
            .unwrap_or_else(|cause| panic!("Chromium does not start: {cause}. {MEND}"));
        Self { runtime, client, expected_complaints: RefCell::default(), _driver: driver }
    }

    /// Runs a command to its end.
    pub fn attempt<T>(
        &self,
        deed: impl Future<Output = Result<T, CmdError>>,
    ) -> Result<T, CmdError> {
        let done = self.runtime.block_on(async { timeout(2 * LONGEST, deed).await });
        done.expect("the browser answers")
    }

    #[track_caller]
    pub fn wait<T>(&self, what: &str, deed: impl Future<Output = Result<T, CmdError>>) -> T {
        self.attempt(deed).unwrap_or_else(|cause| panic!("{what}: {cause}"))
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A command of Chromium's own protocol.
    #[track_caller]
    pub fn cdp(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.wait(command, self.client.issue_cmd(Extra { path: "goog/cdp/execute", body }))
    }

    /// New entries of one of the driver's logs.
    #[track_caller]
    pub fn log(&self, kind: &'static str) -> Vec<Value> {
        let command = Extra { path: "se/log", body: json!({ "type": kind }) };
        let entries = self.wait("the driver's log", self.client.issue_cmd(command));
        entries.as_array().expect("entries").clone()
    }

    /// Runs a script in the page, past its content security policy.
    #[track_caller]
    pub fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.wait(script, self.client.execute(script, arguments))
    }

    #[track_caller]
    pub fn opens(&self, url: &str) {
        self.wait(url, self.client.goto(url));
    }

    #[track_caller]
    pub fn goes_back(&self) {
        self.wait("back", self.client.back());
    }

    #[track_caller]
    pub fn reloads(&self) {
        self.wait("reload", self.client.refresh());
    }

    #[track_caller]
    pub fn finds(&self, css: &str) -> Element {
        let wait = self.client.wait().at_most(LONGEST).every(Duration::from_millis(20));
        self.wait(css, wait.for_element(Locator::Css(css)))
    }

    /// How many elements there are, now.
    #[track_caller]
    pub fn count(&self, css: &str) -> usize {
        self.wait(css, self.client.find_all(Locator::Css(css))).len()
    }

    #[track_caller]
    pub fn types(&self, css: &str, text: &str) {
        let field = self.finds(css);
        self.wait(css, field.clear());
        self.wait(css, field.send_keys(text));
    }

    #[track_caller]
    pub fn clicks(&self, css: &str) {
        let element = self.finds(css);
        self.wait(css, element.click());
    }

    /// Clicks a button that sends a form, and waits for the page that follows.
    #[track_caller]
    pub fn presses(&self, words: &str) {
        self.leaves_by(&format!("//main//button[normalize-space()='{words}']"));
    }

    /// Clicks a link in the page's content, and waits for the page that follows.
    #[track_caller]
    pub fn follows(&self, words: &str) {
        self.leaves_by(&format!("//main//a[normalize-space()='{words}']"));
    }

    #[track_caller]
    pub fn leaves_by(&self, xpath: &str) {
        let wait = self.client.wait().at_most(LONGEST).every(Duration::from_millis(20));
        let element = self.wait(xpath, wait.for_element(Locator::XPath(xpath)));
        self.leaves_when(|| self.wait(xpath, element.click()));
    }

    /// Waits until the page that `deed` leaves is gone.
    #[track_caller]
    pub fn leaves_when(&self, deed: impl FnOnce()) {
        let page = self.finds("html");
        deed();
        soon("another page", || self.attempt(page.tag_name()).err());
    }

    /// The path of the page, at last; what follows `?` included.
    #[track_caller]
    pub fn is_at(&self, path: &str) {
        soon_is("the address", &path.to_owned(), || {
            let url = self.wait("the address", self.client.current_url());
            url[url::Position::BeforePath..].to_owned()
        });
    }

    #[track_caller]
    pub fn title_is(&self, title: &str) {
        soon_is("the title", &title.to_owned(), || self.wait("title", self.client.title()));
    }

    /// The text that can be seen.
    #[track_caller]
    pub fn text(&self) -> String {
        // The page may go away between the two questions.
        soon("a page with text", || {
            let body = self.attempt(self.client.find(Locator::Css("body"))).ok()?;
            self.attempt(body.text()).ok()
        })
    }

    #[track_caller]
    pub fn sees(&self, words: &str) {
        let mut text = String::new();
        let seen = in_time(|| {
            text = self.text();
            text.contains(words).then_some(())
        });
        assert!(seen.is_some(), "{words:?} is not in {text}");
    }

    #[track_caller]
    pub fn does_not_see(&self, words: &str) {
        let text = self.text();
        assert!(!text.contains(words), "{words:?} is in {text}");
    }

    /// What a field holds.
    #[track_caller]
    pub fn value(&self, css: &str) -> String {
        let field = self.finds(css);
        self.wait(css, field.prop("value")).unwrap_or_default()
    }

    #[track_caller]
    pub fn attribute(&self, css: &str, name: &str) -> Option<String> {
        let element = self.finds(css);
        self.wait(css, element.attr(name))
    }

    /// Waits until the element of this id has the focus.
    #[track_caller]
    pub fn focus_is_on(&self, id: &str) {
        soon_is("the focus", &Some(id.to_owned()), || {
            let focused = self.attempt(self.client.active_element()).ok()?;
            self.attempt(focused.attr("id")).ok()?
        });
    }

    /// The cookie as the browser keeps it.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> Option<Value> {
        let cookies = self.cdp("Network.getCookies", json!({}));
        let cookies = cookies["cookies"].as_array().expect("cookies");
        cookies.iter().find(|cookie| cookie["name"] == name).cloned()
    }

    /// Lets the browser complain of this.
    pub fn may_complain_of(&self, words: &'static str) {
        self.expected_complaints.borrow_mut().push(words);
    }

    /// Warnings and errors of the console so far, policy violations among them, that are no news:
    /// an error page's status is none.
    pub fn complaints(&self) -> Vec<String> {
        let expected = self.expected_complaints.borrow();
        let entries = self.log("browser");
        entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["level"] == "WARNING")
            .filter_map(|entry| entry["message"].as_str())
            .filter(|text| !text.contains("Failed to load resource: the server responded with"))
            .filter(|text| !expected.iter().any(|words| text.contains(words)))
            .map(str::to_owned)
            .collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = self.attempt(self.client.current_url()).map(|url| url.to_string());
            let text = self.attempt(self.client.find(Locator::Css("body")));
            let text = text.and_then(|body| self.attempt(body.text()));
            eprintln!("--- what the browser shows: {shown:?}\n{}", text.unwrap_or_default());
            return;
        }
        let complaints = self.complaints();
        let _ = self.attempt(self.client.clone().close());
        assert!(complaints.is_empty(), "the browser complained: {complaints:#?}");
    }
}

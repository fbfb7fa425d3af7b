//! What went over the wire, as Chromium itself accounts for it.

use serde_json::{Value, json};
use url::Url;

use super::browser::Browser;

/// One request and its answer.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    id: String,
    pub url: String,
    pub method: String,
    /// What a form sent.
    pub sent: String,
    pub status: u64,
    /// Of the answer, its headers included.
    pub bytes: u64,
    pub cached: bool,
    /// A page of its own, and no part of one.
    pub page: bool,
}

impl Browser {
    /// Every exchange since the last time this was asked, redirects as ones of their own.
    #[track_caller]
    pub fn traffic(&self) -> Vec<Exchange> {
        let mut all: Vec<Exchange> = Vec::new();
        for entry in self.log("performance") {
            let text = entry["message"].as_str().expect("an event");
            let event: Value = serde_json::from_str(text).expect("JSON");
            let (method, what) = (&event["message"]["method"], &event["message"]["params"]);
            let id = what["requestId"].as_str().unwrap_or_default();
            let last = all.iter_mut().rfind(|exchange| exchange.id == id);
            match (method.as_str().unwrap_or_default(), last) {
                ("Network.requestWillBeSent", before) => {
                    let redirected = &what["redirectResponse"];
                    if let Some(before) = before.filter(|_| redirected.is_object()) {
                        before.status = redirected["status"].as_u64().unwrap_or_default();
                        before.bytes = bytes(redirected);
                    }
                    let text = |name| what["request"][name].as_str().unwrap_or_default().to_owned();
                    all.push(Exchange {
                        id: id.to_owned(),
                        url: text("url"),
                        method: text("method"),
                        sent: text("postData"),
                        page: what["type"] == "Document",
                        ..Exchange::default()
                    });
                }
                ("Network.requestServedFromCache", Some(exchange)) => exchange.cached = true,
                ("Network.responseReceived", Some(exchange)) => {
                    let answer = &what["response"];
                    exchange.status = answer["status"].as_u64().unwrap_or_default();
                    exchange.cached |= answer["fromDiskCache"] == true;
                }
                ("Network.loadingFinished", Some(exchange)) => exchange.bytes = bytes(what),
                _ => {}
            }
        }
        // Chromium lists what is written into the page itself, such as its icon.
        all.retain(|exchange| exchange.url.starts_with("http"));
        all
    }

    /// The forms sent since then: where to, and what was in them.
    #[track_caller]
    pub fn forms_sent(&self) -> Vec<(String, String)> {
        let forms = self.traffic().into_iter().filter(|exchange| exchange.method != "GET");
        let path = |url: &str| Url::parse(url).expect("a URL").path().to_owned();
        forms.map(|form| (path(&form.url), form.sent)).collect()
    }

    /// The page as it came over the wire.
    #[track_caller]
    pub fn html_of(&self, page: &Exchange) -> String {
        let body = self.cdp("Network.getResponseBody", json!({ "requestId": page.id }));
        body["body"].as_str().expect("text").to_owned()
    }
}

fn bytes(answer: &Value) -> u64 {
    answer["encodedDataLength"].as_f64().unwrap_or_default() as u64
}

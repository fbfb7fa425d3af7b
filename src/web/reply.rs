//! `Reply`: one outcome, as a page or redirect for browsers and as JSON for programs.

use std::collections::BTreeMap;
use std::io::Cursor;

use rocket::http::{ContentType, Header, Status};
use rocket::response::{self, Responder};
use rocket::{Request, Response};
use rocket_dyn_templates::Template;
use serde_json::{Map, Value, json};

use super::accept::prefers_html;
use super::error::WebError;
use super::input::Refused;
use super::next::Next;
use super::{Site, guards, headers, notice, session_cookie, words};
use crate::accounts::{Auth, FieldError, FieldErrors};

/// What one of the two audiences gets.
enum Answer {
    Page(Page),
    Json(Status, Value),
    SeeOther(String),
}

/// A template and what it shows.
pub struct Page {
    status: Status,
    name: &'static str,
    context: Map<String, Value>,
    script: bool,
    /// Another site that the page's form leads to in the end.
    form_target: Option<String>,
}

impl Page {
    pub fn new(name: &'static str) -> Self {
        Self { status: Status::Ok, name, context: Map::new(), script: false, form_target: None }
    }

    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.context.insert(key.to_owned(), value.into());
        self
    }

    pub fn status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// Lets the page run the site's script.
    pub fn script(mut self) -> Self {
        self.script = true;
        self
    }

    /// Lets the page's form end at `next`, which may be another application's.
    pub fn leads_to(mut self, next: Option<&Next>) -> Self {
        self.form_target = next.and_then(Next::origin);
        self
    }

    /// The form as it was sent, less what is not shown again, and what is wrong with it.
    pub fn form(self, refused: &Refused) -> Self {
        let form = form_context(&refused.kept);
        let errors = in_words(&refused.errors);
        let mut summary = Vec::new();
        for (field, texts) in &errors {
            let on_page = WITH_AN_INPUT.contains(field);
            let href = if on_page { format!("#{field}") } else { String::new() };
            summary.extend(texts.iter().map(|text| json!({ "href": href, "text": text })));
        }
        self.with("form", form).with("errors", json!(errors)).with("summary", summary)
    }
}

/// Fields that a page shows, with their names as ids.
const WITH_AN_INPUT: [&str; 6] =
    ["email", "password", "new_password", "current_password", "display_name", "time_zone"];

/// A form's values, as far as they are shown again; templates may name every one of them.
fn form_context(kept: &BTreeMap<String, String>) -> Value {
    let text = |name: &str| kept.get(name).cloned().unwrap_or_default();
    json!({
        "email": text("email"),
        "next": text("next"),
        "remember": !text("remember").is_empty(),
        "keep_others": !text("keep_others").is_empty(),
        "display_name": text("display_name"),
        "time_zone": text("time_zone"),
    })
}

/// An outcome for both audiences.
pub struct Reply(Outcome);

enum Outcome {
    Each { browser: Answer, program: Answer },
    Failed(WebError),
}

impl Reply {
    fn each(browser: Answer, program: Answer) -> Self {
        Self(Outcome::Each { browser, program })
    }

    /// What a catcher would say, for a handler that has set a cookie: those of a handler that
    /// returns an error are dropped, and here an old session's is worth nothing any more.
    pub fn failed(error: WebError) -> Self {
        Self(Outcome::Failed(error))
    }

    pub fn page(page: Page, program: (Status, Value)) -> Self {
        Self::each(Answer::Page(page), Answer::Json(program.0, program.1))
    }

    /// After a form post a browser is always sent on, so that a reload never posts twice.
    pub fn see_other(path: impl Into<String>, program: (Status, Value)) -> Self {
        Self::each(Answer::SeeOther(path.into()), Answer::Json(program.0, program.1))
    }

    /// A redirect for both.
    pub fn redirect(path: impl Into<String>) -> Self {
        let path = path.into();
        Self::each(Answer::SeeOther(path.clone()), Answer::SeeOther(path))
    }

    /// A page that is a form: a program is told what to send instead.
    pub fn form_page(page: Page, instead: &str) -> Self {
        Self::page(page, (Status::NotAcceptable, message(instead)))
    }

    /// The form again, with what is wrong with it; a program gets the same as JSON.
    pub fn form_again(page: Page, refused: &Refused) -> Self {
        let errors = in_words(&refused.errors);
        let status = Status::UnprocessableEntity;
        Self::page(
            page.form(refused).status(status),
            (status, json!({ "message": words::INVALID, "errors": errors })),
        )
    }
}

/// What is wrong with each field, for both audiences.
fn in_words(errors: &FieldErrors) -> BTreeMap<&str, Vec<String>> {
    let texts = |field: &str, found: &[FieldError]| {
        found.iter().map(|error| words::field_error(field, *error)).collect()
    };
    errors.0.iter().map(|(field, found)| (field.as_str(), texts(field, found))).collect()
}

/// `{"message": text}`.
pub fn message(text: &str) -> Value {
    json!({ "message": text })
}

impl<'r> Responder<'r, 'static> for Reply {
    fn respond_to(self, request: &'r Request<'_>) -> response::Result<'static> {
        let (browser, program) = match self.0 {
            Outcome::Each { browser, program } => (browser, program),
            Outcome::Failed(error) => return error.answer(request),
        };
        match if wants_page(request) { browser } else { program } {
            Answer::Page(page) => page.respond_to(request),
            Answer::Json(status, value) => json_response(status, &value),
            Answer::SeeOther(path) => see_other(&path),
        }
    }
}

/// Whether anybody may sign up by themselves: no page leads where nobody gets in.
fn may_sign_up(request: &Request<'_>) -> bool {
    request.rocket().state::<Auth>().is_some_and(|auth| auth.may_sign_up(false))
}

/// Whether this request comes from a browser.
pub fn wants_page(request: &Request<'_>) -> bool {
    prefers_html(request.headers().get("Accept"))
}

impl<'r> Responder<'r, 'static> for Page {
    fn respond_to(mut self, request: &'r Request<'_>) -> response::Result<'static> {
        let site = request.rocket().state::<Site>().ok_or(Status::InternalServerError)?;
        if self.script {
            headers::permit_script(request);
        }
        if let Some(origin) = &self.form_target {
            headers::permit_form_target(request, origin);
        }
        if guards::is_stale(request, site) {
            session_cookie::remove(request.cookies(), site);
        }
        let defaults = [
            ("site", site.context()),
            (
                "account",
                guards::account(request).map_or(Value::Null, |email| json!({ "email": email })),
            ),
            ("may_sign_up", json!(may_sign_up(request))),
            ("notice", json!(notice::take(request.cookies(), site))),
            ("classroom", json!(site.config.classroom)),
            ("form", form_context(&BTreeMap::new())),
            ("errors", json!({})),
            ("summary", json!([])),
        ];
        for (key, value) in defaults {
            self.context.entry(key).or_insert(value);
        }
        let mut response = Template::render(self.name, self.context).respond_to(request)?;
        response.set_status(self.status);
        // Templates added by name would go out as text/plain.
        response.set_header(Header::new("Content-Type", "text/html; charset=utf-8"));
        Ok(response)
    }
}

/// JSON, as it is.
pub fn json_response(status: Status, value: &Value) -> response::Result<'static> {
    let text = value.to_string();
    Response::build()
        .status(status)
        .header(ContentType::JSON)
        .sized_body(text.len(), Cursor::new(text))
        .ok()
}

/// 303: the next request is a GET (RFC 9110, 15.4.4). A path stays on whatever host was asked.
pub fn see_other(path: &str) -> response::Result<'static> {
    Response::build().status(Status::SeeOther).header(Header::new("Location", path.to_owned())).ok()
}

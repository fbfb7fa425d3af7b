//! What every page promises: nothing it shows is markup, titles name the state, forms come back as they should.

mod escaping; // B-58, B-65b: what people enter comes back as text
mod lint; // the templates' sources
mod shape; // titles, log-out, notices, autocomplete, weight

use crate::app::{Answer, PASSWORD, TestApp, Visitor};

const ANN: &str = "ann@example.com";

#[test]
fn errors_stand_at_their_field_and_in_the_summary() {
    let app = TestApp::new();
    let browser = app.browser();
    let both = browser.post("/users", &[("email", "ann"), ("password", "short")]);
    both.is(422).says("<a href=\"#email\">Enter an e-mail address like name@example.org.</a>");
    both.says("<a href=\"#password\">Too short: use at least 8 characters.");
    for (answer, fields) in [
        (both, &[("email", "email-error"), ("password", "password-hint password-error")][..]),
        (browser.post("/sessions", &[("email", ANN)]), &[("password", "password-error")]),
        (browser.post("/sessions", &[("password", "x")]), &[("email", "email-error")]),
        (browser.post("/reset_password", &[("email", "ann")]), &[("email", "email-error")]),
        (
            browser.put("/reset_password", &[("email", ANN)]),
            &[("new_password", "new_password-hint new_password-error")],
        ),
    ] {
        answer.is(422).says("<section id=\"error-summary\"").says("There is a problem");
        for (name, described) in fields {
            let input = tag(&answer, &format!("<input id=\"{name}\""));
            assert!(input.contains(&format!("aria-describedby=\"{described}\"")), "{input}");
            assert!(input.contains("aria-invalid=\"true\""), "{input}");
            answer.says(&format!("id=\"{name}-error\"")).says(&format!("href=\"#{name}\""));
        }
        for id in answer.text().split("aria-describedby=\"").skip(1) {
            for id in id.split('"').next().expect("an end").split(' ') {
                answer.says(&format!("id=\"{id}\""));
            }
        }
    }
}

/// The first tag that begins so, to its end.
#[track_caller]
fn tag(answer: &Answer, start: &str) -> String {
    let text = answer.text();
    let at = text.find(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    text[at..].split('>').next().expect("an end").to_owned()
}

#[test]
fn a_form_without_errors_has_no_trace_of_any() {
    let app = TestApp::new();
    for path in ["/signup", "/login", "/reset_password"] {
        let page = app.browser().get(path);
        page.is(200).does_not_say("aria-invalid").does_not_say("error").does_not_say("problem");
    }
}

#[test]
fn a_wrong_pair_is_told_in_the_summary_and_of_no_field() {
    let app = TestApp::new();
    let page = app.browser().post("/sessions", &[("email", ANN), ("password", PASSWORD)]);
    page.is(401).says("<li>The e-mail address or the password is wrong.</li>");
    page.does_not_say("aria-invalid").does_not_say("<li><a href=\"#");
}

/// Pages with a form, shown again after each of its errors.
fn shown_again(browser: &Visitor<'_>, password: &str) -> Vec<Answer> {
    let pair = [("email", "bob@example.com"), ("password", password)];
    vec![
        browser.post("/users", &pair),
        browser.post("/users", &[pair[0], ("password", password), ("password", password)]),
        browser.post("/users", &[("email", ANN), ("password", PASSWORD)]),
        browser.post("/sessions", &[pair[0], ("password", PASSWORD)]),
        browser.post("/sessions", &[pair[0], pair[1], ("remember", "yes")]),
        browser
            .put("/reset_password", &[pair[0], ("new_password", password), ("new_password", "")]),
    ]
}

#[test]
fn forms_shown_again_keep_the_email_and_never_the_password() {
    let app = TestApp::new();
    app.signed_up(ANN);
    for password in ["short", "password1", "12345678"] {
        for page in shown_again(&app.browser(), password) {
            assert!([400, 401, 422].contains(&page.status.code), "{}", page.text());
            let text = page.text();
            let email = text.lines().find(|line| line.contains("name=\"email\""));
            assert!(email.is_some_and(|email| email.contains("@example.com\"")), "{email:?}");
            for line in page.text().lines().filter(|line| line.contains("type=\"password\"")) {
                assert!(!line.contains("value="), "{line}");
            }
            page.does_not_say(&format!("\"{password}\"")).does_not_say(PASSWORD);
            page.does_not_say(&format!(">{password}<"));
        }
    }
    let remembered = [("email", ANN), ("password", "another harbour"), ("remember", "yes")];
    app.browser().post("/sessions", &remembered).is(401).says("value=\"yes\" checked>");
    app.browser().post("/sessions", &remembered[..2]).is(401).does_not_say(" checked");
}

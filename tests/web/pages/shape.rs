//! Titles, headings, log-out, notices, what password managers read, and how much it all weighs.

use crate::app::{Answer, PASSWORD, TestApp};

const ANN: &str = "ann@example.com";

/// Every page and state: its title without the site's name, and the answer.
fn every_page(app: &TestApp) -> Vec<(&'static str, Answer)> {
    let stranger = app.browser();
    let ann = app.signed_up(ANN);
    let pair = [("email", ANN), ("password", PASSWORD)];
    stranger.post("/reset_password", &pair[..1]).goes_to("/reset_password/sent");
    let mut pages = vec![
        ("Welcome", stranger.get("/")),
        ("Welcome", ann.get("/")),
        ("Sign up", stranger.get("/signup")),
        ("Error: Sign up", stranger.post("/users", &[])),
        ("Error: Sign up", stranger.post("/users", &pair)),
        ("Log in", stranger.get("/login")),
        ("Error: Log in", stranger.post("/sessions", &[])),
        ("Error: Log in", stranger.post("/sessions", &[pair[0], ("password", "wrong harbour")])),
        ("Profile", ann.get("/profile")),
        ("Name and time zone", ann.get("/account/details")),
        ("Error: Name and time zone", ann.put("/account/details", &[("time_zone", "Nowhere")])),
        ("Download your data", ann.get("/account/export")),
        ("Reset your password", stranger.get("/reset_password")),
        ("Error: Reset your password", stranger.post("/reset_password", &[])),
        ("Look into your mail", stranger.get("/reset_password/sent")),
        ("This link no longer works", stranger.get("/reset_password/0123")),
        ("Page not found", stranger.get("/nowhere")),
        ("That does not work here", stranger.put("/profile", &[])),
        ("We cannot read that format", stranger.send_body(POST, "/users", "text/plain", b"x")),
        ("We could not read that", stranger.send_body(POST, "/users", "application/json", b"{")),
    ];
    pages.push(("Development mailbox", stranger.get("/dev/mailbox")));
    let reader = app.browser();
    app.mailbox();
    reader.get(&app.mailed_link()).goes_to("/reset_password/new");
    pages.push(("Choose a new password", reader.get("/reset_password/new")));
    pages.push(("Error: Choose a new password", reader.put("/reset_password", &[])));
    let host = [("Host", "evil.example")];
    pages.push(("Wrong address", stranger.send(GET, "/", &host, Vec::new())));
    let site = [("Sec-Fetch-Site", "cross-site")];
    pages.push(("That is not allowed", stranger.send(POST, "/users", &site, Vec::new())));
    let length = [("Content-Length", "999999"), ("Content-Type", "application/json")];
    pages.push(("That is too much at once", stranger.send(POST, "/users", &length, Vec::new())));
    pages
}

const GET: rocket::http::Method = rocket::http::Method::Get;
const POST: rocket::http::Method = rocket::http::Method::Post;

#[test]
fn titles_name_the_state_and_the_site() {
    let app = TestApp::new();
    for (title, page) in every_page(&app) {
        page.says(&format!("<title>{title} – Gatehouse</title>"));
    }
}

#[test]
fn every_page_has_one_heading_a_language_and_a_main_part() {
    let app = TestApp::new();
    for (title, page) in every_page(&app) {
        let text = page.text();
        page.says("<!DOCTYPE html>\n<html lang=\"en\">").says("<a class=\"skip\" href=\"#main\">");
        for (what, times) in
            [("<h1>", 1), ("<main id=\"main\">", 1), ("<title>", 1), ("</html>", 1)]
        {
            assert_eq!(text.matches(what).count(), times, "{title}: {what}");
        }
        let heading = text.split("<h1>").nth(1).and_then(|rest| rest.split('<').next());
        assert!(heading.is_some_and(|heading| heading.trim().len() > 5), "{title}: {heading:?}");
        assert!(!text.contains("{{") && !text.contains("{%"), "{title}: {text}");
    }
}

#[test]
fn a_first_visit_is_light_and_asks_for_nothing_else() {
    let app = TestApp::new();
    for (title, page) in every_page(&app) {
        let text = page.text().replace("&#x2F;", "/");
        let files: Vec<&str> =
            text.split('"').filter(|word| word.starts_with("/static/")).collect();
        let scripts = usize::from(text.contains("<script"));
        assert_eq!(files.len(), 1 + scripts, "{title}: {files:?}");
        let outside = text.matches("src=\"").count() + text.matches("url(").count();
        assert_eq!(outside, scripts, "{title}");
        let served = |answer: &Answer| {
            let lines = answer.headers.iter().map(|(name, value)| name.len() + value.len() + 4);
            answer.body.len() + lines.sum::<usize>()
        };
        let weight = served(&page)
            + files.iter().map(|file| served(app.browser().get(file).is(200))).sum::<usize>();
        assert!(weight <= 15_000, "{title}: {weight} bytes");
    }
}

#[test]
fn log_out_is_on_every_page_of_somebody_signed_in() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let form = "<form method=\"post\" action=\"/sessions\">\n<input type=\"hidden\" name=\"_method\" value=\"delete\">";
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    let link = app.mailed_link();
    for page in [
        ann.get("/"),
        ann.get("/profile"),
        ann.get("/reset_password"),
        ann.post("/reset_password", &[("email", "nonsense")]),
        ann.get("/reset_password/sent"),
        ann.get("/reset_password/new"),
        ann.put("/reset_password", &[("new_password", "short")]),
    ] {
        page.says(form).says(&format!("<a href=\"/profile\">{ANN}</a>"));
    }
    ann.get(&link).goes_to("/reset_password/new");
    ann.get("/reset_password/new").is(200).says(form);
    ann.post("/sessions", &[("_method", "delete")]).goes_to("/");
    for page in [ann.get("/"), ann.get("/login"), ann.get("/nowhere")] {
        page.does_not_say("action=\"/sessions\">").does_not_say(ANN);
    }
}

#[test]
fn notices_are_shown_once() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let notice = |text: &str| format!("<p class=\"notice\" role=\"status\">{text}</p>");
    let welcome = notice("Welcome. Your account is ready and you are logged in.");
    ann.get("/profile").says(&welcome);
    assert_eq!(ann.cookie("notice"), None);
    ann.get("/profile").does_not_say("role=\"status\"");
    ann.delete("/sessions").goes_to("/");
    ann.get("/").says(&notice("You are logged out."));
    ann.get("/").does_not_say("role=\"status\"");
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    ann.get(&app.mailed_link()).goes_to("/reset_password/new");
    ann.put("/reset_password", &[("new_password", "another harbour")]).goes_to("/login");
    ann.get("/login").says(&notice("Your password is updated. Log in with the new one."));
    ann.get("/login").does_not_say("role=\"status\"");
}

#[test]
fn a_notice_waits_for_a_page_and_an_error_page_will_do() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.get("/robots.txt").is(200);
    assert!(ann.cookie("notice").is_some());
    ann.get("/nowhere").is(404).says("role=\"status\"");
    ann.get("/nowhere").is(404).does_not_say("role=\"status\"");
    assert_eq!(ann.cookie("notice"), None);
}

#[test]
fn no_address_and_no_forged_cookie_makes_a_notice() {
    let app = TestApp::new();
    let browser = app.browser();
    for path in ["/login?notice=password_updated", "/login?message=hello", "/?error=planted"] {
        browser.get(path).is(200).does_not_say("role=\"status\"").does_not_say("planted");
    }
    for value in ["password_updated", "logged_out", "<b>planted</b>"] {
        browser.set_cookie("notice", value);
        browser.get("/login").is(200).does_not_say("role=\"status\"").does_not_say("planted");
    }
}

#[test]
fn password_managers_understand_the_forms() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let browser = app.browser();
    browser.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    browser.get(&app.mailed_link()).goes_to("/reset_password/new");
    for (path, inputs) in [
        ("/signup", &[("email", "username"), ("password", "new-password")][..]),
        ("/login", &[("email", "username"), ("password", "current-password")]),
        ("/reset_password", &[("email", "username")]),
        ("/reset_password/new", &[("email", "username"), ("new_password", "new-password")]),
    ] {
        let page = browser.get(path);
        let text = page.is(200).text();
        for (name, token) in inputs {
            let input = text.lines().find(|line| line.contains(&format!(" name=\"{name}\"")));
            let input = input.unwrap_or_else(|| panic!("{path}: {name}"));
            assert!(input.contains(&format!("autocomplete=\"{token}\"")), "{path}: {input}");
        }
        assert_eq!(text.matches("autocomplete=").count(), inputs.len(), "{path}");
        page.does_not_say("autocomplete=\"off\"")
            .does_not_say("maxlength")
            .does_not_say("pattern=");
        for (name, _) in inputs.iter().filter(|_| path != "/reset_password/new") {
            page.says(&format!("<label for=\"{name}\">"));
        }
    }
    browser.get("/reset_password/new").says(&format!("name=\"email\" value=\"{ANN}\""));
}

#[test]
fn every_form_goes_to_a_route_that_takes_it() {
    let app = TestApp::new();
    for (title, page) in every_page(&app) {
        for form in page.text().split("<form ").skip(1) {
            let form = form.split("</form>").next().expect("an end");
            assert!(form.starts_with("method=\"post\" action=\"/"), "{title}: {form}");
            let action = form.split('"').nth(3).expect("an action");
            let method = form.split("name=\"_method\" value=\"").nth(1);
            let method = method.and_then(|rest| rest.split('"').next()).unwrap_or("post");
            let known = app.client.rocket().routes().any(|route| {
                route.uri.path() == action && route.method.as_str().eq_ignore_ascii_case(method)
            });
            assert!(known, "{title}: {method} {action}");
        }
    }
}

//! The contract's rows for people: pages, redirects after each form, the form again when it is refused.

use rocket::http::Method::{Post, Put};

use crate::app::{PASSWORD, TestApp};
use crate::input::{ENCODINGS, Encoding};

const ANN: &str = "ann@example.com";

#[test]
fn the_welcome_page_knows_who_is_signed_in() {
    let app = TestApp::new();
    app.browser().get("/").is(200).says("Welcome to Gatehouse").says("href=\"/signup\"");
    let ann = app.signed_up(ANN);
    ann.get("/").is(200).says("You are logged in as <strong>ann@example.com</strong>");
    ann.get("/").does_not_say("href=\"/signup\"").says("action=\"/sessions\"");
}

#[test]
fn forms_are_pages_and_pointless_once_signed_in() {
    let app = TestApp::new();
    let (stranger, ann) = (app.browser(), app.signed_up(ANN));
    for (path, action) in [("/signup", "/users"), ("/login", "/sessions")] {
        let form = format!("<form method=\"post\" action=\"{action}\" novalidate>");
        stranger.get(path).is(200).says(&form);
        ann.get(path).goes_to("/profile");
    }
    let form = "<form method=\"post\" action=\"/reset_password\" novalidate>";
    stranger.get("/reset_password").is(200).says(form);
    ann.get("/reset_password").is(200).says(form).says("value=\"ann@example.com\"");
}

#[test]
fn signing_up_signs_in() {
    // A browser's form can be sent in either of its two ways.
    for encoding in [Encoding::Form, Encoding::Multipart] {
        let app = TestApp::new();
        let ann = app.browser();
        let fields = [("email", ANN), ("password", PASSWORD)];
        ann.send_as(encoding, Post, "/users", &fields).goes_to("/profile");
        ann.get("/profile").is(200).says(ANN);
    }
}

#[test]
fn a_refused_form_comes_back_with_its_status() {
    for encoding in ENCODINGS {
        let app = TestApp::new();
        app.signed_up(ANN);
        let browser = app.browser();
        let send = |path, fields: &[(&str, &str)]| browser.send_as(encoding, Post, path, fields);
        let taken = send("/users", &[("email", ANN), ("password", PASSWORD)]);
        taken.is(400).says("This address has an account already");
        let weak = send("/users", &[("email", "bob@example.com"), ("password", "short")]);
        weak.is(422).says("Too short").says("value=\"bob@example.com\"");
        let wrong = send("/sessions", &[("email", ANN), ("password", "another harbour")]);
        wrong.is(401).says("The e-mail address or the password is wrong.");
        let empty = send("/sessions", &[("email", ANN)]);
        empty.is(422).says("Enter your password.").says("value=\"ann@example.com\"");
        let nonsense = send("/reset_password", &[("email", "ann")]);
        nonsense.is(422).says("Enter an e-mail address like name@example.org.");
        for answer in [&taken, &weak, &wrong, &empty, &nonsense] {
            answer.says("There is a problem").says("<form method=\"post\"");
            answer.does_not_say(PASSWORD).does_not_say("another harbour");
            assert_eq!(answer.all("set-cookie"), Vec::<String>::new());
        }
    }
}

#[test]
fn logging_in_leads_to_the_profile_or_to_next() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let browser = app.browser();
    browser.get("/profile").goes_to("/login?next=/profile");
    browser.get("/login?next=/profile").is(200).says("name=\"next\" value=\"&#x2F;profile\"");
    for (next, to) in [("", "/profile"), ("/", "/"), ("/reset_password?a=b", "/reset_password?a=b")]
    {
        let form = [("email", ANN), ("password", PASSWORD), ("next", next)];
        browser.post("/sessions", &form).goes_to(to);
    }
}

#[test]
fn logging_out_leads_home_whoever_asks() {
    let app = TestApp::new();
    app.browser().delete("/sessions").goes_to("/");
    let ann = app.signed_up(ANN);
    ann.post("/sessions", &[("_method", "delete")]).goes_to("/");
    ann.get("/").says("You are logged out.");
    ann.get("/profile").goes_to("/login?next=/profile");
}

#[test]
fn asking_for_a_reset_shows_one_page_for_every_address() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let page = |email: &str| {
        let browser = app.browser();
        browser.post("/reset_password", &[("email", email)]).goes_to("/reset_password/sent");
        let answer = browser.get("/reset_password/sent");
        answer.is(200).says("Look into your mail").says(email);
        answer.text().replace(email, "ADDRESS")
    };
    assert_eq!(page(ANN), page("nobody@example.com"));
}

#[test]
fn the_mailed_link_moves_its_token_into_a_cookie() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let browser = app.browser();
    browser.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    let link = app.mailed_link();
    let token = link.rsplit('/').next().expect("a token").to_owned();
    let opened = browser.get(&link);
    opened.goes_to("/reset_password/new");
    let cookies = opened.all("set-cookie");
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    for attribute in ["reset_token=", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1800"] {
        assert!(cookies[0].contains(attribute), "{attribute}: {}", cookies[0]);
    }
    assert!(!cookies[0].contains(&token), "the token is sealed");
    browser.get("/reset_password/new").is(200).says("Choose a new password").does_not_say(&token);
    let weak = browser.post("/reset_password", &[("_method", "put"), ("new_password", "short")]);
    weak.is(422).says("Too short").says("name=\"_method\" value=\"put\"");
    let good = [("_method", "put"), ("email", ANN), ("new_password", "another harbour")];
    let changed = browser.post("/reset_password", &good);
    changed.goes_to("/login");
    assert_eq!(browser.cookie("reset_token"), None, "removed after use");
    browser.get("/login").is(200).says("Your password is updated");
    browser.get(&link).is(403).says("This link no longer works").says("href=\"/reset_password\"");
    browser.get("/reset_password/new").is(403).says("This link no longer works");
}

#[test]
fn the_new_password_may_come_by_put_in_any_encoding() {
    for encoding in ENCODINGS {
        let app = TestApp::new();
        app.signed_up(ANN);
        let browser = app.browser();
        browser.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
        browser.get(&app.mailed_link()).goes_to("/reset_password/new");
        let fields = [("new_password", "another harbour")];
        browser.send_as(encoding, Put, "/reset_password", &fields).goes_to("/login");
    }
}

#[test]
fn without_the_link_there_is_no_new_password() {
    let app = TestApp::new();
    let browser = app.browser();
    for path in ["/reset_password/new", "/reset_password/0123", "/reset_password/%20"] {
        browser.get(path).is(403).says("This link no longer works");
    }
    let form = [("new_password", "another harbour")];
    browser.put("/reset_password", &form).is(403).says("This link no longer works");
}

//! Every page and every error state, looked at in light and dark, on desk and phone, zoomed, and in
//! forced colours.

use diesel::connection::SimpleConnection;
use gatehouse::theme::{Theme, as_templates};
use serde_json::{Value, json};

use super::browser::Browser;
use super::driver::STRANGE_HOST;
use super::flow::{EMAIL, PASSWORD, leave, open_mailed_link, sign_up, wait_for_mail};
use super::gatehouse::Gatehouse;
use super::neighbour::{Neighbour, answer, exchange, page};
use super::tour::Tour;

/// The longest there may be: it must not push a page wide.
pub fn longest_address() -> String {
    format!(
        "{}@{}.example.org",
        "a".repeat(64),
        ["b".repeat(60), "c".repeat(60), "d".repeat(55)].join(".")
    )
}

#[test]
fn every_page_for_people_is_sound_in_every_mode() {
    let gate = Gatehouse::with(
        "footer_links = [\"Imprint https://example.org/imprint\", \"Privacy https://example.org/p\"]",
    );
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    signing_up(&gate, &ann, &mut tour);
    logging_in(&gate, &ann, &mut tour);
    resetting(&gate, &ann, &mut tour);
    tour.ends();
}

fn signing_up(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/"));
    tour.looks_at("welcome", 200);
    ann.opens(&gate.at("/signup"));
    tour.looks_at("signup", 200);
    ann.types("#password", "aaaaaaaaaa");
    ann.clicks(".reveal");
    ann.sees("Too few different characters.");
    tour.measures("signup-weak");
    ann.types("#password", "four words of no relation");
    ann.sees("Good length.");
    tour.measures("signup-strong");
    ann.types("#email", "ann at example");
    ann.types("#password", "short");
    ann.presses("Sign up");
    tour.looks_at("signup-error", 422);
    sign_up(gate, ann);
    tour.looks_at("profile-new", 200);
    ann.opens(&gate.at("/profile"));
    tour.looks_at("profile", 200);
    ann.opens(&gate.at("/"));
    tour.looks_at("welcome-signed-in", 200);
    ann.opens(&gate.at("/reset_password"));
    tour.looks_at("reset-ask-signed-in", 200);
    leave(ann);
    tour.looks_at("welcome-logged-out", 200);
    ann.opens(&gate.at("/signup"));
    ann.types("#email", EMAIL);
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
    tour.looks_at("signup-taken", 400);
    ann.types("#email", &longest_address());
    ann.types("#password", PASSWORD);
    ann.presses("Sign up");
    ann.is_at("/profile");
    tour.looks_at("profile-long-address", 200);
    leave(ann);
}

fn logging_in(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/login?next=/profile"));
    tour.looks_at("login", 200);
    ann.types("#email", EMAIL);
    ann.types("#password", "not that one");
    ann.clicks("#remember");
    ann.presses("Log in");
    tour.looks_at("login-error", 401);
    ann.types("#email", "");
    ann.presses("Log in");
    tour.looks_at("login-empty", 422);
}

fn resetting(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/dev/mailbox"));
    tour.looks_at("mailbox-empty", 200);
    ann.opens(&gate.at("/reset_password"));
    tour.looks_at("reset-ask", 200);
    ann.presses("Mail me a link");
    tour.looks_at("reset-ask-error", 422);
    ann.types("#email", EMAIL);
    ann.presses("Mail me a link");
    tour.looks_at("reset-sent", 200);
    ann.follows("Open the development mailbox");
    wait_for_mail(ann);
    tour.looks_at("mailbox", 200);
    open_mailed_link(ann);
    ann.is_at("/reset_password/new");
    tour.looks_at("reset-new", 200);
    ann.types("#new_password", "password1");
    ann.presses("Save new password");
    tour.looks_at("reset-new-error", 422);
    ann.types("#new_password", "four words of no relation");
    ann.presses("Save new password");
    ann.is_at("/login");
    tour.looks_at("login-password-updated", 200);
    ann.opens(&gate.at("/reset_password/new"));
    tour.looks_at("reset-dead", 403);
}

#[test]
fn every_page_about_limits_is_sound_in_every_mode() {
    let gate = Gatehouse::with("limit_login = \"1/10m\"\nlimit_ask = \"1/3h\"");
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    sign_up(&gate, &ann);
    ann.opens(&gate.at("/logout"));
    tour.looks_at("logout", 200);
    ann.presses("Log out");
    // A browser that nobody knows.
    ann.cdp("Network.clearBrowserCookies", json!({}));
    trying_too_often(&gate, &ann, &mut tour);
    tour.ends();
}

fn trying_too_often(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    let tries = |password| {
        ann.types("#email", EMAIL);
        ann.types("#password", password);
        ann.presses("Log in");
    };
    ann.opens(&gate.at("/login"));
    tries("not that one");
    tries(PASSWORD);
    tour.looks_at("limited", 429);
    ann.presses("Mail me a link");
    ann.is_at("/unlock/sent");
    tour.looks_at("unlock-sent", 200);
    ann.follows("Open the development mailbox");
    open_mailed_link(ann);
    ann.is_at("/unlock/open");
    tour.looks_at("unlock-open", 200);
    ann.presses("Let this browser in");
    ann.is_at("/login");
    tour.looks_at("login-unlocked", 200);
    ann.opens(&gate.at("/unlock/open"));
    tour.looks_at("unlock-dead", 403);
    ann.follows("Log in");
    tries(PASSWORD);
    ann.is_at("/profile");
    ann.opens(&gate.at("/unlock/open"));
    tour.looks_at("unlock-dead-signed-in", 403);
    ann.opens(&gate.at("/reset_password"));
    ann.presses("Mail me a link");
    ann.opens(&gate.at("/reset_password"));
    ann.presses("Mail me a link");
    tour.looks_at("limited-reset", 429);
}

#[test]
fn every_page_for_errors_is_sound_in_every_mode() {
    let gate = Gatehouse::with("database_wait = \"1s\"\nbody_timeout = \"2s\"");
    let ann = Browser::start();
    let mut tour = Tour::new(&ann);
    what_a_request_may_do_wrong(&gate, &ann, &mut tour);
    what_arrives_late_or_is_not_answered_yet(&gate, &ann, &mut tour);
    what_may_break(&gate, &ann, &mut tour);
    let classroom = Gatehouse::with_profile("classroom", "");
    ann.opens(&classroom.at("/login"));
    tour.looks_at("classroom-login", 200);
    tour.ends();
}

/// Sends a form that no page of ours has, from one of ours.
fn sends(ann: &Browser, action: &str, encoding: &str, name: &str, value: &str) {
    let script = "const [action, enctype, name, value] = arguments; \
        const form = Object.assign(document.createElement('form'), {method: 'post', action, enctype}); \
        form.append(Object.assign(document.createElement('input'), {name, value})); \
        document.body.append(form); form.submit()";
    let arguments = [action, encoding, name, value].map(Value::from).to_vec();
    ann.leaves_when(|| drop(ann.script(script, arguments)));
}

fn what_a_request_may_do_wrong(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    const FORM: &str = "application/x-www-form-urlencoded";
    ann.opens(&gate.at("/nothing/here"));
    tour.looks_at("error-404", 404);
    sends(ann, "/login", FORM, "_method", "get");
    tour.looks_at("error-400", 400);
    sends(ann, "/profile", FORM, "a", "b");
    tour.looks_at("error-405", 405);
    sends(ann, "/sessions", FORM, "email", &"a".repeat(20_000));
    tour.looks_at("error-413", 413);
    sends(ann, "/sessions", "text/plain", "email", EMAIL);
    tour.looks_at("error-415", 415);
    ann.may_complain_of("Cross-Origin-Opener-Policy header has been ignored");
    let port = gate.host().rsplit(':').next().expect("a port");
    ann.opens(&format!("http://{STRANGE_HOST}:{port}/"));
    tour.looks_at("error-421", 421);
    let action = gate.at("/sessions");
    let evil =
        Neighbour::start(move |_| page(&format!("<form method=post action={action}></form>")));
    ann.opens(&evil.next_door("/"));
    ann.leaves_when(|| drop(ann.script("document.forms[0].submit()", vec![])));
    tour.looks_at("error-403", 403);
}

/// What a browser cannot bring about itself: a body that stays away, and the words of errors that
/// nothing answers yet. A relay fetches the one, and fills in the template of the others.
fn what_arrives_late_or_is_not_answered_yet(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    ann.opens(&gate.at("/nothing"));
    let css = ann.attribute("link[rel=stylesheet]", "href").expect("a stylesheet");
    let host = gate.host().to_owned();
    let relay = Neighbour::start(move |request| {
        let head = format!("Host: {host}\r\nAccept: text/html\r\nConnection: close");
        let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100";
        let path = &request.path;
        match path.strip_prefix("/words/").and_then(|status| status.parse().ok()) {
            Some(status) => answer(status, &error_in_words(status, &css)),
            None if path == "/late" => exchange(
                &host,
                &format!(
                    "POST /sessions HTTP/1.1\r\n{head}\r\n{form}\r\n\r\nemail=ann%40example.org"
                ),
            ),
            None => exchange(&host, &format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n")),
        }
    });
    ann.opens(&relay.next_door("/late"));
    tour.looks_at("error-408", 408);
    for status in [401_u64, 418, 422, 429] {
        ann.opens(&relay.next_door(&format!("/words/{status}")));
        tour.looks_at(&format!("error-{status}"), status);
    }
}

fn error_in_words(status: u16, css: &str) -> String {
    let pages = Theme::default().pages().expect("templates");
    let mut tera = tera::Tera::default();
    tera.autoescape_on(vec![""]);
    let templates = as_templates(pages, ".html.tera").expect("templates");
    tera.add_raw_templates(templates).expect("templates");
    let site = json!({ "name": "Gatehouse", "css": css, "js": "", "footer_links": [] });
    let context = json!({
        "site": site, "status": status, "request_id": "0123456789abcdef", "retry_after": 300,
        "account": null, "notice": null, "classroom": false, "summary": [],
    });
    let context = tera::Context::from_value(context).expect("an object");
    tera.render("error", &context).expect("renders")
}

fn what_may_break(gate: &Gatehouse, ann: &Browser, tour: &mut Tour<'_>) {
    sign_up(gate, ann);
    leave(ann);
    // Somebody else is writing, and does not stop.
    let mut other = gate.locked();
    ann.opens(&gate.at("/login"));
    ann.types("#email", EMAIL);
    ann.types("#password", PASSWORD);
    ann.presses("Log in");
    tour.looks_at("error-503", 503);
    other.batch_execute("ROLLBACK").expect("the lock's end");

    ann.opens(&gate.at("/login"));
    ann.types("#email", EMAIL);
    ann.types("#password", PASSWORD);
    ann.presses("Log in");
    ann.is_at("/profile");
    other.batch_execute("ALTER TABLE sessions RENAME TO mislaid").expect("a broken database");
    ann.opens(&gate.at("/profile"));
    tour.looks_at("error-500", 500);
    ann.sees("Error id:");
    ann.does_not_see("mislaid");
    ann.does_not_see("sessions");
}

//! Somebody in Chromium, on the way to the application and out again.

use serde_json::json;

use crate::behind_each_proxy;
use crate::browser::Browser;
use crate::patience::soon_is;
use crate::proxy::Kind;
use crate::site::{APP, LOGIN, PASSWORD, Site};

behind_each_proxy!(a_person_is_asked_to_log_in_lands_on_the_page_logs_out_and_is_asked_again,);

const EMAIL: &str = "ann@example.org";

#[track_caller]
fn is_at(ann: &Browser, url: &str) {
    let here = || ann.script("return location.href", vec![]);
    soon_is("the address", &json!(url), here);
}

fn a_person_is_asked_to_log_in_lands_on_the_page_logs_out_and_is_asked_again(kind: Kind) {
    let site = Site::start(kind);
    let pair = [("email", EMAIL), ("password", PASSWORD)];
    site.visitor(1).post(LOGIN, "/users", &pair).is(200);
    let to = site.proxy.https;
    let names =
        format!("MAP {LOGIN}:443 {to}, MAP {APP}:443 {to}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
    let names = format!("--host-resolver-rules={names}");
    let ann = Browser::start_with(&[&names, "--ignore-certificate-errors"]);

    let wanted = format!("https://{APP}/reports?year=2026&q=a%20b");
    let login = format!(
        "https://{LOGIN}/login?next=\
         https%3A%2F%2Fapp%2Eexample%2Eorg%2Freports%3Fyear%3D2026%26q%3Da%2520b"
    );
    ann.opens(&wanted);
    is_at(&ann, &login);
    // The way back survives a mistake, and the form's policy lets it pass.
    ann.types("#email", EMAIL);
    ann.types("#password", "not that one");
    ann.presses("Log in");
    ann.sees("The e-mail address or the password is wrong.");
    ann.types("#password", PASSWORD);
    ann.presses("Log in");
    is_at(&ann, &wanted);
    ann.sees("Hello ann@example.org, you are at /reports?year=2026&q=a%20b.");
    // Signed in is signed in, also at the log-in page.
    ann.opens(&login);
    is_at(&ann, &wanted);

    ann.leaves_by("//a[normalize-space()='Log out']");
    is_at(&ann, &format!("https://{LOGIN}/logout"));
    ann.presses("Log out");
    ann.sees("You are logged out.");
    ann.opens(&wanted);
    is_at(&ann, &login);
    let seen = site.application.seen();
    let pages = seen.iter().filter(|request| request.path.starts_with("/reports")).count();
    assert_eq!(pages, 2, "{seen:#?}");
    assert!(seen.iter().all(|request| !request.all("Remote-User").is_empty()), "{seen:#?}");
}

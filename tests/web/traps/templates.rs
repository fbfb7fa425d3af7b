//! Trap 18: a template added by name is not escaped and is served as plain text; a lone override, or a missing
//! folder, keeps Rocket from starting.

use std::fs;

use rocket::local::blocking::Client;
use rocket::{Build, Rocket, get, routes};
use rocket_dyn_templates::{Engines, Template, context};
use tempfile::TempDir;

use super::settings;
use crate::app::TestApp;

#[get("/")]
fn page() -> Template {
    Template::render("page", context! { text: "<b>bold</b>" })
}

/// Rocket over an empty `template_dir`, as a release build has it.
fn over(folder: &TempDir, add: impl Fn(&mut Engines) + Send + Sync + 'static) -> Rocket<Build> {
    let settings = settings().merge(("template_dir", folder.path()));
    rocket::custom(settings).attach(Template::custom(add)).mount("/", routes![page])
}

fn get_page(rocket: Rocket<Build>) -> (String, String) {
    let client = Client::untracked(rocket).expect("ignites");
    let response = client.get("/").dispatch();
    let kind = response.content_type().map(|kind| kind.to_string()).unwrap_or_default();
    (kind, response.into_string().unwrap_or_default())
}

#[test]
fn trap_18_a_template_added_by_name_is_neither_escaped_nor_html() {
    let folder = TempDir::new().expect("a folder");
    let bare = over(&folder, |engines| {
        engines.tera.add_raw_template("page", "{{ text }}").expect("parsed");
    });
    let (kind, text) = get_page(bare);
    assert_eq!(text, "<b>bold</b>");
    assert!(kind.starts_with("text/plain"), "{kind}");

    // What our loader does about it; `web/templates.rs` tests it for every page.
    let guarded = over(&folder, |engines| {
        engines.tera.autoescape_on(vec![""]);
        engines.tera.add_raw_template("page", "{{ text }}").expect("parsed");
    });
    let (_, text) = get_page(guarded);
    assert_eq!(text, "&lt;b&gt;bold&lt;&#x2F;b&gt;");
    let page = TestApp::new().browser().get("/");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
}

#[test]
fn trap_18_without_a_template_folder_rocket_does_not_start() {
    let folder = TempDir::new().expect("a folder");
    let missing = settings().merge(("template_dir", folder.path().join("missing")));
    let rocket = rocket::custom(missing).attach(Template::fairing());
    assert!(Client::untracked(rocket).is_err_and(defused));
}

#[test]
fn trap_18_a_lone_override_on_disk_stops_rocket_and_works_as_our_theme() {
    let folder = TempDir::new().expect("a folder");
    let text = "{% extends \"layout\" %}{% block heading %}Ours{% endblock %}";
    fs::create_dir(folder.path().join("pages")).expect("a folder");
    fs::write(folder.path().join("pages/welcome.html.tera"), text).expect("written");
    let settings = settings().merge(("template_dir", folder.path().join("pages")));
    let rocket = rocket::custom(settings).attach(Template::custom(|engines| {
        engines
            .tera
            .add_raw_template("layout", "{% block heading %}{% endblock %}")
            .expect("parsed");
    }));
    assert!(Client::untracked(rocket).is_err_and(defused), "parsed before the layout is there");

    let theme = format!("theme_dir = \"{}\"", folder.path().display());
    let app = TestApp::with(&theme, &[]);
    app.browser().get("/").is(200).says("<h1>Ours</h1>").says("<title> – Gatehouse</title>");
    app.browser().get("/login").is(200).says("<h1>Log in</h1>");
}

#[test]
fn trap_18_an_override_is_escaped_like_what_it_replaces() {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("pages")).expect("a folder");
    let text = "<p>{{ account.email }}</p><p>{{ site.name }}</p>";
    fs::write(folder.path().join("pages/profile.html.tera"), text).expect("written");
    let theme = format!("theme_dir = \"{}\"\nsite_name = \"<i>Site</i>\"", folder.path().display());
    let app = TestApp::with(&theme, &[]);
    let ann = app.signed_up("o'hara@example.com");
    ann.get("/profile").says("<p>o&#x27;hara@example.com</p><p>&lt;i&gt;Site&lt;&#x2F;i&gt;</p>");
}

/// Rocket's error panics when it is dropped unseen.
fn defused(error: rocket::Error) -> bool {
    matches!(error.kind(), rocket::error::ErrorKind::FailedFairings(_))
}

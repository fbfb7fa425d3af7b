//! Loads the page templates, the same way in every build, escaped in every build.

use rocket::fairing::{AdHoc, Fairing};
use rocket::figment::Figment;
use rocket_dyn_templates::{Engines, Template};
use tera::Tera;

use crate::theme::{Theme, ThemeError, as_templates, source_pages};
use crate::tokens::generate_uuid;

const EXTENSION: &str = ".html.tera";

/// Rocket insists on a folder of its own and parses what lies there before we can add to it: the
/// sources in a debug build, which it also watches for changes; else an empty folder, removed by
/// the second fairing once the first has looked.
pub fn fairing(
    figment: Figment,
    theme: &Theme,
) -> Result<(Figment, impl Fairing, AdHoc), ThemeError> {
    // Rocket's own message about a broken template does not say what is wrong: try it here.
    check(theme)?;
    let (folder, is_ours) = match source_pages() {
        Some(sources) => (sources, false),
        None => {
            let empty = std::env::temp_dir().join(format!("gatehouse-{}", generate_uuid()));
            std::fs::create_dir(&empty)?;
            (empty, true)
        }
    };
    let empty = folder.clone();
    let clear_up = AdHoc::on_ignite("template folder", move |rocket| {
        Box::pin(async move {
            if is_ours && let Err(cause) = std::fs::remove_dir(&empty) {
                log::warn!("cannot remove {}: {cause}", empty.display());
            }
            rocket
        })
    });
    let theme = theme.clone();
    let fairing = Template::try_custom(move |engines: &mut Engines| {
        add_pages(&mut engines.tera, &theme).map_err(|error| error.into())
    });
    Ok((figment.merge(("template_dir", folder)), fairing, clear_up))
}

/// Whether every template can be parsed and finds what it extends.
pub fn check(theme: &Theme) -> Result<(), ThemeError> {
    add_pages(&mut Tera::default(), theme)
}

/// All templates in one call, so that each finds its layout.
fn add_pages(tera: &mut Tera, theme: &Theme) -> Result<(), ThemeError> {
    // Every name ends with "": a template added by name would not be escaped otherwise.
    tera.autoescape_on(vec![""]);
    tera.add_raw_templates(as_templates(theme.pages()?, EXTENSION)?)
        .map_err(|error| ThemeError::in_file(error, "pages", EXTENSION))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Whatever name a template asks for, it finds this.
    const PAYLOAD: &str = "\"><script>alert('1')</script>{{ 7*7 }}&/";
    const ESCAPED: &str =
        "&quot;&gt;&lt;script&gt;alert(&#x27;1&#x27;)&lt;&#x2F;script&gt;{{ 7*7 }}&amp;&#x2F;";

    /// A session, or an event.
    fn sighting() -> Value {
        json!({
            "id": PAYLOAD,
            "current": false,
            "secure": PAYLOAD,
            "what": PAYLOAD,
            "times": 2,
            "device": PAYLOAD,
            "ip": PAYLOAD,
            "place": PAYLOAD,
            "first_seen": PAYLOAD,
            "last_seen": PAYLOAD,
            "at": PAYLOAD,
        })
    }

    fn everything() -> Value {
        let list = json!([PAYLOAD]);
        let mail = json!({
            "to": PAYLOAD,
            "subject": PAYLOAD,
            "sent_at": PAYLOAD,
            "text": PAYLOAD,
            "links": list,
        });
        json!({
            "site": {
                "name": PAYLOAD,
                "css": PAYLOAD,
                "js": PAYLOAD,
                "dev_mailbox": true,
                "footer_links": [{ "text": PAYLOAD, "url": PAYLOAD }],
            },
            "account": { "email": PAYLOAD },
            "notice": PAYLOAD,
            "classroom": true,
            "form": {
                "email": PAYLOAD,
                "next": PAYLOAD,
                "remember": true,
                "keep_others": true,
                "display_name": PAYLOAD,
                "time_zone": PAYLOAD,
            },
            "sessions": [sighting()],
            "others": true,
            "events": [sighting()],
            "event": sighting(),
            "older": PAYLOAD,
            "days": 90,
            "deed": PAYLOAD,
            "display_name": PAYLOAD,
            "time_zone": PAYLOAD,
            "delete_at": PAYLOAD,
            "password_changed": PAYLOAD,
            "errors": {
                "email": list,
                "password": list,
                "new_password": list,
                "current_password": list,
                "display_name": list,
                "time_zone": list,
                "form": list,
            },
            "summary": [{ "href": PAYLOAD, "text": PAYLOAD }],
            "may_sign_up": true,
            "host": PAYLOAD,
            "domain": PAYLOAD,
            "target": PAYLOAD,
            "email": PAYLOAD,
            "minutes": 30,
            "min_length": 8,
            "mails": [mail],
            "status": 500,
            "request_id": PAYLOAD,
            "retry_after": 120,
            "seconds": 120,
            "wait": PAYLOAD,
            "back": PAYLOAD,
            "unlock": PAYLOAD,
            "hours": 24,
            "same_browser": false,
            "new_email": PAYLOAD,
            "from_mail": true,
            "waiting": PAYLOAD,
            "changed": true,
            "restored": PAYLOAD,
            "fresh": true,
        })
    }

    /// No file is behind these templates, as in a release build; in a debug build they take the
    /// place of those that Rocket read.
    #[test]
    fn b58_every_page_escapes_whatever_it_shows() {
        let mut tera = Tera::default();
        add_pages(&mut tera, &Theme::default()).expect("all can be read");
        let context = tera::Context::from_value(everything()).expect("an object");
        let names: Vec<String> = tera.get_template_names().map(str::to_owned).collect();
        assert!(names.len() >= 11, "{names:?}");
        for name in names.iter().filter(|name| *name != "fields") {
            let page = tera.render(name, &context).expect(name);
            assert!(page.contains(ESCAPED), "{name}: {page}");
            for raw in [PAYLOAD, "<script>alert", "('1')"] {
                assert!(!page.contains(raw), "{name}: {raw} is in {page}");
            }
        }
    }
}

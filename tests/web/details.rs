//! An owner's name and time zone: what is taken, where it shows, and what no mail repeats.

use gatehouse::mail::Messages;
use gatehouse::mail::messages::{PasswordReset, Recipient};
use rocket::http::Method;
use serde_json::{Value, json};

use crate::app::{Answer, PASSWORD, TestApp, Visitor};

const ANN: &str = "ann@example.com";

#[track_caller]
fn change(visitor: &Visitor<'_>, name: &str, zone: &str) -> Answer {
    visitor.put("/account/details", &[("display_name", name), ("time_zone", zone)])
}

/// A program, signed in.
#[track_caller]
fn program<'a>(app: &'a TestApp, email: &str) -> Visitor<'a> {
    let program = app.program();
    program.post("/sessions", &[("email", email), ("password", PASSWORD)]).is(200);
    program
}

#[test]
fn a_browser_changes_both_and_sees_them() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    ann.get("/account/details").is(200).says("<h1>Your name and time zone</h1>");
    let form = [("_method", "put"), ("display_name", " Ann Ex "), ("time_zone", "berlin")];
    ann.post("/account/details", &form).goes_to("/profile");
    let profile = ann.get("/profile");
    profile.says("Your name and time zone are saved.").says("Ann Ex").says("Europe&#x2F;Berlin");
    ann.get("/").says("<h1>Welcome back, Ann Ex</h1>");
    let form = ann.get("/account/details");
    form.says("value=\"Ann Ex\"").says("value=\"Europe&#x2F;Berlin\"").does_not_say("aria-invalid");
    // What is empty is none again.
    change(&ann, "", "  ").goes_to("/profile");
    ann.get("/profile").does_not_say("Ann Ex").says("<dd>UTC</dd>");
    ann.get("/").says("<h1>Welcome back</h1>");
}

#[test]
fn a_program_reads_and_writes_the_same() {
    let app = TestApp::new();
    app.signed_up(ANN);
    let ann = program(&app, ANN);
    let before = ann.get("/account/details").is(200).json();
    assert_eq!(before["email"], ANN);
    assert_eq!(before["email_confirmed"], false);
    assert_eq!((&before["display_name"], &before["time_zone"]), (&Value::Null, &Value::Null));
    assert_eq!(before["created_at"], before["password_changed_at"]);
    assert!(before["created_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{before}");
    let both = json!({ "display_name": "Ann", "time_zone": "new york" });
    let saved = ann.json(Method::Put, "/account/details", &both);
    saved.is(200).json_is(&json!({
        "display_name": "Ann",
        "time_zone": "America/New_York",
        "message": "name and time zone saved",
    }));
    let after = ann.get("/account/details").is(200).json();
    assert_eq!(
        (&after["display_name"], &after["time_zone"]),
        (&json!("Ann"), &json!("America/New_York"))
    );
    // What is not sent stays, what is empty goes.
    for (sent, name, zone) in [
        (json!({}), json!("Ann"), json!("America/New_York")),
        (json!({ "display_name": "Bea" }), json!("Bea"), json!("America/New_York")),
        (json!({ "time_zone": "" }), json!("Bea"), Value::Null),
        (json!({ "time_zone": "Berlin" }), json!("Bea"), json!("Europe/Berlin")),
        (json!({ "display_name": "" }), Value::Null, json!("Europe/Berlin")),
    ] {
        let saved = ann.json(Method::Put, "/account/details", &sent);
        assert_eq!(saved.all("set-cookie").len(), 0, "no notice for a program");
        for told in [saved.is(200).json(), ann.get("/account/details").json()] {
            assert_eq!((&told["display_name"], &told["time_zone"]), (&name, &zone), "{sent}");
        }
    }
}

#[test]
fn nobody_else_reads_or_writes_them() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.browser().get("/account/details").goes_to("/login?next=/account/details");
    change(&app.browser(), "Eve", "").goes_to("/login");
    app.program().get("/account/details").is(403);
    change(&app.program(), "Eve", "").is(403);
    // Each has their own, whatever else is sent.
    let bob = app.signed_up("bob@example.com");
    let form = [("display_name", "Bob"), ("user_id", "1"), ("email", ANN)];
    bob.put("/account/details", &form).goes_to("/profile");
    ann.get("/profile").does_not_say("Bob");
    assert_eq!(bob.get("/profile").is(200).text().matches(ANN).count(), 0);
}

#[test]
fn what_is_refused_stands_at_its_field_and_comes_back() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let long = "a".repeat(101);
    let both = change(&ann, &long, "Berln");
    both.is(422).says(
        "<a href=\"#display_name\">This name is too long; the longest has 100 characters.</a>",
    );
    both.says("<a href=\"#time_zone\">We know no such time zone. Do you mean Europe&#x2F;Berlin");
    both.says(&long).says("value=\"Berln\"").says("id=\"time_zone-error\"");
    for (name, zone, field) in [
        ("Ann\0", "", "display_name"),
        ("Ann\u{202e}nnA", "", "display_name"),
        ("\u{200b}", "", "display_name"),
        ("Ann\r\nBcc: eve@example.com", "", "display_name"),
        ("", "Atlantis\0", "time_zone"),
        ("", "../../etc/passwd", "time_zone"),
        ("", &"Europe/".repeat(20), "time_zone"),
    ] {
        let told = change(&program(&app, ANN), name, zone);
        let errors = told.is(422).json()["errors"].clone();
        let fields: Vec<&String> = errors.as_object().expect("by field").keys().collect();
        assert_eq!(fields, [field], "{name:?} {zone:?}");
        let page = change(&ann, name, zone);
        page.is(422).says(&format!("<a href=\"#{field}\">"));
    }
    let twice = [("display_name", "Ann"), ("display_name", "Bob")];
    ann.put("/account/details", &twice).is(422);
    let number = json!({ "display_name": 1, "time_zone": ["UTC"] });
    program(&app, ANN).json(Method::Put, "/account/details", &number).is(422);
    ann.get("/profile").does_not_say("Bob");
}

#[test]
fn b58_a_name_is_text_on_every_page() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    for name in [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "{{ site.name }}{% raw %}",
        "=HYPERLINK(\"http://evil.example\")",
        "' onmouseover='alert(1)",
        "آن",
        "👩‍🔧",
    ] {
        change(&ann, name, "").goes_to("/profile");
        for path in ["/", "/profile", "/account/details"] {
            let escaped = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let escaped =
                escaped.replace('"', "&quot;").replace('\'', "&#x27;").replace('/', "&#x2F;");
            ann.get(path).is(200).says(&escaped);
            if escaped != name {
                ann.get(path).does_not_say(name);
            }
        }
        let told = program(&app, ANN).get("/account/details").json();
        assert_eq!(told["display_name"], name);
    }
}

/// The newest mail, after somebody has asked for a new password.
#[track_caller]
fn reset_mail(app: &TestApp) -> (String, String) {
    app.browser().post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    let mail = app.mailbox().into_iter().next().expect("a mail");
    (mail.text, mail.html)
}

#[test]
fn b59_a_mail_greets_a_confirmed_owner_by_name_and_repeats_no_lure() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    change(&ann, "Ann O'Neill", "").goes_to("/profile");
    let (text, html) = reset_mail(&app);
    assert!(text.starts_with("Hello,\n"), "not confirmed: {text}");
    assert!(!text.contains("Neill") && !html.contains("Neill"), "{text}{html}");
    app.sql("UPDATE users SET confirmed_at = created_at");
    let (text, html) = reset_mail(&app);
    assert!(text.starts_with("Hello Ann O'Neill,\n"), "{text}");
    assert!(html.contains(">Hello Ann O&#x27;Neill,</p>"), "{html}");
    for lure in ["Visit http://evil.example", "evil.example", "call 0800 123456", "<b>Ann</b>"] {
        change(&ann, lure, "").goes_to("/profile");
        let (text, html) = reset_mail(&app);
        assert!(text.starts_with("Hello,\n"), "{lure}: {text}");
        assert!(!text.contains(lure) && !html.contains("evil.example"), "{lure}: {text}{html}");
    }
}

#[test]
fn b59_whatever_name_comes_to_a_mail_is_text() {
    let app = TestApp::new();
    let messages = Messages::load(&app.config.mail).expect("templates");
    let mail = PasswordReset { email: ANN.to_owned(), link: messages.link("/x"), minutes: 30 };
    let named = Recipient { address: ANN, name: Some("<b>Ann</b>") };
    let letter = messages.write(named, &mail).expect("written");
    assert!(letter.text.starts_with("Hello <b>Ann</b>,\n"), "{}", letter.text);
    assert!(letter.html.contains("Hello &lt;b&gt;Ann&lt;&#x2F;b&gt;,"), "{}", letter.html);
    assert!(!letter.subject.contains("Ann") && letter.to == ANN);
    let letter = messages.write(ANN, &mail).expect("written");
    assert!(letter.text.starts_with("Hello,\n") && !letter.html.contains("Hello"));
}

#[test]
fn times_in_pages_and_mails_are_the_owners() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    change(&ann, "", "Asia/Kathmandu").goes_to("/profile");
    reset_mail(&app);
    let link = app.mailed_link();
    let reader = app.browser();
    reader.get(&link).goes_to("/reset_password/new");
    let form = [("new_password", "another quiet harbour")];
    reader.put("/reset_password", &form).goes_to("/login");
    let mail = app.mailbox().into_iter().next().expect("a mail");
    assert!(mail.text.contains(" UTC+05:45."), "{}", mail.text);
    let form = [("email", ANN), ("password", "another quiet harbour")];
    reader.post("/sessions", &form).goes_to("/profile");
    reader.get("/profile").is(200).says(" UTC+05:45. <a href=\"/account/password\">");
    // A zone that is no longer known is UTC.
    app.sql("UPDATE users SET time_zone = 'Atlantis/Poseidonis'");
    reader.get("/profile").is(200).says(" UTC. <a");
}

#[test]
fn a_change_is_an_event_and_a_refusal_is_none() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    change(&ann, "Ann", "UTC").goes_to("/profile");
    change(&ann, "Ann", "Nowhere").is(422);
    let figures = app.auth().journal().figures().text();
    assert!(figures.contains("gatehouse_events_total{event=\"details_changed\"} 1\n"), "{figures}");
}

//! What a mail says, and its headers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gatehouse::clock::Timestamp;
use gatehouse::mail::messages::{
    AccountSecured, AddressGivenBack, AddressWanted, AlreadyRegistered, ConfirmEmail,
    DeletionAsked, EmailChange, EmailChanged, EmailConfirmed, Invitation, NewLogIn,
    PasswordChanged, PasswordReset, Test, Unlock,
};
use gatehouse::mail::transport::Parcel;
use gatehouse::mail::{Letter, Messages};

use crate::app::{PASSWORD, TestApp};
use crate::watch::Watched;

const ANN: &str = "ann@example.com";
const FILES: &str = "mail_transport = \"files\"";

/// An `.eml` file, read as a mail program reads it.
struct Mail {
    headers: Vec<(String, String)>,
    /// Content type and decoded text.
    parts: Vec<(String, String)>,
}

impl Mail {
    #[track_caller]
    fn read(text: &str) -> Self {
        let (headers, body) = split(text);
        let mail = Self { headers, parts: Vec::new() };
        let kind = mail.header("Content-Type");
        assert!(kind.starts_with("multipart/alternative"), "{kind}");
        let (_, boundary) = kind.split_once("boundary=\"").expect("a boundary");
        let edge = format!("--{}", boundary.trim_end_matches('"'));
        let parts = body.split(edge.as_str()).skip(1).filter(|part| !part.starts_with("--"));
        let parts = parts.map(|part| {
            let (headers, body) = split(part.trim_start());
            let part = Self { headers, parts: Vec::new() };
            let text = match part.header("Content-Transfer-Encoding").as_str() {
                "7bit" | "8bit" => body.to_owned(),
                "quoted-printable" => quoted_printable(body),
                other => panic!("{other}"),
            };
            (part.header("Content-Type"), text)
        });
        let parts = parts.collect();
        Self { parts, ..mail }
    }

    /// The one header of that name.
    #[track_caller]
    fn header(&self, name: &str) -> String {
        let found = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let found: Vec<&String> = found.map(|(_, value)| value).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].clone()
    }
}

/// Headers, unfolded, and what follows them.
#[track_caller]
fn split(text: &str) -> (Vec<(String, String)>, &str) {
    let (head, body) = text.split_once("\r\n\r\n").expect("a blank line");
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let pairs = unfolded.split("\r\n").map(|line| line.split_once(": ").expect("a header"));
    (pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), body)
}

fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'=' && after.len() >= 2 {
            let digits = std::str::from_utf8(&after[..2]).expect("ASCII");
            bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
            rest = &after[2..];
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// The mail that asking for `email`'s reset puts into the folder.
#[track_caller]
fn reset_mail(app: &TestApp, email: &str) -> Mail {
    app.program().post("/users", &[("email", email), ("password", PASSWORD)]).is(200);
    app.program().post("/reset_password", &[("email", email)]).is(200);
    assert_eq!(app.service.worker.deliver_due(Timestamp::now()).expect("tried"), 1);
    Mail::read(&only_file(app))
}

#[track_caller]
fn only_file(app: &TestApp) -> String {
    let folder = app.folder.path().join("outbox");
    let files: Vec<_> = fs::read_dir(folder).expect("the folder").flatten().collect();
    assert_eq!(files.len(), 1);
    fs::read_to_string(files[0].path()).expect("text")
}

#[test]
fn a_mail_has_the_headers_that_mail_servers_want() {
    let app = TestApp::with(FILES, &[]);
    let mail = reset_mail(&app, ANN);
    assert_eq!(mail.header("From"), "Gatehouse <no-reply@localhost>");
    assert_eq!(mail.header("To"), ANN);
    assert_eq!(mail.header("Subject"), "Reset your Gatehouse password");
    assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
    assert_eq!(mail.header("MIME-Version"), "1.0");
    let year = &Timestamp::now().rfc3339()[..4];
    assert!(mail.header("Date").contains(year), "{}", mail.header("Date"));
    let id = mail.header("Message-ID");
    assert!(id.starts_with('<') && id.ends_with("@127.0.0.1>") && id.len() == 48, "{id}");
}

#[test]
fn a_mail_is_readable_as_text_and_as_html_and_both_hold_the_link() {
    let app = TestApp::with(FILES, &[]);
    let mail = reset_mail(&app, ANN);
    let kinds: Vec<&str> = mail.parts.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["text/plain; charset=utf-8", "text/html; charset=utf-8"]);
    let (text, html) = (&mail.parts[0].1, &mail.parts[1].1);
    let words = text.split_whitespace().find(|word| word.contains("/reset_password/"));
    let link = words.expect("a link on a line of its own");
    assert!(link.starts_with("http://127.0.0.1:8000/reset_password/"), "{link}");
    assert_eq!(html.matches(&format!("href=\"{}\"", escaped(link))).count(), 2, "{html}");
    let path = &link["http://127.0.0.1:8000".len()..];
    app.program().get(path).is(200);
    for part in [text, html] {
        for said in [ANN, "30 minutes", "Gatehouse", "someone asked"] {
            assert!(part.to_lowercase().contains(&said.to_lowercase()), "{said}: {part}");
        }
    }
    assert!(html.contains("<html lang=\"en\">") && !html.contains("<img"), "{html}");
    assert!(!html.contains("<script") && !html.contains("src="), "{html}");
}

/// As the templates' engine writes text into HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#x27;")
        .replace('/', "&#x2F;")
}

#[test]
fn the_sender_and_the_sites_name_are_settings() {
    let settings = format!(
        "{FILES}\nsite_name = \"Harbour Café\"\nbase_url = \"https://login.example.org\"\n\
         mail_from = \"Harbour <login@example.org>\""
    );
    let app = TestApp::with(&settings, &[]);
    let mail = reset_mail(&app, ANN);
    assert_eq!(mail.header("From"), "Harbour <login@example.org>");
    assert!(mail.header("Message-ID").ends_with("@login.example.org>"));
    assert!(mail.parts[0].1.contains("https://login.example.org/reset_password/"));
    assert!(mail.parts[0].1.contains("Harbour Café"));
    // Without mail_from it is the host's, named like the site.
    let settings = format!("{FILES}\nbase_url = \"https://login.example.org\"");
    let app = TestApp::with(&settings, &[]);
    assert_eq!(reset_mail(&app, ANN).header("From"), "Gatehouse <no-reply@login.example.org>");
}

#[test]
fn an_international_domain_is_written_in_ascii() {
    let app = TestApp::with(FILES, &[]);
    let mail = reset_mail(&app, "ann@münchen.example");
    assert_eq!(mail.header("To"), "ann@xn--mnchen-3ya.example");
    assert!(mail.parts[0].1.contains("ann@münchen.example"), "shown as typed");
}

/// Every mail there is, about `email`, by its folder's name.
fn all_messages(messages: &Messages, email: &str) -> Vec<(&'static str, Letter)> {
    let reset = PasswordReset {
        email: email.to_owned(),
        link: messages.link("/reset_password/0123"),
        minutes: 30,
    };
    let changed = PasswordChanged {
        email: email.to_owned(),
        when: email.to_owned(),
        by_link: false,
        none_before: false,
        others_kept: false,
        link: messages.link("/secure_account/0123"),
        days: 7,
    };
    let test = Test { when: email.to_owned() };
    let secured = secured(messages, email);
    let given_back = given_back(email);
    let (email, link) = (email.to_owned(), messages.link("/unlock/0123"));
    let unlock = Unlock { email: email.clone(), link: link.clone(), minutes: 60 };
    let confirm = ConfirmEmail { email: email.clone(), link: link.clone(), hours: 24 };
    let taken = AlreadyRegistered {
        email: email.clone(),
        login_url: messages.link("/login"),
        reset_url: messages.link("/reset_password"),
    };
    let change = EmailChange {
        email: email.clone(),
        new_email: email.clone(),
        link: link.clone(),
        hours: 24,
    };
    let wanted = AddressWanted { email: email.clone() };
    let new_address = EmailChanged {
        email: email.clone(),
        new_email: email.clone(),
        when: email.clone(),
        link: link.clone(),
        days: 7,
    };
    let confirmed = EmailConfirmed { email: email.clone(), when: email.clone() };
    let log_in = NewLogIn {
        email: email.clone(),
        when: email.clone(),
        ip: email.clone(),
        device: email.clone(),
        new_browser: true,
        failures: 5,
        link: link.clone(),
        days: 7,
    };
    let deletion = DeletionAsked {
        email: email.clone(),
        when: email.clone(),
        link: link.clone(),
        secure_url: link.clone(),
        days: 7,
    };
    let invitation = Invitation { email, link, days: 7 };
    [
        ("unlock", messages.write(ANN, &unlock)),
        ("confirm_email", messages.write(ANN, &confirm)),
        ("already_registered", messages.write(ANN, &taken)),
        ("deletion_asked", messages.write(ANN, &deletion)),
        ("invitation", messages.write(ANN, &invitation)),
        ("email_change", messages.write(ANN, &change)),
        ("address_wanted", messages.write(ANN, &wanted)),
        ("email_changed", messages.write(ANN, &new_address)),
        ("email_confirmed", messages.write(ANN, &confirmed)),
        ("account_secured", messages.write(ANN, &secured)),
        ("address_given_back", messages.write(ANN, &given_back)),
        ("new_log_in", messages.write(ANN, &log_in)),
        ("password_reset", messages.write(ANN, &reset)),
        ("password_changed", messages.write(ANN, &changed)),
        ("test", messages.write(ANN, &test)),
    ]
    .map(|(name, letter)| (name, letter.unwrap_or_else(|error| panic!("{name}: {error}"))))
    .into()
}

fn secured(messages: &Messages, email: &str) -> AccountSecured {
    AccountSecured {
        email: email.to_owned(),
        given_back: true,
        kept: true,
        link: messages.link("/reset_password/0123"),
        minutes: 30,
        reset_url: messages.link("/reset_password"),
    }
}

fn given_back(email: &str) -> AddressGivenBack {
    AddressGivenBack { email: email.to_owned(), when: email.to_owned() }
}

#[test]
fn b59_every_message_renders_and_takes_markup_for_text() {
    let hostile = [
        "<b>Visit http://evil.example</b>",
        "\"><script>alert(1)</script>",
        "' onmouseover='alert(1)",
        "</title></head><body>&amp;",
        "{{ base_url }}{% raw %}",
        "a\r\nBcc: evil@example.com\r\n\r\nnew body",
        "\u{202e}gpj.exe",
        &"long ".repeat(2000),
    ];
    let folder = Watched::new();
    let config = TestApp::config(&folder, "site_name = 'Gate <i>& \"house\"'", &[]);
    let messages = Messages::load(&config.mail).expect("templates");
    for value in hostile {
        for (name, letter) in all_messages(&messages, value) {
            assert!(letter.text.contains(value), "{name}: {}", letter.text);
            assert!(letter.html.contains(&escaped(value)), "{name}: {}", letter.html);
            if value != escaped(value) {
                assert!(!letter.html.contains(value), "{name}: {}", letter.html);
            }
            assert!(letter.html.contains("Gate &lt;i&gt;&amp; &quot;house&quot;"), "{name}");
            assert!(!letter.html.contains("<i>") && !letter.html.contains("<script"), "{name}");
            assert!(letter.subject.contains("Gate <i>& \"house\""), "{name}: {}", letter.subject);
            assert!(!letter.subject.contains(['\r', '\n']), "{name}");
            assert_eq!(letter.to, ANN);
        }
    }
}

#[test]
fn every_folder_of_mail_templates_has_its_message() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/mail");
    let folders: BTreeSet<String> = fs::read_dir(folder)
        .expect("the templates")
        .map(|entry| entry.expect("a folder").file_name().to_string_lossy().into_owned())
        .collect();
    let folder = Watched::new();
    let config = TestApp::config(&folder, "", &[]);
    let messages = Messages::load(&config.mail).expect("templates");
    let written: BTreeSet<String> =
        all_messages(&messages, ANN).into_iter().map(|(name, _)| name.to_owned()).collect();
    assert_eq!(written, folders);
}

#[test]
fn b60_nothing_in_a_letter_becomes_a_header() {
    let app = TestApp::with(FILES, &[]);
    let letter = |to: &str, subject: &str| Letter {
        to: to.to_owned(),
        subject: subject.to_owned(),
        text: "From here\r\n.\r\nBcc: evil@example.com".to_owned(),
        html: "<p>html</p>".to_owned(),
    };
    let send = |letter: &Letter| {
        app.service.transport.send(&Parcel { letter, message_id: "an-id", kind: "test" })
    };
    for to in [
        "ann@example.com\r\nBcc: evil@example.com",
        "ann@example.com, evil@example.com",
        "ann@example.com>\r\nBcc: <evil@example.com",
        "Ann <ann@example.com>",
        "ann",
        "",
    ] {
        let refused = send(&letter(to, "Subject"));
        assert!(refused.is_err_and(|error| error.for_ever), "{to:?} was sent");
    }
    let folder = app.folder.path().join("outbox");
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 0);
    send(&letter(ANN, "Hello\r\nBcc: evil@example.com\r\n\r\nbody")).expect("sent");
    let mail = Mail::read(&only_file(&app));
    let names: Vec<String> = mail.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    assert!(!names.contains(&"bcc".to_owned()), "{names:?}");
    assert_eq!(mail.parts.len(), 2);
}

#[test]
fn the_link_in_the_file_is_whole_and_can_be_copied() {
    let app = TestApp::with(FILES, &[]);
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app.program().post("/reset_password", &[("email", ANN)]).is(200);
    assert_eq!(app.service.worker.deliver_due(Timestamp::now()).expect("sent"), 1);
    let folder = fs::read_dir(app.folder.path().join("outbox")).expect("there");
    let file = folder.flatten().next().expect("a mail").path();
    let raw = fs::read_to_string(file).expect("ASCII");
    let line = raw.lines().find(|line| line.starts_with("http://127.0.0.1:8000/reset_password/"));
    let token = line.expect("a line of its own").rsplit('/').next().expect("a token");
    assert_eq!(token.len(), 64, "{raw}");
    let form = [("reset_token", token), ("new_password", "another harbour")];
    app.program().put("/reset_password", &form).is(200);
}

//! Password reset: ask, open the link, choose a new password.

use diesel::prelude::*;
use gatehouse::accounts::user::{UserKey, find_user_by};
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::outbox;
use rocket::http::Method;
use secrecy::ExposeSecret;
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

const ANN: &str = "ann@example.com";
const NEW: &str = "another harbour";

#[track_caller]
fn live_token(app: &TestApp) -> String {
    let asked = app.auth().get_reset_password_token(ANN, Timestamp::now());
    app.wait(asked).expect("a token").expose_secret().to_owned()
}

fn with_ann() -> TestApp {
    let app = TestApp::new();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

#[track_caller]
fn opens(app: &TestApp, password: &str, code: u16) {
    app.program().post("/sessions", &[("email", ANN), ("password", password)]).is(code);
}

#[test]
fn the_first_form_is_a_page_and_a_program_is_told_what_to_post() {
    let app = with_ann();
    app.browser().get("/reset_password").is(200).says("Mail me a link");
    let told = app.program().get("/reset_password");
    assert!(told.is(406).json()["message"].as_str().is_some_and(|it| it.contains("POST")));
    // Somebody signed in need not type the address.
    let ann = app.browser();
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    ann.get("/reset_password").is(200).says("value=\"ann@example.com\"");
}

#[test]
fn asking_answers_with_the_address_and_nothing_else() {
    let app = with_ann();
    let message = "if this address has an account, a link is on its way";
    let told = json!({ "email": ANN, "message": message });
    app.program().post("/reset_password", &[("email", ANN)]).is(200).json_is(&told);
    let body = json!({ "email": ANN });
    app.program().json(Method::Post, "/reset_password", &body).is(200).json_is(&told);
    let browser = app.browser();
    browser.get("/reset_password/sent").goes_to("/reset_password");
    browser.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    browser.get("/reset_password/sent").is(200).says(ANN).says("30 minutes");
    browser.json(Method::Post, "/reset_password", &body).goes_to("/reset_password/sent");
    browser.get("/reset_password/sent").is(200).says("Look into your mail");
    for visitor in [app.browser(), app.program()] {
        visitor.post("/reset_password", &[]).is(422);
        visitor.json(Method::Post, "/reset_password", &json!({})).is(422);
        visitor.json(Method::Post, "/reset_password", &json!({ "email": 1 })).is(422);
    }
}

#[test]
fn b05_d8_asking_does_the_same_for_every_address() {
    let app = TestApp::new();
    for email in ["known@example.com", "empty@example.com"] {
        app.program().post("/users", &[("email", email), ("password", PASSWORD)]).is(200);
    }
    app.sql("UPDATE users SET hashed_password = '' WHERE email = 'empty@example.com'");
    let users = |dump: String| dump.split("\n[").next().unwrap_or_default().to_owned();
    let before = users(app.dump());
    let mut answers = Vec::new();
    let cases = ["known@example.com", "empty@example.com", "nobod@example.com"];
    for email in cases {
        let body = json!({ "email": email });
        let told = [
            app.browser().post("/reset_password", &[("email", email)]),
            app.browser().json(Method::Post, "/reset_password", &body),
            app.program().post("/reset_password", &[("email", email)]),
            app.program().json(Method::Post, "/reset_password", &body),
        ];
        for (answer, code) in told.iter().zip([303, 303, 200, 200]) {
            assert_eq!(answer.status.code, code, "{email}: {}", answer.text());
        }
        answers.push(told.map(|answer| answer.comparable().replace(email, "EMAIL")));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0], answers[2]);
    assert_eq!(users(app.dump()), before, "the account itself is left for the worker");
    // What was written differs in nothing that costs time: a row each, of one size.
    type Row = (String, Option<i64>, i32, Vec<u8>);
    let rows: Vec<Row> = outbox::table
        .select((outbox::kind, outbox::user_id, outbox::attempts, outbox::content))
        .load(&mut app.database())
        .expect("rows");
    assert_eq!(rows.len(), 4 * cases.len());
    for (kind, user, attempts, content) in &rows {
        assert_eq!((kind.as_str(), *user, *attempts), ("password_reset", None, 0));
        assert_eq!(content.len(), rows[0].3.len());
    }
    // In the end only who has an account hears of it.
    let to: Vec<String> = app.mailbox().into_iter().map(|mail| mail.to).collect();
    assert_eq!(to.len(), 8, "{to:?}");
    assert!(!to.contains(&"nobod@example.com".to_owned()), "{to:?}");
}

#[test]
fn b42_the_link_is_built_from_base_url_alone() {
    let app = with_ann();
    let ask = |headers: &[(&str, &str)]| {
        let mut all = vec![("Content-Type", "application/json")];
        all.extend_from_slice(headers);
        let body = json!({ "email": ANN }).to_string().into_bytes();
        app.program().send(Method::Post, "/reset_password", &all, body).status.code
    };
    let cases: [&[(&str, &str)]; 8] = [
        &[("Host", "localhost:8000")],
        &[("X-Forwarded-Host", "evil.example")],
        &[("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https")],
        &[("Forwarded", "host=evil.example;proto=https")],
        &[("X-Host", "evil.example"), ("X-Original-Host", "evil.example")],
        &[("X-Forwarded-Server", "evil.example"), ("X-Forwarded-Prefix", "//evil.example")],
        &[("X-Original-URL", "//evil.example"), ("X-Rewrite-URL", "//evil.example")],
        &[("Origin", "http://127.0.0.1:8000"), ("Referer", "http://evil.example/")],
    ];
    for (number, headers) in cases.iter().enumerate() {
        assert_eq!(ask(headers), 200, "{headers:?}");
        let mails = app.mailbox();
        assert_eq!(mails.len(), number + 1, "{headers:?}");
        for part in [mails[0].text.clone(), mails[0].html.replace("&#x2F;", "/")] {
            assert!(part.contains("http://127.0.0.1:8000/reset_password/"), "{headers:?}");
            assert!(!part.contains("evil") && !part.contains("localhost"), "{headers:?}: {part}");
        }
    }
    for host in ["evil.example", "127.0.0.1:8000@evil.example", "127.0.0.1:80"] {
        assert_eq!(ask(&[("Host", host)]), 421, "{host}");
        assert_eq!(app.mailbox().len(), cases.len(), "{host}");
    }
}

#[test]
fn b43_the_token_leaves_the_address_bar_at_once() {
    let app = with_ann();
    let token = live_token(&app);
    let browser = app.browser();
    let answer = browser.get(&format!("/reset_password/{token}"));
    answer.goes_to("/reset_password/new").does_not_say(&token);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let cookies = answer.all("set-cookie");
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    assert!(cookies[0].starts_with("reset_token=") && !cookies[0].contains(&token), "{cookies:?}");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=1800", "Expires="] {
        assert!(cookies[0].contains(attribute), "{attribute}: {cookies:?}");
    }
    browser.get("/reset_password/new").is(200).does_not_say(&token).says(ANN);
    let told = app.program().get("/reset_password/new");
    assert!([403, 406].contains(&told.status.code), "{told:?}");
    browser.put("/reset_password", &[("new_password", NEW)]).goes_to("/login");
    assert_eq!(browser.cookie("reset_token"), None, "removed after use");
    browser.get("/reset_password/new").is(403);
}

#[test]
fn a_program_looks_at_a_link_and_is_told_what_to_send() {
    let app = with_ann();
    let token = live_token(&app);
    let told = app.program().get(&format!("/reset_password/{token}"));
    assert!(told.is(200).json()["message"].as_str().is_some_and(|it| it.contains("PUT")));
    told.does_not_say(&token);
    let dead = app.program().get("/reset_password/0123456789abcdef");
    dead.is(403).json_is(&json!({ "message": "Forbidden" }));
    app.browser()
        .get("/reset_password/0123456789abcdef")
        .is(403)
        .says("no longer works")
        .says("Ask for a new link");
}

#[test]
fn a_program_sets_a_new_password() {
    let app = with_ann();
    let mut old = PASSWORD.to_owned();
    for (named, told) in
        [(None, ANN), (Some(ANN), ANN), (Some("ANN@Example.com"), "ANN@Example.com")]
    {
        let updated = json!({ "email": told, "message": "Password updated" });
        for as_json in [true, false] {
            let token = live_token(&app);
            let new = format!("{old}!");
            let script = app.program();
            let answer = if as_json {
                let mut body = json!({ "reset_token": token, "new_password": new });
                if let Some(email) = named {
                    body["email"] = json!(email);
                }
                script.json(Method::Put, "/reset_password", &body)
            } else {
                let mut form = vec![("reset_token", token.as_str()), ("new_password", &new)];
                form.extend(named.map(|email| ("email", email)));
                script.put("/reset_password", &form)
            };
            answer.is(200).json_is(&updated);
            opens(&app, &old, 401);
            opens(&app, &new, 200);
            old = new;
        }
    }
}

#[test]
fn a_person_sets_a_new_password_by_the_form() {
    let app = with_ann();
    let browser = app.browser();
    browser.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    browser.get(&app.mailed_link()).goes_to("/reset_password/new");
    browser.get("/reset_password/new").says("name=\"_method\" value=\"put\"");
    // As a browser sends it: POST, the method named first.
    let form = [("_method", "put"), ("email", ANN), ("new_password", NEW)];
    browser.post("/reset_password", &form).goes_to("/login");
    browser.get("/login").says("Your password is updated");
    opens(&app, PASSWORD, 401);
    opens(&app, NEW, 200);
}

#[test]
fn b31_b45_a_new_password_ends_every_session_logs_nobody_in_and_tells_the_owner() {
    let app = with_ann();
    let pair = [("email", ANN), ("password", PASSWORD)];
    let (laptop, phone, script) = (app.browser(), app.browser(), app.program());
    for visitor in [&laptop, &phone, &script] {
        visitor.post("/sessions", &pair);
        visitor.get("/profile").is(200);
    }
    let bob = app.signed_up("bob@example.com");
    laptop.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    laptop.get(&app.mailed_link()).goes_to("/reset_password/new");
    laptop.put("/reset_password", &[("new_password", NEW)]).goes_to("/login");
    assert_eq!(laptop.cookie("session_id"), None, "the acting browser's cookie goes too");
    laptop.get("/profile").goes_to("/login?next=/profile");
    phone.get("/profile").goes_to("/login?next=/profile");
    script.get("/profile").is(403);
    bob.get("/profile").is(200);
    let user = find_user_by(&mut app.database(), UserKey::Email(ANN)).expect("there");
    assert_eq!((user.session_id, user.reset_token), (None, None));
    let mut mails = app.mailbox();
    // Phone and script are browsers that the account did not know.
    mails.retain(|mail| mail.subject != "A log-in to your Gatehouse account");
    assert_eq!((mails.len(), mails[0].to.as_str()), (2, ANN));
    assert_eq!(mails[0].subject, "Your Gatehouse password was changed");
    assert!(mails[0].text.contains("http://127.0.0.1:8000/secure_account/"), "{}", mails[0].text);
}

#[test]
fn a_token_is_good_for_its_own_address_alone() {
    let app = with_ann();
    app.program().post("/users", &[("email", "bob@example.com"), ("password", PASSWORD)]).is(200);
    let token = live_token(&app);
    let before = app.dump();
    for other in ["bob@example.com", "nobody@example.com", "nonsense", "mıke@example.com", ""] {
        let body = json!({ "reset_token": token, "email": other, "new_password": NEW });
        let answer = app.program().json(Method::Put, "/reset_password", &body);
        assert_eq!(answer.status.code, 403, "{other}");
        answer.json_is(&json!({ "message": "Forbidden" }));
        let form = [("reset_token", token.as_str()), ("email", other), ("new_password", NEW)];
        app.program().put("/reset_password", &form).is(403);
        let browser = app.browser();
        browser.get(&format!("/reset_password/{token}")).is(303);
        let form = [("email", other), ("new_password", NEW)];
        browser.put("/reset_password", &form).is(403).says("no longer works");
    }
    assert_eq!(app.dump(), before, "and the token lives on");
    let body = json!({ "reset_token": token, "email": ANN, "new_password": NEW });
    app.program().json(Method::Put, "/reset_password", &body).is(200);
}

#[test]
fn b45e_a_look_alike_address_never_receives_the_link() {
    let app = TestApp::new();
    for stored in ["mike@example.com", "Fiona@Example.com"] {
        app.program().post("/users", &[("email", stored), ("password", PASSWORD)]).is(200);
    }
    let mut mailed = 0;
    for (asked, reaches) in [
        ("MIKE@EXAMPLE.COM", Some("mike@example.com")),
        ("mi\u{212a}e@example.com", Some("mike@example.com")),
        ("ｍｉｋｅ@example.com", Some("mike@example.com")),
        ("mike@ｅxample.com", Some("mike@example.com")),
        ("fiona@example.com", Some("Fiona@Example.com")),
        ("\u{fb01}ona@example.com", Some("Fiona@Example.com")),
        ("mıke@example.com", None),
        ("m\u{130}ke@example.com", None),
        ("mike@ex\u{430}mple.com", None),
        ("mike@xn--exmple-4nf.com", None),
        ("mike@example.com.evil.example", None),
        ("mike+x@example.com", None),
        ("m.ike@example.com", None),
    ] {
        for as_json in [true, false] {
            let answer = if as_json {
                let body = json!({ "email": asked });
                app.program().json(Method::Post, "/reset_password", &body)
            } else {
                app.browser().post("/reset_password", &[("email", asked)])
            };
            assert!([200, 303].contains(&answer.status.code), "{asked}: {answer:?}");
            // To the stored address or to nobody, never to the typed one.
            let mails = app.mailbox();
            mailed += usize::from(reaches.is_some());
            assert_eq!(mails.len(), mailed, "{asked}");
            if let Some(stored) = reaches {
                assert_eq!(mails[0].to, stored, "{asked}");
            }
        }
    }
}

#[test]
fn b45d_the_password_in_force_is_no_new_one() {
    let app = with_ann();
    let ann = app.browser();
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    ann.get(&app.mailed_link()).goes_to("/reset_password/new");
    ann.put("/reset_password", &[("new_password", PASSWORD)]).is(422).says("you have now");
    ann.put("/reset_password", &[("new_password", NEW)]).goes_to("/login");
}

#[test]
fn a_reload_of_the_mail_page_does_not_ask_again() {
    let app = with_ann();
    let ann = app.browser();
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    let link = app.mailed_link();
    let before = app.dump();
    for _ in 0..3 {
        ann.get("/reset_password/sent").is(200).says(ANN);
    }
    assert_eq!(app.dump(), before);
    ann.get(&link).goes_to("/reset_password/new");
}

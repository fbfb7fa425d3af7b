//! Where somebody is logged in: the list, the end of one device's session, and whose they are.

use gatehouse::accounts::session::Session;
use gatehouse::audit::journal::Row;
use gatehouse::clock::Timestamp;
use rocket::http::Method;
use serde_json::{Value, json};

use crate::app::{Answer, PASSWORD, TestApp, Visitor};

const ANN: &str = "ann@example.com";
const BOB: &str = "bob@example.com";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const PHONE: &str = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
                     Chrome/140.0.0.0 Mobile Safari/537.36";

/// Logs in again, on another device.
#[track_caller]
fn on<'a>(app: &'a TestApp, user_agent: &str) -> Visitor<'a> {
    let device = app.browser();
    device.header("User-Agent", user_agent);
    device.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    device
}

/// The sessions of whoever that is, as a program reads them.
#[track_caller]
fn list(visitor: &Visitor<'_>) -> Vec<Value> {
    let answer = visitor.send(Method::Get, "/account/sessions", &[JSON], Vec::new());
    answer.is(200).json()["sessions"].as_array().expect("a list").clone()
}

const JSON: (&str, &str) = ("Accept", "application/json");

/// The handle of the session on that device.
#[track_caller]
fn handle(visitor: &Visitor<'_>, device: &str) -> String {
    let found = list(visitor).into_iter().find(|session| session["device"] == device);
    found.expect(device)["id"].as_str().expect("text").to_owned()
}

fn path(handle: &str) -> String {
    format!("/account/sessions/{handle}")
}

#[track_caller]
fn end(visitor: &Visitor<'_>, handle: &str) -> Answer {
    visitor.post(&path(handle), &[("_method", "delete")])
}

fn grow_stale(app: &TestApp) {
    app.sql("UPDATE sessions SET authenticated_at = authenticated_at - 660000");
}

fn events(app: &TestApp) -> Vec<Row> {
    app.auth().journal().flush();
    gatehouse::audit::journal::newest(&mut app.database(), None, 1000).expect("rows")
}

fn times(app: &TestApp, event: &str) -> i64 {
    events(app).iter().filter(|row| row.event == event).map(|row| row.times).sum()
}

#[test]
fn each_device_is_named_and_this_one_is_marked() {
    let app = TestApp::new();
    let ann = app.browser();
    ann.header("User-Agent", FIREFOX);
    ann.post("/users", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    ann.get("/profile");
    let page = ann.get("/account/sessions");
    page.is(200).says("<title>Where you are logged in – Gatehouse</title>");
    page.says("<h2>Firefox 140 on Linux – this device</h2>").says("127.0.0.1, place unknown");
    page.says("You are logged in nowhere else.").does_not_say("Log out all other devices");
    page.does_not_say("action=\"/account/sessions");

    let phone = on(&app, PHONE);
    app.sql(
        "UPDATE sessions SET created_at = created_at - 86400000 WHERE user_agent LIKE '%Firefox%'",
    );
    app.sql(
        "UPDATE sessions SET last_seen_at = last_seen_at - 30000 WHERE user_agent LIKE '%Firefox%'",
    );
    let now = Timestamp::now();
    let page = ann.get("/account/sessions");
    page.is(200).says("<h2>Chrome 140 on Android 14</h2>").says("Firefox 140 on Linux – this");
    let text = page.text();
    assert!(text.find("Chrome 140") < text.find("Firefox 140"), "used last, first: {text}");
    let yesterday = Timestamp::from_millis(now.millis() - 86_400_000);
    page.says(yesterday.in_words().split(',').next().expect("a day"));
    page.says("Log out all other devices")
        .says("<form method=\"post\" action=\"/account/sessions\"");
    page.says("<span class=\"unseen\"> device 1, Chrome 140 on Android 14</span>");
    assert_eq!(text.matches("action=\"/account/sessions/").count(), 1, "none for this one");
    phone.get("/account/sessions").says("<h2>Chrome 140 on Android 14 – this device</h2>");
    let device = format!("action=\"{}\"", path(&handle(&ann, "Chrome 140 on Android 14")));
    page.says(&device);
}

#[test]
fn a_program_reads_the_same() {
    let app = TestApp::new();
    let program = app.program();
    program.header("User-Agent", "curl/8.5.0");
    program.post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let remembered = [("email", ANN), ("password", PASSWORD), ("remember", "yes")];
    program.post("/sessions", &remembered).is(200);
    let sessions = list(&program);
    let names: Vec<&str> =
        sessions[0].as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "current",
            "device",
            "expires_at",
            "first_seen",
            "id",
            "ip",
            "last_seen",
            "place",
            "remembered",
            "user_agent"
        ]
    );
    let current = sessions.iter().find(|session| session["current"] == true).expect("this one");
    assert_eq!(current["device"], "curl 8.5");
    assert_eq!(current["user_agent"], "curl/8.5.0");
    assert_eq!(current["ip"], "127.0.0.1");
    assert_eq!(current["place"], Value::Null);
    assert_eq!(current["remembered"], true);
    for moment in ["first_seen", "last_seen", "expires_at"] {
        let text = current[moment].as_str().expect("text");
        assert!(text.starts_with("20") && text.ends_with('Z'), "{moment}: {text}");
    }
}

#[test]
fn a_handle_tells_neither_the_cookie_nor_the_key() {
    use diesel::prelude::*;
    use gatehouse::db::schema::sessions;

    let app = TestApp::new();
    app.signed_up(ANN);
    let phone = on(&app, PHONE);
    let conn = &mut app.database();
    let rows: Vec<Session> = sessions::table.select(Session::as_select()).load(conn).expect("rows");
    let shown = list(&phone);
    assert_eq!(shown.len(), 2);
    for row in rows {
        let handle = row.handle();
        assert_eq!(handle.len(), 32);
        assert!(shown.iter().any(|session| session["id"] == handle.as_str()));
        assert!(!row.id.contains(&handle) && !row.id.contains(&handle[..8]), "{handle}");
        let page = phone.get("/account/sessions").text();
        assert!(!page.contains(&row.id) && !page.contains(&row.door_key.expect("a door")));
    }
}

#[test]
fn what_has_expired_is_not_listed_and_cannot_be_ended() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    on(&app, PHONE);
    let gone = handle(&ann, "Chrome 140 on Android 14");
    app.sql("UPDATE sessions SET expires_at = 1 WHERE user_agent LIKE '%Android%'");
    assert_eq!(list(&ann).len(), 1);
    end(&ann, &gone).is(404);
}

#[test]
fn one_device_is_logged_out_and_no_other() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let (phone, laptop) = (on(&app, PHONE), on(&app, FIREFOX));
    end(&ann, &handle(&ann, "Chrome 140 on Android 14")).goes_to("/account/sessions");
    let page = ann.get("/account/sessions");
    page.is(200).says("<p class=\"notice\" role=\"status\">That device is logged out.</p>");
    page.does_not_say("Android");
    phone.get("/profile").goes_to("/login?next=/profile");
    laptop.get("/profile").is(200);
    ann.get("/profile").is(200);
    assert_eq!(times(&app, "session_ended"), 1);

    let program = app.program();
    program.set_cookie("session_id", &ann.cookie("session_id").expect("signed in"));
    let answer = program.delete(&path(&handle(&ann, "Firefox 140 on Linux")));
    answer.is(200).json_is(&json!({ "message": "that device is logged out" }));
    laptop.get("/profile").goes_to("/login?next=/profile");
}

#[test]
fn ending_the_session_in_use_is_logging_out() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    on(&app, PHONE);
    // It needs no proof: logging out never did.
    grow_stale(&app);
    let own = list(&ann).into_iter().find(|session| session["current"] == true).expect("this one");
    let answer = end(&ann, own["id"].as_str().expect("text"));
    answer.goes_to("/");
    assert_eq!(answer.header("clear-site-data"), Some("\"cache\", \"storage\""));
    assert_eq!(ann.cookie("session_id"), None);
    ann.get("/").says("You are logged out.");
    assert_eq!(times(&app, "logged_out"), 1);
    assert_eq!(times(&app, "session_ended"), 0);

    let program = app.program();
    program.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let own = list(&program).into_iter().find(|session| session["current"] == true);
    let own = path(own.expect("this one")["id"].as_str().expect("text"));
    program.delete(&own).is(200).json_is(&json!({ "message": "that device is logged out" }));
    program.get("/profile").is(403);
}

#[test]
fn the_end_of_another_device_waits_for_the_password() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let phone = on(&app, PHONE);
    let id = handle(&ann, "Chrome 140 on Android 14");
    grow_stale(&app);
    end(&ann, &id).goes_to("/sudo");
    phone.get("/profile").is(200);
    ann.get("/sudo").is(200).says("To log out another device,");
    ann.post("/sudo", &[("password", PASSWORD)]).goes_to("/account/sessions");
    phone.get("/profile").goes_to("/login?next=/profile");
    ann.get("/account/sessions").is(200).says("That device is logged out.");

    let tablet = on(&app, PHONE);
    let id = handle(&ann, "Chrome 140 on Android 14");
    grow_stale(&app);
    let program = app.program();
    program.set_cookie("session_id", &ann.cookie("session_id").expect("signed in"));
    program.delete(&path(&id)).is(403).says("confirm your password with POST /sudo");
    tablet.get("/profile").is(200);
}

#[test]
fn b39_anothers_session_is_as_one_that_nobody_has() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    app.browser().post("/users", &[("email", BOB), ("password", PASSWORD)]);
    let bob = app.browser();
    bob.post("/sessions", &[("email", BOB), ("password", PASSWORD)]).goes_to("/profile");
    ann.get("/profile");
    bob.get("/profile");
    let before = app.dump();
    let bobs: Vec<Value> = list(&bob);
    let row_key = {
        use diesel::prelude::*;
        use gatehouse::db::schema::sessions;
        let conn = &mut app.database();
        let key: String = sessions::table
            .filter(sessions::user_id.eq(2))
            .select(sessions::id)
            .first(conn)
            .expect("Bob's");
        key
    };
    let unknown = end(&ann, "0123456789abcdef0123456789abcdef");
    unknown.is(404);
    let (mut ids, mut asked) = (Vec::new(), 1);
    ids.extend(bobs.iter().map(|session| session["id"].as_str().expect("text").to_owned()));
    ids.push(row_key);
    for odd in [
        "1",
        "-1",
        "0",
        "99999999999999999999999",
        "null",
        "true",
        "*",
        "%25",
        "%2e%2e",
        "a%00b",
        "%27%20OR%201=1--",
    ] {
        ids.push(odd.to_owned());
    }
    ids.push("f".repeat(5000));
    for id in &ids {
        let answer = end(&ann, id);
        assert_eq!(answer.comparable(), unknown.comparable(), "{id}");
        asked += 1;
    }
    assert_eq!(app.dump(), before);
    bob.get("/profile").is(200);
    assert_eq!(times(&app, "not_yours_refused"), asked);
    let mine = events(&app).into_iter().filter(|row| row.event == "not_yours_refused");
    assert!(mine.into_iter().all(|row| row.user_id == Some(1)), "the asker's");
    // Without a session nothing is told at all.
    end(&app.browser(), ids[0].as_str()).goes_to("/login");
    app.program().delete(&path(&ids[0])).is(403).json_is(&json!({ "message": "Forbidden" }));
}

#[test]
fn b111_no_parameter_lists_anybody_elses() {
    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    let bob = app.browser();
    bob.header("User-Agent", PHONE);
    bob.post("/users", &[("email", BOB), ("password", PASSWORD)]).goes_to("/profile");
    for query in [
        "?user=2",
        "?user_id=2",
        "?id=2",
        "?email=bob@example.com",
        "?all=true",
        "?sort=ip",
        "?user=*",
    ] {
        for path in ["/account/sessions", "/account/history"] {
            let path = format!("{path}{query}");
            ann.get(&path).is(200).does_not_say("Android");
            ann.send(Method::Get, &path, &[JSON], Vec::new()).is(200).does_not_say("Android");
        }
    }
    for path in ["/account/sessions", "/account/history"] {
        assert!(ann.send(Method::Head, path, &[], Vec::new()).is(200).body.is_empty());
        ann.send(Method::Options, path, &[], Vec::new()).does_not_say("Android");
        app.program().get(path).is(403).json_is(&json!({ "message": "Forbidden" }));
        app.browser().get(path).goes_to(&format!("/login?next={path}"));
    }
}

#[test]
fn the_newest_session_of_an_account_is_none_once_it_ended() {
    use diesel::prelude::*;
    use gatehouse::db::schema::users;

    let app = TestApp::new();
    let ann = app.signed_up(ANN);
    on(&app, PHONE);
    let newest = |app: &TestApp| -> Option<String> {
        users::table.select(users::session_id).first(&mut app.database()).expect("Ann")
    };
    assert!(newest(&app).is_some());
    end(&ann, &handle(&ann, "Chrome 140 on Android 14")).goes_to("/account/sessions");
    assert_eq!(newest(&app), None);
}

#[test]
fn a_place_is_told_where_a_file_tells_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = crate::mmdb::write(
        folder.path(),
        "Tiny-City",
        &[("192.0.2.0/24", "Oslo", "Norway"), ("2001:db8::/32", "", "Iceland")],
    );
    let settings =
        format!("place_database = \"{}\"\ntrusted_proxies = [\"127.0.0.1\"]", file.display());
    let app = TestApp::with(&settings, &[]);
    app.signed_up(ANN);
    for (ip, place) in [
        ("192.0.2.7", json!("Oslo, Norway")),
        ("2001:db8::7", json!("Iceland")),
        ("198.51.100.7", Value::Null),
        ("10.0.0.7", Value::Null),
        ("::1", Value::Null),
    ] {
        let device = app.browser();
        device.header("X-Forwarded-For", ip).header("User-Agent", FIREFOX);
        device.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
        let current = list(&device).into_iter().find(|session| session["current"] == true);
        let current = current.expect("this one");
        assert_eq!((&current["ip"], &current["place"]), (&json!(ip), &place), "{ip}");
        let said = place.as_str().unwrap_or("place unknown");
        device.get("/account/sessions").says(&format!("<dd>{ip}, {said}</dd>"));
        app.auth().journal().flush();
        device.get("/account/history").says(&format!("{ip}, {said}"));
    }
}

#[test]
fn b33_what_the_other_devices_began_ends_with_them() {
    use diesel::prelude::*;
    use gatehouse::db::schema::devices;

    for mailed in [true, false] {
        let app = TestApp::new();
        let ann = app.signed_up(ANN);
        let thief = on(&app, PHONE);
        let new = "thief@example.com";
        thief.post("/account/email", &[("email", new)]).goes_to("/account/email/sent");
        let link = mailed.then(|| app.link_to(new, "email_change"));
        ann.delete("/account/sessions").goes_to("/account/sessions");
        match link {
            Some(link) => {
                thief.get(&link).is(403);
            }
            None => assert!(app.mails_to(new).is_empty(), "what waits is withdrawn"),
        }
        let known: QueryResult<i64> = devices::table.count().get_result(&mut app.database());
        assert_eq!(known, Ok(1), "this browser alone is known");
    }
}

//! What is in the log, and what must not be: canaries through every flow, at debug level.

use std::fs;

use gatehouse::accounts::password::hash_password;
use rocket::http::{Cookie, CookieJar};
use rocket::local::blocking::Client;
use serde_json::Value;

use crate::http::{Connection, Visitor};
use crate::program::{Home, Running};
use crate::smtp::MailServer;

const OLD: &str = "canary-old-password-8153";
const NEW: &str = "canary-new-password-9264";
const WRONG: &str = "canary-wrong-password-1375";
const SMTP: &str = "canary-smtp-password-2486";
const ANN: &str = "canary.ann@example.com";
/// A line that clears a terminal and turns text around, as far as HTTP lets it through.
const AGENT: &str = "canary-agent \u{202e}{\"event\":\"logged_in\"}\u{2028}\u{9b}2J";

fn home_with(mails: &MailServer) -> Home {
    Home::new()
        .with("ROCKET_LOG_LEVEL", "debug")
        .with("ROCKET_SMTP_URL", &mails.url())
        .with("ROCKET_SMTP_USERNAME", "gatehouse")
        .with("ROCKET_SMTP_PASSWORD", SMTP)
}

/// The log's lines; each must be an object with a time, a level and an event.
#[track_caller]
fn lines(out: &str) -> Vec<Value> {
    let parse = |line: &str| {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        assert!(!line.contains(['\u{202e}', '\u{2028}']), "{line:?}");
        let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?}"));
        let time = object["time"].as_str().expect(line);
        assert!(time.ends_with('Z') && time.contains('T'), "{line}");
        assert!(
            ["error", "warn", "info", "debug"].contains(&object["level"].as_str().expect(line))
        );
        assert!(object["event"].is_string(), "{line}");
        object
    };
    out.lines().map(parse).collect()
}

/// Everything a person does, rightly and wrongly; returns the secrets that went by.
fn whole_flow(server: &Running, mails: &MailServer) -> Vec<String> {
    let mut secrets = Vec::new();
    let mut seen = |visitor: &Visitor| {
        secrets.extend(visitor.cookies.iter().filter(|c| c.0 != "notice").map(|c| c.1.clone()));
    };
    let agent = |visitor: Visitor| visitor.header("User-Agent", AGENT);
    let mut ann = agent(server.browser());
    let pair = |password| [("email", ANN), ("password", password)];
    ann.post("/users", &pair("canary")).is(422);
    ann.post("/users", &pair(OLD)).goes_to("/profile");
    seen(&ann);
    ann.post("/users", &pair(OLD)).is(400);
    ann.get("/profile").is(200).says(ANN);
    ann.delete("/sessions").goes_to("/");
    ann.get("/profile").goes_to("/login?next=/profile");
    ann.post("/sessions", &pair(WRONG)).is(401);
    ann.post("/sessions", &[("email", ANN), ("password", OLD), ("remember", "yes")]).is(303);
    seen(&ann);
    ann.post("/reset_password", &[("email", ANN)]).goes_to("/reset_password/sent");
    ann.get("/reset_password/sent").is(200).says(ANN);
    let link = mails.wait_for(1)[0].link();
    let token = link.rsplit('/').next().expect("a token").to_owned();
    ann.get(&link).goes_to("/reset_password/new");
    seen(&ann);
    ann.put("/reset_password", &[("new_password", "canary")]).is(422);
    ann.put("/reset_password", &[("new_password", NEW)]).goes_to("/login");
    ann.get(&link).is(403);
    mails.wait_for(2);
    wrong_turns(server, &token);
    secrets.push(token);
    secrets
}

/// Requests that nothing takes, or that damage what they hold.
fn wrong_turns(server: &Running, token: &str) {
    let mut program = server.program();
    for path in [
        "/resett_password/TOKEN",
        "/nope?token=TOKEN",
        "/reset_password/TOKEN/more",
        "/reset_password/TOKEN?again=TOKEN",
        "/login?next=/reset_password/TOKEN",
        "/static/TOKEN",
        "/TOKEN%0d%0a%1b[2J%00",
    ] {
        let status = program.get(&path.replace("TOKEN", token)).status;
        assert!([403, 404, 406].contains(&status), "{path}: {status}");
    }
    let json = "application/json";
    let form = "application/x-www-form-urlencoded";
    for (line, kind, body, status) in [
        ("POST /users", json, format!("{{\"email\":\"{ANN}\",\"password\":[\"{OLD}\"]}}"), 422),
        ("POST /users", json, format!("{{\"password\":\"{OLD}"), 400),
        ("POST /users", json, format!("{{\"{OLD}\":\"\\u001b[2J\"}}"), 422),
        ("POST /sessions", form, format!("password={OLD}%ff&email={ANN}"), 422),
        ("POST /sessions", form, format!("password={OLD}&password={OLD}"), 422),
        ("POST /sessions", "text/plain", format!("password={OLD}"), 415),
        ("PUT /reset_password", form, format!("reset_token={token}&new_password={NEW}"), 403),
        ("PATCH /users", form, format!("password={OLD}"), 405),
        ("TOKEN /", form, format!("password={OLD}"), 400),
        ("GET /%zz|TOKEN", form, format!("password={OLD}"), 400),
    ] {
        let line = line.replace("TOKEN", token);
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
             Cookie: session_id={token}; reset_token={token}\r\n\r\n{body}",
            server.address,
            body.len()
        );
        let mut connection = Connection::open(server.address).expect("it listens");
        connection.send(request.as_bytes()).expect("sent");
        let answer = connection.read_answer().expect("an answer");
        assert_eq!(answer.status, status, "{line} {body}: {}", answer.text());
    }
    let pair = [("email", ANN), ("password", OLD)];
    let mut foreign = server.program().header("Sec-Fetch-Site", "cross-site");
    foreign.post("/sessions", &pair).is(403);
    let mut connection = Connection::open(server.address).expect("it listens");
    let elsewhere = format!("GET /{token} HTTP/1.1\r\nHost: {token}.example\r\n\r\n");
    connection.send(elsewhere.as_bytes()).expect("sent");
    connection.read_answer().expect("an answer").is(421);
}

/// What the session cookie holds: opened with the kept key, as the program opens it.
fn session_in(home: &Home, cookie: &str) -> String {
    #[rocket::get("/")]
    fn open(jar: &CookieJar<'_>) -> Option<String> {
        jar.get_private("session_id").map(|cookie| cookie.value().to_owned())
    }
    let key = fs::read_to_string(home.file("data/secret_key")).expect("readable");
    let figment =
        rocket::Config::figment().merge(("secret_key", key.trim())).merge(("log_level", "off"));
    let rocket = rocket::custom(figment).mount("/", rocket::routes![open]);
    let client = Client::untracked(rocket).expect("ignites");
    let cookie = Cookie::parse_encoded(format!("session_id={cookie}")).expect("a cookie");
    client.get("/").cookie(cookie).dispatch().into_string().expect("a session")
}

#[test]
fn b107_no_secret_is_written_anywhere_but_where_it_belongs() {
    let mails = MailServer::start(&["--auth", &format!("gatehouse:{SMTP}")]);
    let home = home_with(&mails);
    let server = home.start();
    let mut secrets = whole_flow(&server, &mails);
    let key = fs::read_to_string(home.file("data/secret_key")).expect("readable");
    let mut ann = server.program();
    ann.post("/sessions", &[("email", ANN), ("password", NEW)]).is(200);
    let session = session_in(&home, &ann.cookies["session_id"]);
    assert_eq!(session.len(), 36, "{session}");
    secrets.extend([session.replace('-', ""), session, key.trim().to_owned()]);
    secrets.extend(ann.cookies.into_values());
    secrets.extend([OLD, NEW, WRONG, SMTP].map(str::to_owned));
    let cost_4 = hash_password(&OLD.to_owned().into(), 4).expect("hashed")[..7].to_owned();

    // The database as it is while the service runs, write-ahead log included.
    let mut looked_at = Vec::new();
    for name in home.listing() {
        let Ok(bytes) = fs::read(home.file(&name)) else { continue };
        looked_at.push(name.clone());
        for secret in &secrets {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            let own_place = name == "data/secret_key" && *secret == key.trim();
            assert_eq!(found, own_place, "{secret} in {name}");
        }
    }
    assert_eq!(looked_at.len(), 4, "{looked_at:?}");
    server.signal(rustix::process::Signal::TERM);
    let ended = server.wait(std::time::Duration::from_secs(30));
    // In words of the protocols: base64 of AUTH PLAIN, and what a log must not tell of people.
    use base64::Engine as _;
    let plain = format!("\0gatehouse\0{SMTP}");
    secrets.push(base64::engine::general_purpose::STANDARD.encode(plain));
    secrets.extend([ANN, "canary", "example.com", &cost_4].map(str::to_owned));
    for secret in &secrets {
        for said in [&ended.out, &ended.err] {
            assert!(!said.contains(secret.as_str()), "{secret} in {said}");
        }
    }
    lines(&ended.out);
}

#[test]
fn b106_every_flow_leaves_its_event_on_one_line() {
    let mails = MailServer::start(&["--auth", &format!("gatehouse:{SMTP}")]);
    let home = home_with(&mails);
    let server = home.start();
    whole_flow(&server, &mails);
    let lines = lines(&server.stop().out);
    for (event, outcome, knows_user) in [
        ("signed_up", "success", true),
        ("sign_up_refused", "refused", false),
        ("logged_in", "success", true),
        ("log_in_failed", "refused", true),
        ("logged_out", "success", true),
        ("reset_asked", "success", false),
        ("reset_opened", "success", true),
        ("reset_refused", "refused", false),
        ("password_changed", "success", true),
        ("sign_in_needed", "refused", false),
        ("cross_site_refused", "refused", false),
        ("host_refused", "refused", false),
    ] {
        let found = lines.iter().find(|line| line["event"] == event);
        let line = found.unwrap_or_else(|| panic!("no {event}"));
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["user"], if knows_user { Value::from(1) } else { Value::Null }, "{line}");
        assert_eq!(line["ip"], "127.0.0.1", "{line}");
        // The request's own line bears the same id.
        let id = line["request_id"].as_str().expect("an id");
        let same = |line: &&Value| line["event"] == "request" && line["request_id"] == id;
        assert_eq!(lines.iter().filter(same).count(), 1, "{line}");
    }
    assert_eq!(lines.iter().filter(|line| line["event"] == "logged_in").count(), 1);
}

#[test]
fn b108_a_request_s_line_names_the_route_and_never_the_address() {
    let server = Home::new().start();
    let mut program = server.program();
    let mut ask = |path: &str| {
        let id = program.get(path).header("x-request-id").expect("an id").to_owned();
        (path.to_owned(), id)
    };
    let asked = [
        ask("/reset_password/canary"),
        ask("/login?next=/canary"),
        ask("/static/canary.css"),
        ask("/canary?canary=canary"),
    ];
    let lines = lines(&server.stop().out);
    let path_of = |id: &str| {
        let mut same = lines.iter().filter(|line| line["request_id"] == id);
        same.find(|line| line["event"] == "request").expect("a line")["path"].clone()
    };
    let paths: Vec<Value> = asked.iter().map(|(_, id)| path_of(id)).collect();
    assert_eq!(paths[0], "/reset_password/<token>");
    assert_eq!(paths[1], "/login?<next>");
    assert_eq!(paths[2], "/static/<name>");
    assert_eq!(paths[3], Value::Null);
    assert!(!format!("{lines:?}").contains("canary"));
}

//! The flows of the tour: each by accounts of its own, in any order.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;

use super::Tour;
use crate::http::{Connection, Visitor};

fn signed_up(tour: &mut Tour, name: &str) -> (Visitor, String, String) {
    let (email, password) = (Tour::email(name), tour.password(name));
    let mut browser = tour.browser();
    browser.post("/users", &[("email", &email), ("password", &password)]).goes_to("/profile");
    (browser, email, password)
}

pub fn sign_up(tour: &mut Tour) {
    let email = Tour::email("ann");
    let weak = [("email", email.as_str()), ("password", "canary")];
    tour.browser().post("/users", &weak).is(422);
    tour.program().post("/users", &weak).is(422);
    let (mut ann, _, password) = signed_up(tour, "ann");
    ann.get("/profile").is(200).says(&email);
    let pair = [("email", email.as_str()), ("password", password.as_str())];
    tour.browser().post("/users", &pair).is(400);
    tour.program().post("/users", &pair).is(400);
    let (email, password) = (Tour::email("bob"), tour.password("bob"));
    tour.program().post("/users", &[("email", &email), ("password", &password)]).is(200);
}

pub fn log_in_and_out(tour: &mut Tour) {
    let (mut browser, email, right) = signed_up(tour, "cleo");
    browser.delete("/sessions").goes_to("/");
    browser.get("/profile").goes_to("/login?next=/profile");
    let wrong = tour.password("wrong password");
    let pair = |password| [("email", email.as_str()), ("password", password)];
    browser.post("/sessions", &pair(&wrong)).is(401);
    tour.program().post("/sessions", &pair(&wrong)).is(401);
    let nobody = Tour::email("nobody");
    browser.post("/sessions", &[("email", &nobody), ("password", &wrong)]).is(401);
    let [email, password] = pair(&right);
    browser.post("/sessions", &[email, password, ("remember", "yes")]).goes_to("/profile");
    let mut program = tour.program();
    program.post("/sessions", &pair(&right)).is(200);
    program.get("/profile").is(200);
    // A session that has ended, one that was cut off, one that was never begun.
    let mut stale = program.twin();
    program.delete("/sessions").goes_to("/");
    stale.twin().get("/profile").is(403);
    stale.cookies.values_mut().for_each(|value| value.truncate(20));
    stale.twin().get("/profile").is(403);
    stale.cookies.values_mut().for_each(|value| right.replace(' ', "").clone_into(value));
    stale.get("/profile").is(403);
}

pub fn reset(tour: &mut Tour) {
    let (mut browser, email, old) = signed_up(tour, "dora");
    browser.post("/reset_password", &[("email", &email)]).goes_to("/reset_password/sent");
    browser.get("/reset_password/sent").is(200).says(&email);
    tour.program().post("/reset_password", &[("email", &Tour::email("nobody"))]).is(200);
    let link = tour.link(&email, "reset_password");
    browser.get(&link).goes_to("/reset_password/new");
    browser.put("/reset_password", &[("new_password", "canary")]).is(422);
    browser.put("/reset_password", &[("new_password", &old)]).is(422);
    let new = tour.password("new password");
    browser.put("/reset_password", &[("new_password", &new)]).goes_to("/login");
    browser.get(&link).is(403);
    tour.program().get(&link).is(403);

    // The same by program, once with another's address.
    tour.program().post("/reset_password", &[("email", &email)]).is(200);
    let link = tour.link(&email, "reset_password");
    let token = ("reset_token", link.rsplit('/').next().expect("a token"));
    let newer = tour.password("newer password");
    let newer = ("new_password", newer.as_str());
    let nobody = Tour::email("nobody");
    tour.program().put("/reset_password", &[token, newer, ("email", &nobody)]).is(403);
    tour.program().put("/reset_password", &[token, newer, ("email", &email)]).is(200);
    tour.program().put("/reset_password", &[token, newer]).is(403);
}

/// People paste a password where an address belongs, and the other way round.
pub fn wrong_fields(tour: &mut Tour) {
    let (_, email, password) = signed_up(tour, "emma");
    for path in ["/sessions", "/users", "/reset_password", "/unlock"] {
        for (in_email, in_password) in [(&password, &email), (&password, &password)] {
            let form = [("email", in_email.as_str()), ("password", in_password.as_str())];
            let form = if path.contains('_') || path == "/unlock" { &form[..1] } else { &form };
            for mut visitor in [tour.browser(), tour.program()] {
                let status = visitor.post(path, form).status;
                assert!([200, 303, 401, 422].contains(&status), "{path}: {status}");
            }
        }
    }
    let at = format!("{}@example.com", password.replace(' ', "-"));
    tour.program().post("/reset_password", &[("email", &at)]).is(200);
    tour.program().post("/sessions", &[("email", &at), ("password", &password)]).is(401);
}

/// The secrets stand in what nothing takes, or in what is cut off.
pub fn bodies(tour: &mut Tour) {
    let (_, email, password) = signed_up(tour, "flora");
    let password = password.replace(' ', "-");
    tour.secrets.push(("flora in one word".to_owned(), password.clone()));
    let (json, form) = ("application/json", "application/x-www-form-urlencoded");
    let long = format!("email={email}&password={password}&x={}", "x".repeat(20_000));
    for (line, kind, body, status) in [
        (
            "POST /users",
            json,
            format!("{{\"email\":\"{email}\",\"password\":[\"{password}\"]}}"),
            422,
        ),
        ("POST /users", json, format!("{{\"password\":\"{password}"), 400),
        ("POST /users", json, format!("{{\"{password}\":\"\\u001b[2J\"}}"), 422),
        ("POST /users", json, format!("{{\"password\":\"{password}\",\"password\":1}}"), 422),
        ("POST /sessions", form, format!("password={password}%ff&email={email}"), 422),
        ("POST /sessions", form, format!("password={password}&password={password}"), 422),
        ("POST /sessions", form, format!("{password}={password}"), 422),
        ("POST /sessions", form, long, 413),
        ("POST /sessions", "text/plain", format!("password={password}"), 415),
        ("POST /sessions", &password, format!("password={password}"), 415),
        ("POST /sessions", "multipart/form-data", format!("password={password}"), 415),
        ("POST /unlock/open", form, format!("unlock_token={password}"), 403),
        ("POST /confirm", form, format!("confirm_token={password}&new_password={password}"), 403),
        (
            "PUT /reset_password",
            form,
            format!("reset_token={password}&new_password={password}"),
            403,
        ),
        ("PATCH /users", form, format!("password={password}"), 405),
        ("POST /nowhere", form, format!("password={password}"), 404),
        ("SECRET /", form, format!("password={password}"), 400),
    ] {
        let line = line.replace("SECRET", &password);
        let answer = raw(tour, &line, &format!("Content-Type: {kind}\r\n"), &body);
        assert_eq!(answer, status, "{line} {kind} {body}");
    }
}

/// The status of a request that only a raw socket can send.
fn raw(tour: &Tour, line: &str, headers: &str, body: &str) -> u16 {
    let request = format!(
        "{line} HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        tour.server.address,
        body.len()
    );
    let mut connection = Connection::open(tour.server.address).expect("it listens");
    connection.send(request.as_bytes()).expect("sent");
    connection.read_answer().expect("an answer").status
}

/// Secrets as paths, queries, cookies and headers.
pub fn paths(tour: &mut Tour) {
    let (_, email, password) = signed_up(tour, "gina");
    tour.program().post("/reset_password", &[("email", &email)]).is(200);
    let link = tour.link(&email, "reset_password");
    let token = link.rsplit('/').next().expect("a token").to_owned();
    let password = password.replace(' ', "-");
    tour.secrets.push(("a password in a path".to_owned(), password.clone()));
    for secret in [token, password] {
        for path in [
            "/resett_password/SECRET",
            "/nope?token=SECRET",
            "/reset_password/SECRET/more",
            "/unlock/SECRET",
            "/confirm/SECRET",
            "/invitation/SECRET",
            "/login?next=/reset_password/SECRET",
            "/auth?redirect=SECRET",
            "/static/SECRET",
            "/metrics?SECRET",
            "/SECRET%0d%0a%1b[2J%00",
        ] {
            for mut visitor in [tour.browser(), tour.program()] {
                let status = visitor.get(&path.replace("SECRET", &secret)).status;
                assert!([200, 303, 401, 403, 404, 406].contains(&status), "{path}: {status}");
            }
        }
        let headers = format!(
            "Cookie: session_id={secret}; reset_token={secret}; device={secret}; {secret}={secret}\r\n\
             Referer: http://127.0.0.1/reset_password/{secret}\r\nAuthorization: Bearer {secret}\r\n\
             X-Forwarded-For: {secret}\r\nX-Request-Id: {secret}\r\nAccept: {secret}\r\n"
        );
        assert_eq!(raw(tour, "GET /profile", &headers, ""), 403);
        assert_eq!(raw(tour, &format!("GET /%zz|{secret}"), "", ""), 404);
    }
}

pub fn strangers(tour: &mut Tour) {
    let (_, email, password) = signed_up(tour, "hana");
    let pair = [("email", email.as_str()), ("password", password.as_str())];
    for path in ["/sessions", "/users"] {
        let cross = [("Sec-Fetch-Site", "cross-site"), ("Origin", "https://evil.example.com")];
        for (name, value) in cross {
            tour.server.program().header(name, value).post(path, &pair).is(403);
        }
    }
    let secret = password.replace(' ', "-");
    tour.secrets.push(("in a host".to_owned(), secret.clone()));
    let mut connection = Connection::open(tour.server.address).expect("it listens");
    let elsewhere = format!("GET /{secret} HTTP/1.1\r\nHost: {secret}.example\r\n\r\n");
    connection.send(elsewhere.as_bytes()).expect("sent");
    connection.read_answer().expect("an answer").is(421);
}

/// Errors are logged with their cause.
pub fn locked_database(tour: &mut Tour) {
    let (mut browser, email, password) = signed_up(tour, "ines");
    let link = {
        tour.program().post("/reset_password", &[("email", &email)]).is(200);
        tour.link(&email, "reset_password")
    };
    let token = link.rsplit('/').next().expect("a token");
    let mut other = tour.home.locked();
    let new = tour.password("never set");
    let pair = [("email", email.as_str()), ("password", password.as_str())];
    tour.browser().post("/sessions", &pair).is(503);
    tour.program()
        .put("/reset_password", &[("reset_token", token), ("new_password", &new)])
        .is(503);
    browser.delete("/sessions").is(503);
    other.batch_execute("ROLLBACK").expect("released");
    browser.delete("/sessions").goes_to("/");
}

/// What an operator sees is a place too.
pub fn command_line(tour: &mut Tour) {
    let (_, email, _) = signed_up(tour, "jana");
    tour.program().post("/reset_password", &[("email", &email)]).is(200);
    tour.link(&email, "reset_password");
    for arguments in [&["check"][..], &["mail", "queue"], &["mail", "test", &email], &["migrate"]] {
        let ended = tour.run(arguments);
        assert!(ended.status.code().is_some(), "{ended:?}");
    }
}

pub fn confirm(tour: &mut Tour) {
    let (email, password) = (Tour::email("kim"), tour.password("kim"));
    let pair = [("email", email.as_str()), ("password", password.as_str())];
    let mut browser = tour.browser();
    browser.post("/users", &pair).goes_to("/confirm/sent");
    browser.post("/confirm/sent", &[("email", &email)]).goes_to("/confirm/sent");
    let link = tour.link(&email, "confirm");
    browser.get(&link).goes_to("/confirm/new");
    browser.post("/confirm", &[]).goes_to("/profile");
    browser.get("/profile").is(200).says(&email);
    browser.get(&link).is(403);
    // The owner of a taken address is told.
    tour.program().post("/users", &pair).is(200);

    // Opened elsewhere, with a password chosen there.
    let (email, password) = (Tour::email("lea"), tour.password("lea"));
    tour.program().post("/users", &[("email", &email), ("password", &password)]).is(200);
    let link = tour.link(&email, "confirm");
    let mut elsewhere = tour.browser();
    elsewhere.get(&link).goes_to("/confirm/new");
    elsewhere.post("/confirm", &[("new_password", "canary")]).is(422);
    let chosen = tour.password("chosen elsewhere");
    elsewhere.post("/confirm", &[("new_password", &chosen)]).goes_to("/profile");
}

pub fn invitation(tour: &mut Tour) {
    let email = Tour::email("mia");
    // The one command that prints a secret: it is what it is asked for.
    tour.home.run(&["invite", &email]).exits(0);
    // The service sends it when it looks into the outbox; this makes it look.
    tour.program().post("/reset_password", &[("email", &email)]).is(200);
    let mut browser = tour.browser();
    let stranger = tour.password("a stranger");
    let nobody = Tour::email("nobody");
    let refused = browser.post("/users", &[("email", &nobody), ("password", &stranger)]);
    assert!([400, 403, 422].contains(&refused.status), "{}", refused.text());
    let link = tour.link(&email, "invitation");
    browser.get(&link).goes_to("/signup");
    let password = tour.password("mia");
    browser.post("/users", &[("email", &email), ("password", &password)]).goes_to("/profile");
    browser.get(&link).is(403);
}

pub fn unlock(tour: &mut Tour) {
    let (_, email, password) = signed_up(tour, "nora");
    let wrong = tour.password("a guess");
    let began = Instant::now();
    for mut visitor in [tour.browser(), tour.program()] {
        while visitor.post("/sessions", &[("email", &email), ("password", &wrong)]).status != 429 {
            assert!(began.elapsed() < Duration::from_secs(60), "there is no limit");
        }
    }
    let mut browser = tour.browser();
    browser.post("/unlock", &[("email", &email)]).goes_to("/unlock/sent");
    let link = tour.link(&email, "unlock");
    browser.get(&link).goes_to("/unlock/open");
    browser.post("/unlock/open", &[]).goes_to("/login");
    browser.post("/sessions", &[("email", &email), ("password", &password)]).goes_to("/profile");
    browser.get(&link).is(403);
}

pub fn door(tour: &mut Tour) {
    let (mut browser, _, _) = signed_up(tour, "olga");
    browser.get("/auth").is(200);
    let secret = tour.password("in a target").replace(' ', "-");
    tour.secrets.push(("in a target".to_owned(), secret.clone()));
    let uri = format!("/page?token={secret}");
    for host in ["app.example.org", "evil.example.org"] {
        for visitor in [tour.browser(), tour.program(), browser.twin()] {
            let visitor = visitor.header("X-Forwarded-Host", host);
            let mut visitor = visitor.header("X-Forwarded-Uri", &uri);
            for path in ["/auth", "/auth?redirect=false"] {
                let status = visitor.get(path).status;
                assert!([200, 303, 401, 403].contains(&status), "{host} {path}: {status}");
            }
        }
    }
    // What an application sees opens the door and nothing else.
    let mut application = tour.browser();
    let theirs = browser.cookies["__Secure-gatehouse"].clone();
    application.cookies.insert("__Secure-gatehouse".to_owned(), theirs);
    application.get("/auth").is(200);
    application.get("/profile").goes_to("/login?next=/profile");
    browser.get(&format!("/login?next=https%3A%2F%2Fapp.example.org{uri}")).is(303);
    browser.get("/logout").is(200);
    browser.delete("/sessions").goes_to("/");
    application.get("/auth").is(303);
    let figures = figures(tour);
    tour.said.push_str(&figures);
}

/// What Prometheus reads.
fn figures(tour: &Tour) -> String {
    let port = tour.home.variable("ROCKET_METRICS_PORT").parse().expect("a port");
    let answer = Visitor::program(([127, 0, 0, 1], port).into()).get("/metrics");
    assert!(answer.is(200).text().contains("logged_in"), "{}", answer.text());
    answer.text()
}

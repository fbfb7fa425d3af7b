//! What only a raw socket can send: damaged requests, doubled headers, slow and huge bodies.

use std::time::{Duration, Instant};

use crate::http::{Answer, Connection};
use crate::program::{Home, PASSWORD, Running};

#[track_caller]
fn send(server: &Running, request: &str) -> Connection {
    let mut connection = Connection::open(server.address).expect("it listens");
    let request = request.replace("HOST", &server.address.to_string());
    connection.send(request.as_bytes()).expect("sent");
    connection
}

#[track_caller]
fn answer(server: &Running, request: &str) -> Answer {
    send(server, request).read_answer().unwrap_or_else(|error| panic!("{request:?}: {error}"))
}

/// D11's headers.
#[track_caller]
pub fn has_every_header(answer: &Answer) {
    for (name, value) in [
        ("Content-Security-Policy", "default-src 'none'"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Permissions-Policy", "camera=()"),
        ("Cache-Control", "no-store"),
    ] {
        let found = answer.header(name);
        assert!(found.is_some_and(|found| found.starts_with(value)), "{name}: {answer:?}");
        assert_eq!(answer.all(name).count(), 1, "{name}: {answer:?}");
    }
    assert_eq!(answer.header("Server"), None);
}

#[test]
fn trap17_requests_that_rocket_cannot_read_get_the_usual_headers_and_words() {
    let server = Home::new().start();
    for line in ["FOO / HTTP/1.1", "foo /profile HTTP/1.1", "CONNECT HOST HTTP/1.1"] {
        let json = answer(&server, &format!("{line}\r\nHost: HOST\r\n\r\n"));
        json.is(400).says("the request cannot be read");
        has_every_header(&json);
        let page = answer(&server, &format!("{line}\r\nHost: HOST\r\nAccept: text/html\r\n\r\n"));
        page.is(400).says("<html lang");
        has_every_header(&page);
    }
    server.program().get("/health").is(200);
}

#[test]
fn b83_what_is_no_http_is_refused() {
    let server = Home::new().start();
    for request in [
        "GET / HTTP/1.1\r\nHost : HOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: HOST\r\nUser-Agent: \u{1b}[2J\r\n\r\n",
        "GET /\u{1b} HTTP/1.1\r\nHost: HOST\r\n\r\n",
        "POST /users HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1\r\n\r\n",
        "POST /users HTTP/1.1\r\nHost: HOST\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        "POST /users HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /users HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
    ] {
        let mut connection = send(&server, request);
        let refused = connection.read_answer().unwrap_or_else(|e| panic!("{request:?}: {e}"));
        assert_eq!(refused.status, 400, "{request:?}");
        assert_eq!(connection.read_to_end().expect("closed"), b"", "{request:?}");
    }
    let long = format!("GET / HTTP/1.1\r\nHost: HOST\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let mut connection = Connection::open(server.address).expect("it listens");
    // It may stop listening before it has heard all of it.
    let _ = connection.send(long.as_bytes());
    if let Ok(refused) = connection.read_answer() {
        refused.is(431);
    }
    server.program().get("/health").is(200);
}

#[test]
fn b83_two_lengths_in_one_request_never_make_two_requests() {
    let server = Home::new().start();
    for lengths in [
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
    ] {
        let request = format!(
            "POST /users HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n{lengths}\r\n\r\n\
             0\r\n\r\nGET /health HTTP/1.1\r\nHost: HOST\r\n\r\n"
        );
        let mut connection = send(&server, &request);
        let only = connection.read_answer().expect("an answer");
        assert_eq!(only.status, 400, "{lengths}: {only:?}");
        assert_eq!(connection.read_to_end().expect("closed"), b"", "{lengths}");
    }
}

#[test]
fn b42_exactly_one_host_that_is_ours() {
    let server = Home::new().start();
    for (headers, status) in [
        ("Host: HOST\r\n", 200),
        ("", 400),
        ("Host: HOST\r\nHost: HOST\r\n", 400),
        ("Host: HOST\r\nHost: evil.example\r\n", 400),
        ("Host: evil.example\r\n", 421),
        ("Host: HOST@evil.example\r\n", 421),
        ("Host: evil.example\r\nX-Forwarded-Host: HOST\r\n", 421),
        ("Host: \r\n", 421),
    ] {
        let found = answer(&server, &format!("GET / HTTP/1.1\r\n{headers}\r\n"));
        assert_eq!(found.status, status, "{headers:?}: {}", found.text());
        has_every_header(&found);
        assert!(!found.text().contains("evil.example"), "{}", found.text());
    }
    // An absolute address in the request line is no way around it, and nothing repeats it.
    let foreign = "GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    answer(&server, foreign).is(421);
    let mixed =
        "GET http://evil.example/profile HTTP/1.1\r\nHost: HOST\r\nAccept: text/html\r\n\r\n";
    let mixed = answer(&server, mixed);
    mixed.goes_to("/login?next=/profile");
    assert!(!format!("{mixed:?}").contains("evil.example"), "{mixed:?}");
}

#[test]
fn b78f_http2_is_not_spoken() {
    let server = Home::new().start();
    let mut connection = send(&server, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0");
    let said = connection.read_to_end().expect("closed");
    assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400 "), "{said:?}");

    // Nor after an upgrade.
    let upgrade = answer(
        &server,
        "GET /health HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\n\
         Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    upgrade.is(200);
}

#[test]
fn requests_on_one_connection_are_answered_in_their_order() {
    let server = Home::new().start();
    let mut connection = send(
        &server,
        "GET /health HTTP/1.1\r\nHost: HOST\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: HOST\r\n\r\n\
         GET / HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n",
    );
    connection.read_answer().expect("first").is(200).says("ok");
    connection.read_answer().expect("second").is(404);
    connection.read_answer().expect("third").is(200).says("Bienvenue");
    assert_eq!(connection.read_to_end().expect("closed"), b"");
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// Rocket bounds neither the head of a request nor the first 14 bytes of its body (security.md,
/// D16): a proxy does. A test of that would have to wait for ever; this one begins after them.
#[test]
fn b78c_a_body_that_does_not_come_is_cut_off() {
    let server = Home::new().with("ROCKET_BODY_TIMEOUT", "1s").start();
    let began = Instant::now();
    let head =
        format!("POST /sessions HTTP/1.1\r\nHost: HOST\r\n{FORM}\r\nContent-Length: 900\r\n\r\n");
    let mut slow = send(&server, &format!("{head}email=ann@example.com&pass"));
    slow.read_answer().expect("an answer").is(408).says("the request took too long");
    assert!(began.elapsed() >= Duration::from_secs(1));
    // Others were served meanwhile, and so is everybody after it.
    server.logged_in("ann@example.com").get("/profile").is(200);
    slow.read_to_end().expect("closed");
}

/// What the README leaves to the proxy: Rocket waits for a head, and for the first bytes of a body,
/// without a deadline. Should it ever have one, this fails, and the README can promise more.
#[test]
fn trap04_a_head_and_the_first_bytes_of_a_body_have_no_deadline() {
    let server = Home::new().with("ROCKET_BODY_TIMEOUT", "1s").start();
    let head =
        format!("POST /sessions HTTP/1.1\r\nHost: HOST\r\n{FORM}\r\nContent-Length: 900\r\n");
    let mut slow_head = send(&server, &head);
    let mut slow_body = send(&server, &format!("{head}\r\nemail"));
    std::thread::sleep(Duration::from_secs(3));
    let rest = "email=ann@example.com";
    for (connection, rest) in
        [(&mut slow_head, format!("\r\n{rest}")), (&mut slow_body, rest.to_owned())]
    {
        assert!(!connection.has_answer());
        connection.send(rest.as_bytes()).expect("still open");
        connection.read_answer().expect("waited for").is(408);
    }
}

#[test]
fn b75_a_large_body_is_read_to_its_end_so_that_its_refusal_can_be_read() {
    let server = Home::new().start();
    let body = format!("email=ann@example.com&password={}", "x".repeat(100 * 1024));
    let length = format!("Content-Length: {}", body.len());
    for accept in ["application/json", "text/html"] {
        let request = format!(
            "POST /users HTTP/1.1\r\nHost: HOST\r\nAccept: {accept}\r\n{FORM}\r\n{length}\r\n\r\n{body}"
        );
        let refused = answer(&server, &request);
        refused.is(413);
        has_every_header(&refused);
        assert_eq!(refused.text().contains("<html"), accept == "text/html", "{refused:?}");
    }
}

#[test]
fn b75_a_huge_body_is_refused_unread() {
    let server = Home::new().start();
    let ten = 10 << 20;
    let head =
        format!("POST /users HTTP/1.1\r\nHost: HOST\r\n{FORM}\r\nContent-Length: {ten}\r\n\r\n");
    // Of ten megabytes thirty bytes come, and the answer comes all the same.
    let mut announced = send(&server, &format!("{head}email=ann@example.com&password="));
    announced.read_answer().expect("an answer").is(413);

    // Chunked, nothing is announced: after 256 KiB it has heard enough.
    let head = "POST /users HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n";
    let mut endless = send(&server, &format!("{head}{FORM}\r\n\r\n"));
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let mut sent = 0;
    while sent < ten && endless.send(chunk.as_bytes()).is_ok() {
        sent += 0x10000;
    }
    match endless.read_answer() {
        Ok(refused) => drop(refused.is(413)),
        Err(_) => assert!(sent < ten, "all of it was taken"),
    }
    server.logged_in("ann@example.com").get("/profile").is(200);
}

#[test]
fn a_form_at_the_limit_passes() {
    let server = Home::new().start();
    let body = format!("email=ann@example.com&password={}", PASSWORD.replace(' ', "+"));
    let padding = format!("&unknown={}", "x".repeat(16 * 1024 - body.len() - 9));
    for (body, status) in [(format!("{body}{padding}y"), 413), (format!("{body}{padding}"), 200)] {
        let length = format!("Content-Length: {}", body.len());
        let head = format!("POST /users HTTP/1.1\r\nHost: HOST\r\n{FORM}\r\n{length}\r\n\r\n");
        answer(&server, &format!("{head}{body}")).is(status);
    }
}

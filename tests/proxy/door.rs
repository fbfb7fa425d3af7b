//! The door: who gets to the application, what it learns of them, and what it never sees.

use std::io::{BufReader, Read, Write};
use std::thread;
use std::time::Duration;

use crate::application::Request;
use crate::behind_each_proxy;
use crate::client::{Answer, PAGES, Pairs, Visitor};
use crate::proxy::Kind;
use crate::site::{APP, LOGIN, MANY_FILES, Site};

behind_each_proxy!(
    nobody_is_asked_to_log_in_and_the_application_never_hears_of_it,
    whoever_is_signed_in_reaches_the_application_until_log_out,
    b82_no_client_says_itself_who_it_is,
    the_application_never_sees_gatehouses_cookie,
    a_websocket_stays_open_and_no_other_upgrade_gets_through,
    without_gatehouse_the_door_is_shut,
);

const EMAIL: &str = "ann@example.org";

/// What an application would read an identity from, in any of its spellings.
const IDENTITY: [&str; 3] = ["remote-user", "remote-email", "remote-email-confirmed"];

/// The identity headers of a request, by their folded names.
fn identity(request: &Request) -> Vec<(String, String)> {
    let folded = |name: &str| name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-");
    let headers = request.headers.iter().map(|(name, value)| (folded(name), value.clone()));
    let mut found: Vec<_> = headers.filter(|(name, _)| IDENTITY.contains(&name.as_str())).collect();
    found.sort();
    found
}

#[track_caller]
fn only(answer: &Answer, name: &str) -> String {
    let all: Vec<_> = answer.all(name).collect();
    assert_eq!(all.len(), 1, "{name}: {answer:?}");
    all[0].to_owned()
}

fn nobody_is_asked_to_log_in_and_the_application_never_hears_of_it(kind: Kind) {
    let site = Site::start(kind);
    let (mut program, mut browser) = (site.visitor(2), site.visitor(2).with(&[PAGES]));
    for method in ["GET", "HEAD", "DELETE", "POST"] {
        if method != "HEAD" {
            let answer = program.ask(method, APP, "/reports", "").expect("an answer");
            answer.is(401);
            assert_eq!(only(&answer, "www-authenticate"), "Gatehouse");
            assert!(answer.json()["message"].is_string(), "{}", answer.text());
        }
        let answer = browser.ask(method, APP, "/reports?year=2026&q=a%20b", "").expect("an answer");
        answer.is(303);
        let wanted = "https%3A%2F%2Fapp%2Eexample%2Eorg%2Freports%3Fyear%3D2026%26q%3Da%2520b";
        let login = format!("https://{LOGIN}/login?next={wanted}");
        assert_eq!(only(&answer, "location"), login, "{method}");
        assert!(answer.header("cache-control").is_some_and(|it| it.contains("no-store")));
        assert_eq!(only(&answer, "strict-transport-security"), "max-age=31536000");
        assert_eq!(answer.header("set-cookie"), None);
    }
    // Somebody else's cookie, and a forged one, are nobody's.
    let forged = site.visitor(2).with(&[("Cookie", "__Secure-gatehouse=forged; session_id=1")]);
    forged.clone().get(APP, "/").is(401);
    assert!(site.application.seen().is_empty());
}

fn whoever_is_signed_in_reaches_the_application_until_log_out(kind: Kind) {
    let site = Site::start(kind);
    let mut ann = site.signed_in(7, EMAIL);
    ann.headers.push(("X-Forwarded-For".to_owned(), "203.0.113.9".to_owned()));
    let answer = ann.get(APP, "/reports?year=2026");
    answer.is(200);
    assert!(answer.text().contains("Hello ann@example.org, you are at /reports?year=2026"));
    // The application's own header gave way to the proxy's.
    assert_eq!(only(&answer, "strict-transport-security"), "max-age=31536000");
    assert_eq!(answer.header("remote-email"), None);
    ann.post(APP, "/notes", &[("note", "a long walk")]).is(200);
    // A no of the application's own is passed on as it is.
    let refused = ann.clone().with(&[PAGES]).get(APP, "/refused");
    refused.is(401);
    assert_eq!(refused.header("location"), None);

    let seen = site.application.seen();
    let [read, written, _] = seen.as_slice() else { panic!("{seen:#?}") };
    assert_eq!((&*written.method, &*written.body), ("POST", &b"note=a+long+walk"[..]));
    for request in [read, written] {
        let id = ("remote-user".to_owned(), "1".to_owned());
        let email = ("remote-email".to_owned(), EMAIL.to_owned());
        let confirmed = ("remote-email-confirmed".to_owned(), "false".to_owned());
        assert_eq!(identity(request), [email, confirmed, id]);
        assert_eq!(request.all("X-Forwarded-For"), ["127.0.0.7"], "{request:#?}");
        assert_eq!(request.all("X-Forwarded-Proto"), ["https"]);
        assert_eq!(request.all("Host"), [APP]);
    }

    ann.ask("DELETE", LOGIN, "/sessions", "").expect("an answer").is(303);
    ann.get(APP, "/reports").is(401);
    assert_eq!(site.application.seen().len(), 3);
}

fn b82_no_client_says_itself_who_it_is(kind: Kind) {
    let spellings = [
        "Remote-User",
        "remote-user",
        "REMOTE-USER",
        "Remote_User",
        "remote_user",
        "REMOTE_USER",
        "Remote.User",
        "Remote~User",
        "Remote-Email",
        "Remote_Email",
        "remote_email",
        "Remote-Email-Confirmed",
        "Remote_Email_Confirmed",
        "remote-email_confirmed",
    ];
    let site = Site::start(kind);
    let mallory = site.signed_in(8, "mallory@example.org");
    let stranger = site.visitor(8);
    let check = |visitor: &Visitor, forged: Pairs<'_>, status: u16| {
        visitor.clone().with(forged).get(APP, "/").is(status);
    };
    for name in spellings {
        let once = [(name, "1000")];
        let twice = [(name, "1000"), (name, "1001")];
        for forged in [once.as_slice(), &twice] {
            check(&stranger, forged, 401);
            check(&mallory, forged, 200);
        }
    }
    let all: Vec<_> = spellings.iter().map(|name| (*name, "1000")).collect();
    check(&mallory, &all, 200);
    let seen = site.application.seen();
    assert_eq!(seen.len(), 2 * spellings.len() + 1, "hers alone");
    for request in seen {
        let found = identity(&request);
        assert_eq!(found.len(), 3, "{request:#?}");
        assert!(!found.iter().any(|(_, value)| value.starts_with("100")), "{request:#?}");
    }
}

fn the_application_never_sees_gatehouses_cookie(kind: Kind) {
    let site = Site::start(kind);
    let ann = site.signed_in(2, EMAIL);
    let name = "__Secure-gatehouse";
    let value = &ann.cookies[&(String::new(), name.to_owned())];
    let door = format!("{name}={value}");
    let mut bare = site.visitor(2);
    for (sent, left) in [
        (vec![format!("{door}")], ""),
        (vec![format!("{door}; cart=full")], "cart=full"),
        (vec![format!("cart=full; {door}")], "cart=full"),
        (vec![format!("a=1; {door}; b=2")], "a=1 b=2"),
        (vec![format!("a=1;{door};b=2")], "a=1 b=2"),
        (vec!["a=1".to_owned(), door.clone(), "b=2".to_owned()], "a=1 b=2"),
    ] {
        bare.cookies.clear();
        bare.headers = sent.iter().map(|cookie| ("Cookie".to_owned(), cookie.clone())).collect();
        bare.get(APP, "/").is(200);
        let request = site.application.seen().pop().expect("a request");
        let cookies = request.all("Cookie").join(";");
        assert!(!cookies.contains("gatehouse"), "{sent:?}: {cookies}");
        let kept: Vec<&str> = cookies.split([';', ' ']).filter(|it| !it.is_empty()).collect();
        assert_eq!(kept.join(" "), left, "{sent:?}");
    }
    // What no browser sends may cost the other cookies.
    let tricky = [
        format!("a=1; {door}; {door}"),
        format!("a=1; {door};{door}"),
        format!("{door};\t{door}; b=2"),
        format!("{name}={value}=; {name} = {value}"),
        format!("\"; {door}"),
    ];
    for sent in tricky {
        bare.cookies.clear();
        bare.headers = vec![("Cookie".to_owned(), sent.clone())];
        let before = site.application.seen().len();
        bare.get(APP, "/");
        let request = site.application.seen().split_off(before).pop().unwrap_or_default();
        assert!(!request.all("Cookie").join(";").contains(value), "{sent}: {request:#?}");
    }
}

fn a_websocket_stays_open_and_no_other_upgrade_gets_through(kind: Kind) {
    // Its life is longer than the time-out of an answer.
    let hurried = match kind {
        Kind::Nginx => ("send_timeout 15s;", "send_timeout 1s;".to_owned()),
        Kind::Caddy => ("write 30s", "write 1s".to_owned()),
    };
    let site = Site::start_with(kind, vec![hurried], &[], MANY_FILES);
    let upgrade =
        |to| [("Connection", "Upgrade"), ("Upgrade", to), ("Sec-WebSocket-Version", "13")];
    let mut stranger = site.visitor(3).with(&upgrade("websocket"));
    stranger.get(APP, "/chat").is(401);
    assert!(site.application.seen().is_empty());

    let ann = site.signed_in(3, EMAIL);
    let mut talking = ann.clone().with(&upgrade("websocket"));
    let mut line = BufReader::new(talking.connects(APP).expect("a connection"));
    talking.ask_on(&mut line, "GET", APP, "/chat", "").expect("an answer").is(101);
    for _ in 0..2 {
        line.get_mut().write_all(b"hello").and_then(|()| line.get_mut().flush()).expect("sent");
        let mut heard = [0; 5];
        line.read_exact(&mut heard).expect("heard");
        assert_eq!(&heard, b"hello");
        thread::sleep(Duration::from_millis(1500));
    }
    let twice = [("Connection", "Upgrade"), ("Upgrade", "h2c"), ("Upgrade", "websocket")];
    for headers in [&upgrade("h2c")[..], &upgrade("TLS/1.0"), &twice] {
        let answer = ann.clone().with(headers).get(APP, "/chat");
        let request = site.application.seen().pop().expect("a request");
        let passed_on = request.all("Upgrade");
        assert!(passed_on.iter().all(|to| *to == "websocket"), "{headers:?}: {request:#?}");
        assert_eq!(answer.status == 101, !passed_on.is_empty(), "{answer:?}");
    }
}

fn without_gatehouse_the_door_is_shut(kind: Kind) {
    let mut site = Site::start(kind);
    let mut ann = site.signed_in(2, EMAIL);
    ann.get(APP, "/").is(200);
    site.gatehouse.stop();
    let answer = ann.get(APP, "/");
    assert!((500..=504).contains(&answer.status), "{answer:?}");
    assert_eq!(site.application.seen().len(), 1);
}

//! B-79 to B-81, B-83b: whose address counts. Only a proxy of ours is believed, and of what it
//! passes on only what it wrote itself.

use std::net::SocketAddr;

use diesel::prelude::*;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::sessions;
use rocket::http::{ContentType, Header, Method};

use super::{ANN, Guesser, WAYS, WRONG, Way, defaults, guarded, tries_of, with_ann};
use crate::app::{HOST, PASSWORD, TestApp, urlencoded};

/// Headers by which proxies tell whom they speak for.
const NAMES: [&str; 8] = [
    "X-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "X-Cluster-Client-IP",
    "Forwarded",
];

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

fn trusting(proxies: &str) -> TestApp {
    with_ann(&format!("{}\ntrusted_proxies = [{proxies}]", defaults()))
}

/// The address in the row of the session that began last.
fn session_ip(app: &TestApp) -> String {
    let newest = sessions::table.order(sessions::created_at.desc()).select(sessions::ip);
    newest.first(&mut app.database()).expect("a session")
}

/// The address that a log-in with those headers is taken to come from.
#[track_caller]
fn taken_for(app: &TestApp, headers: &[(&str, &str)]) -> String {
    app.sql("DELETE FROM sessions");
    let mut all = vec![FORM];
    all.extend(headers);
    let pair = urlencoded(&[("email", ANN), ("password", PASSWORD)]);
    app.program().send(Method::Post, "/sessions", &all, pair.into_bytes()).is(200);
    session_ip(app)
}

#[test]
fn b79_headers_of_strangers_change_nothing() {
    for proxies in ["", "\"10.0.0.0/8\", \"fd00::/8\", \"127.0.0.2\""] {
        let app = trusting(proxies);
        for name in NAMES {
            let value = if name == "Forwarded" { "for=198.51.100.7" } else { "198.51.100.7" };
            assert_eq!(taken_for(&app, &[(name, value)]), "127.0.0.1", "{name}");
        }
        for way in WAYS {
            let mut checked = 0;
            for number in 0..120 {
                let visitor = way.visitor(&app);
                for name in NAMES {
                    visitor.header(name, &format!("198.51.100.{number}"));
                }
                let email = format!("user{number}@{way:?}.example.com");
                checked += usize::from(way.log_in(&visitor, &email, WRONG).status.code == 401);
            }
            let most = if way == Way::Form { 50 } else { 0 };
            // The first fifty are all for this address, until their minute is over.
            println!("{way:?}: 120 tries with 120 forged addresses: {checked} looked at");
            assert!((most..=most + 50).contains(&checked), "{way:?}: {checked}");
        }
        let keys = super::windows(&app);
        let clients = keys.iter().filter(|window| window.0.starts_with("log_in/client/"));
        assert!(clients.clone().all(|window| window.0.ends_with("/127.0.0.1")), "{keys:?}");
        assert!(tries_of(&app, "log_in/client/86400/")[0] <= 100);
    }
}

#[test]
fn b80_behind_a_proxy_the_right_most_stranger_counts() {
    let app = trusting("\"127.0.0.1\", \"10.0.0.0/8\", \"fd00::/8\"");
    let long = vec!["198.51.100.250"; 650].join(", ");
    assert!(long.len() > 10 * 1024);
    let long = format!("{long}, 203.0.113.9");
    let garbage = format!("{}, 203.0.113.9", "x".repeat(10 * 1024));
    for (header, expected) in [
        ("203.0.113.9", "203.0.113.9"),
        ("198.51.100.250, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("198.51.100.250, 203.0.113.9, 10.1.2.3", "203.0.113.9"),
        ("203.0.113.9,10.1.2.3,10.4.5.6", "203.0.113.9"),
        ("203.0.113.9:40312", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:40312", "2001:db8::7"),
        ("fe80::7%eth0", "fe80::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, fd00::5", "203.0.113.9"),
        ("'; DROP TABLE users; --, 203.0.113.9", "203.0.113.9"),
        (&long, "203.0.113.9"),
        (&garbage, "203.0.113.9"),
        // What is no address was not written by a proxy of ours: theirs is the last we know.
        ("198.51.100.250, unknown", "127.0.0.1"),
        ("198.51.100.250, _hidden, 10.1.2.3", "10.1.2.3"),
        ("198.51.100.250, 256.1.1.1", "127.0.0.1"),
        ("198.51.100.250, 0x7f.1", "127.0.0.1"),
        ("198.51.100.250, 203.0.113.9 evil", "127.0.0.1"),
        ("198.51.100.250,", "127.0.0.1"),
        ("", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
    ] {
        let short: String = header.chars().take(60).collect();
        assert_eq!(taken_for(&app, &[("X-Forwarded-For", header)]), expected, "{short}");
    }
}

#[test]
fn b80_several_headers_are_one_list() {
    let app = trusting("\"127.0.0.1\", \"10.0.0.0/8\"");
    let all = |values: &[&'static str]| {
        let headers: Vec<(&str, &str)> =
            values.iter().map(|value| ("X-Forwarded-For", *value)).collect();
        taken_for(&app, &headers)
    };
    assert_eq!(all(&["198.51.100.250", "203.0.113.9"]), "203.0.113.9");
    assert_eq!(all(&["198.51.100.250", "198.51.100.251, 203.0.113.9", "10.1.2.3"]), "203.0.113.9");
    assert_eq!(all(&["203.0.113.9", "unknown"]), "127.0.0.1");
    let many = vec!["198.51.100.250"; 500];
    assert_eq!(all(&[&many[..], &["203.0.113.9"]].concat()), "203.0.113.9");
    // The other headers mean nothing, from whomever they come.
    for name in NAMES.iter().filter(|name| **name != "X-Forwarded-For") {
        let headers = [(*name, "198.51.100.250"), ("X-Forwarded-For", "203.0.113.9")];
        assert_eq!(taken_for(&app, &headers), "203.0.113.9", "{name}");
    }
}

#[test]
fn b81_nobody_can_have_a_victims_address_blocked() {
    let victim = "192.0.2.1";
    // Past the proxy, in its name, and through it with the victim's address written before.
    for (proxies, header) in [
        ("", victim.to_owned()),
        ("\"10.0.0.0/8\"", victim.to_owned()),
        ("\"127.0.0.1\"", format!("{victim}, 203.0.113.9")),
        ("\"127.0.0.1\"", format!("{victim}, {victim}, 203.0.113.9, 127.0.0.1")),
    ] {
        let app = trusting(proxies);
        for way in WAYS {
            let attacker = way.visitor(&app);
            attacker.header("X-Forwarded-For", &header);
            for number in 0..70 {
                way.log_in(&attacker, &format!("{number}@{way:?}.example.com"), WRONG);
                let email = format!("{number}@{way:?}.example.org");
                way.send(&attacker, Method::Post, "/reset_password", &[("email", &email)]);
            }
            let refused = way.log_in(&attacker, "one.more@example.com", WRONG);
            refused.is(429);
        }
        assert_eq!(tries_of(&app, &format!("log_in/client/60/{victim}")), [0; 0]);
        let visitor = Guesser::at(app.auth(), victim);
        visitor.tries(ANN, PASSWORD, Timestamp::now()).session();
        let asked = app.auth().ask_for_reset(ANN, victim, Timestamp::now());
        app.wait(asked).expect("the victim asks as before");
    }
}

/// A request over a connection from `peer`.
fn log_in_from(app: &TestApp, peer: &str, forwarded: Option<&str>) -> u16 {
    let peer: SocketAddr = peer.parse().expect("an address");
    let mut request = app.client.post("/sessions").remote(peer).header(ContentType::Form);
    request.add_header(Header::new("Host", HOST));
    if let Some(forwarded) = forwarded {
        request.add_header(Header::new("X-Forwarded-For", forwarded.to_owned()));
    }
    let pair = urlencoded(&[("email", ANN), ("password", PASSWORD)]);
    request.body(pair).dispatch().status().code
}

#[test]
fn the_sessions_row_holds_the_peer_or_whom_a_proxy_names() {
    let app = trusting("\"10.0.0.0/8\", \"fd00::/8\"");
    for (peer, forwarded, expected) in [
        ("203.0.113.9:5000", None, "203.0.113.9"),
        ("203.0.113.9:5000", Some("198.51.100.7"), "203.0.113.9"),
        ("[2001:db8::7]:5000", Some("198.51.100.7"), "2001:db8::7"),
        // A socket for both protocols shows an IPv4 peer so.
        ("[::ffff:203.0.113.9]:5000", None, "203.0.113.9"),
        ("10.9.8.7:5000", Some("198.51.100.7"), "198.51.100.7"),
        ("[::ffff:10.9.8.7]:5000", Some("198.51.100.7"), "198.51.100.7"),
        ("[fd00::1]:5000", Some("2001:db8::9"), "2001:db8::9"),
        ("10.9.8.7:5000", None, "10.9.8.7"),
    ] {
        app.sql("DELETE FROM sessions");
        assert_eq!(log_in_from(&app, peer, forwarded), 200, "{peer} {forwarded:?}");
        assert_eq!(session_ip(&app), expected, "{peer} {forwarded:?}");
    }
}

#[test]
fn b83b_a_scheme_that_a_stranger_names_changes_no_cookie() {
    let https = "base_url = \"https://login.example.org\"\n";
    for proxies in ["", "trusted_proxies = [\"127.0.0.1\"]"] {
        for (settings, secure) in [(https, true), ("", false)] {
            let app = with_ann(&format!("{settings}{}\n{proxies}", defaults()));
            for scheme in ["http", "https", "javascript"] {
                for way in WAYS {
                    let visitor = way.visitor(&app);
                    visitor.header("X-Forwarded-Proto", scheme).header("X-Forwarded-Ssl", "off");
                    visitor.header("Forwarded", &format!("proto={scheme};host=evil.example"));
                    // `Visitor` looks at the attributes and the prefix of every cookie.
                    let answer = way.log_in(&visitor, ANN, PASSWORD);
                    assert_eq!(answer.status.code, way.welcome(), "{}", answer.text());
                    let cookies = answer.all("set-cookie");
                    assert!(cookies.len() >= 2, "{cookies:?}");
                    assert!(cookies.iter().all(|cookie| cookie.contains("; Secure") == secure));
                    assert_eq!(answer.header("strict-transport-security").is_some(), secure);
                    let location = answer.header("location").unwrap_or("/");
                    assert!(location.starts_with('/'), "{location}");
                    visitor.get("/profile").is(200);
                }
            }
        }
    }
}

#[test]
fn a_proxy_that_says_nothing_is_one_client() {
    let app = guarded();
    for way in WAYS {
        let visitor = way.visitor(&app);
        for number in 0..60 {
            way.log_in(&visitor, &format!("{number}@{way:?}.example.com"), WRONG);
        }
    }
    assert!(tries_of(&app, "log_in/client/86400/127.0.0.1")[0] >= 50);
}

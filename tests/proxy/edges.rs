//! What the proxies themselves refuse: plain http, foreign names, big bodies, crowds; and how their files are marked.

use std::io::{BufReader, Write};
use std::net::Ipv4Addr;

use crate::behind_each_proxy;
use crate::client::{Answer, PAGES, dial, dial_tls};
use crate::patience::soon;
use crate::proxy::{Kind, configuration};
use crate::site::{APP, LOGIN, MANY_FILES, Site};
use crate::trickle::{Trickle, log_in_head};

behind_each_proxy!(
    plain_http_leads_pages_to_https_and_refuses_the_rest,
    foreign_names_are_not_served_and_big_bodies_are_refused,
    names_and_ports_stand_in_marked_lines_alone,
);

fn plain_http_leads_pages_to_https_and_refuses_the_rest(kind: Kind) {
    let site = Site::start(kind);
    let ask = |request: String| {
        let mut stream = dial(Ipv4Addr::LOCALHOST, site.proxy.http).expect("connects");
        stream.write_all(request.as_bytes()).expect("sent");
        Answer::read(&mut BufReader::new(stream)).expect("an answer")
    };
    let (page, json) = ("text/html,*/*;q=0.8", "application/json");
    for host in [LOGIN, APP] {
        let end = format!("Host: {host}\r\nConnection: close\r\nContent-Length: 0\r\n");
        let answer = ask(format!("GET /a?b=c HTTP/1.1\r\n{end}Accept: {page}\r\n\r\n"));
        answer.is(301);
        assert_eq!(answer.header("location"), Some(format!("https://{host}/a?b=c").as_str()));
        for (method, accept) in [("GET", json), ("GET", "*/*"), ("POST", page), ("DELETE", json)] {
            let path = "/sessions";
            let answer = ask(format!("{method} {path} HTTP/1.1\r\n{end}Accept: {accept}\r\n\r\n"));
            answer.is(403);
            assert_eq!(answer.header("location"), None);
        }
    }
    assert!(site.application.seen().is_empty());
}

fn foreign_names_are_not_served_and_big_bodies_are_refused(kind: Kind) {
    let site = Site::start(kind);
    let me = Ipv4Addr::LOCALHOST;
    let mut ann = site.signed_in(1, "ann@example.org").with(&[PAGES]);
    let other = "other.example.org";
    // Caddy has a certificate for every name of its own, and here a wide one.
    assert!(kind == Kind::Caddy || dial_tls(me, site.proxy.https, other).is_err());
    for greeted in [LOGIN, APP, other] {
        let Ok(line) = ann.connects(greeted) else { continue };
        let answer = ann.ask_on(&mut BufReader::new(line), "GET", other, "/login", "");
        let served = answer.as_ref().is_ok_and(|answer| !answer.body.is_empty());
        assert!(!served, "{greeted}: {answer:?}");
    }
    for (host, size) in [(LOGIN, 300_000), (APP, 11_000_000)] {
        // A server that has had enough may close before all of it is sent, or (Caddy 2.6) call the
        // one behind it bad.
        let answer = ann.ask("POST", host, "/sessions", &"a".repeat(size));
        let refused = |status| status == 413 || kind == Kind::Caddy && status == 502;
        assert!(answer.as_ref().map_or(true, |it| refused(it.status)), "{host}: {answer:?}");
    }
    assert!(site.application.seen().is_empty());
}

#[test]
fn nginx_serves_fifty_requests_of_one_address_at_once() {
    // So that they are still there however busy this machine is.
    let patient = vec![("client_body_timeout 5s", "client_body_timeout 60s".to_owned())];
    let site = Site::start_with(Kind::Nginx, patient, &[("BODY_TIMEOUT", "60s")], MANY_FILES);
    let from = Ipv4Addr::new(127, 0, 0, 9);
    let mut slow: Vec<_> =
        (0..60).map(|_| Trickle::http1(from, site.proxy.https, &log_in_head())).collect();
    let mut ninth = site.visitor(9).with(&[PAGES]);
    soon("fifty are counted", || (ninth.get(LOGIN, "/login").status == 429).then_some(()));
    site.visitor(1).with(&[PAGES]).get(LOGIN, "/login").is(200);
    slow.truncate(25);
    soon("the address is served again", || {
        (ninth.get(LOGIN, "/login").status == 200).then_some(())
    });
}

/// "Change the marked lines": there are no others to change.
fn names_and_ports_stand_in_marked_lines_alone(kind: Kind) {
    let text = configuration(kind);
    let lines: Vec<&str> = text.lines().collect();
    let mut marked = 0;
    for (index, line) in lines.iter().enumerate() {
        let own = line.trim_start();
        let names = ["example.org", "127.0.0.1:"].iter().any(|name| own.contains(name));
        if own.starts_with('#') || !names {
            continue;
        }
        // nginx's at their end; Caddy takes no comment there, so its stand above.
        let above = || lines[..index].iter().rev().take(2).any(|line| line.contains("# CHANGE"));
        assert!(own.ends_with("# CHANGE") || above(), "{kind:?} line {}: {line}", index + 1);
        marked += 1;
    }
    assert!(marked > 5, "{marked}");
}

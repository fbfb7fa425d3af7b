//! D7: whose name a request may bear.

use rocket::http::Method;

use crate::app::{HOST, PASSWORD, TestApp, Visitor};

const HOST_FREE: [&str; 2] = ["/health", "/ready"];

#[track_caller]
fn ask(visitor: &Visitor<'_>, path: &str, hosts: &[&str]) -> u16 {
    visitor.without_header("Host");
    let headers: Vec<(&str, &str)> = hosts.iter().map(|host| ("Host", *host)).collect();
    visitor.send(Method::Get, path, &headers, Vec::new()).status.code
}

#[test]
fn every_name_of_this_machine_will_do_for_a_loopback_address() {
    let app = TestApp::new();
    for host in [
        HOST,
        "localhost:8000",
        "LOCALHOST:8000",
        "[::1]:8000",
        "127.0.0.2:8000",
        "gatehouse.localhost:8000",
    ] {
        for visitor in [app.browser(), app.program()] {
            assert_eq!(ask(&visitor, "/", &[host]), 200, "{host}");
        }
    }
}

#[test]
fn b42_no_route_answers_to_a_foreign_name() {
    let app = TestApp::new();
    let ann = app.signed_up("ann@example.com");
    let before = app.dump();
    let mut walked = 0;
    for route in app.client.rocket().routes() {
        let path = match route.uri.path() {
            "/<path..>" => "/nowhere",
            path => {
                &path.replace("<token>", "0123456789abcdef").replace("<id>", "0123456789abcdef")
            }
        };
        // The page that refuses a name is shown with its stylesheet.
        if HOST_FREE.contains(&path) || path.starts_with("/static/") {
            continue;
        }
        walked += 1;
        for accept in ["text/html", "application/json"] {
            let headers = [("Host", "evil.example"), ("Accept", accept)];
            let answer = ann.send(route.method, path, &headers, Vec::new());
            assert_eq!(answer.status.code, 421, "{} {path}", route.method);
            answer.does_not_say("evil.example");
        }
    }
    // What the contract names, less the two probes.
    assert!(walked >= 16, "walked {walked} routes");
    assert_eq!(app.dump(), before);
}

#[test]
fn b42_a_host_must_be_named_once_and_be_ours() {
    let app = TestApp::new();
    for visitor in [app.browser(), app.program()] {
        for (hosts, code) in [
            (vec![], 400),
            (vec![HOST, HOST], 400),
            (vec![HOST, "evil.example"], 400),
            (vec!["evil.example", HOST], 400),
            (vec![""], 421),
            (vec![" "], 421),
            (vec!["evil.example"], 421),
            (vec!["127.0.0.1"], 421),
            (vec!["127.0.0.1:80"], 421),
            (vec!["127.0.0.1:8001"], 421),
            (vec!["localhost:8080"], 421),
            (vec!["localhost"], 421),
            (vec!["127.0.0.1:8000@evil.example"], 421),
            (vec!["evil.example@127.0.0.1:8000"], 421),
            (vec!["127.0.0.1:8000/evil"], 421),
            (vec!["127.0.0.1:8000#evil"], 421),
            (vec!["127.0.0.1:8000?evil"], 421),
            (vec!["127.0.0.1:8000\\evil"], 421),
            (vec!["127.0.0.1:8000, evil.example"], 421),
            (vec!["127.0.0.1:8000.evil.example"], 421),
            (vec!["localhost.evil.example:8000"], 421),
            (vec!["0.0.0.0:8000"], 421),
            (vec!["10.0.0.1:8000"], 421),
            (vec!["http://127.0.0.1:8000"], 421),
            (vec!["127.0.0.1:99999"], 421),
            (vec!["[::2]:8000"], 421),
        ] {
            assert_eq!(ask(&visitor, "/login", &hosts), code, "{hosts:?}");
        }
    }
}

#[test]
fn probes_may_come_by_any_name() {
    for settings in ["", "base_url = \"https://login.example.org\""] {
        let app = TestApp::with(settings, &[]);
        for path in HOST_FREE {
            for host in [HOST, "evil.example", "10.1.2.3:8000", "pod-7.cluster.internal"] {
                for visitor in [app.browser(), app.program()] {
                    assert_eq!(ask(&visitor, path, &[host]), 200, "{path} {host}");
                }
            }
        }
    }
}

#[test]
fn an_https_address_has_one_name_alone() {
    let app = TestApp::with("base_url = \"https://login.example.org\"", &[]);
    let visitor = app.browser();
    for host in ["login.example.org", "LOGIN.Example.Org", "login.example.org:443"] {
        assert_eq!(ask(&visitor, "/login", &[host]), 200, "{host}");
    }
    for host in [
        HOST,
        "127.0.0.1",
        "localhost",
        "[::1]",
        "login.example.org:80",
        "login.example.org:8000",
        "login.example.org.",
        "sub.login.example.org",
        "example.org",
        "login.example.org.evil.example",
        "evil@login.example.org",
    ] {
        assert_eq!(ask(&visitor, "/login", &[host]), 421, "{host}");
    }
}

#[test]
fn a_foreign_name_changes_nothing_for_somebody_signed_in() {
    let app = TestApp::new();
    let ann = app.signed_up("ann@example.com");
    let before = app.dump();
    ann.header("Host", "evil.example");
    ann.delete("/sessions").is(421);
    ann.post("/reset_password", &[("email", "ann@example.com")]).is(421);
    ann.post("/users", &[("email", "eve@example.com"), ("password", PASSWORD)]).is(421);
    assert_eq!(app.dump(), before);
    ann.header("Host", HOST).get("/profile").is(200);
}

//! B-16, B-20 to B-22: tries are counted exactly, whoever counts, under whatever spelling, after
//! whatever restart, and in a bounded number of rows.

use std::sync::Barrier;

use gatehouse::accounts::Auth;
use gatehouse::cli::serve;
use gatehouse::cli::service::Service;
use gatehouse::clock::Timestamp;
use rocket::http::{ContentType, Header, Method};
use rocket::local::asynchronous::Client;
use serde_json::json;

use super::{
    ANN, DAY, Guesser, HOUR, SECOND, Tried, WAYS, WRONG, defaults, guarded, tries_of, windows,
    with_ann,
};
use crate::app::{HOST, TestApp};
use crate::watch::Watched;

const CROWD: usize = 64;
/// A stall of the machine is not what these tests look for.
const PATIENT: &str = "database_wait = \"60s\"\nhash_queue = 1000\n";

/// `deed` by each of the crowd, all at one moment.
fn all_at_once<T: Send>(deed: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(CROWD);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CROWD)
            .map(|number| {
                let (barrier, deed) = (&barrier, &deed);
                scope.spawn(move || {
                    barrier.wait();
                    deed(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn count(outcomes: &[Tried]) -> usize {
    outcomes.iter().filter(|tried| tried.is_checked()).count()
}

/// The first tries of one account, and what one address may try of many.
fn counted_exactly(app: &TestApp, services: &[Auth]) {
    let now = Timestamp::now();
    let auth_of = |number: usize| services[number % services.len()].clone();
    let outcomes = all_at_once(|number| {
        let (auth, ip) = (auth_of(number), format!("198.51.100.{number}"));
        Guesser::at(&auth, &ip).tries(ANN, WRONG, now)
    });
    assert_eq!(count(&outcomes), 4, "64 for the price of 4");
    assert_eq!(tries_of(app, "log_in/account/"), [4, 4]);

    let outcomes = all_at_once(|number| {
        let auth = auth_of(number);
        let email = format!("user{number}@example.com");
        Guesser::at(&auth, "203.0.113.9").tries(&email, WRONG, now)
    });
    assert_eq!(count(&outcomes), 50);
    assert_eq!(tries_of(app, "log_in/client/60/203.0.113.9"), [50]);
    assert_eq!(tries_of(app, "log_in/server/60/"), [54]);
}

#[test]
fn b16_many_at_once_are_counted_one_by_one() {
    let app = with_ann(&format!("{PATIENT}{}", defaults()));
    counted_exactly(&app, &[app.auth().clone()]);
}

#[test]
fn b16_two_services_over_one_database_count_together() {
    let app = with_ann(&format!("{PATIENT}{}", defaults()));
    let other = Service::open(&app.config).expect("a second one");
    counted_exactly(&app, &[app.auth().clone(), other.auth.clone()]);
}

#[test]
fn b16_what_a_full_queue_turns_away_is_not_counted() {
    let settings = "database_wait = \"60s\"\nhash_queue = 1\nhash_threads = 1\n";
    let app = with_ann(&format!("{settings}limit_login = \"1000/1h\""));
    let (auth, now) = (app.auth().clone(), Timestamp::now());
    let outcomes = all_at_once(|number| {
        let email = format!("user{number}@example.com");
        Guesser::at(&auth, "203.0.113.9").attempts(&email, WRONG, now)
    });
    let turned_away = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    let counted = tries_of(&app, "log_in/client/")[0];
    println!("{turned_away} of {CROWD} turned away, {counted} counted");
    assert_eq!(counted as usize, CROWD - turned_away);
}

#[test]
fn b16_over_http_too() {
    let folder = Watched::new();
    let settings = format!("{PATIENT}limit_login = \"100/1h\"\nlimit_ask = \"10/1h\"");
    let config = TestApp::config(&folder, &settings, &[]);
    let service = Service::open(&config).expect("opens");
    let rocket = serve::rocket(&config, &service).expect("templates");
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(4).enable_all().build().expect("a runtime");
    let client = runtime.block_on(Client::untracked(rocket)).expect("ignites");
    for (path, allowed) in [("/reset_password", 10), ("/unlock", 10)] {
        let statuses = all_at_once(|number| {
            let email = format!("user{number}@example.com");
            runtime.block_on(async {
                let request = client.post(path).header(ContentType::JSON);
                let request = request.header(Header::new("Host", HOST));
                let request = request.remote(([127, 0, 0, 1], 4321).into());
                let answer = request.body(json!({ "email": email }).to_string()).dispatch().await;
                answer.status().code
            })
        });
        let passed = statuses.iter().filter(|status| **status == 200).count();
        assert_eq!(passed, allowed, "{path}: {statuses:?}");
        assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{path}: {statuses:?}");
    }
}

#[test]
fn b20_every_spelling_that_reaches_an_account_shares_its_bucket() {
    for (stored, spellings) in [
        (
            "ann@example.com",
            ["ann@example.com", "Ann@Example.COM", "ａｎｎ@example.com", "ANN@ｅxample.com"],
        ),
        (
            "rené@münchen.example",
            [
                "rené@münchen.example",
                "rene\u{301}@xn--mnchen-3ya.example",
                "RENÉ@MÜNCHEN.example",
                "RENE\u{301}@MU\u{308}NCHEN.EXAMPLE",
            ],
        ),
        (
            "straße@example.com",
            [
                "straße@example.com",
                "STRASSE@example.com",
                "strasse@EXAMPLE.com",
                "Straße@example.com",
            ],
        ),
    ] {
        let app = TestApp::with(&defaults(), &[]);
        app.program().post("/users", &[("email", stored), ("password", "a quiet harbour")]).is(200);
        let (guesser, now) = (Guesser::at(app.auth(), "203.0.113.9"), Timestamp::now());
        let tries = (0..64).map(|number| spellings[number % 4]);
        let checked = tries.filter(|email| guesser.tries(email, WRONG, now).is_checked()).count();
        assert_eq!(checked, 4, "{stored}");
        assert_eq!(tries_of(&app, "log_in/account/"), [4, 4], "{stored}");
    }
}

#[test]
fn b20_what_reaches_no_account_has_a_bucket_like_any_unknown_one() {
    let app = guarded();
    let (guesser, now) = (Guesser::at(app.auth(), "203.0.113.9"), Timestamp::now());
    // None of them is Ann's address, nor does it use up her tries.
    for email in [
        "ann@example.com.",
        " ann@example.com",
        "ann@example.com\0",
        "\"ann\"@example.com",
        "an.n@example.com",
        "ann+tag@example.com",
        "ann",
        "",
    ] {
        let checked = (0..8).filter(|_| guesser.tries(email, WRONG, now).is_checked()).count();
        assert_eq!(checked, 4, "{email:?}");
    }
    assert!(guesser.tries(ANN, WRONG, now).is_checked());
    for way in WAYS {
        let visitor = way.visitor(&app);
        for email in ["ann", "ann@example.com.", "ann+other@example.com"] {
            let seen: Vec<u16> =
                (0..8).map(|_| way.log_in(&visitor, email, WRONG).status.code).collect();
            assert_eq!(seen[7], 429, "{email}: {seen:?}");
        }
    }
    let keys: Vec<String> = windows(&app).into_iter().map(|window| window.0).collect();
    assert!(!keys.iter().any(|key| key.contains("ann")), "what was typed is not kept: {keys:?}");
}

#[test]
fn b21_a_restart_forgets_nothing() {
    let app = guarded();
    let now = Timestamp::now();
    let pause = Guesser::at(app.auth(), "203.0.113.9").closes_ann(now).retry_after;
    let before = windows(&app);
    let app = app.restarted();
    assert_eq!(windows(&app), before);
    let guesser = Guesser::at(app.auth(), "203.0.113.9");
    guesser.tries(ANN, WRONG, now).refusal();
    assert!(guesser.tries(ANN, WRONG, now + pause).is_checked());
    assert!(guesser.tries(ANN, WRONG, now + pause).refusal().retry_after > pause, "it grows on");
}

#[test]
fn b22_a_customers_whole_network_is_one_client() {
    let app = guarded();
    let now = Timestamp::now();
    let mut checked = 0;
    for number in 0..300_u32 {
        let ip = format!("2001:db8:1:2:{:x}:{:x}:0:{:x}", number % 7, number, number * 31);
        let tried =
            Guesser::at(app.auth(), &ip).tries(&format!("{number}@example.com"), WRONG, now);
        checked += usize::from(tried.is_checked());
    }
    assert_eq!(checked, 50);
    assert_eq!(tries_of(&app, "log_in/client/60/"), [50]);
    // The next network is another client, the IPv4 address in disguise none of them.
    for ip in ["2001:db8:1:3::1", "203.0.113.9"] {
        assert!(Guesser::at(app.auth(), ip).tries("x@example.com", WRONG, now).is_checked());
    }
}

#[test]
fn b22_hopping_between_networks_meets_the_servers_limit_and_no_more_rows_than_that() {
    let app = with_ann("limit_login = \"2/1m, 4/1d\"");
    let now = Timestamp::now();
    let mut checked = 0;
    for number in 0..3000_u32 {
        let ip = format!("2001:db8:{:x}:{:x}::1", number / 256, number % 256);
        let tried =
            Guesser::at(app.auth(), &ip).tries(&format!("{number}@example.com"), WRONG, now);
        checked += usize::from(tried.is_checked());
    }
    assert_eq!(checked, 400, "two hundred times two");
    // Two windows for each client and account, and one of the server.
    assert_eq!(windows(&app).len(), 400 * 4 + 1);
}

#[test]
fn b22_a_refused_try_writes_nothing() {
    let app = guarded();
    let (guesser, now) = (Guesser::at(app.auth(), "203.0.113.9"), Timestamp::now());
    guesser.closes_ann(now);
    let (before, rows) = (windows(&app), app.dump());
    for second in 0..3 {
        for _ in 0..100 {
            guesser.tries(ANN, WRONG, now + second * SECOND / 4).refusal();
        }
    }
    assert_eq!(windows(&app), before);
    assert_eq!(app.dump(), rows);
}

#[test]
fn b22_windows_that_have_ended_are_cleared_away() {
    let app = guarded();
    let (guesser, now) = (Guesser::at(app.auth(), "203.0.113.9"), Timestamp::now());
    for number in 0..20 {
        assert!(guesser.tries(&format!("{number}@example.com"), WRONG, now).is_checked());
    }
    let all = windows(&app).len();
    assert_eq!(all, 1 + 2 + 40);
    let purged = |at| app.wait(app.auth().purge_limits(at)).expect("purged");
    assert_eq!(purged(now + 59 * SECOND), 0);
    assert_eq!(purged(now + 60 * SECOND), 22, "the minutes");
    assert_eq!(purged(now + DAY - SECOND), 0);
    assert_eq!(purged(now + DAY + HOUR), 21, "the days");
    assert_eq!(windows(&app).len(), 0);
}

/// Whoever types a password into the field for the address does not find it in the database.
#[test]
fn what_was_typed_as_an_address_is_not_kept() {
    let app = guarded();
    for way in WAYS {
        way.log_in(&way.visitor(&app), "correct horse battery", WRONG).is(401);
    }
    let raw = app.raw_database();
    assert!(!raw.windows(13).any(|bytes| bytes == b"correct horse"));
    let sent = |method, path: &str| super::Way::Json.send(&app.program(), method, path, &[]);
    sent(Method::Post, "/sessions").is(422);
}

//! B-10 to B-13: word lists, sprays and botnets get a handful of passwords looked at, however they
//! are sent.

use std::time::{Duration, Instant};

use gatehouse::audit::journal;
use gatehouse::clock::Timestamp;

use super::{
    ANN, BOB, DAY, Guesser, HOUR, SECOND, Tried, WAYS, WRONG, behind_a_proxy, guarded, most_checks,
    tries_of,
};
use crate::app::PASSWORD;

/// Tries the words one after the other, each as soon as it may be; returns when each was looked at.
fn as_fast_as_it_may(guesser: &Guesser<'_>, words: usize, start: Timestamp) -> Vec<Timestamp> {
    let (mut now, mut checked) = (start, Vec::new());
    while checked.len() < words {
        match guesser.tries(ANN, WRONG, now) {
            Tried::Checked(_) => checked.push(now),
            Tried::Refused(limited) => now = now + limited.retry_after,
            Tried::In(_) => panic!("a wrong password"),
        }
    }
    checked
}

/// The most moments that lie within one `span`.
fn most_within(moments: &[Timestamp], span: Duration) -> usize {
    let within = |(first, from): (usize, &Timestamp)| {
        moments[first..].iter().filter(|at| at.since(*from) < span).count()
    };
    moments.iter().enumerate().map(within).max().unwrap_or(0)
}

#[test]
fn b10_a_thousand_words_at_one_moment_are_four() {
    let app = guarded();
    let guesser = Guesser::at(app.auth(), "203.0.113.9");
    let now = Timestamp::now();
    let checked = (0..1000).filter(|_| guesser.tries(ANN, WRONG, now).is_checked()).count();
    assert_eq!((checked, most_checks(Duration::ZERO)), (4, 4));
}

#[test]
fn b10_whoever_never_waits_gets_no_more_than_the_rule_allows() {
    for (every, span) in [(50, Duration::from_secs(60)), (4000, HOUR)] {
        let app = guarded();
        let guesser = Guesser::at(app.auth(), "203.0.113.9");
        let (start, step) = (Timestamp::now(), Duration::from_millis(every));
        let (mut now, mut tries, mut checked) = (start, 0, 0);
        while now.since(start) <= span {
            checked += usize::from(guesser.tries(ANN, WRONG, now).is_checked());
            tries += 1;
            now = now + step;
        }
        println!("{tries} tries in {span:?}: {checked} passwords looked at");
        assert_eq!(checked, most_checks(span), "within {span:?}");
        assert!(span > Duration::from_secs(60) || checked <= 10);
    }
}

#[test]
fn b10_whoever_waits_no_longer_than_told_gets_a_hundred_words_a_day() {
    let app = guarded();
    let guesser = Guesser::at(app.auth(), "203.0.113.9");
    let start = Timestamp::now();
    let checked = as_fast_as_it_may(&guesser, 250, start);
    let first_day = checked.iter().filter(|at| at.since(start) < DAY).count();
    let worst_day = most_within(&checked, DAY);
    let last = checked.last().expect("250 moments").since(start);
    println!(
        "passwords looked at: {} in the first minute, {} in the first hour, {first_day} in the \
         first day, {worst_day} in the worst 24 hours, 250 after {:.1} days",
        most_within(&checked[..20], Duration::from_secs(60)),
        most_within(&checked[..40], HOUR),
        last.as_secs_f64() / DAY.as_secs_f64()
    );
    assert_eq!(first_day, most_checks(DAY));
    assert_eq!(first_day, 100);
    // A new window begins with its few free tries.
    assert!(worst_day <= 110, "{worst_day}");
    assert!(last > 2 * DAY);
}

#[test]
fn b10_over_http_a_thousand_wrong_passwords_get_a_handful_looked_at() {
    for way in WAYS {
        let app = guarded();
        let visitor = way.visitor(&app);
        let begun = Instant::now();
        let mut checked = 0;
        for number in 0..1000 {
            let password = if number == 500 { PASSWORD } else { WRONG };
            let answer = way.log_in(&visitor, ANN, password);
            match answer.status.code {
                401 => checked += 1,
                429 => {}
                other => panic!("{other}: try {number}: {}", answer.text()),
            }
        }
        // The pauses go by the server's clock, in whole milliseconds.
        let most = most_checks(begun.elapsed() + Duration::from_secs(1));
        println!("{way:?}: 1000 tries in {:?}: {checked} passwords looked at", begun.elapsed());
        assert!((4..=most).contains(&checked), "{checked}, at most {most}");
        assert_eq!(tries_of(&app, "log_in/account/86400/"), [checked as i64]);
    }
}

#[test]
fn b11_many_addresses_are_no_help_against_one_account() {
    let app = behind_a_proxy();
    let begun = Instant::now();
    for way in WAYS {
        let mut checked = 0;
        for number in 0..600 {
            let visitor = way.visitor(&app);
            visitor.header("X-Forwarded-For", &format!("198.51.{}.{}", number % 3, number % 200));
            let answer = way.log_in(&visitor, ANN, WRONG);
            if answer.status.code == 401 {
                checked += 1;
            } else {
                answer.is(429);
            }
        }
        println!("{way:?}: 600 tries from 600 addresses: {checked} passwords looked at");
    }
    let counted = tries_of(&app, "log_in/account/86400/")[0];
    let most = most_checks(begun.elapsed() + Duration::from_secs(1));
    assert!((4..=most as i64).contains(&counted), "{counted}, at most {most}");
}

#[test]
fn b12_one_password_for_five_thousand_accounts_is_fifty_a_minute_and_five_hundred_a_day() {
    let app = guarded();
    let sprayer = Guesser::at(app.auth(), "203.0.113.9");
    let start = Timestamp::now();
    let checked = (0..5000)
        .filter(|number| {
            let tried = sprayer.tries(&format!("user{number}@example.com"), WRONG, start);
            tried.is_checked()
        })
        .count();
    assert_eq!(checked, 50, "at one moment");
    let (mut now, mut checked, mut number) = (start, checked, 5000);
    while now.since(start) < DAY {
        match sprayer.tries(&format!("user{number}@example.com"), WRONG, now) {
            Tried::Checked(_) => (checked, number) = (checked + 1, number + 1),
            Tried::Refused(limited) => now = now + limited.retry_after,
            Tried::In(_) => panic!("a wrong password"),
        }
    }
    println!("one password for {number} accounts from one address: {checked} looked at in a day");
    assert_eq!(checked, 500);
}

#[test]
fn b12_over_http_too_and_the_right_one_is_not_found() {
    for way in WAYS {
        let app = guarded();
        let visitor = way.visitor(&app);
        let begun = Instant::now();
        let mut checked = 0;
        for number in 0..300 {
            let email = format!("user{number}@example.com");
            // Ann's comes late in the list.
            let email = if number == 250 { ANN } else { &email };
            let answer = way.log_in(&visitor, email, PASSWORD);
            match answer.status.code {
                401 => checked += 1,
                429 => {}
                other => panic!("{other}: {email}"),
            }
        }
        let minutes = 1 + begun.elapsed().as_secs() / 60;
        assert!(minutes > 1 || checked == 50, "{checked}");
        assert!(checked <= 50 * minutes, "{checked}");
    }
}

#[test]
fn b13_a_botnet_reaches_the_whole_servers_limit_and_owners_still_get_in() {
    let app = behind_a_proxy();
    let ann = app.browser();
    ann.header("X-Forwarded-For", "192.0.2.1");
    ann.post("/sessions", &[("email", ANN), ("password", PASSWORD)]).goes_to("/profile");
    ann.delete("/sessions").goes_to("/");

    let now = Timestamp::now();
    let (mut checked, mut refused) = (0, None);
    for address in 0..200 {
        let ip = format!("198.51.100.{address}");
        let bot = Guesser::at(app.auth(), &ip);
        for account in 0..50 {
            match bot.tries(&format!("user{address}.{account}@example.com"), WRONG, now) {
                Tried::Checked(_) => checked += 1,
                Tried::Refused(limited) => refused = Some(limited),
                Tried::In(_) => panic!("a wrong password"),
            }
        }
    }
    println!("200 addresses, 50 accounts each, one try each: {checked} passwords looked at");
    assert_eq!(checked, 2000, "two hundred times ten a minute");
    assert!(refused.expect("the rest").whole_server);

    // The whole server's window as if it had begun just now: a slow machine may have seen its end.
    let now = Timestamp::now();
    let (start, end) = (now.millis(), (now + 60 * SECOND).millis());
    app.sql(&format!(
        "UPDATE limits SET started_at = {start}, ends_at = {end} \
         WHERE bucket LIKE 'log\\_in/server/60/%' ESCAPE '\\'"
    ));
    for way in WAYS {
        let stranger = way.visitor(&app);
        stranger.header("X-Forwarded-For", "192.0.2.77");
        way.log_in(&stranger, BOB, WRONG).is(429);
        let known = way.visitor(&app);
        known.set_cookie("device", &ann.cookie("device").expect("a known device"));
        let answer = way.log_in(&known, ANN, PASSWORD);
        assert_eq!(answer.status.code, way.welcome(), "{}", answer.text());
    }
    app.auth().journal().flush();
    let events = journal::newest(&mut app.database(), None, 20).expect("events");
    let attack: Vec<_> = events.iter().filter(|event| event.event == "under_attack").collect();
    assert!(!attack.is_empty(), "{events:?}");
    assert!(attack.iter().all(|event| event.ip == "192.0.2.77"), "{attack:?}");
}

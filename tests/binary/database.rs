//! Faults of the database under the running service: locked, read-only, gone.

use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;

use crate::deeds::{DEEDS, Person, two_people};
use crate::http::Answer;
use crate::program::Home;
use crate::rows::{dump, integrity, select};

/// The default of `database_wait`.
const WAIT: Duration = Duration::from_secs(3);
/// A busy machine's share of an answer's time.
const SLACK: Duration = Duration::from_secs(1);

/// An answer, to whom, for what, and how long it took.
type Outcome<'a> = (&'a Person, &'static str, Answer, Duration);

/// Every deed by everybody, all at once.
fn all_at_once(people: &[Person]) -> Vec<Outcome<'_>> {
    thread::scope(|scope| {
        let begin = |person, (name, deed): (_, crate::deeds::Deed)| {
            scope.spawn(move || {
                let (mut visitor, began) = (Person::visitor(person), Instant::now());
                let answer = deed(person, &mut visitor);
                (person, name, answer, began.elapsed())
            })
        };
        let running: Vec<_> =
            people.iter().flat_map(|person| DEEDS.map(|deed| begin(person, deed))).collect();
        running.into_iter().map(|thread| thread.join().expect("answered")).collect()
    })
}

/// One deed after another by everybody; each must succeed.
#[track_caller]
fn all_succeed(people: &[Person]) {
    for person in people {
        for (name, deed) in DEEDS {
            let mut visitor = person.visitor();
            person.succeeds(name, &deed(person, &mut visitor));
            if name == "log in" {
                visitor.get("/profile").is(200).says(&person.email);
            }
        }
    }
}

#[test]
fn b84_a_lock_that_passes_is_waited_for() {
    let home = Home::new();
    let server = home.start();
    let people = two_people(&home, &server);
    let mut other = home.database();
    other.batch_execute("BEGIN EXCLUSIVE").expect("locked");
    let held = Duration::from_millis(500);
    let outcomes = thread::scope(|scope| {
        let outcomes = scope.spawn(|| all_at_once(&people));
        // Not a wait for something: the time that the lock is held.
        thread::sleep(held);
        other.batch_execute("ROLLBACK").expect("released");
        outcomes.join().expect("answered")
    });
    for (person, name, answer, took) in &outcomes {
        // The reset may be first: then the password is the old one, and the session has ended.
        if ![("log in", 401), ("log out", 403)].contains(&(*name, answer.status)) {
            person.succeeds(name, answer);
        }
        assert!(*took < WAIT + SLACK, "{name}: {took:?}");
    }
}

#[test]
fn b84_a_lock_that_stays_is_503_in_time_and_nothing_is_half_done() {
    let home = Home::new();
    let server = home.start();
    let people = two_people(&home, &server);
    let mut other = home.database();
    other.batch_execute("BEGIN EXCLUSIVE").expect("locked");
    let before = dump(&mut home.database(), &[]);
    let waves = thread::scope(|scope| {
        let first = scope.spawn(|| all_at_once(&people));
        // In the middle of the first wave's wait: whoever comes then must not wait twice.
        thread::sleep(WAIT / 2);
        let second = scope.spawn(|| all_at_once(&people));
        // Readers are not held up.
        for person in &people {
            let began = Instant::now();
            person.visitor().get("/profile").is(200).says(&person.email);
            assert!(began.elapsed() < SLACK, "{:?}", began.elapsed());
        }
        [first, second].map(|wave| wave.join().expect("answered"))
    });
    for (person, name, answer, took) in waves.iter().flatten() {
        person.is_turned_away(name, answer);
        assert!(*took < WAIT + SLACK, "{name} by {}: {took:?}", person.email);
    }
    assert_eq!(dump(&mut home.database(), &[]), before);
    // Who heard 503 to a log-out is signed in still, and not told otherwise.
    for person in &people {
        person.visitor().get("/profile").is(200).says(&person.email);
    }
    other.batch_execute("ROLLBACK").expect("released");
    all_succeed(&people);
    assert_eq!(integrity(&mut home.database()), "ok");
    let sessions = "SELECT CAST(count(*) AS TEXT) AS value FROM sessions";
    // Who signed up in a browser is signed in; a reset ended everybody else's.
    assert_eq!(select(&mut home.database(), sessions), ["1"]);
}

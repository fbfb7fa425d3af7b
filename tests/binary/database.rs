//! Faults of the database under the running service: locked, read-only, gone.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;

use crate::deeds::{DEEDS, Deed, NOT_DEEDS, Person, everybody_succeeds, two_people};
use crate::http::Answer;
use crate::own_database::for_sqlite_alone;
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
        let begin = |person, (name, deed): (_, Deed)| {
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

#[test]
fn b84_a_lock_that_passes_is_waited_for() {
    let home = Home::new();
    let server = home.start();
    let people = two_people(&home, &server);
    let mut other = home.locked();
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
    let mut other = home.locked();
    let before = dump(&mut home.database(), &NOT_DEEDS);
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
    assert_eq!(dump(&mut home.database(), &NOT_DEEDS), before);
    // Who heard 503 to a log-out is signed in still, and not told otherwise.
    for person in &people {
        person.visitor().get("/profile").is(200).says(&person.email);
    }
    other.batch_execute("ROLLBACK").expect("released");
    everybody_succeeds(&home, &people);
    let sessions = "SELECT CAST(count(*) AS TEXT) AS value FROM sessions";
    // Who signed up in a browser is signed in; a reset ended everybody else's.
    assert_eq!(select(&mut home.database(), sessions), ["1"]);
}

/// What started it has taken root's right to write where no mode allows it.
fn obeying_modes() -> Home {
    let mut words = Vec::new();
    if rustix::process::geteuid().is_root() {
        words.extend(["setpriv", "--bounding-set=-dac_override,-dac_read_search"]);
    }
    Home::new().started_by(&words)
}

#[test]
fn b87_sqlite_files_that_can_only_be_read_for_a_while_cost_nobody_more_than_a_503() {
    for_sqlite_alone();
    let files = ["data/gatehouse.db", "data/gatehouse.db-wal", "data/gatehouse.db-shm"];
    let home = obeying_modes();
    let server = home.start();
    let people = two_people(&home, &server);
    files.iter().for_each(|file| home.chmod(file, 0o400));
    home.chmod("data", 0o500);
    // The file that is open stays as it was opened. A lock makes the service want it once more.
    let mut other = home.locked();
    thread::scope(|scope| {
        let deeds = scope.spawn(|| all_at_once(&people));
        while !deeds.is_finished() {
            for person in &people {
                let status = person.visitor().get("/profile").status;
                assert!([200, 503].contains(&status), "{status}");
            }
        }
        for (person, name, answer, _) in deeds.join().expect("answered") {
            person.is_turned_away(name, &answer);
        }
    });
    other.batch_execute("ROLLBACK").expect("released");
    let refused = home.run(&[]);
    refused.exits(1).says("data/gatehouse.db").says("ermission denied").complains_in_one_line();

    home.chmod("data", 0o700);
    files.iter().for_each(|file| home.chmod(file, 0o600));
    // A connection of the pool that was opened meanwhile stays as it was opened: 503, until a newer one.
    let pair = [("email", "new@example.com"), ("password", crate::program::PASSWORD)];
    crate::program::eventually("writes are taken again", || {
        let status = server.program().post("/users", &pair).status;
        assert!([200, 503].contains(&status), "{status}");
        (status == 200).then_some(())
    });
    server.stop();
    assert_eq!(integrity(&mut home.database()), "ok");
}

#[test]
fn b87_a_sqlite_file_or_folder_that_is_gone_is_503_and_never_made_anew() {
    for_sqlite_alone();
    for gone in ["data/gatehouse.db", "data"] {
        let home = Home::new();
        let server = home.start();
        let people = two_people(&home, &server);
        let aside = home.file("aside");
        fs::rename(home.file(gone), &aside).expect("moved");
        for person in &people {
            for (name, deed) in DEEDS {
                person.is_turned_away(name, &deed(person, &mut person.visitor()));
            }
        }
        server.program().get("/ready").is(503);
        server.program().get("/health").is(200);
        assert!(!home.file("data/gatehouse.db").exists(), "{:?}", home.listing());
        // Nor is another one taken for it.
        fs::create_dir_all(home.file("data")).expect("made");
        fs::copy(
            if gone == "data" { aside.join("gatehouse.db") } else { aside.clone() },
            home.file("data/gatehouse.db"),
        )
        .expect("copied");
        let (name, deed) = DEEDS[0];
        people[0].is_turned_away(name, &deed(&people[0], &mut people[0].visitor()));
        if gone == "data" {
            fs::remove_dir_all(home.file(gone)).expect("removed");
        }
        fs::rename(&aside, home.file(gone)).expect("moved back");
        server.program().get("/ready").is(200);
        everybody_succeeds(&home, &people);
    }
}

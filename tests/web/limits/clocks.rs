//! B-23: a clock that was set back locks nobody out for ever, one that was set ahead lets nobody
//! pass.

use std::time::Duration;

use gatehouse::clock::Timestamp;

use super::{ANN, DAY, Guesser, HOUR, SECOND, Tried, WRONG, guarded, most_checks, with_ann};
use crate::app::{PASSWORD, TestApp};

/// Tries as soon as it may, for `span`; returns how many passwords were looked at.
fn tries_for(guesser: &Guesser<'_>, span: Duration, start: Timestamp) -> usize {
    let (mut now, mut checked) = (start, 0);
    while now.since(start) <= span {
        match guesser.tries(ANN, WRONG, now) {
            Tried::Checked(_) => checked += 1,
            Tried::Refused(limited) => now = now + limited.retry_after,
            Tried::In(_) => panic!("a wrong password"),
        }
    }
    checked
}

#[test]
fn b23_set_back_it_makes_nobody_wait_longer_than_before() {
    for back in [2 * SECOND, HOUR, DAY, 400 * DAY] {
        let app = guarded();
        let guesser = Guesser::at(app.auth(), "203.0.113.9");
        let ahead = Timestamp::now() + back;
        let pause = guesser.closes_ann(ahead).retry_after;
        let now = ahead - back;
        let told = guesser.tries(ANN, WRONG, now).refusal().retry_after;
        assert!(told <= pause.max(SECOND), "{back:?}: {told:?}");
        let owner = Guesser::at(app.auth(), "192.0.2.1");
        owner.tries(ANN, PASSWORD, now + told).session();
    }
}

#[test]
fn b23_set_back_it_lets_nobody_try_more() {
    for back in [HOUR, 2 * DAY] {
        let app = guarded();
        let guesser = Guesser::at(app.auth(), "203.0.113.9");
        let ahead = Timestamp::now() + back;
        let before = tries_for(&guesser, HOUR, ahead);
        assert_eq!(before, most_checks(HOUR));
        let after = tries_for(&guesser, HOUR, ahead + HOUR - back);
        // Four an hour, as the pause stands.
        assert!((3..=5).contains(&after), "{back:?}: {after}");
    }
}

#[test]
fn b23_set_back_a_full_window_ends_after_its_own_time() {
    let app = with_ann("limit_login = \"10/1m, 12/1d\"");
    let guesser = Guesser::at(app.auth(), "203.0.113.9");
    let ahead = Timestamp::now() + 30 * DAY;
    assert_eq!(tries_for(&guesser, HOUR, ahead), 12);
    let now = ahead - 30 * DAY;
    let told = guesser.tries(ANN, WRONG, now).refusal().retry_after;
    assert!(told <= DAY, "{told:?}");
    let almost = now + told - SECOND;
    assert_eq!(guesser.tries(ANN, WRONG, almost).refusal().retry_after, SECOND);
    assert!(guesser.tries(ANN, WRONG, now + told).is_checked());
}

#[test]
fn b23_set_ahead_by_an_hour_the_pauses_grow_on() {
    let app = guarded();
    let guesser = Guesser::at(app.auth(), "203.0.113.9");
    let start = Timestamp::now();
    let mut pause = guesser.closes_ann(start).retry_after;
    let mut now = start;
    while pause < 60 * SECOND {
        now = now + pause;
        pause = guesser.closes_ann(now).retry_after;
    }
    // An hour is longer than the pause: one try, and then twice the pause.
    now = now + HOUR;
    assert!(guesser.tries(ANN, WRONG, now).is_checked());
    assert_eq!(guesser.tries(ANN, WRONG, now).refusal().retry_after, 2 * pause);
    // And back again.
    let told = guesser.tries(ANN, WRONG, now - HOUR).refusal().retry_after;
    assert_eq!(told, 2 * pause);
    assert!(guesser.tries(ANN, WRONG, now - HOUR + told).is_checked());
}

fn asks(app: &TestApp, now: Timestamp) -> usize {
    app.wait(app.auth().ask_for_reset(ANN, "203.0.113.9", now)).expect("asked");
    app.service.worker.deliver_due(now).expect("delivered")
}

#[test]
fn b23_set_back_mails_go_on_within_the_hour() {
    let app = with_ann("limit_mail = \"1/1h\"");
    let ahead = Timestamp::now() + 30 * DAY;
    assert_eq!(asks(&app, ahead), 1);
    let now = ahead - 29 * DAY;
    // The wish that is held back is what finds the window of another day.
    assert_eq!(asks(&app, now), 0);
    assert_eq!(asks(&app, now + HOUR - SECOND), 0);
    assert_eq!(asks(&app, now + HOUR + SECOND), 1);
}

//! Many changes at once, log-ins beside them, what overtakes one.

use gatehouse::accounts::Auth;
use gatehouse::accounts::login::LogIn;
use gatehouse::accounts::password_change::ChangePasswordError;
use gatehouse::accounts::sudo::{Proof, ProveError};
use gatehouse::db::schema::outbox;

use super::*;
use crate::crowd::{CROWD, PATIENT, all_at_once, wait};
use crate::overtake::overtake;

/// Nobody is signed out by the crowd of their own devices.
fn patient() -> TestApp {
    let app = TestApp::with(&format!("{PATIENT}\nsessions_per_user = 100"), &[]);
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    app
}

fn again(change: &PasswordChange, new: &str) -> PasswordChange {
    let Proof { user, session, password, device, .. } = &change.proof;
    let (user, session, password) = (user.clone(), session.clone(), password.clone());
    let proof = Proof { user, session, password, device: device.clone(), known_device: None };
    PasswordChange { proof, new_password: secret(new), keep_others: change.keep_others }
}

#[test]
fn b73_of_many_changes_at_once_one_wins_and_none_is_lost() {
    for one_session in [true, false] {
        let app = patient();
        let auth: Auth = app.auth().clone();
        let changes: Vec<PasswordChange> = match one_session {
            true => {
                let first = change(&app, PASSWORD, NEW);
                (0..CROWD)
                    .map(|number| again(&first, &format!("harbour number {number}")))
                    .collect()
            }
            false => (0..CROWD)
                .map(|number| change(&app, PASSWORD, &format!("harbour number {number}")))
                .collect(),
        };
        let outcomes = all_at_once(|number| {
            let mine = &changes[number];
            let new = format!("harbour number {number}");
            wait(auth.change_password(again(mine, &new), Timestamp::now()))
        });
        let winners: Vec<usize> = (0..CROWD).filter(|number| outcomes[*number].is_ok()).collect();
        assert_eq!(winners.len(), 1, "{winners:?}");
        for outcome in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            let overtaken = matches!(outcome, ChangePasswordError::Unproven(ProveError::Overtaken));
            assert!(overtaken, "{outcome:?}");
        }
        for number in 0..CROWD {
            let password = secret(&format!("harbour number {number}"));
            let right = app.wait(app.auth().valid_login(ANN, &password)).expect("answers");
            assert_eq!(right, number == winners[0], "password {number}");
        }
        let notices: QueryResult<i64> = outbox::table.count().get_result(&mut app.database());
        assert_eq!((notices, rows(&app).0), (Ok(1), 1), "one deed, one mail, one session");
    }
}

#[test]
fn b72_no_session_of_the_old_password_survives_its_change() {
    let app = patient();
    let auth: Auth = app.auth().clone();
    let mut old = PASSWORD.to_owned();
    for _ in 0..5 {
        let new = format!("{old}!");
        let changing = change(&app, &old, &new);
        let outcomes = all_at_once(|number| {
            if number == CROWD / 2 {
                let changed = auth.change_password(again(&changing, &new), Timestamp::now());
                return wait(changed).is_ok();
            }
            let attempt = LogIn {
                email: ANN.to_owned(),
                password: secret(&old),
                beginning: Beginning::default(),
            };
            wait(auth.log_in(attempt, Timestamp::now())).is_ok()
        });
        assert!(outcomes[CROWD / 2], "the change itself");
        assert_eq!(rows(&app).0, 1, "{outcomes:?}");
        old = new;
    }
}

#[test]
fn b72_a_change_that_was_overtaken_changes_nothing() {
    let app = patient();
    for overtaking in [
        "UPDATE users SET hashed_password = 'another'",
        "UPDATE users SET disabled_at = 1",
        "DELETE FROM sessions",
    ] {
        app.sql("UPDATE users SET disabled_at = NULL");
        let hash = ann(&app).hashed_password;
        let changing = app.auth().change_password(change(&app, PASSWORD, NEW), Timestamp::now());
        let outcome = overtake(&app, changing, overtaking);
        let overtaken =
            matches!(outcome, Err(ChangePasswordError::Unproven(ProveError::Overtaken)));
        assert!(overtaken, "{overtaking}");
        assert!([hash.as_str(), "another"].contains(&ann(&app).hashed_password.as_str()));
        app.sql(&format!("UPDATE users SET hashed_password = '{hash}'"));
        let mails: QueryResult<i64> = outbox::table.count().get_result(&mut app.database());
        assert_eq!(mails, Ok(0), "{overtaking}");
    }
}

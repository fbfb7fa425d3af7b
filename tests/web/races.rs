//! Many at once: on threads of their own, through the domain and over HTTP.

use diesel::prelude::*;
use gatehouse::accounts::Auth;
use gatehouse::accounts::login::LogIn;
use gatehouse::accounts::password_reset::UpdatePasswordError;
use gatehouse::accounts::registration::RegisterError;
use gatehouse::accounts::session::Beginning;
use gatehouse::clock::Timestamp;
use gatehouse::db::schema::{outbox, sessions, users};
use rocket::http::{Accept, Method};
use secrecy::ExposeSecret;
use serde_json::json;

use crate::app::{PASSWORD, TestApp, secret};
use crate::crowd::{CROWD, Crowd, PATIENT, all_at_once, wait};
use crate::watch::Watched;

const ANN: &str = "ann@example.com";

fn patient() -> TestApp {
    TestApp::with(PATIENT, &[])
}

#[test]
fn b66_one_address_signed_up_by_many_at_once_is_one_account() {
    let app = patient();
    let auth: Auth = app.auth().clone();
    let outcomes =
        all_at_once(|_| wait(auth.register_user(ANN, &secret(PASSWORD), Timestamp::now())));
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(made, 1);
    for outcome in outcomes {
        assert!(matches!(outcome, Ok(_) | Err(RegisterError::EmailTaken)), "{outcome:?}");
    }
    assert_eq!(users::table.count().get_result(&mut app.database()), Ok(1));
}

#[test]
fn b66_b67_over_http_everybody_but_one_hears_the_same_400() {
    for spellings in [
        [ANN, ANN],
        ["Ann@example.com", "ann@EXAMPLE.com"],
        ["rén@example.com", "re\u{301}n@example.com"],
    ] {
        let folder = Watched::new();
        let (crowd, service) = Crowd::over(&folder, PATIENT);
        let answers = all_at_once(|number| {
            let body = json!({ "email": spellings[number % 2], "password": PASSWORD });
            let accept = if number % 4 < 2 { Accept::JSON } else { Accept::HTML };
            crowd.send(Method::Post, "/users", accept, &body)
        });
        let made = answers.iter().filter(|(code, _)| [200, 303].contains(code)).count();
        assert_eq!(made, 1, "{spellings:?}");
        for (code, body) in answers.iter().filter(|(code, _)| ![200, 303].contains(code)) {
            assert_eq!(*code, 400, "{body}");
            let polite = body == r#"{"message":"email already registered"}"#
                || body.contains("has an account already");
            assert!(polite, "{body}");
        }
        let rows = service.db.read_blocking(|conn| {
            users::table.count().get_result::<i64>(conn).map_err(gatehouse::db::DbError::from)
        });
        assert_eq!(rows.expect("counted"), 1, "{spellings:?}");
    }
}

#[test]
fn b68_of_many_that_bring_one_token_exactly_one_sets_the_password() {
    let app = patient();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let token = app.wait(app.auth().get_reset_password_token(ANN, Timestamp::now())).expect("one");
    let auth: Auth = app.auth().clone();
    let outcomes = all_at_once(|number| {
        let password = secret(&format!("harbour number {number}"));
        wait(auth.update_password(&token, None, &password, Timestamp::now()))
    });
    let winners: Vec<usize> = (0..CROWD).filter(|number| outcomes[*number].is_ok()).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    for outcome in &outcomes {
        assert!(matches!(outcome, Ok(_) | Err(UpdatePasswordError::DeadToken)), "{outcome:?}");
    }
    for number in 0..CROWD {
        let password = secret(&format!("harbour number {number}"));
        let right = app.wait(app.auth().valid_login(ANN, &password)).expect("answers");
        assert_eq!(right, number == winners[0], "password {number}");
    }
    let notices: QueryResult<i64> = outbox::table.count().get_result(&mut app.database());
    assert_eq!(notices, Ok(1), "one deed, one mail");
}

#[test]
fn b68_over_http_exactly_one_hears_that_it_worked() {
    let folder = Watched::new();
    let (crowd, service) = Crowd::over(&folder, PATIENT);
    let body = json!({ "email": ANN, "password": PASSWORD });
    assert_eq!(crowd.send(Method::Post, "/users", Accept::JSON, &body).0, 200);
    let asked = service.auth.get_reset_password_token(ANN, Timestamp::now());
    let token = wait(asked).expect("a token").expose_secret().to_owned();
    let answers = all_at_once(|number| {
        let password = format!("harbour number {number}");
        let body = json!({ "reset_token": token, "new_password": password });
        crowd.send(Method::Put, "/reset_password", Accept::JSON, &body)
    });
    let winners: Vec<usize> = (0..CROWD).filter(|number| answers[*number].0 == 200).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    for (code, body) in &answers {
        assert!(*code == 200 || (*code == 403 && body == r#"{"message":"Forbidden"}"#), "{body}");
    }
    for number in 0..CROWD {
        let body = json!({ "email": ANN, "password": format!("harbour number {number}") });
        let (code, _) = crowd.send(Method::Post, "/sessions", Accept::JSON, &body);
        assert_eq!(code, if number == winners[0] { 200 } else { 401 }, "password {number}");
    }
}

#[test]
fn b72_no_session_of_the_old_password_survives_its_reset() {
    let app = patient();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let auth: Auth = app.auth().clone();
    let mut old = PASSWORD.to_owned();
    for _ in 0..5 {
        let asked = app.auth().get_reset_password_token(ANN, Timestamp::now());
        let token = app.wait(asked).expect("a token");
        let new = format!("{old}!");
        let outcomes = all_at_once(|number| {
            if number == CROWD / 2 {
                let new = secret(&new);
                return wait(auth.update_password(&token, None, &new, Timestamp::now())).is_ok();
            }
            let attempt = LogIn {
                email: ANN.to_owned(),
                password: secret(&old),
                beginning: Beginning::default(),
            };
            wait(auth.log_in(attempt, Timestamp::now())).is_ok()
        });
        assert!(outcomes[CROWD / 2], "the reset itself");
        let alive: QueryResult<i64> = sessions::table.count().get_result(&mut app.database());
        assert_eq!(alive, Ok(0), "{outcomes:?}");
        old = new;
    }
}

#[test]
fn many_log_ins_at_once_are_at_most_twenty_sessions() {
    let app = patient();
    app.program().post("/users", &[("email", ANN), ("password", PASSWORD)]).is(200);
    let auth: Auth = app.auth().clone();
    let outcomes = all_at_once(|_| {
        let beginning = Beginning::default();
        wait(auth.create_session(ANN, beginning, Timestamp::now())).is_ok()
    });
    assert!(outcomes.iter().all(|begun| *begun));
    assert_eq!(sessions::table.count().get_result(&mut app.database()), Ok(20));
}

//! The classroom profile: the exercise's own server, tokens in answers; and that no other profile is it.

use rocket::http::Method::{Get, Post};
use serde_json::json;

use crate::app::{PASSWORD, TestApp};

const EMAIL: &str = "guillaume@holberton.io";
const PASSWD: &str = "b4l0u";
const NEW_PASSWD: &str = "t4rt1fl3tt3";

fn classroom() -> TestApp {
    TestApp::with("", &[("ROCKET_PROFILE", "classroom")])
}

#[test]
fn an_exercise_client_passes_from_its_first_line_to_its_last() {
    let app = classroom();
    let client = app.program();
    client.header("Host", "0.0.0.0:5000");
    let pair = |password| [("email", EMAIL), ("password", password)];
    client
        .post("/users", &pair(PASSWD))
        .is(200)
        .json_is(&json!({ "email": EMAIL, "message": "user created" }));
    client
        .post("/users", &pair(PASSWD))
        .is(400)
        .json_is(&json!({ "message": "email already registered" }));
    client.post("/sessions", &pair(NEW_PASSWD)).is(401);
    client.get("/profile").is(403);
    client
        .post("/sessions", &pair(PASSWD))
        .is(200)
        .json_is(&json!({ "email": EMAIL, "message": "logged in" }));
    client.get("/profile").is(200).json_is(&json!({ "email": EMAIL }));
    client.delete("/sessions").goes_to("/");
    client.get("/").is(200).json_is(&json!({ "message": "Bienvenue" }));
    let asked = client.post("/reset_password", &[("email", EMAIL)]);
    let token = asked.is(200).json()["reset_token"].as_str().expect("a token").to_owned();
    asked.json_is(&json!({ "email": EMAIL, "reset_token": token }));
    let new = [("email", EMAIL), ("reset_token", &token), ("new_password", NEW_PASSWD)];
    client
        .put("/reset_password", &new)
        .is(200)
        .json_is(&json!({ "email": EMAIL, "message": "Password updated" }));
    client.put("/reset_password", &new).is(403).json_is(&json!({ "message": "Forbidden" }));
    client.post("/sessions", &pair(PASSWD)).is(401);
    client
        .post("/sessions", &pair(NEW_PASSWD))
        .is(200)
        .json_is(&json!({ "email": EMAIL, "message": "logged in" }));
}

#[test]
fn an_unknown_address_gets_no_token() {
    let app = classroom();
    let forbidden = json!({ "message": "Forbidden" });
    for email in ["nobody@example.com", "ann@example.com"] {
        let answer = app.program().post("/reset_password", &[("email", email)]);
        answer.is(403).json_is(&forbidden);
    }
    app.browser().post("/reset_password", &[("email", "nobody@example.com")]).is(403);
}

#[test]
fn any_password_but_an_empty_one_will_do() {
    let app = classroom();
    for (number, password) in ["b4l0u", "x", " ", "password", "12345678"].into_iter().enumerate() {
        let email = format!("user{number}@example.com");
        let pair = [("email", email.as_str()), ("password", password)];
        app.program().post("/users", &pair).is(200);
        app.program().post("/sessions", &pair).is(200);
    }
    let empty = app.program().post("/users", &[("email", EMAIL), ("password", "")]);
    assert!(empty.is(422).json()["errors"]["password"].is_array());
    let page = app.browser();
    page.get("/signup").is(200).says("Any password but an empty one.");
    page.get("/").says("<strong>Classroom profile:</strong>");
}

#[test]
fn it_takes_0_0_0_0_for_a_loopback_name_on_its_own_port_alone() {
    let app = classroom();
    for host in ["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "0.0.0.0:5000"] {
        app.program().send(Get, "/", &[("Host", host)], Vec::new()).is(200);
    }
    for host in ["0.0.0.0", "0.0.0.0:8000", "10.0.0.1:5000", "example.com:5000"] {
        app.program().send(Get, "/", &[("Host", host)], Vec::new()).is(421);
    }
    let elsewhere = TestApp::with("port = 5001", &[("ROCKET_PROFILE", "classroom")]);
    elsewhere.program().send(Get, "/", &[("Host", "0.0.0.0:5001")], Vec::new()).is(200);
    elsewhere.program().send(Get, "/", &[("Host", "0.0.0.0:5000")], Vec::new()).is(421);
}

#[test]
fn no_other_profile_takes_0_0_0_0_or_hands_out_a_token() {
    let release = ("ROCKET_PROFILE", "release");
    for app in [TestApp::new(), TestApp::with("", &[release])] {
        let script = app.program();
        script.post("/users", &[("email", EMAIL), ("password", PASSWORD)]).is(200);
        script.post("/users", &[("email", "b@example.com"), ("password", PASSWD)]).is(422);
        for host in ["0.0.0.0:8000", "0.0.0.0:5000", "0.0.0.0"] {
            script.send(Get, "/", &[("Host", host)], Vec::new()).is(421);
            script.send(Post, "/reset_password", &[("Host", host)], Vec::new()).is(421);
        }
        for email in [EMAIL, "nobody@example.com"] {
            let answer = script.post("/reset_password", &[("email", email)]);
            answer.is(200).does_not_say("token");
        }
        app.browser().get("/").does_not_say("Classroom");
    }
}

#[test]
fn it_refuses_to_listen_anywhere_but_on_loopback() {
    use gatehouse::config::Config;

    let profile = ("ROCKET_PROFILE", "classroom");
    for address in ["0.0.0.0", "192.168.1.2", "::"] {
        for base_url in ["", "https://login.example.org"] {
            let set = [profile, ("ROCKET_ADDRESS", address), ("ROCKET_BASE_URL", base_url)];
            let refused = Config::from_parts("", &set).expect_err(address).to_string();
            assert!(refused.starts_with("address (environment"), "{refused}");
        }
    }
    let config = Config::from_parts("", &[profile]).expect("loopback by default");
    assert_eq!((config.address.to_string().as_str(), config.port), ("127.0.0.1", 5000));
    let set = [profile, ("ROCKET_PORT", "5050")];
    assert_eq!(Config::from_parts("", &set).expect("another port").port, 5050);
}

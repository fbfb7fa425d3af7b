//! Every row of the contract, for people and for programs.

mod accept; // who gets pages, who gets JSON
mod classroom; // the exercise's own server
mod functions; // the names of the exercise, in the library
mod methods; // what a path takes, and what it says to the rest
mod people; // the rows as browsers see them
mod programs; // the rows as scripts see them, with exact objects

use serde_json::json;

use crate::app::{PASSWORD, TestApp};

#[test]
fn a_person_signs_up_logs_out_and_logs_in() {
    let app = TestApp::new();
    let ann = app.signed_up("ann@example.com");
    ann.get("/profile").is(200).says("ann@example.com");
    ann.delete("/sessions").goes_to("/");
    ann.get("/profile").goes_to("/login?next=/profile");
    ann.post("/sessions", &[("email", "ann@example.com"), ("password", PASSWORD)])
        .goes_to("/profile");
    ann.get("/profile").is(200);
}

#[test]
fn a_program_does_the_same() {
    let app = TestApp::new();
    let script = app.program();
    let pair = [("email", "bob@example.com"), ("password", PASSWORD)];
    script
        .post("/users", &pair)
        .is(200)
        .json_is(&json!({ "email": "bob@example.com", "message": "user created" }));
    script.post("/users", &pair).is(400).json_is(&json!({ "message": "email already registered" }));
    script
        .post("/sessions", &pair)
        .is(200)
        .json_is(&json!({ "email": "bob@example.com", "message": "logged in" }));
    script.get("/profile").is(200).json_is(&json!({ "email": "bob@example.com" }));
    script.delete("/sessions").goes_to("/");
    script.get("/profile").is(403).json_is(&json!({ "message": "Forbidden" }));
}

#[test]
fn a_password_is_reset_from_the_mailed_link() {
    let app = TestApp::new();
    let ann = app.signed_up("ann@example.com");
    ann.post("/reset_password", &[("email", "ann@example.com")]).goes_to("/reset_password/sent");
    ann.get("/reset_password/sent").is(200).says("Look into your mail").says("ann@example.com");
    ann.get(&app.mailed_link()).goes_to("/reset_password/new");
    ann.get("/reset_password/new").is(200).says("New password");
    ann.put("/reset_password", &[("new_password", "another harbour")]).goes_to("/login");
    ann.get("/login").is(200).says("Your password is updated");
    ann.get("/login").does_not_say("Your password is updated");
    ann.post("/sessions", &[("email", "ann@example.com"), ("password", PASSWORD)]).is(401);
    let new = [("email", "ann@example.com"), ("password", "another harbour")];
    ann.post("/sessions", &new).goes_to("/profile");
}

//! The profile of whoever is signed in.

use rocket::get;
use rocket::http::Status;
use serde_json::json;

use crate::web::guards::SignedIn;
use crate::web::reply::{Page, Reply};

#[get("/profile")]
pub fn show(signed_in: SignedIn) -> Reply {
    Reply::page(Page::new("profile"), (Status::Ok, json!({ "email": signed_in.user.email })))
}

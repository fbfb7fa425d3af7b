//! The profile of whoever is signed in: what there is, and the way to change it.

use rocket::get;
use rocket::http::Status;
use serde_json::json;

use crate::web::guards::SignedIn;
use crate::web::reply::{Page, Reply};

#[get("/profile")]
pub fn show(signed_in: SignedIn) -> Reply {
    let user = signed_in.user;
    // The password an account began with was never changed.
    let changed = Some(user.password_changed_at).filter(|at| *at > user.created_at);
    let page = Page::new("profile")
        .with("password_changed", changed.map(|at| at.in_words_of(user.time_zone.as_deref())))
        .with("display_name", user.display_name)
        .with("time_zone", user.time_zone.unwrap_or_else(|| "UTC".to_owned()));
    Reply::page(page, (Status::Ok, json!({ "email": user.email })))
}

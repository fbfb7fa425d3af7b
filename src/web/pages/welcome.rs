//! The front page.

use rocket::get;
use rocket::http::Status;

use crate::web::guards::Visitor;
use crate::web::reply::{Page, Reply, message};
use crate::web::words;

#[get("/")]
pub fn show(_visitor: Visitor) -> Reply {
    Reply::page(Page::new("welcome"), (Status::Ok, message(words::WELCOME)))
}

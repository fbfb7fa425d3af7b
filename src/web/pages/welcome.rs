//! The front page.

use rocket::get;
use rocket::http::Status;

use crate::web::guards::Visitor;
use crate::web::reply::{Page, Reply, message};
use crate::web::words;

#[get("/")]
pub fn show(visitor: Visitor) -> Reply {
    let name = visitor.0.and_then(|signed_in| signed_in.user.display_name);
    Reply::page(
        Page::new("welcome").with("display_name", name),
        (Status::Ok, message(words::WELCOME)),
    )
}

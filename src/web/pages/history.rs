//! The security history: what happened with one's account, and what was tried.

use rocket::get;
use rocket::http::Status;
use serde_json::{Value, json};

use crate::audit::journal::KEPT;
use crate::web::error::WebError;
use crate::web::guards::Owner;
use crate::web::reply::{Page, Reply};
use crate::web::sighting::{event_for_page, event_for_program};

/// As many as one page shows: it is to weigh no more than the others.
const MOST: usize = 12;

/// `before` is an event of the page before this one; what is no event of theirs leads to the first.
#[get("/account/history?<before>")]
pub async fn show(owner: Owner<'_>, before: Option<i64>) -> Result<Reply, WebError> {
    let mut rows = owner.auth.history(owner.user.id, before, MOST as i64 + 1).await?;
    let more = rows.len() > MOST;
    rows.truncate(MOST);
    let last = rows.last().filter(|_| more);
    let older = last.map(|row| format!("/account/history?before={}", row.id));
    let for_page: Vec<Value> = rows.iter().map(|row| event_for_page(&owner, row)).collect();
    let for_program: Vec<Value> = rows.iter().map(|row| event_for_program(&owner, row)).collect();
    let page = Page::new("history")
        .with("events", for_page)
        .with("older", older.clone())
        .with("days", KEPT.as_secs() / (24 * 60 * 60));
    Ok(Reply::page(page, (Status::Ok, json!({ "events": for_program, "older": older }))))
}

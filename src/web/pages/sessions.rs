//! Where somebody is logged in: the other devices logged out.

use rocket::delete;
use rocket::http::Status;
use serde_json::json;

use super::sudo::{self, Deed};
use crate::audit::Event;
use crate::web::error::WebError;
use crate::web::guards::Owner;
use crate::web::notice::{self, Notice};
use crate::web::reply::Reply;
use crate::web::words;

#[delete("/account/sessions")]
pub async fn end_others(owner: Owner<'_>) -> Result<Reply, WebError> {
    sudo::proven(Deed::EndOtherSessions, &owner).await
}

pub async fn carry_out_end_others(owner: &Owner<'_>) -> Result<Reply, WebError> {
    let ended = owner.auth.end_other_sessions(&owner.session).await?;
    owner.record(Event::SessionEnded);
    notice::leave(owner.jar, owner.site, Notice::OthersLoggedOut);
    let told = json!({ "message": words::OTHERS_LOGGED_OUT, "ended": ended });
    Ok(Reply::see_other("/account/sessions", (Status::Ok, told)))
}

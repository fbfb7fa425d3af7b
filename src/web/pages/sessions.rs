//! Where somebody is logged in: the list, and the end of one device's session.

use rocket::http::Status;
use rocket::{Responder, delete, get};
use serde_json::{Value, json};

use super::sudo::{self, Deed};
use super::{Farewell, farewell};
use crate::accounts::session::Session;
use crate::accounts::user_agent;
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::web::error::WebError;
use crate::web::guards::Owner;
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply, message};
use crate::web::sighting::place_in_words;
use crate::web::{session_cookie, words};

/// Another device's session ended, or this one's.
#[derive(Responder)]
pub enum Ended {
    Other(Reply),
    This(Farewell),
}

#[get("/account/sessions")]
pub async fn show(owner: Owner<'_>) -> Result<Reply, WebError> {
    let sessions = owner.auth.sessions_of(owner.user.id, Timestamp::now()).await?;
    let for_page: Vec<Value> = sessions.iter().map(|it| for_page(&owner, it)).collect();
    let for_program: Vec<Value> = sessions.iter().map(|it| for_program(&owner, it)).collect();
    let page = Page::new("sessions").with("others", sessions.len() > 1).with("sessions", for_page);
    Ok(Reply::page(page, (Status::Ok, json!({ "sessions": for_program }))))
}

fn for_page(owner: &Owner<'_>, session: &Session) -> Value {
    let zone = owner.user.time_zone.as_deref();
    json!({
        "id": session.handle(),
        "current": session.id == owner.session.id,
        "device": words::device(&session.user_agent),
        "ip": session.ip,
        "place": place_in_words(owner, &session.ip),
        "first_seen": session.created_at.in_words_of(zone),
        "last_seen": session.last_seen_at.in_words_of(zone),
    })
}

fn for_program(owner: &Owner<'_>, session: &Session) -> Value {
    json!({
        "id": session.handle(),
        "current": session.id == owner.session.id,
        "device": user_agent::in_words(&session.user_agent),
        "user_agent": session.user_agent,
        "ip": session.ip,
        "place": owner.auth.place_of(&session.ip),
        "first_seen": session.created_at.rfc3339(),
        "last_seen": session.last_seen_at.rfc3339(),
        "expires_at": session.expires_at.rfc3339(),
        "remembered": session.remembered,
    })
}

/// One's own of this device ends at once, as by logging out; others' ends ask for a proof.
#[delete("/account/sessions/<id>")]
pub async fn submit_end(owner: Owner<'_>, id: &str) -> Result<Ended, WebError> {
    if id != owner.session.handle() {
        let deed = Deed::EndSession { id: id.to_owned() };
        return sudo::proven(deed, &owner).await.map(Ended::Other);
    }
    owner.auth.end_session_of(&owner.user, &owner.session, id, Timestamp::now()).await?;
    let told = Reply::see_other("/", (Status::Ok, message(words::LOGGED_OUT)));
    Ok(Ended::This(farewell(owner.user.id, owner.jar, owner.site, &owner.client, told)))
}

/// Carries out [`Deed::EndSession`]. Another's id is answered as one that nobody has.
pub async fn end(owner: &Owner<'_>, id: &str) -> Result<Reply, WebError> {
    let now = Timestamp::now();
    let ended = owner.auth.end_session_of(&owner.user, &owner.session, id, now).await?;
    let Some(ended) = ended else { return Ok(sudo::overtaken(owner)) };
    if !ended {
        owner.record(Event::NotYoursRefused);
        return Err(WebError::Status(Status::NotFound));
    }
    owner.record(Event::SessionEnded);
    notice::leave(owner.jar, owner.site, Notice::SessionEnded);
    Ok(Reply::see_other("/account/sessions", (Status::Ok, message(words::SESSION_ENDED))))
}

/// All others of one's own.
#[delete("/account/sessions")]
pub async fn submit_end_others(owner: Owner<'_>) -> Result<Reply, WebError> {
    sudo::proven(Deed::EndOtherSessions, &owner).await
}

/// Carries out [`Deed::EndOtherSessions`].
pub async fn end_others(owner: &Owner<'_>) -> Result<Reply, WebError> {
    let device = session_cookie::device(owner.jar, owner.site);
    let ended = owner.auth.end_other_sessions(&owner.user, &owner.session, device).await?;
    let Some(ended) = ended else { return Ok(sudo::overtaken(owner)) };
    owner.record(Event::SessionEnded);
    notice::leave(owner.jar, owner.site, Notice::OthersLoggedOut);
    let told = json!({ "message": words::OTHERS_LOGGED_OUT, "ended": ended });
    Ok(Reply::see_other("/account/sessions", (Status::Ok, told)))
}

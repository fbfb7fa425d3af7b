//! Where something came from, as it is told to the owner of an account: the device in words, the
//! address, the place; and what happened, with all of these.

use serde_json::{Value, json};

use super::guards::Owner;
use super::words;
use crate::accounts::user_agent;
use crate::audit::Event;
use crate::audit::journal::Row;

/// One event, for a program.
pub fn event_for_program(owner: &Owner<'_>, row: &Row) -> Value {
    let inside = row.ip.is_empty();
    json!({
        "id": row.id,
        "event": row.event,
        "outcome": Event::named(&row.event).map(Event::outcome),
        "at": row.at.rfc3339(),
        "device": (!inside).then(|| user_agent::in_words(&row.user_agent)),
        "user_agent": row.user_agent,
        "ip": (!inside).then_some(&row.ip),
        "place": owner.auth.place_of(&row.ip),
        "times": row.times,
    })
}

/// The same, for a page: `what` happened, `at`, how many `times`; `device`, `ip` and `place`, or none
/// where no request brought it about; and the page to `secure` the account from.
pub fn event_for_page(owner: &Owner<'_>, row: &Row) -> Value {
    let inside = row.ip.is_empty();
    json!({
        "secure": format!("/account/secure?event={}", row.id),
        "what": words::event(Event::named(&row.event)),
        "at": row.at.in_words_of(owner.user.time_zone.as_deref()),
        "times": row.times,
        "device": (!inside).then(|| words::device(&row.user_agent)),
        "ip": row.ip,
        "place": place_in_words(owner, &row.ip),
    })
}

/// Where an address is, for a page.
pub fn place_in_words(owner: &Owner<'_>, ip: &str) -> String {
    owner.auth.place_of(ip).unwrap_or_else(|| words::PLACE_UNKNOWN.to_owned())
}

//! Details: a name and a time zone, for whoever wants them.

use std::collections::BTreeMap;

use rocket::http::Status;
use rocket::{get, put};
use serde_json::json;

use super::sudo;
use crate::accounts::details::Details;
use crate::accounts::user::User;
use crate::audit::Event;
use crate::web::error::{WebError, refused};
use crate::web::guards::Owner;
use crate::web::input::{BadInput, Fields, Form, Input, Refused, WITHOUT_PASSWORD};
use crate::web::notice::{self, Notice};
use crate::web::reply::{Page, Reply};
use crate::web::words;

pub struct DetailsForm {
    display_name: Option<String>,
    time_zone: Option<String>,
}

impl Form for DetailsForm {
    const FIELDS: &'static [&'static str] = &["display_name", "time_zone"];
    const SHOWN_AGAIN: &'static [&'static str] = &["display_name", "time_zone"];
    const LONGEST: usize = WITHOUT_PASSWORD;

    fn read(fields: &mut Fields) -> Self {
        Self {
            display_name: fields.optional("display_name"),
            time_zone: fields.optional("time_zone"),
        }
    }
}

#[get("/account/details")]
pub fn show(owner: Owner<'_>) -> Reply {
    let user = &owner.user;
    let kept = kept(DetailsForm { display_name: None, time_zone: None }, user);
    let kept = Refused { kept, ..Refused::default() };
    let told = json!({
        "email": user.email,
        "email_confirmed": user.confirmed_at.is_some(),
        "display_name": user.display_name,
        "time_zone": user.time_zone,
        "created_at": user.created_at.rfc3339(),
        "password_changed_at": user.password_changed_at.rfc3339(),
    });
    Reply::page(page().form(&kept), (Status::Ok, told))
}

#[put("/account/details", data = "<form>")]
pub async fn submit(
    owner: Owner<'_>,
    form: Result<Input<DetailsForm>, BadInput>,
) -> Result<Reply, WebError> {
    let Input(form) = match form {
        Ok(input) => input,
        Err(bad) => return Ok(Reply::form_again(page(), &refused(bad)?)),
    };
    let user = &owner.user;
    let details = match Details::parse(form.display_name.as_deref(), form.time_zone.as_deref()) {
        Ok(details) => details,
        Err(errors) => {
            let kept = kept(form, user);
            return Ok(Reply::form_again(page(), &Refused { kept, errors }));
        }
    };
    let told = json!({
        "display_name": details.display_name.as_ref().unwrap_or(&user.display_name),
        "time_zone": details.time_zone.as_ref().unwrap_or(&user.time_zone),
        "message": words::DETAILS_CHANGED,
    });
    if !owner.auth.change_details(&owner.user, &owner.session, details).await? {
        return Ok(sudo::overtaken(&owner));
    }
    owner.record(Event::DetailsChanged);
    if owner.browser {
        notice::leave(owner.jar, owner.site, Notice::DetailsChanged);
    }
    Ok(Reply::see_other("/profile", (Status::Ok, told)))
}

/// The form as it was sent; what was not stands as it is.
fn kept(form: DetailsForm, user: &User) -> BTreeMap<String, String> {
    let name = form.display_name.or_else(|| user.display_name.clone());
    let zone = form.time_zone.or_else(|| user.time_zone.clone());
    [("display_name", name), ("time_zone", zone)]
        .map(|(field, value)| (field.to_owned(), value.unwrap_or_default()))
        .into()
}

fn page() -> Page {
    Page::new("details").script()
}

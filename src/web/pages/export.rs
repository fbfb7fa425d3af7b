//! Export: what is in the file, and the file.

use std::io::Cursor;

use rocket::http::{ContentType, Header, Status};
use rocket::response::{self, Responder};
use rocket::{Request, Response, get};

use crate::audit::Event;
use crate::clock::Timestamp;
use crate::web::error::WebError;
use crate::web::guards::{Owner, RecentlySignedIn};
use crate::web::reply::{Page, Reply};
use crate::web::words;

/// A JSON file, the same for browsers and programs.
pub struct Download {
    name: String,
    text: String,
}

#[get("/account/export")]
pub fn show(owner: Owner<'_>) -> Reply {
    // Who proves first comes back to this page, with the file a click away.
    let fresh = owner.session.is_fresh(Timestamp::now());
    Reply::form_page(Page::new("export").with("fresh", fresh), words::EXPORT_IS_A_FILE)
}

#[get("/account/export.json")]
pub async fn download(owner: RecentlySignedIn<'_>) -> Result<Download, WebError> {
    let RecentlySignedIn(owner) = owner;
    let now = Timestamp::now();
    let export = owner.auth.export(owner.user.id, now).await?;
    let export = export.ok_or(WebError::Status(Status::NotFound))?;
    owner.record(Event::DataExported);
    let day: String = now.rfc3339().chars().take("2030-01-31".len()).collect();
    Ok(Download {
        name: format!("gatehouse-export-{day}.json"),
        text: serde_json::to_string_pretty(&export).expect("text always becomes JSON"),
    })
}

impl<'r> Responder<'r, 'static> for Download {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        let Self { name, text } = self;
        Response::build()
            .header(ContentType::JSON)
            // Never shown in the browser, whatever people have put into it.
            .header(Header::new("Content-Disposition", format!("attachment; filename=\"{name}\"")))
            .sized_body(text.len(), Cursor::new(text))
            .ok()
    }
}

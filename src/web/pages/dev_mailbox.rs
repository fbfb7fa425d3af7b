//! The development mailbox: what a debug build would have mailed.

use std::sync::Arc;

use rocket::http::Status;
use rocket::{State, get};
use serde_json::{Value, json};

use crate::mail::Transport;
use crate::web::reply::{Page, Reply};

#[get("/dev/mailbox")]
pub fn show(transport: &State<Arc<Transport>>) -> Result<Reply, Status> {
    let mailbox = transport.mailbox().ok_or(Status::NotFound)?;
    let mails: Vec<Value> = mailbox
        .letters()
        .into_iter()
        .map(|(sent_at, letter)| {
            json!({
                "to": letter.to,
                "subject": letter.subject,
                "sent_at": sent_at.in_words(),
                "links": links(&letter.text),
                "text": letter.text,
            })
        })
        .collect();
    let page = Page::new("dev_mailbox").with("mails", mails.clone());
    Ok(Reply::page(page, (Status::Ok, json!({ "mails": mails }))))
}

fn links(text: &str) -> Vec<&str> {
    text.split_whitespace()
        .filter(|word| word.starts_with("http://") || word.starts_with("https://"))
        .collect()
}

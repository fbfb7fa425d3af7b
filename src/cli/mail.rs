//! `gatehouse mail`: a test mail, and the mails that wait.

use clap::Subcommand;

use super::service::{Service, StartError, must_exist};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::db::DbError;
use crate::mail::outbox::{self, FAILED};
use crate::mail::transport::{Parcel, Transport};
use crate::mail::{Messages, Route, messages};
use crate::tokens::generate_uuid;

#[derive(Subcommand)]
pub enum Command {
    /// Send a test mail to ADDRESS now, without the queue, and say what became of it
    Test { address: String },
    /// List the mails that wait or were given up; send one again; drop one
    Queue {
        #[command(subcommand)]
        command: Option<QueueCommand>,
    },
}

#[derive(Subcommand)]
pub enum QueueCommand {
    /// List them (the default)
    List,
    /// Make mail ID due now; a running service sends it within 15 seconds
    Retry { id: i64 },
    /// Drop mail ID: it will not be sent
    Drop { id: i64 },
}

pub fn run(command: &Command, config: &Config) -> Result<(), StartError> {
    crate::log::install(log::LevelFilter::Error);
    match command {
        Command::Test { address } => test(address, config),
        Command::Queue { command } => {
            must_exist(config)?;
            queue(command.as_ref(), &Service::open(config)?)
        }
    }
}

fn test(address: &str, config: &Config) -> Result<(), StartError> {
    let message = messages::Test { when: Timestamp::now().in_words() };
    let letter = Messages::load(&config.mail)?.write(address, &message)?;
    let parcel = Parcel { letter: &letter, message_id: &generate_uuid(), kind: "test" };
    let transport = Transport::new(&config.mail)?;
    transport.send(&parcel)?;
    match &config.mail.route {
        Route::Smtp(smtp) => println!("{}:{} took the mail for {address}", smtp.host, smtp.port),
        Route::Files(folder) => {
            println!("the mail for {address} is a file in {}", folder.display())
        }
        #[cfg(debug_assertions)]
        Route::Mailbox => println!(
            "this debug build keeps mails in memory (/dev/mailbox) while it serves; \
             set smtp_url or mail_transport = \"files\" to see one leave"
        ),
    }
    Ok(())
}

fn queue(command: Option<&QueueCommand>, service: &Service) -> Result<(), StartError> {
    let failed = |error: DbError| StartError::Other(error.to_string());
    let nobody = |id: &i64| StartError::Other(format!("there is no mail {id} in the queue"));
    match command.unwrap_or(&QueueCommand::List) {
        QueueCommand::List => list(service).map_err(failed),
        QueueCommand::Retry { id } => {
            let now = Timestamp::now();
            let retry = |conn: &mut _| outbox::retry(conn, *id, now).map_err(DbError::from);
            if service.db.write_blocking(retry).map_err(failed)? {
                println!("mail {id} is due now");
                Ok(())
            } else {
                Err(nobody(id))
            }
        }
        QueueCommand::Drop { id } => {
            let drop = |conn: &mut _| outbox::drop_mail(conn, *id).map_err(DbError::from);
            if service.db.write_blocking(drop).map_err(failed)? {
                println!("mail {id} is dropped");
                Ok(())
            } else {
                Err(nobody(id))
            }
        }
    }
}

fn list(service: &Service) -> Result<(), DbError> {
    let rows = service.db.read_blocking(|conn| outbox::list(conn).map_err(DbError::from))?;
    if rows.is_empty() {
        println!("no mail waits");
        return Ok(());
    }
    for row in rows {
        let to = service.outbox.open(&row).map_or_else(|e| e.to_string(), |c| c.to().to_owned());
        let next = if row.state == FAILED {
            "given up".to_owned()
        } else {
            format!("next try {}", row.next_attempt_at.rfc3339())
        };
        println!(
            "{}  {}  to {to}  asked {}  tries {}  {next}  {}",
            row.id,
            row.kind,
            row.created_at.rfc3339(),
            row.attempts,
            row.last_error.unwrap_or_default()
        );
    }
    Ok(())
}

//! `gatehouse user`: accounts, as their operator looks after them. No password goes over a command
//! line, which every program on the machine can read.

mod output;

use clap::Subcommand;

use super::service::{Service, StartError, must_exist};
use crate::accounts::operator::{LinkKind, Operator, OperatorError};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::db::DbError;
use output::Output;

#[derive(Subcommand)]
pub enum Command {
    /// Add an account for EMAIL and print a one-time link with which its owner chooses a password
    Add {
        email: String,
        /// What the owner is called
        #[arg(long)]
        name: Option<String>,
    },
    /// List accounts by their numbers
    List {
        /// How many
        #[arg(long, default_value_t = 100)]
        most: u32,
        /// Those with a number above this one
        #[arg(long, default_value_t = 0)]
        after: i64,
        /// Disabled ones alone
        #[arg(long)]
        disabled: bool,
    },
    /// Show one account; WHO is its number or its address
    Show { who: String },
    /// Keep the owner out: all sessions end, no log-in and no mailed link lets anybody in
    Disable { who: String },
    /// Let the owner in again, with the password of before
    Enable { who: String },
    /// Clear what was counted against log-ins, and against passwords asked for once more
    ///
    /// Browsers that the account knows count as new ones until their next log-in.
    Unlock { who: String },
    /// List where somebody is logged in, or end all of it
    Sessions {
        who: String,
        /// Log out every device
        #[arg(long)]
        end_all: bool,
    },
    /// Erase an account with everything that is stored about its owner, at once and for good
    Delete {
        who: String,
        /// Do it; without this nothing is done but said
        #[arg(long)]
        yes: bool,
    },
    /// Print a one-time link to hand over, on standard output and nothing else there
    ///
    /// The link takes the place of one that was mailed. Whoever opens it counts as the owner of the address.
    Link {
        who: String,
        #[command(flatten)]
        kind: Kind,
    },
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Kind {
    /// To a new password
    #[arg(long)]
    reset: bool,
    /// Confirms the address of an account, or of somebody who waits to confirm a sign-up
    #[arg(long)]
    confirm: bool,
}

/// `json`: one JSON value on standard output in place of lines.
pub fn run(command: &Command, json: bool, config: &Config) -> Result<(), StartError> {
    crate::log::install(log::LevelFilter::Error);
    must_exist(config)?;
    let service = Service::open(config)?;
    let outcome = carry_out(command, &service, Timestamp::now());
    service.auth.journal().flush();
    outcome?.print(json);
    Ok(())
}

fn carry_out(command: &Command, service: &Service, now: Timestamp) -> Result<Output, StartError> {
    let operator = Operator(&service.auth);
    let about = |who: &str| {
        let who = crate::log::harmless(who);
        move |error: OperatorError| StartError::Other(format!("{who}: {error}"))
    };
    Ok(match command {
        Command::Add { email, name } => {
            let added = operator.add(email, name.as_deref(), now).map_err(about(email))?;
            Output::Added(added.0, added.1)
        }
        Command::List { most, after, disabled } => {
            let users = operator.list(*after, *most, *disabled);
            Output::List(users.map_err(|error| StartError::Other(error.to_string()))?)
        }
        Command::Show { who } => {
            let (user, sessions) = operator.show(who, now).map_err(about(who))?;
            Output::Shown(user, sessions.len())
        }
        Command::Disable { who } => {
            Output::Done("is disabled", operator.disable(who, now).map_err(about(who))?)
        }
        Command::Enable { who } => {
            Output::Done("is enabled", operator.enable(who).map_err(about(who))?)
        }
        Command::Unlock { who } => {
            Output::Done("is unlocked", operator.unlock(who).map_err(about(who))?)
        }
        Command::Sessions { who, end_all: false } => {
            Output::Sessions(operator.show(who, now).map_err(about(who))?.1)
        }
        Command::Sessions { who, end_all: true } => {
            let (user, ended) = operator.end_sessions(who).map_err(about(who))?;
            Output::Ended(user, ended)
        }
        Command::Delete { who, yes } => {
            let (user, sessions) = operator.show(who, now).map_err(about(who))?;
            if !yes {
                return Err(StartError::Other(output::before_erasure(&user, sessions.len())));
            }
            let user = operator.erase(&user.id.to_string()).map_err(about(who))?;
            clear_up(service, now).map_err(|error| StartError::Other(error.to_string()))?;
            Output::Erased(user)
        }
        Command::Link { who, kind } => {
            let kind = if kind.reset { LinkKind::Reset } else { LinkKind::Confirm };
            Output::Link(operator.link(who, kind, now).map_err(about(who))?)
        }
    })
}

/// Files of mails go with their rows, and what was deleted leaves the database's files.
fn clear_up(service: &Service, now: Timestamp) -> Result<(), DbError> {
    service.worker.purge(now)?;
    service.db.end_traces()
}

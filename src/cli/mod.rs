//! The command line: its table of contents; a file per subcommand.

mod backup;
mod check;
mod database;
#[cfg(any(debug_assertions, feature = "bench"))]
mod dev;
mod events;
mod invite;
mod mail;
mod migrate;
mod progress;
mod restore;
pub mod serve;
pub mod service;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError};

/// A setting is wrong: nothing was started and nothing was made.
const BAD_SETTINGS: u8 = 2;

/// The login service you start with one command.
///
/// Without a subcommand it serves. Settings come from Rocket.toml in the folder it is started from
/// (or the file that ROCKET_CONFIG names) and from environment variables such as ROCKET_PORT.
#[derive(Parser)]
#[command(name = "gatehouse", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve: make or migrate the database, then answer requests until SIGTERM or Ctrl-C
    ///
    /// The first signal lets requests in flight finish, for up to 15 seconds; the second ends at once.
    Serve,
    /// Check settings, files, database and mail, and say how to mend what is wrong
    ///
    /// Connects to the mail server for real (TLS, EHLO, AUTH) and sends nothing.
    /// Exit status: 0 all is well, 1 something was found, 2 the settings cannot be read.
    Check,
    /// Bring the database up to date; `serve` does the same at its start
    Migrate,
    /// Invite somebody to sign up: mail a single-use link to EMAIL, good for 7 days, and print it
    ///
    /// Works with sign_up = "invited", and with "open" or domains for addresses they leave out.
    Invite { email: String },
    /// Look after accounts: add, list, show, disable, enable, unlock, log out, delete, print links
    ///
    /// Works while the service runs, and without a mail server. WHO is an account's number, or its address in any spelling.
    /// Exit status: 0 it is done, 1 it is not, and standard error says why.
    User {
        /// Print one JSON value on standard output
        #[arg(long, global = true)]
        json: bool,
        #[command(subcommand)]
        command: user::Command,
    },
    /// List security events, newest first; they are kept 90 days (docs/events.md)
    Events {
        /// Those of one account alone, by its number
        #[arg(long)]
        user: Option<i64>,
        /// How many
        #[arg(long, default_value_t = 100)]
        most: u32,
    },
    /// Write what the database holds at this moment into FILE, a new one; the service may run
    ///
    /// FILE is a SQLite database (mode 0600), also where the service's own is PostgreSQL. The secret key is not in it.
    Backup { file: PathBuf },
    /// Put a backup into the database, which must be empty; all sessions and mailed links end
    Restore {
        file: PathBuf,
        /// Delete what the database holds first; what was written since the backup is lost
        #[arg(long)]
        replace: bool,
    },
    /// Move to another database
    #[command(subcommand)]
    Database(database::Command),
    /// Send a test mail, or look after the mails that wait
    #[command(subcommand)]
    Mail(mail::Command),
    /// Make a database of any size, and measure with it; in debug and bench builds alone
    #[cfg(any(debug_assertions, feature = "bench"))]
    #[command(subcommand)]
    Dev(dev::Command),
}

/// Parses the command line and runs it.
pub fn run() -> ExitCode {
    let command = Cli::parse().command.unwrap_or(Command::Serve);
    if let Command::Database(command) = &command {
        return end(database::run(command));
    }
    let config = match Config::load() {
        Ok(config) => config,
        Err(error) => return bad_settings(&error),
    };
    let outcome = match command {
        Command::Serve => serve::run(config),
        Command::Check => return check::run(&config),
        Command::Migrate => migrate::run(&config),
        Command::Events { user, most } => events::run(user, most, &config),
        Command::User { json, command } => user::run(&command, json, &config),
        Command::Invite { email } => invite::run(&email, &config),
        Command::Backup { file } => backup::run(&file, &config),
        Command::Restore { file, replace } => restore::run(&file, replace, &config),
        Command::Database(command) => database::run(&command),
        Command::Mail(command) => mail::run(&command, &config),
        #[cfg(any(debug_assertions, feature = "bench"))]
        Command::Dev(command) => dev::run(&command, &config),
    };
    end(outcome)
}

fn end(outcome: Result<(), service::StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(service::StartError::Config(error)) => bad_settings(&error),
        Err(error) => {
            eprintln!("gatehouse: {error}");
            ExitCode::FAILURE
        }
    }
}

fn bad_settings(error: &ConfigError) -> ExitCode {
    eprintln!("gatehouse: {error}");
    ExitCode::from(BAD_SETTINGS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// Everybody on the machine can read the arguments of a running program.
    #[test]
    fn no_command_takes_a_secret_on_its_line() {
        fn look(command: &clap::Command, seen: &mut Vec<String>) {
            for argument in command.get_arguments() {
                let names = [Some(argument.get_id().as_str()), argument.get_long()];
                for name in names.into_iter().flatten() {
                    let secret = ["pass", "secret", "token", "key"];
                    let found = secret.iter().any(|word| name.to_lowercase().contains(word));
                    assert!(!found, "{} takes {name}", command.get_name());
                }
            }
            seen.push(command.get_name().to_owned());
            command.get_subcommands().for_each(|command| look(command, seen));
        }
        let mut seen = Vec::new();
        look(&Cli::command(), &mut seen);
        for name in ["user", "add", "link", "delete", "invite", "mail", "test"] {
            assert!(seen.iter().any(|command| command == name), "{name}: {seen:?}");
        }
    }
}

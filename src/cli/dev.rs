//! `gatehouse dev`: a database of any size, and what clearing it up costs. Not in a release build.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use clap::Subcommand;

use super::service::{Service, StartError};
use crate::accounts::seed::{MOST, PASSWORD, seed};
use crate::clock::Timestamp;
use crate::config::Config;
use crate::db::{Db, DbError, migrations};

const BAR_WIDTH: i64 = 30;
/// A bar that is drawn more often costs more than it shows.
const DRAW_EVERY: Duration = Duration::from_millis(200);

#[derive(Subcommand)]
pub enum Command {
    /// Fill an empty database with users, their sessions, devices and events
    ///
    /// They are user-0000001@example.org and so on, and everybody's password is "a quiet harbour",
    /// hashed once at bcrypt_cost. A tenth of the sessions has expired. Interrupted, it leaves a
    /// database without indexes: throw it away.
    Seed {
        /// How many
        #[arg(long, value_parser = clap::value_parser!(i64).range(1..=MOST))]
        users: i64,
    },
    /// Delete what has expired, as the service does, and say how many rows and seconds that were
    Purge {
        /// End when the input does, with the connections still open: their server's processes tell
        /// what it cost them
        #[arg(long)]
        hold: bool,
    },
}

pub fn run(command: &Command, config: &Config) -> Result<(), StartError> {
    crate::log::install(log::LevelFilter::Error);
    match command {
        Command::Seed { users } => fill(*users, config),
        Command::Purge { hold } => purge(*hold, config),
    }
}

fn fill(users: i64, config: &Config) -> Result<(), StartError> {
    let db = Db::open(&config.db)?;
    migrations::run(&db)?;
    let began = Instant::now();
    let mut bar = Bar::default();
    let progress = &mut |table: &str, done, all| bar.draw(table, done, all);
    let made = seed(&db, users, config.hasher.cost, Timestamp::now(), progress)
        .map_err(|error| StartError::Other(error.to_string()))?;
    let rows: i64 = made.iter().map(|(_, rows)| rows).sum();
    let seconds = began.elapsed().as_secs_f64();
    for (table, rows) in made {
        println!("{rows} rows in {table}");
    }
    eprintln!(
        "gatehouse: {:.0} rows a second; everybody's password is \"{PASSWORD}\"",
        rows as f64 / seconds
    );
    Ok(())
}

/// A line that is drawn over itself on a terminal; elsewhere one line a table.
#[derive(Default)]
struct Bar {
    table: String,
    drawn: Option<Instant>,
}

impl Bar {
    fn draw(&mut self, table: &str, done: i64, all: i64) {
        let mut err = stderr().lock();
        let full = done * BAR_WIDTH / all.max(1);
        let bar: String = (0..BAR_WIDTH).map(|at| if at < full { '#' } else { '.' }).collect();
        let last = done == all;
        let due = self.table != table || self.drawn.is_none_or(|at| at.elapsed() >= DRAW_EVERY);
        let outcome = match err.is_terminal() {
            true if due || last => {
                let end = if last { "\n" } else { "" };
                write!(err, "\r{table:<10} [{bar}] {done} of {all}{end}").and_then(|()| err.flush())
            }
            false if last => writeln!(err, "{table:<10} [{bar}] {done} of {all}"),
            _ => return,
        };
        // Who does not look is not told.
        drop(outcome);
        (self.table, self.drawn) = (table.to_owned(), Some(Instant::now()));
    }
}

/// One line a table: its name, rows deleted, seconds.
fn purge(hold: bool, config: &Config) -> Result<(), StartError> {
    let service = Service::open(config)?;
    let (auth, now) = (&service.auth, Timestamp::now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tell = |table: &str, began: Instant, rows: Result<usize, DbError>| match rows {
        Ok(rows) => {
            println!("{table} {rows} {:.6}", began.elapsed().as_secs_f64());
            Ok(())
        }
        Err(error) => Err(StartError::Other(format!("{table}: {error}"))),
    };
    runtime.block_on(async {
        let began = Instant::now();
        tell("sessions", began, auth.purge_sessions(now).await)?;
        let began = Instant::now();
        tell("limits", began, auth.purge_limits(now).await)?;
        let began = Instant::now();
        tell("devices", began, auth.purge_devices(now).await)?;
        let began = Instant::now();
        tell("tokens", began, auth.purge_tokens(now).await)?;
        let began = Instant::now();
        tell("sign_ups", began, auth.purge_sign_ups(now).await)?;
        let began = Instant::now();
        tell("events", began, auth.purge_events(now).await)
    })?;
    let began = Instant::now();
    let mails = service.worker.purge(now);
    tell("outbox", began, mails)?;
    if hold {
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    }
    Ok(())
}

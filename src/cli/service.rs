//! Puts the layers together: database, mail, accounts.

use std::sync::Arc;

use crate::accounts::auth::Post;
use crate::accounts::place::{PlaceError, Places};
use crate::accounts::{Auth, Hasher};
use crate::audit::{Event, Journal, record};
use crate::config::{Config, ConfigError};
use crate::db::migrations::{self, MigrateError};
use crate::db::transfer::TransferError;
use crate::db::{Db, OpenError};
use crate::mail::transport::SendError;
use crate::mail::worker::{Bell, Ear};
use crate::mail::{Messages, Outbox, Route, Transport, Worker};
use crate::theme::ThemeError;
use crate::tokens::Sealer;
use secrecy::SecretString;

/// Names the key that seals the outbox; another name is another key.
const OUTBOX_KEY: &str = "gatehouse outbox v1";
/// The same for forms that wait for their sender's password.
const FORMS_KEY: &str = "gatehouse pending forms v1";

/// Why the service did not start, or a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Transfer(#[from] TransferError),
    #[error(transparent)]
    Theme(#[from] ThemeError),
    #[error("mail: {0}")]
    Mail(#[from] SendError),
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    #[error("{0}")]
    Other(String),
}

impl From<PlaceError> for StartError {
    /// A setting to mend.
    fn from(error: PlaceError) -> Self {
        ConfigError(error.to_string()).into()
    }
}

/// Everything but the web.
pub struct Service {
    pub secret_key: SecretString,
    /// What the operator should know: a key was made.
    pub notes: Vec<String>,
    pub db: Db,
    pub outbox: Outbox,
    pub auth: Auth,
    pub transport: Arc<Transport>,
    pub worker: Arc<Worker>,
    pub bell: Bell,
    pub ear: Ear,
}

impl Service {
    /// Opens the database and brings it up to date; connects to nothing else.
    pub fn open(config: &Config) -> Result<Self, StartError> {
        config.db.check_private()?;
        let places = Places::open(config.accounts.place_database.as_deref())?;
        let messages = Arc::new(Messages::load(&config.mail)?);
        let transport = Arc::new(open_transport(config)?);
        let (secret_key, note) = config.resolve_key()?;
        let db = Db::open(&config.db)?;
        migrations::run(&db)?;
        let outbox = Outbox::new(Sealer::new(&secret_key, OUTBOX_KEY));
        let journal = Journal::start(db.clone())?;
        let from_inside = journal.inside();
        let hasher = Hasher::start(&config.hasher, move || {
            record(Event::HashingDiffers, None, &from_inside);
        })?;
        let (bell, ear) = Bell::new();
        let post = Post { outbox: outbox.clone(), messages, bell: bell.clone() };
        let forms = Sealer::new(&secret_key, FORMS_KEY);
        let accounts = config.accounts.clone();
        let auth = Auth::new(db.clone(), hasher, post, accounts, journal, forms, places);
        let worker = Arc::new(Worker {
            db: db.clone(),
            outbox: outbox.clone(),
            transport: transport.clone(),
            compose: auth.compose(),
        });
        let notes = note.into_iter().collect();
        Ok(Self { secret_key, notes, db, outbox, auth, transport, worker, bell, ear })
    }
}

/// For commands that mean a service that is there: started in another folder, or without its key,
/// they would make a new one beside it.
pub fn must_exist(config: &Config) -> Result<(), StartError> {
    // A server is there or says that it is not, and its key is always set.
    let Some(path) = config.db.file() else { return Ok(()) };
    if !path.exists() {
        let database = path.display();
        return Err(StartError::Other(format!(
            "there is no database {database}: run this in the service's folder, with its settings"
        )));
    }
    if config.secret_key.is_none() && !config.key_file.exists() {
        let key = config.key_file.display();
        return Err(StartError::Other(format!(
            "there is no key {key}: run this with the service's ROCKET_SECRET_KEY_FILE"
        )));
    }
    Ok(())
}

/// A folder that cannot be made is a setting to mend; nothing else is made before it.
fn open_transport(config: &Config) -> Result<Transport, StartError> {
    Transport::new(&config.mail).map_err(|error| match config.mail.route {
        Route::Files(_) => ConfigError(format!("mail_folder: {error}")).into(),
        _ => error.into(),
    })
}

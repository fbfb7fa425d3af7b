//! Turns settings into each layer's configuration and refuses what contradicts itself.

mod door;
mod limits;
mod mail;
mod site;

use std::path::PathBuf;

use secrecy::SecretString;
use url::Url;

use super::source::Sources;
use super::{Config, ConfigError, Profile, SecretKey, Settings, Span};
use crate::accounts::AccountsConfig;
use crate::accounts::hasher::HasherConfig;
use crate::accounts::password::{HIGHEST_COST, Rules};
use crate::accounts::session::Limits;
use crate::accounts::throttle::ThrottleConfig;
use crate::db::postgres::Server;
use crate::db::{DbConfig, Place};
use crate::mail::MailConfig;
use crate::theme::Theme;
use crate::web::WebConfig;

/// OWASP's lowest bcrypt cost; below it only a debug build goes, for its tests.
const LOWEST_COST: u32 = if cfg!(debug_assertions) { 4 } else { 10 };
const SHORTEST_PASSWORD: usize = 8;

pub fn assemble(
    sources: &Sources,
    settings: Settings,
    passwords: Passwords,
    secret_key: Option<SecretKey>,
) -> Result<Config, ConfigError> {
    let profile = sources.profile;
    check_numbers(sources, &settings)?;
    site::check_address(sources, &settings)?;
    let port = free_port(sources, &settings)?;
    let base_url = site::base_url(sources, &settings, port)?;
    let theme = theme(sources, &settings)?;
    let place = database(sources, &settings.database_url, passwords.database.as_ref())?;
    let key_file = key_file(sources, &place, secret_key.is_some())?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let workers = or_default(settings.workers, cores);
    let pool_size =
        or_default(settings.database_connections, u32::try_from(workers + 4).unwrap_or(u32::MAX));
    Ok(Config {
        profile,
        address: settings.address,
        port,
        workers,
        key_file,
        db: DbConfig { place, pool_size, wait: settings.database_wait.0 },
        hasher: HasherConfig {
            cost: settings.bcrypt_cost,
            threads: or_default(settings.hash_threads, cores),
            queue: settings.hash_queue,
            lanes: settings.hash_lanes,
        },
        accounts: accounts(sources, &settings)?,
        mail: MailConfig {
            site_name: settings.site_name.clone(),
            from: mail::sender(sources, &settings, &base_url)?,
            route: mail::route(sources, &settings, passwords.smtp)?,
            base_url: base_url.clone(),
            theme: theme.clone(),
        },
        web: web(sources, &settings, &base_url, &theme)?,
        base_url,
        theme,
        purge_every: settings.purge_every.0,
        metrics_port: metrics_port(sources, &settings, port)?,
        log: log_level(sources, &settings.log_level)?,
        secret_key,
        secret_files: sources.secret_files(),
    })
}

fn or_default<T: Default + PartialEq>(set: T, default: T) -> T {
    if set == T::default() { default } else { set }
}

fn accounts(sources: &Sources, settings: &Settings) -> Result<AccountsConfig, ConfigError> {
    let enforced = sources.profile != Profile::Classroom;
    Ok(AccountsConfig {
        password: Rules {
            min_length: settings.password_min_length,
            site_name: settings.site_name.clone(),
            enforced,
        },
        sessions: Limits {
            idle: settings.session_idle.0,
            absolute: settings.session_absolute.0,
            remembered_idle: settings.remembered_idle.0,
            remembered_absolute: settings.remembered_absolute.0,
            per_user: settings.sessions_per_user,
        },
        reset_lifetime: settings.reset_lifetime.0,
        deletion_grace: settings.deletion_grace.0,
        throttle: ThrottleConfig {
            log_in: limits::rates(sources, "limit_login", &settings.limit_login)?,
            ask: limits::rates(sources, "limit_ask", &settings.limit_ask)?,
            mail: limits::rates(sources, "limit_mail", &settings.limit_mail)?,
            enforced,
        },
        sign_up: limits::sign_up(sources, settings)?,
        confirm_email: settings.confirm_email,
        place_database: place_database(sources, settings)?,
    })
}

fn metrics_port(
    sources: &Sources,
    settings: &Settings,
    port: u16,
) -> Result<Option<u16>, ConfigError> {
    match settings.metrics_port {
        0 => Ok(None),
        same if same == port => Err(sources.error("metrics_port", "must be another one than port")),
        other => Ok(Some(other)),
    }
}

fn web(
    sources: &Sources,
    settings: &Settings,
    base_url: &Url,
    theme: &Theme,
) -> Result<WebConfig, ConfigError> {
    Ok(WebConfig {
        site_name: settings.site_name.clone(),
        accent_color: site::accent_color(sources, &settings.accent_color)?,
        footer_links: site::footer_links(sources, &settings.footer_links)?,
        base_url: base_url.clone(),
        classroom: sources.profile == Profile::Classroom,
        body_timeout: settings.body_timeout.0,
        forward_auth: door::forward_auth(sources, settings, base_url)?,
        trusted_proxies: door::trusted_proxies(sources, settings)?,
        sign_up_guard: settings.sign_up_guard,
        theme: theme.clone(),
    })
}

fn check_numbers(sources: &Sources, settings: &Settings) -> Result<(), ConfigError> {
    let cost = settings.bcrypt_cost;
    if !(LOWEST_COST..=HIGHEST_COST).contains(&cost) {
        let range = format!("is {cost}, must be {LOWEST_COST} to {HIGHEST_COST}");
        return Err(sources.error("bcrypt_cost", &range));
    }
    let shortest = settings.password_min_length;
    if !(SHORTEST_PASSWORD..=128).contains(&shortest) {
        let range = format!("is {shortest}, must be {SHORTEST_PASSWORD} to 128");
        return Err(sources.error("password_min_length", &range));
    }
    for (key, value, most) in [
        ("workers", settings.workers, 1024),
        ("hash_threads", settings.hash_threads, 1024),
        ("hash_lanes", settings.hash_lanes, bcrypt_lanes::MOST),
        ("database_connections", settings.database_connections as usize, 1024),
    ] {
        if value > most {
            return Err(sources.error(key, &format!("is {value}, must be 0 to {most}")));
        }
    }
    for (key, value, most) in [
        ("hash_queue", settings.hash_queue, 100_000),
        ("sessions_per_user", settings.sessions_per_user, 1000),
    ] {
        if !(1..=most).contains(&value) {
            return Err(sources.error(key, &format!("is {value}, must be 1 to {most}")));
        }
    }
    let name = settings.site_name.trim();
    if name.is_empty() || name.chars().count() > 60 || name.chars().any(char::is_control) {
        return Err(sources.error("site_name", "must be 1 to 60 characters on one line"));
    }
    check_spans(sources, settings)
}

fn check_spans(sources: &Sources, settings: &Settings) -> Result<(), ConfigError> {
    let longer = |key: &str, value: Span, than: &str, limit: Span| {
        if value.0 > limit.0 {
            Err(sources.error(key, &format!("must not be longer than {than}")))
        } else {
            Ok(())
        }
    };
    let day = Span(std::time::Duration::from_secs(86_400));
    let minute = Span(std::time::Duration::from_secs(60));
    longer("session_idle", settings.session_idle, "session_absolute", settings.session_absolute)?;
    longer(
        "remembered_idle",
        settings.remembered_idle,
        "remembered_absolute",
        settings.remembered_absolute,
    )?;
    longer("reset_lifetime", settings.reset_lifetime, "1d", day)?;
    longer("database_wait", settings.database_wait, "1m", minute)?;
    longer("body_timeout", settings.body_timeout, "1m", minute)?;
    longer("purge_every", settings.purge_every, "1d", day)
}

/// Port 0 is settled here, since links in mails need it before anything listens.
fn free_port(sources: &Sources, settings: &Settings) -> Result<u16, ConfigError> {
    if settings.port != 0 {
        return Ok(settings.port);
    }
    std::net::TcpListener::bind((settings.address, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|cause| sources.error("address", &format!("cannot listen there: {cause}")))
}

fn theme(sources: &Sources, settings: &Settings) -> Result<Theme, ConfigError> {
    if settings.theme_dir.is_empty() {
        return Ok(Theme::default());
    }
    let dir = PathBuf::from(&settings.theme_dir);
    if !dir.is_dir() {
        return Err(sources.error("theme_dir", &format!("{} is no folder", dir.display())));
    }
    Ok(Theme { dir: Some(dir) })
}

/// Whether it is of the right kind is seen when it is opened.
fn place_database(sources: &Sources, settings: &Settings) -> Result<Option<PathBuf>, ConfigError> {
    let path = PathBuf::from(&settings.place_database);
    if path.as_os_str().is_empty() {
        Ok(None)
    } else if path.is_file() {
        Ok(Some(path))
    } else {
        Err(sources.error("place_database", &format!("{} is no file", path.display())))
    }
}

/// What is not for everybody's eyes.
pub struct Passwords {
    pub smtp: Option<SecretString>,
    pub database: Option<SecretString>,
}

fn database(
    sources: &Sources,
    url: &str,
    password: Option<&SecretString>,
) -> Result<Place, ConfigError> {
    if !is_server(url) && password.is_some() {
        return Err(sources.error("database_password", "a SQLite file has none"));
    }
    place(url, password).map_err(|what| sources.error("database_url", &what))
}

fn is_server(url: &str) -> bool {
    url.starts_with("postgresql://") || url.starts_with("postgres://")
}

/// The database of a URL, or what is wrong with it.
fn place(url: &str, password: Option<&SecretString>) -> Result<Place, String> {
    if is_server(url) {
        let server = Server::parse(url, password).map_err(|error| error.to_string())?;
        return Ok(Place::Server(Box::new(server)));
    }
    let path = url.strip_prefix("sqlite:").map(|rest| rest.strip_prefix("//").unwrap_or(rest));
    match path {
        Some(path) if !path.is_empty() && !path.ends_with('/') && !path.starts_with(":memory:") => {
            Ok(Place::File(PathBuf::from(path)))
        }
        _ => Err("must be \"sqlite:PATH\", PATH being a file, or \"postgresql://USER@HOST/NAME\""
            .to_owned()),
    }
}

/// The database that a word of the command line names. A password in the URL is for that server
/// alone; one that is set is for those without.
pub fn named_place(url: &str, password: Option<&SecretString>) -> Result<Place, String> {
    place(url, None).and_then(|alone| match &alone {
        Place::Server(server) if !server.has_password() => place(url, password),
        _ => Ok(alone),
    })
}

/// Beside the SQLite file. Several nodes on one PostgreSQL server must share the key, so there it
/// is set.
fn key_file(sources: &Sources, place: &Place, is_set: bool) -> Result<PathBuf, ConfigError> {
    match place {
        Place::File(path) => Ok(path.with_file_name("secret_key")),
        Place::Server(_) if is_set => Ok(PathBuf::new()),
        Place::Server(_) => Err(sources.error(
            "secret_key",
            "must be set where database_url names a PostgreSQL server, the same for every node: \
             `openssl rand -base64 64`",
        )),
    }
}

fn log_level(sources: &Sources, text: &str) -> Result<log::LevelFilter, ConfigError> {
    match text {
        "off" => Ok(log::LevelFilter::Off),
        "error" => Ok(log::LevelFilter::Error),
        // Two of Rocket's own names.
        "warn" | "critical" => Ok(log::LevelFilter::Warn),
        "info" | "normal" => Ok(log::LevelFilter::Info),
        "debug" => Ok(log::LevelFilter::Debug),
        _ => {
            let levels = "must be \"off\", \"error\", \"warn\", \"info\" or \"debug\"";
            Err(sources.error("log_level", levels))
        }
    }
}

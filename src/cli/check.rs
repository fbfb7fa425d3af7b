//! `gatehouse check`: what is wrong, one line each, with its mend.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use rustix::fs::Access;
use secrecy::SecretString;
use url::Position;

use crate::accounts::hasher::{HasherConfig, settle_once};
use crate::accounts::password::hash_password;
use crate::accounts::place::Places;
use crate::accounts::throttle::{Rate, Rates};
use crate::clock::{SKEW, Timestamp};
use crate::config::{Config, Profile};
use crate::db::{Db, DbError, Place, migrations, postgres};
use crate::mail::{Messages, Route, Transport};

/// What was looked at: fine, or in need of something.
enum Finding {
    Fine(String),
    Mend(String),
}

use Finding::{Fine, Mend};

pub fn run(config: &Config) -> ExitCode {
    crate::log::install(log::LevelFilter::Off);
    let mut findings = vec![Fine(format!("settings: profile {}", config.profile.name()))];
    findings.extend([key(config), database_file(config)]);
    findings.extend(database(config));
    findings.extend(secret_files(config));
    findings.extend([templates(config), mail(config), hashing(config), lanes(config)]);
    findings.extend([limits(config), places(config)]);
    findings.extend([applications(config), address(config)]);
    findings.extend(config.dangers().into_iter().map(|danger| Mend(format!("danger: {danger}"))));
    let mut sound = true;
    for finding in &findings {
        match finding {
            Fine(text) => println!("ok    {text}"),
            Mend(text) => {
                sound = false;
                println!("MEND  {text}");
            }
        }
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn key(config: &Config) -> Finding {
    if config.secret_key.is_some() {
        return Fine("secret key: set".to_owned());
    }
    if !config.key_file.exists() {
        return Fine(format!(
            "secret key: will be made at the first start, in {}",
            config.key_file.display()
        ));
    }
    match config.resolve_key() {
        Ok(_) => Fine(format!("secret key: {}", config.key_file.display())),
        Err(error) => Mend(format!("secret key: {error}")),
    }
}

fn database_file(config: &Config) -> Finding {
    let path = match &config.db.place {
        Place::File(path) => path,
        Place::Server(server) if server.is_private() => {
            return Fine(format!("database server: {server}"));
        }
        Place::Server(server) => {
            return Mend(format!(
                "database server: {server}: whoever stands between here and there can read along \
                 or answer in its place; add sslmode=verify-full to database_url"
            ));
        }
    };
    match config.db.check_private() {
        Err(error) => Mend(format!("database file: {error}")),
        Ok(()) if path.exists() => Fine(format!("database file: {}", path.display())),
        Ok(()) => {
            Fine(format!("database file: will be made at the first start, {}", path.display()))
        }
    }
}

fn database(config: &Config) -> Vec<Finding> {
    if let Some(path) = config.db.file().filter(|path| !path.exists()) {
        return vec![can_be_made("database", path, "database_url")];
    }
    let db = match Db::open(&config.db) {
        Ok(db) => db,
        Err(error) => return vec![Mend(format!("database: {error}"))],
    };
    let mut findings = vec![match db.read_blocking(migrations::pending) {
        Ok(pending) if pending.is_empty() => Fine("database: up to date".to_owned()),
        Ok(_) => Fine("database: migrations will run at the next start".to_owned()),
        Err(error) => Mend(format!("database: {error}")),
    }];
    if !db.is_embedded() {
        findings.push(database_server(&db));
    }
    findings
}

fn database_server(db: &Db) -> Finding {
    let asked = db.read_blocking(|conn| {
        let before = Timestamp::now();
        let (version, clock) = postgres::version_and_clock(conn)?;
        // Asked and answered within a moment, by its clock in the middle of it.
        let here = before + Timestamp::now().since(before) / 2;
        Ok::<_, DbError>((version, clock - here.millis()))
    });
    let (version, ahead) = match asked {
        Ok(told) => told,
        Err(error) => return Mend(format!("database server: {error}")),
    };
    let number = format!("PostgreSQL {}.{}", version / 10_000, version % 10_000);
    let seconds = (ahead as f64 / 1000.0).round().abs();
    if version < postgres::OLDEST {
        Mend(format!("database server: {number} is too old, 15 is tested"))
    } else if u128::from(ahead.unsigned_abs()) > SKEW.as_millis() {
        let which = if ahead > 0 { "ahead of" } else { "behind" };
        Mend(format!(
            "database server: its clock is {seconds} s {which} this machine's, and one of them is \
             wrong: sessions and limits live by the nodes' clocks; run NTP on every machine"
        ))
    } else {
        Fine(format!("database server: {number}, its clock and ours are {seconds} s apart"))
    }
}

/// The nearest folder that exists must let us make what is missing in it.
fn can_be_made(what: &str, path: &Path, setting: &str) -> Finding {
    let here = Path::new(".");
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(here);
    match rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Fine(format!("{what}: {} can be made", path.display())),
        Err(cause) => Mend(format!(
            "{what}: {} cannot be made: {}: {cause}; give this user the folder, or set {setting}",
            path.display(),
            folder.display()
        )),
    }
}

/// Files that hold secrets are nobody else's to read.
fn secret_files(config: &Config) -> Vec<Finding> {
    let shared = |path: &&PathBuf| fs::metadata(path).is_ok_and(|f| f.mode() & 0o077 != 0);
    config
        .secret_files
        .iter()
        .filter(shared)
        .map(|path| {
            Mend(format!("secret file: {} can be read by others: chmod 600 {0}", path.display()))
        })
        .collect()
}

fn templates(config: &Config) -> Finding {
    let pages = crate::web::check_templates(&config.theme);
    match pages.and_then(|()| Messages::load(&config.mail).map(drop)) {
        Ok(()) => Fine("templates: all can be read".to_owned()),
        Err(error) => Mend(format!("templates: {error}")),
    }
}

fn mail(config: &Config) -> Finding {
    let way = match &config.mail.route {
        Route::Smtp(smtp) => format!("{}:{}", smtp.host, smtp.port),
        // Nothing is made for somebody who only looks.
        Route::Files(folder) if !folder.exists() => {
            return can_be_made("mail folder", folder, "mail_folder");
        }
        Route::Files(folder) => format!("files in {}", folder.display()),
        #[cfg(debug_assertions)]
        Route::Mailbox => "the page /dev/mailbox".to_owned(),
    };
    match Transport::new(&config.mail).and_then(|transport| transport.check()) {
        Ok(()) => Fine(format!("mail: {way}")),
        Err(error) => {
            Mend(format!("mail: {way}: {error}; see smtp_url, smtp_username, smtp_password"))
        }
    }
}

/// OWASP asks for a hash that takes long, and for less than a second.
fn hashing(config: &Config) -> Finding {
    let start = Instant::now();
    let hashed = hash_password(&SecretString::from("a measured password"), config.hasher.cost);
    let millis = start.elapsed().as_millis();
    let took = format!("one password takes {millis} ms to hash at cost {}", config.hasher.cost);
    match hashed {
        Ok(_) if millis > 2000 => Mend(format!("hashing: {took}: lower bcrypt_cost")),
        Ok(_) if millis < 50 => Mend(format!("hashing: {took}: raise bcrypt_cost")),
        Ok(_) => Fine(format!("hashing: {took}")),
        Err(error) => Mend(format!("hashing: {error}")),
    }
}

/// How many passwords each thread hashes in step, as the service would settle it now.
fn lanes(config: &Config) -> Finding {
    let HasherConfig { lanes: setting, threads, .. } = config.hasher;
    let how = if setting == 0 { "measured" } else { "set" };
    match settle_once(setting) {
        Ok(lanes) => Fine(format!(
            "hashing: up to {lanes} in step on each of {threads} threads ({how}: hash_lanes = {setting})"
        )),
        Err(error) => Mend(format!("hashing: {error}: set hash_lanes to 1, and tell us")),
    }
}

fn limits(config: &Config) -> Finding {
    let throttle = &config.accounts.throttle;
    if !throttle.enforced {
        return Fine("limits: none in the classroom profile".to_owned());
    }
    let in_words = |rates: &Rates| {
        let rate = |rate: Rate| format!("{} in {} s", rate.tries, rate.per.as_secs());
        rates.iter().map(rate).collect::<Vec<_>>().join(" and ")
    };
    Fine(format!(
        "limits: failed log-ins of one account {} (a client address 5 times, the server 200 times \
         as many), sign-ups and mailed links of one client address {}, mails to one address {}",
        in_words(&throttle.log_in),
        in_words(&throttle.ask),
        in_words(&throttle.mail)
    ))
}

fn places(config: &Config) -> Finding {
    match Places::open(config.accounts.place_database.as_deref()) {
        Ok(places) => {
            let kind = places.kind().unwrap_or("none (place_database)");
            Fine(format!("places of addresses: {kind}"))
        }
        Err(error) => Mend(error.to_string()),
    }
}

/// What applications behind the door should know.
fn applications(config: &Config) -> Finding {
    let Some(forward_auth) = &config.web.forward_auth else {
        return Fine("applications: none (allowed_hosts)".to_owned());
    };
    let hosts = forward_auth.hosts.iter();
    let hosts: Vec<&str> =
        hosts.map(|url| &url[Position::BeforeHost..Position::AfterPort]).collect();
    let of = format!("{}, by a cookie for {}", hosts.join(", "), forward_auth.domain);
    Fine(format!("applications: {of}"))
}

fn address(config: &Config) -> Finding {
    let url = config.base_url.as_str().trim_end_matches('/');
    match config.profile {
        Profile::Classroom => {
            Mend("profile: classroom hands out reset tokens: for lessons alone".to_owned())
        }
        _ => Fine(format!(
            "address: listens on {}:{}, people type {url}",
            config.address, config.port
        )),
    }
}

//! The connection URL, as libpq writes it, and what of it is ours to carry out.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::{Server, TlsFiles, TlsMode};

/// A look at the network between two statements.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why a URL leads nowhere. Never quotes it: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    #[error("must look like postgresql://USER@HOST/NAME?sslmode=verify-full")]
    Shape,
    #[error("{0}")]
    Parameter(String),
    #[error("sslmode must be disable, prefer, require, verify-ca or verify-full")]
    SslMode,
    #[error("the server's password is in the URL and in database_password: keep one")]
    TwoPasswords,
}

pub(super) fn parse(text: &str) -> Result<Server, UrlError> {
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let mut tls = TlsMode::Prefer;
    let mut files = TlsFiles::default();
    let mut rest = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(UrlError::Shape)?;
        let value = percent_decode_str(value).decode_utf8().map_err(|_| UrlError::Shape)?;
        match key {
            "sslmode" => tls = TlsMode::parse(&value).ok_or(UrlError::SslMode)?,
            "sslrootcert" => files.root = Some(value.into_owned().into()),
            "sslcert" => files.certificate = Some(value.into_owned().into()),
            "sslkey" => files.key = Some(value.into_owned().into()),
            _ => rest.push(pair),
        }
    }
    let plain = format!("{base}?{}", rest.join("&"));
    let mut config: Config = plain.parse().map_err(|error| said(&error))?;
    if config.get_hosts().is_empty() {
        return Err(UrlError::Shape);
    }
    config.ssl_mode(match tls {
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        _ => SslMode::Require,
    });
    if config.get_hosts().len() > 1 && !query.contains("target_session_attrs") {
        // Of several servers one is the primary; on another nobody could log in.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name("gatehouse");
    }
    let hosts: Vec<super::Host> =
        (0..config.get_hosts().len()).map(|place| one_of(&config, place)).collect();
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or("?");
    let name = format!("postgresql://{}/{database}", names.join(","));
    Ok(Server { hosts, good: Arc::default(), tls, files, name })
}

/// The same for one host alone, which then has its own share of the time.
fn one_of(all: &Config, place: usize) -> super::Host {
    let ports = all.get_ports();
    let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
    let mut config = Config::new();
    let (name, is_local) = match &all.get_hosts()[place] {
        Host::Tcp(host) => {
            config.host(host);
            let loopback = host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
            (format!("{host}:{port}"), loopback || host == "localhost")
        }
        #[cfg(unix)]
        Host::Unix(folder) => {
            config.host_path(folder);
            (format!("{}:{port}", folder.display()), true)
        }
    };
    config.port(port);
    if let Some(address) = all.get_hostaddrs().get(place) {
        config.hostaddr(*address);
    }
    if let Some(user) = all.get_user() {
        config.user(user);
    }
    if let Some(password) = all.get_password() {
        config.password(password);
    }
    if let Some(name) = all.get_dbname() {
        config.dbname(name);
    }
    if let Some(options) = all.get_options() {
        config.options(options);
    }
    if let Some(name) = all.get_application_name() {
        config.application_name(name);
    }
    if let Some(limit) = all.get_connect_timeout() {
        config.connect_timeout(*limit);
    }
    if let Some(limit) = all.get_tcp_user_timeout() {
        config.tcp_user_timeout(*limit);
    }
    config
        .ssl_mode(all.get_ssl_mode())
        .ssl_negotiation(all.get_ssl_negotiation())
        .channel_binding(all.get_channel_binding())
        .target_session_attrs(all.get_target_session_attrs())
        .keepalives(all.get_keepalives())
        .keepalives_idle(KEEPALIVE)
        .keepalives_interval(KEEPALIVE)
        .keepalives_retries(3);
    super::Host { name, is_local, config }
}

/// The parser's own words name the parameter, not its value.
fn said(error: &tokio_postgres::Error) -> UrlError {
    use std::error::Error as _;

    UrlError::Parameter(error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hosts_mean_the_one_that_writes() {
        let server = parse("postgresql://ann:secret@one,two:5433/people?sslmode=verify-full")
            .expect("a good URL");
        assert_eq!(server.name, "postgresql://one:5432,two:5433/people");
        assert_eq!(server.tls, TlsMode::VerifyFull);
        assert_eq!(
            server.hosts[1].config.get_target_session_attrs(),
            TargetSessionAttrs::ReadWrite
        );
        assert!(!format!("{server:?}").contains("secret"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, why) in [
            ("postgresql://ann:secret@/people", "must look like"),
            ("postgresql://ann:secret@one/people?sslmode=full", "sslmode must be"),
            ("postgresql://ann:secret@one/people?colour=blue", "colour"),
            ("postgresql://ann:secret@one:port/people", "port"),
            ("postgresql://ann:secret@one/people?target_session_attrs=x", "target_session_attrs"),
        ] {
            let said = parse(url).map(|server| server.name).expect_err(url).to_string();
            assert!(said.contains(why) && !said.contains("secret"), "{url}: {said}");
        }
    }
}

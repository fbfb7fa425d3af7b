//! The connection URL, as libpq writes it, and what of it is ours to carry out.

use percent_encoding::percent_decode_str;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::{Server, TlsFiles, TlsMode};

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
    let mut config: tokio_postgres::Config = plain.parse().map_err(|error| said(&error))?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
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
    let name = in_words(&config);
    Ok(Server { config, tls, files, name })
}

/// The parser's own words name the parameter, not its value.
fn said(error: &tokio_postgres::Error) -> UrlError {
    use std::error::Error as _;

    UrlError::Parameter(error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

fn in_words(config: &tokio_postgres::Config) -> String {
    let ports = config.get_ports();
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(place, host)| {
            let port = ports.get(place).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(folder) => format!("{}:{port}", folder.display()),
            }
        })
        .collect();
    let name = config.get_dbname().or(config.get_user()).unwrap_or("?");
    format!("postgresql://{}/{name}", hosts.join(","))
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
        assert_eq!(server.config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
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

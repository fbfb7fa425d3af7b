//! Checks of the settings of mail.

use std::path::PathBuf;

use lettre::message::Mailbox;
use secrecy::SecretString;
use url::Url;

use crate::config::source::Sources;
use crate::config::{ConfigError, Profile, Settings};
use crate::mail::{Encryption, Route, SmtpConfig};

pub fn sender(
    sources: &Sources,
    settings: &Settings,
    base_url: &Url,
) -> Result<Mailbox, ConfigError> {
    let written = if settings.mail_from.is_empty() {
        // An address literal is no mail domain; nothing is delivered to it anyway.
        let host = base_url.domain().unwrap_or("localhost");
        return format!("no-reply@{host}")
            .parse()
            .map(|address| Mailbox::new(Some(settings.site_name.clone()), address))
            .map_err(|_| {
                sources.error("mail_from", "must be set: base_url's host cannot send mail")
            });
    } else {
        &settings.mail_from
    };
    written
        .parse()
        .map_err(|_| sources.error("mail_from", "must be like \"Gatehouse <login@example.org>\""))
}

pub fn route(
    sources: &Sources,
    settings: &Settings,
    password: Option<SecretString>,
) -> Result<Route, ConfigError> {
    let wanted = match settings.mail_transport.as_str() {
        "" if !settings.smtp_url.is_empty() => "smtp",
        "" if sources.profile == Profile::Debug => "mailbox",
        "" => "files",
        set => set,
    };
    if wanted != "smtp" && !settings.smtp_url.is_empty() {
        let what = format!("is set, but mail_transport is \"{wanted}\": empty one of them");
        return Err(sources.error("smtp_url", &what));
    }
    if wanted != "smtp" && (password.is_some() || !settings.smtp_username.is_empty()) {
        let key = if password.is_some() { "smtp_password" } else { "smtp_username" };
        return Err(sources.error(key, "is set, but smtp_url is not: set it, or empty this"));
    }
    match wanted {
        "smtp" if settings.smtp_url.is_empty() => {
            Err(sources.error("smtp_url", "must be set when mail_transport is \"smtp\""))
        }
        "smtp" => smtp(sources, settings, password).map(Route::Smtp),
        "files" if settings.mail_folder.is_empty() => {
            Err(sources.error("mail_folder", "must name a folder"))
        }
        "files" => Ok(Route::Files(PathBuf::from(&settings.mail_folder))),
        #[cfg(debug_assertions)]
        "mailbox" if sources.profile == Profile::Debug => Ok(Route::Mailbox),
        "mailbox" => Err(sources.error(
            "mail_transport",
            "\"mailbox\" shows mails to everybody and exists in debug builds alone",
        )),
        other => Err(sources.error(
            "mail_transport",
            &format!("is \"{other}\", must be \"smtp\", \"files\", \"mailbox\" or empty"),
        )),
    }
}

fn smtp(
    sources: &Sources,
    settings: &Settings,
    password: Option<SecretString>,
) -> Result<SmtpConfig, ConfigError> {
    let wrong = |what: &str| sources.error("smtp_url", what);
    let form = "must be like \"smtps://mail.example.org\" or \"smtp://mail.example.org:587\"";
    let url = Url::parse(&settings.smtp_url).map_err(|_| wrong(form))?;
    let bare = ["", "/"].contains(&url.path()) && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must hold no user: set smtp_username and smtp_password"));
    }
    let (encryption, usual_port) = match url.scheme() {
        "smtps" => (Encryption::Tls, 465),
        "smtp" if smtp_is_loopback(&url) => (Encryption::Loopback, 25),
        "smtp" => (Encryption::StartTls, 587),
        _ => return Err(wrong(form)),
    };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| wrong(form))?;
    let username = Some(settings.smtp_username.clone()).filter(|name| !name.is_empty());
    if username.is_some() != password.is_some() {
        let missing = if username.is_some() { "smtp_password" } else { "smtp_username" };
        return Err(sources.error(missing, "must be set too: both or neither"));
    }
    Ok(SmtpConfig {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(usual_port),
        encryption,
        username,
        password,
    })
}

/// `url` knows no IPv4 addresses in schemes that are not the web's.
fn smtp_is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

//! Where settings come from, and whether each is known, well-typed and readable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rocket::figment::providers::{Format, Serialized, Toml};
use rocket::figment::value::{Dict, Value};
use rocket::figment::{self, Figment};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::{ConfigError, Profile};

const BUILT_IN: &str = include_str!("../../Rocket.toml");
const PREFIX: &str = "ROCKET_";
/// Read raw: figment would take a key of digits for a number. Each also has a `…_FILE` twin.
const SECRETS: [&str; 3] = ["secret_key", "smtp_password", "database_password"];
/// Rocket's own parameters that Gatehouse settles itself, and why.
const SETTLED: [(&str, &str); 10] = [
    ("max_blocking", "what blocks has bounds of its own: database_connections, hash_queue"),
    ("keep_alive", "connections are kept open; the proxy closes idle ones"),
    ("tls", "https is the reverse proxy's: set base_url to its address"),
    ("limits", "bodies have fixed limits, large enough for every form"),
    ("ident", "no Server header is sent"),
    ("ip_header", "the client's address is the socket's peer"),
    ("shutdown", "requests in flight have 15 seconds after SIGTERM"),
    ("temp_dir", "nothing is uploaded"),
    ("template_dir", "own templates go into theme_dir"),
    ("cli_colors", "the log has no colours"),
];
/// They choose what is read and are no settings themselves.
const CHOOSERS: [&str; 2] = ["profile", "config"];

/// The built-in file, the owner's file and the environment, for one profile.
pub struct Sources {
    pub profile: Profile,
    figment: Figment,
    environment: BTreeMap<String, String>,
    file_name: String,
    /// The owner's file: profiles of keys and values.
    file: Dict,
}

impl Sources {
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut environment = BTreeMap::new();
        for (key, value) in std::env::vars_os() {
            let Some(key) = key.to_str().filter(|key| key.starts_with(PREFIX)) else { continue };
            let value = value.into_string().map_err(|_| {
                ConfigError(format!("{key}: the environment variable is not UTF-8"))
            })?;
            environment.insert(key.to_owned(), value);
        }
        let named = environment.get("ROCKET_CONFIG").cloned();
        let name = named.clone().unwrap_or_else(|| "Rocket.toml".to_owned());
        let text = match std::fs::read_to_string(&name) {
            Ok(text) => text,
            Err(missing) if named.is_none() && missing.kind() == std::io::ErrorKind::NotFound => {
                String::new()
            }
            Err(cause) => return Err(ConfigError(format!("{name}: cannot be read: {cause}"))),
        };
        Self::new(&name, &text, environment)
    }

    pub fn from_parts(
        file: &str,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        Self::new("Rocket.toml", file, environment)
    }

    fn new(
        file_name: &str,
        text: &str,
        environment: BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        let file: Dict = Toml::from_str(text).map_err(|error: <Toml as Format>::Error| {
            // The error's own text quotes the line, which may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            ConfigError(format!("{file_name}, line {line}: {}", error.message()).replace('\n', " "))
        })?;
        let profile = choose_profile(environment.get("ROCKET_PROFILE"))?;
        let mut sources = Self {
            profile,
            figment: Figment::new(),
            environment,
            file_name: file_name.to_owned(),
            file,
        };
        sources.refuse_unknown()?;
        sources.figment = sources.merged(text);
        Ok(sources)
    }

    fn merged(&self, text: &str) -> Figment {
        let built_in = built_in();
        let mut figment = Figment::new()
            .merge(Toml::string(BUILT_IN).nested())
            .merge(Toml::string(text).nested());
        for (variable, value) in &self.environment {
            let key = setting_of(variable);
            if CHOOSERS.contains(&key.as_str()) || secret_of(&key).is_some() {
                continue;
            }
            // Text stays as it is written: a site may be called "0123" or "true".
            let is_text = matches!(built_in.get(&key), Some(Value::String(..)));
            let value: Value = if is_text {
                Value::from(value.as_str())
            } else {
                value.parse().unwrap_or_else(|never| match never {})
            };
            figment = figment.merge(Serialized::global(&key, value));
        }
        figment.select(self.profile.name())
    }

    /// All settings, typed; the first error as one line.
    pub fn extract<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.figment.extract().map_err(|error| {
            // A list's member has a path of its own below the setting's.
            let key = error.path.first().cloned().unwrap_or_default();
            self.error(&key, &describe(&error.kind))
        })
    }

    /// A secret, raw, from its variable, the file its `_FILE` variable names, or the settings file.
    pub fn secret(&self, key: &str) -> Result<Option<SecretString>, ConfigError> {
        let variable = variable_of(key);
        let from_file = format!("{variable}_FILE");
        let value = match (self.environment.get(&variable), self.environment.get(&from_file)) {
            (Some(_), Some(_)) => {
                return Err(ConfigError(format!(
                    "{variable} and {from_file} are both set: keep one"
                )));
            }
            (Some(value), None) => value.clone(),
            (None, Some(path)) => read_secret(&from_file, path)?,
            (None, None) => match self.figment.find_value(key) {
                Ok(Value::String(_, text)) => text,
                Ok(_) => return Err(self.error(key, "must be text in quotation marks")),
                Err(_) => String::new(),
            },
        };
        Ok(Some(value).filter(|value| !value.is_empty()).map(SecretString::from))
    }

    /// The files that `…_FILE` variables name.
    pub fn secret_files(&self) -> Vec<PathBuf> {
        SECRETS
            .into_iter()
            .filter_map(|key| self.environment.get(&format!("{}_FILE", variable_of(key))))
            .map(PathBuf::from)
            .collect()
    }

    /// One line that names the key and where its value was read.
    pub fn error(&self, key: &str, what: &str) -> ConfigError {
        ConfigError(format!("{key} ({}): {what}", self.origin(key)))
    }

    /// Where the value in force was read.
    fn origin(&self, key: &str) -> String {
        let variable = variable_of(key);
        for name in [variable.clone(), format!("{variable}_FILE")] {
            if self.environment.contains_key(&name) {
                return format!("environment variable {name}");
            }
        }
        let in_file =
            |profile: &str| self.file.get(profile)?.as_dict()?.get(key).map(|_| profile.to_owned());
        match ["global", self.profile.name(), "default"].into_iter().find_map(in_file) {
            Some(profile) => format!("{}, [{profile}]", self.file_name),
            None => "built-in default".to_owned(),
        }
    }

    fn refuse_unknown(&self) -> Result<(), ConfigError> {
        let known = known_settings();
        for (profile, settings) in &self.file {
            let Some(settings) = settings.as_dict() else {
                return Err(ConfigError(format!(
                    "{profile} ({}): settings belong under a profile: write [default] above it",
                    self.file_name
                )));
            };
            let names = ["default", "global", "debug", "release", "classroom"];
            if !names.contains(&profile.as_str()) {
                let nearest = nearest(profile, names.into_iter());
                return Err(ConfigError(format!(
                    "[{profile}] ({}): there is no such profile{nearest}",
                    self.file_name
                )));
            }
            if let Some(key) = settings.keys().find(|key| !known.contains(key)) {
                return Err(ConfigError(format!(
                    "{key} ({}, [{profile}]): {}",
                    self.file_name,
                    not_a_setting(key, &known)
                )));
            }
        }
        for variable in self.environment.keys() {
            let key = setting_of(variable);
            let ok = known.contains(&key) || secret_of(&key).is_some();
            if !ok && !CHOOSERS.contains(&key.as_str()) {
                return Err(ConfigError(format!(
                    "{variable} (environment): {}",
                    not_a_setting(&key, &known)
                )));
            }
        }
        Ok(())
    }
}

/// Every setting is in the built-in file, so that none is without a default and a word on it.
pub fn known_settings() -> Vec<String> {
    built_in().into_keys().collect()
}

/// The built-in defaults.
fn built_in() -> Dict {
    let profiles: Dict = Toml::from_str(BUILT_IN).unwrap_or_default();
    profiles.get("default").and_then(|value| value.as_dict().cloned()).unwrap_or_default()
}

fn choose_profile(chosen: Option<&String>) -> Result<Profile, ConfigError> {
    let usual = if cfg!(debug_assertions) { "debug" } else { "release" };
    match chosen.map_or(usual, String::as_str) {
        "debug" if cfg!(debug_assertions) => Ok(Profile::Debug),
        "debug" => Err(ConfigError(
            "ROCKET_PROFILE (environment): the debug profile needs a debug build; \
             use \"release\" or leave it unset"
                .to_owned(),
        )),
        "release" => Ok(Profile::Release),
        "classroom" => Ok(Profile::Classroom),
        other => Err(ConfigError(format!(
            "ROCKET_PROFILE (environment): there is no profile \"{other}\"{}",
            nearest(other, ["debug", "release", "classroom"].into_iter())
        ))),
    }
}

fn read_secret(variable: &str, path: &str) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(Path::new(path)).map_err(|cause| {
        ConfigError(format!("{variable} (environment): cannot read {path}: {cause}"))
    })?;
    // Editors end files with a line break that is no part of the secret.
    let secret = text.strip_suffix('\n').unwrap_or(&text);
    let secret = secret.strip_suffix('\r').unwrap_or(secret);
    if secret.is_empty() {
        return Err(ConfigError(format!("{variable} (environment): {path} is empty")));
    }
    Ok(secret.to_owned())
}

fn setting_of(variable: &str) -> String {
    variable.strip_prefix(PREFIX).unwrap_or(variable).to_lowercase()
}

fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase())
}

/// The secret that `key` sets, itself or through a file.
fn secret_of(key: &str) -> Option<&str> {
    let name = key.strip_suffix("_file").unwrap_or(key);
    SECRETS.into_iter().find(|secret| *secret == name)
}

/// Why `key` cannot be set.
fn not_a_setting(key: &str, known: &[String]) -> String {
    match SETTLED.into_iter().find(|(settled, _)| *settled == key) {
        Some((_, why)) => format!("cannot be set: {why}"),
        None => {
            format!("there is no such setting{}", nearest(key, known.iter().map(String::as_str)))
        }
    }
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| format!("; did you mean \"{candidate}\"?"))
        .unwrap_or_default()
}

fn describe(kind: &figment::error::Kind) -> String {
    use figment::error::Kind;
    match kind {
        Kind::InvalidType(found, wanted) => format!("is {found}, must be {wanted}"),
        Kind::InvalidValue(found, wanted) => format!("is {found}, must be {wanted}"),
        Kind::MissingField(field) => format!("{field} is missing"),
        other => other.to_string().replace('\n', " "),
    }
}

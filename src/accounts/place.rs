//! The place of an address, from a database in MaxMind's format that the operator has got.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use maxminddb::{MaxMindDbError, Reader, geoip2};

use super::auth::Auth;

/// Where addresses are; nowhere, without a database.
#[derive(Clone, Default)]
pub struct Places(Option<Arc<Reader<Vec<u8>>>>);

/// One line for the operator.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("place_database: {0} cannot be read: {1}")]
    Unreadable(PathBuf, MaxMindDbError),
    #[error("place_database: {0} knows no places: it is of the kind {1}, must be City or Country")]
    OtherKind(PathBuf, String),
}

impl Places {
    /// Reads the whole file into memory: a look-up costs no system call, and a file that is replaced
    /// meanwhile changes nothing before the next start.
    pub fn open(path: Option<&Path>) -> Result<Self, PlaceError> {
        let Some(path) = path else { return Ok(Self::default()) };
        let reader = Reader::open_readfile(path)
            .map_err(|error| PlaceError::Unreadable(path.to_owned(), error))?;
        let kind = &reader.metadata().database_type;
        if !["City", "Country", "Enterprise"].iter().any(|word| kind.contains(word)) {
            return Err(PlaceError::OtherKind(path.to_owned(), kind.clone()));
        }
        Ok(Self(Some(Arc::new(reader))))
    }

    /// What the file says of itself, such as `GeoLite2-City`.
    pub fn kind(&self) -> Option<&str> {
        self.0.as_ref().map(|reader| reader.metadata().database_type.as_str())
    }

    /// "City, Country" in English, or as much of it as is known. Nobody's log-in hangs on it: what
    /// the file does not tell, or tells in a form that is none, is unknown.
    pub fn of(&self, ip: &str) -> Option<String> {
        let (reader, ip) = (self.0.as_ref()?, ip.parse::<IpAddr>().ok()?);
        let found = reader.lookup(ip).and_then(|found| found.decode::<geoip2::City<'_>>());
        let record = found.ok().flatten()?;
        match (record.city.names.english, record.country.names.english) {
            (Some(city), Some(country)) => Some(format!("{city}, {country}")),
            (one, other) => one.or(other).map(str::to_owned),
        }
    }
}

impl Auth {
    /// The place of a client's address, where it is known.
    pub fn place_of(&self, ip: &str) -> Option<String> {
        self.places.of(ip)
    }
}

//! Backups: one SQLite file, whichever database it was made of, written beside its place and named
//! when it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use diesel::result::Error as QueryError;
use rustix::fs::{FlockOperation, flock};

use super::transfer::{self, Present, Snapshot, Sum, TransferError, Watcher};
use super::{AnyConnection, Db, DbConfig, Place, migrations, sqlite};

/// Makes a backup of what `place` holds at this moment; the service may run. Returns what was read
/// back from the finished file.
pub fn write(
    place: &Place,
    wait: Duration,
    file: &Path,
    watcher: Watcher<'_>,
) -> Result<Vec<Sum>, TransferError> {
    if file.symlink_metadata().is_ok() {
        return Err(TransferError::Other(format!("{} exists already", file.display())));
    }
    let unfinished = Unfinished::beside(file)?;
    match place {
        Place::File(path) => {
            // It is of this version, or its rows could not be read back.
            drop(Snapshot::open(place, wait)?);
            let reader = sqlite::open_existing(path, wait);
            let mut reader = reader.map_err(TransferError::Other)?;
            sqlite::vacuum_into(&mut reader, &unfinished.path).map_err(|e| failed(file, e))?;
        }
        Place::Server(_) => {
            let db = Db::open(&unfinished.config(wait))?;
            migrations::run(&db)?;
            let mut snapshot = Snapshot::open(place, wait)?;
            transfer::fill(&db, &mut snapshot, Present::Refuse, |_| Ok(()), watcher)?;
        }
    }
    let sums = unfinished.look_through(wait, watcher)?;
    unfinished.name()?;
    Ok(sums)
}

/// What a backup holds, ready to be put back.
pub struct Backup {
    pub snapshot: Snapshot,
    /// What an older version made was brought up to date in a copy.
    _copy: Option<Unfinished>,
}

/// Opens a backup; refuses what is none, is damaged or was made by a newer version.
pub fn open(file: &Path, wait: Duration) -> Result<Backup, TransferError> {
    let place = Place::File(file.to_owned());
    let (mut snapshot, missing) = Snapshot::of_any_age(&place, wait)?;
    check(snapshot.connection(), file)?;
    if missing.is_empty() {
        return Ok(Backup { snapshot, _copy: None });
    }
    drop(snapshot);
    let copy = Unfinished::beside(file)?;
    let mut reader = sqlite::open_existing(file, wait).map_err(TransferError::Other)?;
    sqlite::vacuum_into(&mut reader, &copy.path).map_err(|error| failed(file, error))?;
    migrations::run(&Db::open(&copy.config(wait))?)?;
    let snapshot = Snapshot::open(&Place::File(copy.path.clone()), wait)?;
    Ok(Backup { snapshot, _copy: Some(copy) })
}

fn check(conn: &mut AnyConnection, file: &Path) -> Result<(), TransferError> {
    let AnyConnection::Sqlite(conn) = conn else { return Ok(()) };
    match sqlite::damage(conn).map_err(|error| failed(file, error))? {
        None => Ok(()),
        Some(damage) => {
            Err(TransferError::Other(format!("{} is damaged: {damage}", file.display())))
        }
    }
}

/// A file that is not whole yet, beside its place; gone with this value, and overwritten by the
/// next one when this process was killed.
struct Unfinished {
    path: PathBuf,
    place: PathBuf,
    /// Held, so that nobody else writes to the same one.
    file: File,
}

impl Unfinished {
    fn beside(place: &Path) -> Result<Self, TransferError> {
        let path = with_ending(place, ".unfinished");
        let file = create_anew(&path).map_err(|cause| {
            TransferError::Other(format!("cannot write {}: {cause}", path.display()))
        })?;
        remove_logs(&path);
        Ok(Self { path, place: place.to_owned(), file })
    }

    fn config(&self, wait: Duration) -> DbConfig {
        DbConfig { place: Place::File(self.path.clone()), pool_size: 1, wait }
    }

    /// Reads all of it.
    fn look_through(
        &self,
        wait: Duration,
        watcher: Watcher<'_>,
    ) -> Result<Vec<Sum>, TransferError> {
        let conn = sqlite::open_existing(&self.path, wait);
        let mut conn = conn.map_err(TransferError::Other)?;
        sqlite::end_log(&mut conn)?;
        let mut conn = AnyConnection::Sqlite(conn);
        check(&mut conn, &self.path)?;
        Ok(transfer::sums(&mut conn, "reading back", watcher)?)
    }

    /// On the disk, then under its name; never in the place of another file.
    fn name(self) -> Result<(), TransferError> {
        let named = self.file.sync_all().and_then(|()| rename_new(&self.path, &self.place));
        let folder = self.place.parent().filter(|folder| !folder.as_os_str().is_empty());
        let named = named.and_then(|()| File::open(folder.unwrap_or(Path::new(".")))?.sync_all());
        named.map_err(|cause| {
            TransferError::Other(format!("cannot write {}: {cause}", self.place.display()))
        })
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove_logs(&self.path);
        let _ = fs::remove_file(&self.path);
    }
}

/// A new file for its owner alone, locked; what a killed process has left there goes first.
fn create_anew(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let lock = |file: &File| flock(file, FlockOperation::NonBlockingLockExclusive);
    let file = match create() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            lock(&File::open(path)?)
                .map_err(|_| io::Error::other("another one is being written"))?;
            fs::remove_file(path)?;
            create()?
        }
        outcome => outcome?,
    };
    lock(&file)?;
    Ok(file)
}

/// Two names for a moment: the second one fails where it is taken. Where a file has but one name,
/// a look before has to do.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(from, to) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists && !to.exists() => {
            fs::rename(from, to)
        }
        outcome => outcome,
    }
}

fn remove_logs(path: &Path) {
    for ending in ["-wal", "-shm", "-journal"] {
        let _ = fs::remove_file(with_ending(path, ending));
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    name.into()
}

fn failed(file: &Path, error: QueryError) -> TransferError {
    let cause = super::DbError::from(error);
    TransferError::Source { place: file.display().to_string(), cause }
}

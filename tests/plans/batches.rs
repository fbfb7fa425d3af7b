//! What has expired is deleted in batches, to the last row, and others write in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use diesel::prelude::*;
use gatehouse::accounts::confirmation;
use gatehouse::cli::service::Service;
use gatehouse::clock::Timestamp;
use gatehouse::db::batches::BATCH;
use gatehouse::db::schema::{devices, events, limits, outbox, sessions, sign_ups, tokens, users};
use gatehouse::db::{AnyConnection, DbError};

use crate::place::{Kind, Place, multiply};

/// Three batches and a part of each table that has a row for everybody.
const USERS: i64 = 3500;

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Rows of each table that is purged.
fn counts(conn: &mut AnyConnection) -> [i64; 7] {
    [
        sessions::table.count().get_result(conn).expect("counted"),
        limits::table.count().get_result(conn).expect("counted"),
        devices::table.count().get_result(conn).expect("counted"),
        tokens::table.count().get_result(conn).expect("counted"),
        sign_ups::table.count().get_result(conn).expect("counted"),
        events::table.count().get_result(conn).expect("counted"),
        outbox::table.count().get_result(conn).expect("counted"),
    ]
}

fn everything_goes(kind: Kind) {
    let place = Place::seeded(kind, USERS);
    let service = Service::open(&place.config("")).expect("opens");
    let conn = &mut place.connection();
    multiply(conn);
    let before = counts(conn);
    assert!(before.iter().all(|count| *count > 3 * BATCH), "{before:?}");
    let (auth, later) = (&service.auth, Timestamp::now() + Duration::from_secs(365 * 24 * 60 * 60));
    let deleted = [
        run(auth.purge_sessions(later)).expect("purged"),
        run(auth.purge_limits(later)).expect("purged"),
        run(auth.purge_devices(later)).expect("purged"),
        run(auth.purge_tokens(later)).expect("purged"),
        run(auth.purge_sign_ups(later)).expect("purged"),
        run(auth.purge_events(later)).expect("purged"),
        service.worker.purge(later).expect("purged"),
    ];
    assert_eq!(deleted.map(|rows| rows as i64), before);
    assert_eq!(counts(conn), [0; 7]);
    let left: i64 =
        users::table.filter(users::session_id.is_null()).count().get_result(conn).expect("counted");
    assert_eq!(left, USERS, "the people stay");
}

#[test]
fn everything_that_has_expired_goes_on_sqlite() {
    everything_goes(Kind::Sqlite);
}

#[test]
fn everything_that_has_expired_goes_on_postgresql() {
    everything_goes(Kind::Postgresql);
}

#[test]
fn what_has_not_expired_stays() {
    for kind in [Kind::Sqlite, Kind::Postgresql] {
        let place = Place::seeded(kind, USERS);
        let service = Service::open(&place.config("")).expect("opens");
        let now = Timestamp::now();
        let conn = &mut place.connection();
        let alive: i64 = sessions::table
            .filter(sessions::expires_at.gt(now))
            .count()
            .get_result(conn)
            .expect("counted");
        let young: i64 = sign_ups::table
            .filter(sign_ups::created_at.gt(now - confirmation::LIFETIME))
            .count()
            .get_result(conn)
            .expect("counted");
        run(service.auth.purge_sessions(now)).expect("purged");
        run(service.auth.purge_sign_ups(now)).expect("purged");
        let left = counts(conn);
        assert_eq!((left[0], left[4]), (alive, young), "{kind:?}");
        assert!(alive > 3 * BATCH && young > 0, "{kind:?}: {alive}, {young}");
    }
}

/// SQLite has one writer: who asks for it during a purge waits for one batch, not for all.
#[test]
fn others_write_between_two_batches() {
    let place = Place::seeded(Kind::Sqlite, USERS);
    let service = Service::open(&place.config("")).expect("opens");
    let later = Timestamp::now() + Duration::from_secs(365 * 24 * 60 * 60);
    let left = Arc::new(AtomicI64::new(-1));
    let seen = left.clone();
    let write = service.db.write(move |conn| {
        let count: i64 = sessions::table.count().get_result(conn)?;
        seen.store(count, Ordering::SeqCst);
        Ok::<_, DbError>(())
    });
    let (deleted, written) = run(async { tokio::join!(service.auth.purge_sessions(later), write) });
    written.expect("its turn came");
    let deleted = deleted.expect("purged") as i64;
    assert_eq!(left.load(Ordering::SeqCst), deleted - BATCH, "after the first batch");
}

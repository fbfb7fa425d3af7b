//! What the database holds, read and changed past the service, on either database.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use gatehouse::db::AnyConnection;

use crate::app::TestApp;

impl TestApp {
    /// A connection past the pool.
    pub fn database(&self) -> AnyConnection {
        self.folder.database.connect()
    }

    /// Runs SQL past the service.
    #[track_caller]
    pub fn sql(&self, statements: &str) {
        self.database().batch_execute(statements).expect("good SQL");
    }

    /// From now on every row that is written like this (`INSERT`, `UPDATE`, `DELETE`) is refused with
    /// these words, until [`TestApp::mend`].
    #[track_caller]
    pub fn break_down(&self, event: &str, table: &str, words: &str) {
        self.sql(&match self.database() {
            AnyConnection::Sqlite(_) => format!(
                "CREATE TRIGGER fault BEFORE {event} ON {table} \
                 BEGIN SELECT RAISE(ABORT, '{words}'); END"
            ),
            AnyConnection::Postgres(_) => format!(
                "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN RAISE EXCEPTION '{words}'; END $$; \
                 CREATE TRIGGER fault BEFORE {event} ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION fault()"
            ),
        });
    }

    /// From now on every row that is updated is gone at once, until [`TestApp::mend`].
    #[track_caller]
    pub fn vanish(&self, table: &str) {
        self.sql(&match self.database() {
            AnyConnection::Sqlite(_) => format!(
                "CREATE TRIGGER fault AFTER UPDATE ON {table} \
                 BEGIN DELETE FROM {table} WHERE id = NEW.id; END"
            ),
            AnyConnection::Postgres(_) => format!(
                "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql \
                 AS $$ BEGIN DELETE FROM {table} WHERE id = NEW.id; RETURN NULL; END $$; \
                 CREATE TRIGGER fault AFTER UPDATE ON {table} \
                 FOR EACH ROW EXECUTE FUNCTION fault()"
            ),
        });
    }

    /// Ends what [`TestApp::break_down`] began.
    #[track_caller]
    pub fn mend(&self) {
        self.sql(match self.database() {
            AnyConnection::Sqlite(_) => "DROP TRIGGER fault",
            AnyConnection::Postgres(_) => "DROP FUNCTION fault CASCADE",
        });
    }

    /// Another process's connection, in whose way nobody can write until its `ROLLBACK` or `COMMIT`;
    /// reading goes on.
    #[track_caller]
    pub fn locked(&self) -> AnyConnection {
        self.folder.database.locked()
    }

    /// The bytes of the database's files, SQLite's write-ahead log too.
    pub fn raw_database(&self) -> Vec<u8> {
        self.folder.database.raw()
    }

    /// The names of what happened to one account, or to nobody's, oldest first.
    pub fn events_of(&self, user: Option<i64>) -> Vec<String> {
        use gatehouse::db::schema::events;

        self.auth().journal().flush();
        let rows = events::table.order(events::id).select((events::user_id, events::event));
        let rows: Vec<(Option<i64>, String)> = rows.load(&mut self.database()).expect("events");
        rows.into_iter().filter(|(whose, _)| *whose == user).map(|(_, event)| event).collect()
    }

    /// Every row of every table, as text: to see that nothing changed.
    pub fn dump(&self) -> String {
        use gatehouse::accounts::session::Session;
        use gatehouse::db::schema::{
            devices, outbox, pending_forms, sessions, sign_ups, tokens, users,
        };
        use gatehouse::mail::outbox::Row as Mail;

        let conn = &mut self.database();
        type Token = (Option<String>, Option<i64>, Option<String>);
        type Person = (Option<String>, Option<String>, Option<i64>, Option<i64>);
        type Row = (i64, String, String, String, i64, Option<String>, Token, Person);
        let users: Vec<Row> = users::table
            .select((
                users::id,
                users::email,
                users::email_key,
                users::hashed_password,
                users::password_changed_at,
                users::session_id,
                (users::reset_token, users::reset_asked_at, users::reset_email),
                (users::display_name, users::time_zone, users::disabled_at, users::delete_at),
            ))
            .order(users::id)
            .load(conn)
            .expect("users");
        let sessions: Vec<Session> = sessions::table
            .select(Session::as_select())
            .order(sessions::id)
            .load(conn)
            .expect("sessions");
        let outbox: Vec<Mail> =
            outbox::table.select(Mail::as_select()).order(outbox::id).load(conn).expect("outbox");
        let outbox: Vec<String> = outbox.iter().map(|mail| format!("{mail:?}")).collect();
        let devices: Vec<(String, i64)> = devices::table
            .select((devices::id, devices::user_id))
            .order((devices::id, devices::user_id))
            .load(conn)
            .expect("devices");
        let tokens: Vec<(String, String)> = tokens::table
            .select((tokens::id, tokens::purpose))
            .order(tokens::id)
            .load(conn)
            .expect("tokens");
        let sign_ups: Vec<(i64, String, Option<String>)> = sign_ups::table
            .select((sign_ups::id, sign_ups::email, sign_ups::token))
            .order(sign_ups::id)
            .load(conn)
            .expect("sign-ups");
        let forms: Vec<(String, Vec<u8>)> = pending_forms::table
            .select((pending_forms::session_id, pending_forms::content))
            .order(pending_forms::session_id)
            .load(conn)
            .expect("forms that wait");
        format!(
            "{users:#?}\n{sessions:#?}\n{outbox:#?}\n{devices:?}\n{tokens:?}\n{sign_ups:?}\n\
             pending_forms {forms:?}"
        )
    }
}

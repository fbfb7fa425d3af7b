//! What fills a database: values that get lost easily, and rows in numbers.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use gatehouse::db::AnyConnection;

use crate::program::Home;
use crate::rows;

/// Every table has rows; columns hold NULL, nothing, very much, bytes that are no text, the largest
/// and the smallest numbers; `users` and `sessions` refer to each other; the highest numbers have
/// been deleted again.
const ODD: &str = "
INSERT INTO users VALUES
 (1, '', '', '', NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL),
 (2, 'Änn@Exämple.com', 'ann', '$2b$12$x', NULL, 'tok', 5, 'ann', -1, 9223372036854775807, 7,
  '😀 <b>', 'Europe/Berlin', 9, -9),
 (9223372036854775806, 'a''b\"c\\d%_;--', 'z', '\t\r\n', NULL, NULL, NULL, NULL,
  -9223372036854775808, 1, NULL, '', '', NULL, 9223372036854775807);
INSERT INTO sessions VALUES
 ('b', 2, 1, 2, 3, 4, 1, '😀 e\u{301} \u{202e}', '::1', 'door', 4),
 ('B', 2, 1, 2, 3, 4, 0, '', '', NULL, 0),
 ('~', 1, 1, 2, 3, 4, 0, '', '', NULL, -2147483648);
UPDATE users SET session_id = 'b' WHERE id = 2;
INSERT INTO pending_forms VALUES ('b', x'00ff80', 9), ('~', x'', -1);
INSERT INTO outbox VALUES
 (7, 'm1', 'password_changed', 2, x'00ff80c328', 'waiting', 1, NULL, 2, 2147483647, NULL, NULL),
 (8, 'm2', '', NULL, x'', 'sent', 1, 5, 2, -1, '', 'sign-up 1'),
 (90, 'm3', 'unlock', NULL, zeroblob(70000), 'failed', 1, 5, 2, 0, 'why', NULL);
DELETE FROM outbox WHERE id = 90;
INSERT INTO limits VALUES ('', 0, 0, 0, 0), ('log_in/Ä', 9223372036854775807, 1, 2, 3);
INSERT INTO devices VALUES ('d', 1, 1), ('d', 2, 1), ('D', 1, 1), ('é', 2, 2);
INSERT INTO tokens VALUES ('t1', 'unlock', 2, 'a', 'A', 1), ('t2', 'invitation', NULL, '', '', 2);
INSERT INTO sign_ups VALUES (3, 'e', 'e', 'h', 'b1', NULL, NULL, 1), (4, '', '', '', 'b2', 't', 2, 1);
INSERT INTO events VALUES (5, 1, 'logged_in', 2, '', '', '', 1);
INSERT INTO events SELECT 6, 1, 'broken', NULL, '', hex(zeroblob(50000)), 'r', 2;
";

/// Tells threads that it is enough, also when the test fails: they would be waited for.
pub struct Ends<'a>(pub &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A database of that path with those rows.
pub fn odd(home: &Home, name: &str) {
    make(home, name);
    open(&home.file(name)).batch_execute(ODD).expect("inserted");
}

/// That many people, each signed in on two devices.
pub fn many(home: &Home, name: &str, people: usize) {
    make(home, name);
    let text = format!(
        "BEGIN;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {people})
INSERT INTO users SELECT i, 'u' || i, 'u' || i, 'hash', NULL, NULL, NULL, NULL, 1, 1, NULL,
 NULL, NULL, NULL, NULL FROM n;
INSERT INTO sessions SELECT hex(randomblob(32)), id, 1, 1, 1, 1, 1, 'agent', 'ip', NULL, 0
 FROM users;
INSERT INTO sessions SELECT hex(randomblob(32)), id, 1, 1, 1, 1, 1, 'agent', 'ip', NULL, 0
 FROM users;
INSERT INTO devices SELECT 'one', id, 1 FROM users;
UPDATE users SET session_id = (SELECT id FROM sessions WHERE user_id = users.id LIMIT 1);
COMMIT"
    );
    open(&home.file(name)).batch_execute(&text).expect("inserted");
}

/// An empty database of this version.
pub fn make(home: &Home, name: &str) {
    let mut command = home.command(&["migrate"]);
    command.env("ROCKET_DATABASE_URL", format!("sqlite:{name}"));
    assert!(command.output().expect("the program is built").status.success());
}

pub fn open(path: &Path) -> AnyConnection {
    assert!(path.exists(), "{} is not there", path.display());
    let mut conn = AnyConnection::establish(path.to_str().expect("UTF-8")).expect("opens");
    conn.batch_execute("PRAGMA busy_timeout = 10000").expect("set");
    conn
}

/// Every row of every table; when they were made is not part of it.
pub fn dump(path: &Path) -> String {
    rows::dump(&mut open(path), &["__diesel_schema_migrations"])
}

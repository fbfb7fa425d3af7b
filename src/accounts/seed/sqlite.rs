//! The statements that fill SQLite.

use super::{Recipe, Step, a_few, counted, everybody, sessions};

/// Users name sessions which come later: foreign keys wait. Nothing is lost but the seed if the
/// power fails.
pub(super) const RECIPE: Recipe = Recipe {
    before: "PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -500000;",
    taken_away: "SELECT 'DROP INDEX ' || name AS line FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    put_back: "SELECT sql AS line FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL",
    steps: [
        Step {
            table: "users",
            rows: everybody,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO users (id, email, email_key, hashed_password, session_id, created_at, password_changed_at, confirmed_at)
             SELECT i, name, name, hash, printf('%08x%056x', j * 4294967295 / (users + users / 5), j * 2654435761 % 4294967296), born, born, born
             FROM (SELECT i, 'user-' || printf('%07d', i) || '@example.org' AS name, users, hash, (CASE WHEN (i - 1) * back % users = 0 THEN users ELSE (i - 1) * back % users END) AS j,
                 now - 94608000000 + i * 94608000000 / users AS born FROM p, n) AS person",
        },
        Step {
            table: "sessions",
            rows: sessions,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO sessions (id, user_id, created_at, last_seen_at, authenticated_at, expires_at, remembered, user_agent, ip, door_key)
             SELECT printf('%08x%056x', i * 4294967295 / (users + users / 5), (i * 2654435761 % 4294967296)), 1 + i * step % users,
                 ends - 2592000000, ends - 2592000000, ends - 2592000000, ends, TRUE,
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '198.51.100.' || (i % 254),
                 printf('%08x%056x', (i * 2654435761 % 4294967296), i)
             FROM (SELECT i, users, step, CASE WHEN chance % 10 = 0 THEN now - 1 - chance % 864000000
                 ELSE now + 3600000 + chance % 2588400000 END AS ends
                 FROM (SELECT i, i * 2246822519 % 4294967296 AS chance, now, users, step FROM p, n) AS drawn) AS session",
        },
        Step {
            table: "devices",
            rows: everybody,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO devices (id, user_id, last_used_at)
             SELECT printf('%08x%056x', i * 4294967295 / (users), (i * 2654435761 % 4294967296)), 1 + i * step % users, now - i * 2246822519 % 4294967296 * 4 % 15984000000 FROM p, n",
        },
        Step {
            table: "events",
            rows: everybody,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO events (at, event, user_id, ip, user_agent, request_id, times)
             SELECT now - 7862400000 + i * 7862400000 / users, CASE WHEN i % 20 = 0 THEN 'log_in_failed' ELSE 'logged_in' END,
                 CASE WHEN i % 20 = 0 THEN NULL ELSE 1 + i * step % users END, '198.51.100.' || (i % 254),
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '', 1 FROM p, n",
        },
        Step {
            table: "limits",
            rows: counted,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO limits (bucket, tries, started_at, ends_at, last_at)
             SELECT 'log_in/account/86400/' || printf('%08x%056x', i * 4294967295 / (users / 20), (i * 2654435761 % 4294967296)), 1 + i % 3, ends - 86400000, ends, ends - 86400000
             FROM (SELECT i, users, now + CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END * (i * 2246822519 % 86400000) AS ends FROM p, n) AS bucket",
        },
        Step {
            table: "outbox",
            rows: a_few,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO outbox (message_id, kind, user_id, content, state, created_at, expires_at, next_attempt_at, attempts)
             SELECT printf('%08x%056x', i * 4294967295 / (users / 200), (i * 2654435761 % 4294967296)), 'password_reset', 1 + i * step % users, x'', 'sent', ends - 1800000, ends, ends - 1800000, 1
             FROM (SELECT i, users, step, now + CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END * (i * 2246822519 % 1800000) AS ends FROM p, n) AS mail",
        },
        Step {
            table: "tokens",
            rows: a_few,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at)
             SELECT printf('%08x%056x', i * 4294967295 / (users / 200), (i * 2654435761 % 4294967296)), 'unlock', owner, name, name, ends
             FROM (SELECT i, users, owner, 'user-' || printf('%07d', owner) || '@example.org' AS name, ends
                 FROM (SELECT i, users, 1 + i * step % users AS owner,
                     now + CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END * (i * 2246822519 % 3600000) AS ends FROM p, n) AS drawn) AS token",
        },
        Step {
            table: "sign_ups",
            rows: a_few,
            insert: "
             WITH RECURSIVE p (first, last, now, users, step, back, hash) AS (VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)),
             n (i) AS (SELECT first FROM p UNION ALL SELECT i + 1 FROM n, p WHERE i < last)
             INSERT INTO sign_ups (email, email_key, hashed_password, browser, token, token_expires_at, created_at)
             SELECT name, name, hash, printf('%08x%056x', (i * 2654435761 % 4294967296), i), printf('%08x%056x', i * 2246822519 % 4294967296, i), at + 86400000, at
             FROM (SELECT i, 'newcomer-' || printf('%07d', i) || '@example.org' AS name, hash, now - 691200000 + i * 691200000 / (users / 200) AS at FROM p, n) AS newcomer",
        },
    ],
    after: &["PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE);"],
};

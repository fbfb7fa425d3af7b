//! The statements that fill PostgreSQL.

use super::{Recipe, Step, a_few, counted, everybody, sessions};

/// Users name sessions which come later: foreign keys are checked at the end, all at once.
pub(super) const RECIPE: Recipe = Recipe {
    before: "SET synchronous_commit = off; SET maintenance_work_mem = '512MB';",
    taken_away: "
        SELECT line FROM (
            SELECT 1 AS turn, format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname) AS line
            FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
            UNION ALL
            SELECT 2, format('DROP INDEX %s', indexrelid::regclass)
            FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
            WHERE NOT indisprimary AND relnamespace = current_schema()::regnamespace
        ) AS lines ORDER BY turn",
    put_back: "
        SELECT line FROM (
            SELECT 2 AS turn, format('ALTER TABLE %s ADD CONSTRAINT %I %s', conrelid::regclass, conname,
                pg_get_constraintdef(oid)) AS line
            FROM pg_constraint WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
            UNION ALL
            SELECT 1, pg_get_indexdef(indexrelid)
            FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
            WHERE NOT indisprimary AND relnamespace = current_schema()::regnamespace
        ) AS lines ORDER BY turn",
    steps: [
        Step {
            table: "users",
            rows: everybody,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO users (id, email, email_key, hashed_password, session_id, created_at, password_changed_at, confirmed_at)
             SELECT i, name, name, hash, lpad(to_hex(j * 4294967295 / (users + users / 5)), 8, '0') || lpad(to_hex(j * 2654435761 % 4294967296), 56, '0'), born, born, born
             FROM (SELECT i, 'user-' || lpad(i::text, greatest(7, length(i::text)), '0') || '@example.org' AS name, users, hash, (CASE WHEN (i - 1) * back % users = 0 THEN users ELSE (i - 1) * back % users END) AS j,
                 now - 94608000000 + i * 94608000000 / users AS born FROM p, n) AS person",
        },
        Step {
            table: "sessions",
            rows: sessions,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO sessions (id, user_id, created_at, last_seen_at, authenticated_at, expires_at, remembered, user_agent, ip, door_key)
             SELECT lpad(to_hex(i * 4294967295 / (users + users / 5)), 8, '0') || lpad(to_hex((i * 2654435761 % 4294967296)), 56, '0'), 1 + i * step % users,
                 ends - 2592000000, ends - 2592000000, ends - 2592000000, ends, TRUE,
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '198.51.100.' || (i % 254),
                 lpad(to_hex((i * 2654435761 % 4294967296)), 8, '0') || lpad(to_hex(i), 56, '0')
             FROM (SELECT i, users, step, CASE WHEN chance % 10 = 0 THEN now - 1 - chance % 864000000
                 ELSE now + 3600000 + chance % 2588400000 END AS ends
                 FROM (SELECT i, i * 2246822519 % 4294967296 AS chance, now, users, step FROM p, n) AS drawn) AS session",
        },
        Step {
            table: "devices",
            rows: everybody,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO devices (id, user_id, last_used_at)
             SELECT lpad(to_hex(i * 4294967295 / (users)), 8, '0') || lpad(to_hex((i * 2654435761 % 4294967296)), 56, '0'), 1 + i * step % users, now - i * 2246822519 % 4294967296 * 4 % 15984000000 FROM p, n",
        },
        Step {
            table: "events",
            rows: everybody,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO events (at, event, user_id, ip, user_agent, request_id, times)
             SELECT now - 7862400000 + i * 7862400000 / users, CASE WHEN i % 20 = 0 THEN 'log_in_failed' ELSE 'logged_in' END,
                 CASE WHEN i % 20 = 0 THEN NULL ELSE 1 + i * step % users END, '198.51.100.' || (i % 254),
                 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0', '', 1 FROM p, n",
        },
        Step {
            table: "limits",
            rows: counted,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO limits (bucket, tries, started_at, ends_at, last_at)
             SELECT 'log_in/account/86400/' || lpad(to_hex(i * 4294967295 / (users / 20)), 8, '0') || lpad(to_hex((i * 2654435761 % 4294967296)), 56, '0'), 1 + i % 3, ends - 86400000, ends, ends - 86400000
             FROM (SELECT i, users, now + CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END * (i * 2246822519 % 86400000) AS ends FROM p, n) AS bucket",
        },
        Step {
            table: "outbox",
            rows: a_few,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO outbox (message_id, kind, user_id, content, state, created_at, expires_at, next_attempt_at, attempts)
             SELECT lpad(to_hex(i * 4294967295 / (users / 200)), 8, '0') || lpad(to_hex((i * 2654435761 % 4294967296)), 56, '0'), 'password_reset', 1 + i * step % users, ''::bytea, 'sent', ends - 1800000, ends, ends - 1800000, 1
             FROM (SELECT i, users, step, now + CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END * (i * 2246822519 % 1800000) AS ends FROM p, n) AS mail",
        },
        Step {
            table: "tokens",
            rows: a_few,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO tokens (id, purpose, user_id, email_key, email, expires_at)
             SELECT lpad(to_hex(i * 4294967295 / (users / 200)), 8, '0') || lpad(to_hex((i * 2654435761 % 4294967296)), 56, '0'), 'unlock', owner, name, name, ends
             FROM (SELECT i, users, owner, 'user-' || lpad(owner::text, greatest(7, length(owner::text)), '0') || '@example.org' AS name, ends
                 FROM (SELECT i, users, 1 + i * step % users AS owner,
                     now + CASE WHEN i % 2 = 0 THEN -1 ELSE 1 END * (i * 2246822519 % 3600000) AS ends FROM p, n) AS drawn) AS token",
        },
        Step {
            table: "sign_ups",
            rows: a_few,
            insert: "
             WITH p AS (SELECT $1::bigint AS first, $2::bigint AS last, $3::bigint AS now, $4::bigint AS users,
                 $5::bigint AS step, $6::bigint AS back, $7::text AS hash),
             n AS (SELECT generate_series(first, last) AS i FROM p)
             INSERT INTO sign_ups (email, email_key, hashed_password, browser, token, token_expires_at, created_at)
             SELECT name, name, hash, lpad(to_hex((i * 2654435761 % 4294967296)), 8, '0') || lpad(to_hex(i), 56, '0'), lpad(to_hex(i * 2246822519 % 4294967296), 8, '0') || lpad(to_hex(i), 56, '0'), at + 86400000, at
             FROM (SELECT i, 'newcomer-' || lpad(i::text, greatest(7, length(i::text)), '0') || '@example.org' AS name, hash, now - 691200000 + i * 691200000 / (users / 200) AS at FROM p, n) AS newcomer",
        },
    ],
    after: &[
        "SELECT setval(pg_get_serial_sequence('users', 'id'), (SELECT max(id) FROM users))",
        "VACUUM ANALYZE",
    ],
};

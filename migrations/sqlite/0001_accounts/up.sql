-- Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    -- As typed; `email_key` is its folded form and decides who is who.
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    hashed_password TEXT NOT NULL,
    -- The most recent session; an older device's log-out leaves it alone.
    session_id TEXT REFERENCES sessions (id) ON DELETE SET NULL,
    -- SHA-256 of the outstanding token, when it was asked for, and the folded address it went to.
    reset_token TEXT,
    reset_asked_at BIGINT,
    reset_email TEXT,
    created_at BIGINT NOT NULL,
    password_changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX users_email_key ON users (email_key);
CREATE UNIQUE INDEX users_reset_token ON users (reset_token);
-- Lets ON DELETE SET NULL find its row without reading the table.
CREATE INDEX users_session_id ON users (session_id);

CREATE TABLE sessions (
    -- SHA-256 of the UUID in the cookie.
    id TEXT PRIMARY KEY NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    authenticated_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    remembered BOOLEAN NOT NULL,
    user_agent TEXT NOT NULL,
    ip TEXT NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id, last_seen_at);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

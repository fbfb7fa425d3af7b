-- What happened, for the person and the operator; the same of one moment are one row.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    at BIGINT NOT NULL,
    event TEXT NOT NULL,
    user_id BIGINT REFERENCES users (id) ON DELETE SET NULL,
    ip TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id TEXT NOT NULL,
    times BIGINT NOT NULL
);
CREATE INDEX events_user_id ON events (user_id, at);
CREATE INDEX events_at ON events (at);

-- What the owner calls themselves, and the IANA name of the zone that times are shown in.
ALTER TABLE users ADD COLUMN display_name TEXT;
ALTER TABLE users ADD COLUMN time_zone TEXT;
-- Since when an operator keeps the owner out.
ALTER TABLE users ADD COLUMN disabled_at BIGINT;
-- Of the few alone: nobody is to look up all the others by it.
CREATE INDEX users_disabled_at ON users (disabled_at) WHERE disabled_at IS NOT NULL;
-- When the account will be erased, unless its owner comes back before.
ALTER TABLE users ADD COLUMN delete_at BIGINT;
CREATE INDEX users_delete_at ON users (delete_at);
-- Wrong passwords given in this session: somebody guesses with a stolen cookie.
ALTER TABLE sessions ADD COLUMN failed_proofs INTEGER NOT NULL DEFAULT 0;

-- A form that waits, sealed, until whoever sent it has given the password again.
CREATE TABLE pending_forms (
    session_id TEXT COLLATE "C" PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    content BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX pending_forms_expires_at ON pending_forms (expires_at);

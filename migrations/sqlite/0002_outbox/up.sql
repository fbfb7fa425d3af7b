CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    message_id TEXT NOT NULL,
    kind TEXT NOT NULL,
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    -- Encrypted: a copied database must not hold a usable token.
    content BLOB NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    next_attempt_at BIGINT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT
);
CREATE UNIQUE INDEX outbox_message_id ON outbox (message_id);
CREATE INDEX outbox_state_next_attempt_at ON outbox (state, next_attempt_at);
CREATE INDEX outbox_user_id ON outbox (user_id);
CREATE INDEX outbox_expires_at ON outbox (expires_at);

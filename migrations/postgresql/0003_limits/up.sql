-- How often something was tried: one row for each bucket and each of its windows, until the window ends.
CREATE TABLE limits (
    bucket TEXT COLLATE "C" PRIMARY KEY,
    tries BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX limits_ends_at ON limits (ends_at);

-- Browsers that have logged in before.
CREATE TABLE devices (
    -- SHA-256 of what the cookie holds.
    id TEXT COLLATE "C" NOT NULL,
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (id, user_id)
);
CREATE INDEX devices_user_id ON devices (user_id, last_used_at);
CREATE INDEX devices_last_used_at ON devices (last_used_at);

-- Mailed tokens: what the database keeps of one is its SHA-256.
CREATE TABLE tokens (
    id TEXT COLLATE "C" PRIMARY KEY,
    purpose TEXT COLLATE "C" NOT NULL,
    -- Null where there is no account yet.
    user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
    -- The folded address it went to.
    email_key TEXT COLLATE "C" NOT NULL,
    -- As it was typed.
    email TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX tokens_user_id ON tokens (user_id);
CREATE INDEX tokens_email_key ON tokens (email_key, purpose);
CREATE INDEX tokens_expires_at ON tokens (expires_at);

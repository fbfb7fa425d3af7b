-- When the owner last proved that mail to the address reaches them.
ALTER TABLE users ADD COLUMN confirmed_at BIGINT;

-- Somebody wants an account and has not confirmed the address yet: no account before that.
CREATE TABLE sign_ups (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    email TEXT NOT NULL,
    email_key TEXT NOT NULL,
    hashed_password TEXT NOT NULL,
    -- SHA-256 of what the cookie of the browser holds that signed up.
    browser TEXT NOT NULL,
    -- SHA-256 of the mailed token.
    token TEXT,
    token_expires_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX sign_ups_browser ON sign_ups (browser);
CREATE UNIQUE INDEX sign_ups_token ON sign_ups (token);
CREATE INDEX sign_ups_email_key ON sign_ups (email_key);
CREATE INDEX sign_ups_created_at ON sign_ups (created_at);

-- What a mail is about where there is no account yet: a sign-up, an invited address.
ALTER TABLE outbox ADD COLUMN subject TEXT;
CREATE INDEX outbox_subject ON outbox (subject);

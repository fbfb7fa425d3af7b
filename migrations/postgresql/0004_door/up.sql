-- SHA-256 of the token that opens other applications; it lives and dies with its session.
ALTER TABLE sessions ADD COLUMN door_key TEXT COLLATE "C";
CREATE UNIQUE INDEX sessions_door_key ON sessions (door_key);

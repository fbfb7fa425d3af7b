ALTER TABLE users DROP CONSTRAINT users_session_id_fkey;
DROP TABLE sessions;
DROP TABLE users;

DROP TABLE pending_forms;
ALTER TABLE sessions DROP COLUMN failed_proofs;
DROP INDEX users_delete_at;
ALTER TABLE users DROP COLUMN delete_at;
-- The version before knows nothing of the column: no password may let in whom an operator keeps out.
UPDATE users SET hashed_password = '!' WHERE disabled_at IS NOT NULL;
DROP INDEX users_disabled_at;
ALTER TABLE users DROP COLUMN disabled_at;
ALTER TABLE users DROP COLUMN time_zone;
ALTER TABLE users DROP COLUMN display_name;

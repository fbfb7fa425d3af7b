DROP TABLE pending_forms;
ALTER TABLE sessions DROP COLUMN failed_proofs;
DROP INDEX users_delete_at;
ALTER TABLE users DROP COLUMN delete_at;
DROP INDEX users_disabled_at;
ALTER TABLE users DROP COLUMN disabled_at;
ALTER TABLE users DROP COLUMN time_zone;
ALTER TABLE users DROP COLUMN display_name;

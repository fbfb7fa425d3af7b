DROP INDEX sessions_door_key;
ALTER TABLE sessions DROP COLUMN door_key;

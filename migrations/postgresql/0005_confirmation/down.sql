DROP INDEX outbox_subject;
ALTER TABLE outbox DROP COLUMN subject;
DROP TABLE sign_ups;
ALTER TABLE users DROP COLUMN confirmed_at;

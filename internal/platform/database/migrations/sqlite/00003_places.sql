-- +goose Up
-- An attempt holds a place in each of its counters until it is judged. Locks and runs
-- belong to addresses, known or not, and so lie with the counters.
ALTER TABLE rate_count ADD COLUMN locked_until INTEGER;
CREATE TABLE rate_place (
	name       TEXT NOT NULL,
	subject    TEXT NOT NULL,
	attempt    TEXT NOT NULL,
	expires_at INTEGER NOT NULL,
	PRIMARY KEY (name, subject, attempt)
) STRICT;
CREATE INDEX rate_place_expires ON rate_place (expires_at);
ALTER TABLE portal_user DROP COLUMN wrong_passwords;
ALTER TABLE portal_user DROP COLUMN locked_until;

-- +goose Down
ALTER TABLE portal_user ADD COLUMN locked_until INTEGER;
ALTER TABLE portal_user ADD COLUMN wrong_passwords INTEGER NOT NULL DEFAULT 0;
DROP TABLE rate_place;
DELETE FROM rate_count WHERE name = 'lock';
ALTER TABLE rate_count DROP COLUMN locked_until;

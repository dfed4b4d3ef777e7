-- +goose Up
-- An attempt holds a place in each of its counters until it is judged. Locks and runs
-- belong to addresses, known or not, and so lie with the counters.
ALTER TABLE rate_count ADD COLUMN locked_until BIGINT;
CREATE TABLE rate_place (
	name       TEXT COLLATE "C" NOT NULL,
	subject    TEXT COLLATE "C" NOT NULL,
	attempt    TEXT COLLATE "C" NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (name, subject, attempt)
);
CREATE INDEX rate_place_expires ON rate_place (expires_at);
ALTER TABLE portal_user DROP COLUMN wrong_passwords;
ALTER TABLE portal_user DROP COLUMN locked_until;

-- +goose Down
ALTER TABLE portal_user ADD COLUMN locked_until BIGINT;
ALTER TABLE portal_user ADD COLUMN wrong_passwords BIGINT NOT NULL DEFAULT 0;
DROP TABLE rate_place;
DELETE FROM rate_count WHERE name = 'lock';
ALTER TABLE rate_count DROP COLUMN locked_until;

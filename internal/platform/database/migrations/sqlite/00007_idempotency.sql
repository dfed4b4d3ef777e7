-- +goose Up
-- Answers of before were sealed in another way. They are a day's worth at most.
DROP TABLE idempotency;
CREATE TABLE idempotency (
	key        TEXT PRIMARY KEY,
	id         TEXT NOT NULL,
	body_hash  TEXT NOT NULL,
	acted      INTEGER NOT NULL,
	answer     BLOB,
	renewed_at INTEGER,
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_created ON idempotency (created_at);

-- +goose Down
DROP TABLE idempotency;
CREATE TABLE idempotency (
	key        TEXT PRIMARY KEY,
	body_hash  TEXT NOT NULL,
	status     INTEGER NOT NULL,
	answer     BLOB,
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotency_created ON idempotency (created_at);

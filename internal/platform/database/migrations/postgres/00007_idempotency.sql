-- +goose Up
-- Answers of before were sealed in another way. They are a day's worth at most.
DROP TABLE idempotency;
CREATE TABLE idempotency (
	key        TEXT COLLATE "C" PRIMARY KEY,
	id         TEXT COLLATE "C" NOT NULL,
	body_hash  TEXT COLLATE "C" NOT NULL,
	acted      BIGINT NOT NULL,
	answer     BYTEA,
	renewed_at BIGINT,
	created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- +goose Down
DROP TABLE idempotency;
CREATE TABLE idempotency (
	key        TEXT COLLATE "C" PRIMARY KEY,
	body_hash  TEXT COLLATE "C" NOT NULL,
	status     BIGINT NOT NULL,
	answer     BYTEA,
	created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_created ON idempotency (created_at);

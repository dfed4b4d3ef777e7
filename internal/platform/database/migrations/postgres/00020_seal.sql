-- +goose Up
-- The order of an Account's rows, each entry sealed onto the one before: content is a digest of
-- the row, of which labels and payload went in by a digest under key. An erased row has another
-- entry, and the key of the one before is gone. What a row's removal leaves is its entry.
CREATE TABLE audit_seal (
	account_id     TEXT COLLATE "C" NOT NULL,
	number         BIGINT NOT NULL,
	event_id       TEXT COLLATE "C" NOT NULL,
	application_id TEXT COLLATE "C",
	created_at     BIGINT NOT NULL,
	key            TEXT COLLATE "C",
	content        TEXT COLLATE "C" NOT NULL,
	hash           TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (account_id, number)
);
CREATE INDEX audit_seal_event ON audit_seal (event_id, number);

CREATE TABLE audit_seal_head (
	account_id TEXT COLLATE "C" PRIMARY KEY,
	number     BIGINT NOT NULL,
	hash       TEXT COLLATE "C" NOT NULL
);

-- +goose Down
DROP TABLE audit_seal_head;
DROP TABLE audit_seal;

-- +goose Up
-- The order of an Account's rows, each entry sealed onto the one before: content is a digest of
-- the row, of which labels and payload went in by a digest under key. An erased row has another
-- entry, and the key of the one before is gone. What a row's removal leaves is its entry.
CREATE TABLE audit_seal (
	account_id     TEXT NOT NULL,
	number         INTEGER NOT NULL,
	event_id       TEXT NOT NULL,
	application_id TEXT,
	created_at     INTEGER NOT NULL,
	key            TEXT,
	content        TEXT NOT NULL,
	hash           TEXT NOT NULL,
	PRIMARY KEY (account_id, number)
) STRICT;
CREATE INDEX audit_seal_event ON audit_seal (event_id, number);

CREATE TABLE audit_seal_head (
	account_id TEXT PRIMARY KEY,
	number     INTEGER NOT NULL,
	hash       TEXT NOT NULL
) STRICT;

-- +goose Down
DROP TABLE audit_seal_head;
DROP TABLE audit_seal;

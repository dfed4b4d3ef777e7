-- +goose Up
-- Files of rows of the audit log, and the work of making them. scope_id is the Environment that was
-- asked in, or the Account; application_id and environment_id say what the rows are of. filter is
-- what is asked, until it has been answered. An unfinished job has one of the Account's slots. The
-- worker that has it holds claim up to lease_until. Of a deleted one only what is to be swept is
-- left.
CREATE TABLE audit_export (
	id             TEXT PRIMARY KEY,
	account_id     TEXT NOT NULL,
	application_id TEXT,
	environment_id TEXT,
	scope_id       TEXT NOT NULL,
	surface        TEXT NOT NULL,
	format         TEXT NOT NULL,
	filter         TEXT,
	stated         TEXT NOT NULL,
	status         TEXT NOT NULL,
	slot           INTEGER,
	tries          INTEGER NOT NULL,
	claim          TEXT,
	lease_until    INTEGER,
	row_count      INTEGER,
	size           INTEGER,
	error          TEXT,
	created_at     INTEGER NOT NULL,
	completed_at   INTEGER,
	expires_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX audit_export_slot ON audit_export (account_id, slot);
CREATE INDEX audit_export_list ON audit_export (scope_id, surface, created_at, id);
CREATE INDEX audit_export_environment ON audit_export (environment_id) WHERE environment_id IS NOT NULL;
CREATE INDEX audit_export_work ON audit_export (created_at, id) WHERE slot IS NOT NULL;
CREATE INDEX audit_export_expires ON audit_export (expires_at) WHERE expires_at IS NOT NULL;

-- The file, in pieces counted from 0.
CREATE TABLE audit_export_piece (
	export_id  TEXT NOT NULL,
	number     INTEGER NOT NULL,
	account_id TEXT NOT NULL,
	data       BLOB NOT NULL,
	PRIMARY KEY (export_id, number)
) STRICT;

-- +goose Down
DROP TABLE audit_export_piece;
DROP TABLE audit_export;

-- +goose Up
-- in_feed says that the row is an event that followers get; of those of an Environment revision
-- is what the write has raised it to, and ordinal the place among the rows of the write.
-- surfaces has a bit for each audience: 1 identities, 2 administrators. search is what a search
-- looks into: labels and values, folded.
ALTER TABLE audit_event ADD COLUMN revision INTEGER;
ALTER TABLE audit_event ADD COLUMN ordinal INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_event ADD COLUMN in_feed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE audit_event ADD COLUMN surfaces INTEGER NOT NULL DEFAULT 2;
ALTER TABLE audit_event ADD COLUMN search TEXT NOT NULL DEFAULT '';
UPDATE audit_event SET
	surfaces = CASE
		WHEN action IN ('identity.session.revoked', 'identity.login.failed', 'identity.locked', 'identity.email.verified',
			'identity.password.reset') OR action = 'session.all_revoked' AND resource_type = 'identity' THEN 1
		WHEN action = 'identity.bulk_import.completed' THEN 2
		WHEN category IN ('identity', 'mfa') OR resource_type = 'identity_invite' OR actor_type = 'identity'
			OR action IN ('assignment.created', 'assignment.updated', 'assignment.removed') THEN 3
		ELSE 2 END,
	search = lower(COALESCE(actor_label, '') || ' ' || COALESCE(resource_label, '') || ' ' || metadata);
CREATE INDEX audit_event_feed ON audit_event (environment_id, revision, ordinal) WHERE revision IS NOT NULL;

-- Rows that have no number in their Account's order yet. n is given while the write holds what
-- it has raised: within an Environment it rises with the revision, and of two writes one that
-- was answered before the other was asked has the lower one.
CREATE TABLE audit_unsealed (
	n          INTEGER PRIMARY KEY AUTOINCREMENT,
	account_id TEXT NOT NULL,
	event_id   TEXT NOT NULL
) STRICT;
CREATE INDEX audit_unsealed_account ON audit_unsealed (account_id, n);
INSERT INTO audit_unsealed (account_id, event_id)
	SELECT COALESCE(account_id, '00000000-0000-0000-0000-000000000000'), id FROM audit_event ORDER BY created_at, id;

-- How far the rows of an Account or an Environment were swept: a reader who stands before this
-- has missed some.
CREATE TABLE audit_swept (
	scope_id   TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	position   INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE audit_swept;
DROP TABLE audit_unsealed;
DROP INDEX audit_event_feed;
ALTER TABLE audit_event DROP COLUMN search;
ALTER TABLE audit_event DROP COLUMN surfaces;
ALTER TABLE audit_event DROP COLUMN in_feed;
ALTER TABLE audit_event DROP COLUMN ordinal;
ALTER TABLE audit_event DROP COLUMN revision;

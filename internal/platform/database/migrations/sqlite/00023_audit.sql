-- +goose Up
-- kind is equal only where action, category, outcome, severity, actor_type, resource_type,
-- surfaces and customer_visible are: by it a list finds what has to be in it, whichever of these
-- it is asked for.
ALTER TABLE audit_event ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
UPDATE audit_event SET kind = k.kind FROM (
	SELECT id, dense_rank() OVER (ORDER BY action, category, outcome, severity, actor_type, resource_type,
		surfaces, customer_visible) AS kind FROM audit_event
) AS k WHERE k.id = audit_event.id;
-- A search reads a window of this index, which holds what it looks into.
DROP INDEX audit_event_account;
CREATE INDEX audit_event_account ON audit_event (account_id, created_at, id, kind, search);
DROP INDEX audit_event_application;
DROP INDEX audit_event_identity;
DROP INDEX audit_event_identity_invite;
DROP INDEX audit_event_by_identity;
CREATE INDEX audit_event_kind ON audit_event (account_id, kind, created_at, id);
CREATE INDEX audit_event_application ON audit_event (application_id, kind, created_at, id)
	WHERE application_id IS NOT NULL;
CREATE INDEX audit_event_environment ON audit_event (environment_id, kind, created_at, id)
	WHERE environment_id IS NOT NULL;
CREATE INDEX audit_event_resource ON audit_event (resource_id, kind, created_at, id) WHERE resource_id IS NOT NULL;
CREATE INDEX audit_event_actor ON audit_event (actor_id, kind, created_at, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_event_correlation ON audit_event (correlation_id, kind, created_at, id)
	WHERE correlation_id IS NOT NULL;

-- As 00018: without statistics an Account would do as well as a single actor.
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('audit_event', 'audit_event_account', '10000000 10000000 2 1 1 1'),
	('audit_event', 'audit_event_actor', '10000000 5000 500 2 1'),
	('audit_event', 'audit_event_application', '9000000 3000000 30000 2 1'),
	('audit_event', 'audit_event_correlation', '10000000 2 2 2 1'),
	('audit_event', 'audit_event_created', '10000000 2'),
	('audit_event', 'audit_event_environment', '9000000 1500000 20000 2 1'),
	('audit_event', 'audit_event_feed', '5000000 1000000 2 1'),
	('audit_event', 'audit_event_kind', '10000000 10000000 70000 2 1'),
	('audit_event', 'audit_event_resource', '9000000 20 5 2 1'),
	('audit_event', 'sqlite_autoindex_audit_event_1', '10000000 1');
ANALYZE sqlite_schema;

-- What a portal user has asked of the log in an Account, to ask it again.
CREATE TABLE audit_view (
	account_id TEXT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	user_id    TEXT NOT NULL REFERENCES portal_user (id) ON DELETE CASCADE,
	surface    TEXT NOT NULL,
	name       TEXT NOT NULL,
	filters    TEXT NOT NULL,
	PRIMARY KEY (account_id, user_id, surface, name)
) STRICT;

-- +goose Down
DROP TABLE audit_view;
DELETE FROM sqlite_stat1 WHERE tbl = 'audit_event';
ANALYZE sqlite_schema;
DROP INDEX audit_event_correlation;
DROP INDEX audit_event_actor;
DROP INDEX audit_event_resource;
DROP INDEX audit_event_environment;
DROP INDEX audit_event_application;
DROP INDEX audit_event_kind;
DROP INDEX audit_event_account;
CREATE INDEX audit_event_account ON audit_event (account_id, created_at, id);
CREATE INDEX audit_event_application ON audit_event (application_id) WHERE application_id IS NOT NULL;
CREATE INDEX audit_event_identity ON audit_event (resource_id, created_at, id) WHERE resource_type = 'identity';
CREATE INDEX audit_event_identity_invite ON audit_event (resource_id) WHERE resource_type = 'identity_invite';
CREATE INDEX audit_event_by_identity ON audit_event (actor_id, created_at, id) WHERE actor_type = 'identity';
ALTER TABLE audit_event DROP COLUMN kind;

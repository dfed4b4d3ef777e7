-- +goose Up
-- By what rows of the log are found. A row comes here when it gets its number, so that its write
-- does not pay for the indexes; until then it is in audit_unsealed. account_id is the name of its
-- order there. kind and search are as before: kind is equal only where action, category, outcome,
-- severity, actor_type, resource_type, surfaces and customer_visible are, and search is what a
-- search looks into.
CREATE TABLE audit_index (
	id             TEXT PRIMARY KEY,
	account_id     TEXT NOT NULL,
	application_id TEXT,
	environment_id TEXT,
	actor_id       TEXT,
	resource_id    TEXT,
	correlation_id TEXT,
	created_at     INTEGER NOT NULL,
	kind           INTEGER NOT NULL,
	search         TEXT NOT NULL
) STRICT;
INSERT INTO audit_index
	SELECT id, COALESCE(account_id, '00000000-0000-0000-0000-000000000000'), application_id, environment_id, actor_id,
		resource_id, correlation_id, created_at, kind, search
	FROM audit_event WHERE id NOT IN (SELECT event_id FROM audit_unsealed) ORDER BY id;
DROP INDEX audit_event_account;
DROP INDEX audit_event_created;
DROP INDEX audit_event_kind;
DROP INDEX audit_event_application;
DROP INDEX audit_event_environment;
DROP INDEX audit_event_resource;
DROP INDEX audit_event_actor;
DROP INDEX audit_event_correlation;
ALTER TABLE audit_event DROP COLUMN kind;
ALTER TABLE audit_event DROP COLUMN search;
-- A search reads a window of this index, which holds what it looks into.
CREATE INDEX audit_index_account ON audit_index (account_id, created_at, id, kind, search);
CREATE INDEX audit_index_created ON audit_index (created_at);
CREATE INDEX audit_index_kind ON audit_index (account_id, kind, created_at, id);
CREATE INDEX audit_index_application ON audit_index (application_id, kind, created_at, id)
	WHERE application_id IS NOT NULL;
CREATE INDEX audit_index_environment ON audit_index (environment_id, kind, created_at, id)
	WHERE environment_id IS NOT NULL;
CREATE INDEX audit_index_resource ON audit_index (resource_id, kind, created_at, id) WHERE resource_id IS NOT NULL;
CREATE INDEX audit_index_actor ON audit_index (actor_id, kind, created_at, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_index_correlation ON audit_index (correlation_id, kind, created_at, id)
	WHERE correlation_id IS NOT NULL;

-- As 00018: without statistics an Account would do as well as a single actor.
DELETE FROM sqlite_stat1 WHERE tbl = 'audit_event';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
	('audit_event', 'audit_event_feed', '5000000 1000000 2 1'),
	('audit_event', 'sqlite_autoindex_audit_event_1', '10000000 1'),
	('audit_index', 'audit_index_account', '10000000 10000000 2 1 1 1'),
	('audit_index', 'audit_index_actor', '10000000 5000 500 2 1'),
	('audit_index', 'audit_index_application', '9000000 3000000 30000 2 1'),
	('audit_index', 'audit_index_correlation', '10000000 2 2 2 1'),
	('audit_index', 'audit_index_created', '10000000 2'),
	('audit_index', 'audit_index_environment', '9000000 1500000 20000 2 1'),
	('audit_index', 'audit_index_kind', '10000000 10000000 70000 2 1'),
	('audit_index', 'audit_index_resource', '9000000 20 5 2 1'),
	('audit_index', 'sqlite_autoindex_audit_index_1', '10000000 1'),
	('audit_seal', 'audit_seal_event', '10000000 1 1'),
	('audit_seal', 'sqlite_autoindex_audit_seal_1', '10000000 10000000 1'),
	('audit_unsealed', 'audit_unsealed_account', '100 100 1');
ANALYZE sqlite_schema;

-- +goose Down
ALTER TABLE audit_event ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE audit_event ADD COLUMN kind INTEGER NOT NULL DEFAULT 0;
UPDATE audit_event SET search = x.search, kind = x.kind FROM audit_index x WHERE x.id = audit_event.id;
DROP TABLE audit_index;
DELETE FROM sqlite_stat1 WHERE tbl IN ('audit_event', 'audit_seal', 'audit_unsealed', 'audit_index');
ANALYZE sqlite_schema;
CREATE INDEX audit_event_account ON audit_event (account_id, created_at, id, kind, search);
CREATE INDEX audit_event_created ON audit_event (created_at);
CREATE INDEX audit_event_kind ON audit_event (account_id, kind, created_at, id);
CREATE INDEX audit_event_application ON audit_event (application_id, kind, created_at, id)
	WHERE application_id IS NOT NULL;
CREATE INDEX audit_event_environment ON audit_event (environment_id, kind, created_at, id)
	WHERE environment_id IS NOT NULL;
CREATE INDEX audit_event_resource ON audit_event (resource_id, kind, created_at, id) WHERE resource_id IS NOT NULL;
CREATE INDEX audit_event_actor ON audit_event (actor_id, kind, created_at, id) WHERE actor_id IS NOT NULL;
CREATE INDEX audit_event_correlation ON audit_event (correlation_id, kind, created_at, id)
	WHERE correlation_id IS NOT NULL;

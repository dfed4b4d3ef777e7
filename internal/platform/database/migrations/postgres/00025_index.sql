-- +goose Up
-- By what rows of the log are found. A row comes here when it gets its number, so that its write
-- does not pay for the indexes; until then it is in audit_unsealed. account_id is the name of its
-- order there. kind and search are as before: kind is equal only where action, category, outcome,
-- severity, actor_type, resource_type, surfaces and customer_visible are, and search is what a
-- search looks into.
CREATE TABLE audit_index (
	id             TEXT COLLATE "C" PRIMARY KEY,
	account_id     TEXT COLLATE "C" NOT NULL,
	application_id TEXT COLLATE "C",
	environment_id TEXT COLLATE "C",
	actor_id       TEXT COLLATE "C",
	resource_id    TEXT COLLATE "C",
	correlation_id TEXT COLLATE "C",
	created_at     BIGINT NOT NULL,
	kind           BIGINT NOT NULL,
	search         TEXT COLLATE "C" NOT NULL
);
INSERT INTO audit_index
	SELECT id, COALESCE(account_id, '00000000-0000-0000-0000-000000000000'), application_id, environment_id, actor_id,
		resource_id, correlation_id, created_at, kind, search
	FROM audit_event e WHERE NOT EXISTS (SELECT 1 FROM audit_unsealed u WHERE u.event_id = e.id) ORDER BY id;
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
CREATE INDEX audit_index_account ON audit_index (account_id, created_at, id);
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

-- +goose Down
ALTER TABLE audit_event ADD COLUMN search TEXT COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE audit_event ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
UPDATE audit_event SET search = x.search, kind = x.kind FROM audit_index x WHERE x.id = audit_event.id;
DROP TABLE audit_index;
CREATE INDEX audit_event_account ON audit_event (account_id, created_at, id);
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

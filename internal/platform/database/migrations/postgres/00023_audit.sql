-- +goose Up
-- kind is equal only where action, category, outcome, severity, actor_type, resource_type,
-- surfaces and customer_visible are: by it a list finds what has to be in it, whichever of these
-- it is asked for.
ALTER TABLE audit_event ADD COLUMN kind BIGINT NOT NULL DEFAULT 0;
UPDATE audit_event SET kind = k.kind FROM (
	SELECT id, dense_rank() OVER (ORDER BY action, category, outcome, severity, actor_type, resource_type,
		surfaces, customer_visible) AS kind FROM audit_event
) AS k WHERE k.id = audit_event.id;
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

-- What a portal user has asked of the log in an Account, to ask it again.
CREATE TABLE audit_view (
	account_id TEXT COLLATE "C" NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	user_id    TEXT COLLATE "C" NOT NULL REFERENCES portal_user (id) ON DELETE CASCADE,
	surface    TEXT COLLATE "C" NOT NULL,
	name       TEXT COLLATE "C" NOT NULL,
	filters    TEXT COLLATE "C" NOT NULL,
	PRIMARY KEY (account_id, user_id, surface, name)
);

-- +goose Down
DROP TABLE audit_view;
DROP INDEX audit_event_correlation;
DROP INDEX audit_event_actor;
DROP INDEX audit_event_resource;
DROP INDEX audit_event_environment;
DROP INDEX audit_event_application;
DROP INDEX audit_event_kind;
CREATE INDEX audit_event_application ON audit_event (application_id) WHERE application_id IS NOT NULL;
CREATE INDEX audit_event_identity ON audit_event (resource_id, created_at, id) WHERE resource_type = 'identity';
CREATE INDEX audit_event_identity_invite ON audit_event (resource_id) WHERE resource_type = 'identity_invite';
CREATE INDEX audit_event_by_identity ON audit_event (actor_id, created_at, id) WHERE actor_type = 'identity';
ALTER TABLE audit_event DROP COLUMN kind;

-- +goose Up
-- Where identities are signed in.
CREATE TABLE identity_session (
	id                 TEXT PRIMARY KEY,
	account_id         TEXT NOT NULL,
	application_id     TEXT NOT NULL,
	environment_id     TEXT NOT NULL,
	identity_id        TEXT NOT NULL REFERENCES identity (id),
	ip_address         TEXT,
	user_agent         TEXT,
	active_org_node_id TEXT,
	created_at         INTEGER NOT NULL,
	expires_at         INTEGER NOT NULL,
	ended_at           INTEGER
) STRICT;
CREATE INDEX identity_session_identity ON identity_session (identity_id, environment_id, created_at, id);
CREATE INDEX identity_session_expires ON identity_session (expires_at);
CREATE INDEX identity_session_ended ON identity_session (ended_at) WHERE ended_at IS NOT NULL;

-- +goose Down
DROP TABLE identity_session;

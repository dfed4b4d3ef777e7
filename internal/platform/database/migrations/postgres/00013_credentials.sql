-- +goose Up
-- Where identities are signed in.
CREATE TABLE identity_session (
	id                 TEXT COLLATE "C" PRIMARY KEY,
	account_id         TEXT COLLATE "C" NOT NULL,
	application_id     TEXT COLLATE "C" NOT NULL,
	environment_id     TEXT COLLATE "C" NOT NULL,
	identity_id        TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	ip_address         TEXT,
	user_agent         TEXT,
	active_org_node_id TEXT COLLATE "C",
	created_at         BIGINT NOT NULL,
	expires_at         BIGINT NOT NULL,
	ended_at           BIGINT
);
CREATE INDEX identity_session_identity ON identity_session (identity_id, environment_id, created_at, id);
CREATE INDEX identity_session_expires ON identity_session (expires_at);
CREATE INDEX identity_session_ended ON identity_session (ended_at) WHERE ended_at IS NOT NULL;

-- +goose Down
DROP TABLE identity_session;

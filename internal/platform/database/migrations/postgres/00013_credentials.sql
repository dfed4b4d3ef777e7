-- +goose Up
-- What identities sign in with, and where they are signed in.
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

-- Hashes of passwords that were replaced, so that none comes again.
CREATE TABLE identity_password (
	id            TEXT COLLATE "C" PRIMARY KEY,
	account_id    TEXT COLLATE "C" NOT NULL,
	identity_id   TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	password_hash TEXT NOT NULL,
	replaced_at   BIGINT NOT NULL
);
CREATE INDEX identity_password_identity ON identity_password (identity_id, replaced_at, id);

-- Links that a mail carries to somebody, one live link for each purpose.
CREATE TABLE identity_link (
	id          TEXT COLLATE "C" PRIMARY KEY,
	account_id  TEXT COLLATE "C" NOT NULL,
	identity_id TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	purpose     TEXT COLLATE "C" NOT NULL,
	token_hash  TEXT COLLATE "C" NOT NULL,
	status      TEXT COLLATE "C" NOT NULL,
	created_at  BIGINT NOT NULL,
	expires_at  BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_link_token ON identity_link (token_hash);
CREATE UNIQUE INDEX identity_link_live ON identity_link (identity_id, purpose) WHERE status = 'live';
CREATE INDEX identity_link_expires ON identity_link (expires_at);

-- Second factors, one set for the whole Account.
CREATE TABLE identity_factor (
	id             TEXT COLLATE "C" PRIMARY KEY,
	account_id     TEXT COLLATE "C" NOT NULL,
	identity_id    TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	kind           TEXT COLLATE "C" NOT NULL,
	label          TEXT NOT NULL,
	webauthn_rp_id TEXT COLLATE "C",
	enrolled_at    BIGINT NOT NULL,
	last_used_at   BIGINT
);
CREATE INDEX identity_factor_identity ON identity_factor (identity_id, enrolled_at, id);

CREATE TABLE identity_recovery_code (
	identity_id TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	code_hash   TEXT COLLATE "C" NOT NULL,
	account_id  TEXT COLLATE "C" NOT NULL,
	generation  BIGINT NOT NULL,
	created_at  BIGINT NOT NULL,
	spent_at    BIGINT,
	PRIMARY KEY (identity_id, code_hash)
);

CREATE TABLE identity_device (
	id             TEXT COLLATE "C" PRIMARY KEY,
	account_id     TEXT COLLATE "C" NOT NULL,
	environment_id TEXT COLLATE "C" NOT NULL,
	identity_id    TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	token_hash     TEXT COLLATE "C" NOT NULL,
	label          TEXT,
	ip_address     TEXT,
	created_at     BIGINT NOT NULL,
	last_seen_at   BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_device_token ON identity_device (token_hash);
CREATE INDEX identity_device_identity ON identity_device (identity_id, environment_id);

-- What happened to somebody, and what somebody did.
CREATE INDEX audit_event_identity ON audit_event (resource_id, created_at, id) WHERE resource_type = 'identity';
CREATE INDEX audit_event_identity_invite ON audit_event (resource_id) WHERE resource_type = 'identity_invite';
CREATE INDEX audit_event_by_identity ON audit_event (actor_id, created_at, id) WHERE actor_type = 'identity';

-- +goose Down
DROP INDEX audit_event_by_identity;
DROP INDEX audit_event_identity_invite;
DROP INDEX audit_event_identity;
DROP TABLE identity_device;
DROP TABLE identity_recovery_code;
DROP TABLE identity_factor;
DROP TABLE identity_link;
DROP TABLE identity_password;
DROP TABLE identity_session;

-- +goose Up
CREATE TABLE account (
	id         TEXT COLLATE "C" PRIMARY KEY,
	name       TEXT NOT NULL,
	settings   TEXT NOT NULL,
	plan       TEXT NOT NULL,
	version    BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

-- Every slug in use: by an Account for ever, by a pending registration until
-- reserved_until. One primary key decides all races for a slug.
CREATE TABLE account_slug (
	slug           TEXT COLLATE "C" PRIMARY KEY,
	account_id     TEXT COLLATE "C" NOT NULL,
	reserved_until BIGINT
);
CREATE UNIQUE INDEX account_slug_account_id ON account_slug (account_id);

CREATE TABLE application (
	id                     TEXT COLLATE "C" PRIMARY KEY,
	account_id             TEXT COLLATE "C" NOT NULL REFERENCES account (id),
	name                   TEXT NOT NULL,
	slug                   TEXT COLLATE "C" NOT NULL,
	settings               TEXT NOT NULL,
	default_environment_id TEXT COLLATE "C" NOT NULL,
	version                BIGINT NOT NULL,
	created_at             BIGINT NOT NULL,
	updated_at             BIGINT NOT NULL
);
CREATE UNIQUE INDEX application_account_slug ON application (account_id, slug);

CREATE TABLE environment (
	id             TEXT COLLATE "C" PRIMARY KEY,
	account_id     TEXT COLLATE "C" NOT NULL REFERENCES account (id),
	application_id TEXT COLLATE "C" NOT NULL REFERENCES application (id) ON DELETE CASCADE,
	name           TEXT NOT NULL,
	slug           TEXT COLLATE "C" NOT NULL,
	access_model   TEXT COLLATE "C" NOT NULL,
	version        BIGINT NOT NULL,
	created_at     BIGINT NOT NULL,
	updated_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX environment_application_slug ON environment (application_id, slug);

CREATE TABLE portal_user (
	id                  TEXT COLLATE "C" PRIMARY KEY,
	email               TEXT COLLATE "C" NOT NULL,
	first_name          TEXT NOT NULL,
	last_name           TEXT NOT NULL,
	name_fold           TEXT NOT NULL,
	password_hash       TEXT NOT NULL,
	password_changed_at BIGINT NOT NULL,
	wrong_passwords     BIGINT NOT NULL,
	locked_until        BIGINT,
	created_at          BIGINT NOT NULL
);
CREATE UNIQUE INDEX portal_user_email ON portal_user (email);

CREATE TABLE account_member (
	account_id   TEXT COLLATE "C" NOT NULL REFERENCES account (id),
	user_id      TEXT COLLATE "C" NOT NULL REFERENCES portal_user (id),
	account_role TEXT COLLATE "C" NOT NULL,
	is_active    BIGINT NOT NULL,
	joined_at    BIGINT NOT NULL,
	PRIMARY KEY (account_id, user_id)
);
CREATE INDEX account_member_user ON account_member (user_id);

CREATE TABLE registration (
	id               TEXT COLLATE "C" PRIMARY KEY,
	email            TEXT COLLATE "C" NOT NULL,
	user_id          TEXT COLLATE "C" NOT NULL,
	account_id       TEXT COLLATE "C" NOT NULL,
	account_name     TEXT NOT NULL,
	application_id   TEXT COLLATE "C" NOT NULL,
	application_name TEXT NOT NULL,
	application_slug TEXT COLLATE "C" NOT NULL,
	first_name       TEXT NOT NULL,
	last_name        TEXT NOT NULL,
	password_hash    TEXT NOT NULL,
	token_hash       TEXT COLLATE "C" NOT NULL,
	is_decoy         BIGINT NOT NULL,
	status           TEXT COLLATE "C" NOT NULL,
	created_at       BIGINT NOT NULL,
	expires_at       BIGINT NOT NULL
);
CREATE UNIQUE INDEX registration_token ON registration (token_hash);
CREATE INDEX registration_email ON registration (email, created_at);
CREATE INDEX registration_expires ON registration (expires_at);

CREATE TABLE portal_session (
	id                  TEXT COLLATE "C" PRIMARY KEY,
	user_id             TEXT COLLATE "C" NOT NULL REFERENCES portal_user (id),
	account_id          TEXT COLLATE "C" NOT NULL REFERENCES account (id),
	application_id      TEXT COLLATE "C" NOT NULL,
	include_permissions BIGINT NOT NULL,
	refresh_hash        TEXT COLLATE "C" NOT NULL,
	ip_address          TEXT NOT NULL,
	user_agent          TEXT NOT NULL,
	created_at          BIGINT NOT NULL,
	last_used_at        BIGINT NOT NULL,
	expires_at          BIGINT NOT NULL,
	ends_at             BIGINT NOT NULL,
	ended_at            BIGINT
);
CREATE UNIQUE INDEX portal_session_refresh ON portal_session (refresh_hash);
CREATE INDEX portal_session_user ON portal_session (user_id, created_at) WHERE ended_at IS NULL;

-- Refresh tokens that were used: offered again, they give their session away.
CREATE TABLE portal_session_used (
	token_hash TEXT COLLATE "C" PRIMARY KEY,
	session_id TEXT COLLATE "C" NOT NULL REFERENCES portal_session (id) ON DELETE CASCADE,
	used_at    BIGINT NOT NULL
);

CREATE TABLE pre_auth (
	id                  TEXT COLLATE "C" PRIMARY KEY,
	user_id             TEXT COLLATE "C" NOT NULL REFERENCES portal_user (id),
	include_permissions BIGINT NOT NULL,
	expires_at          BIGINT NOT NULL,
	spent_at            BIGINT
);

CREATE TABLE password_reset (
	id         TEXT COLLATE "C" PRIMARY KEY,
	user_id    TEXT COLLATE "C" NOT NULL REFERENCES portal_user (id),
	token_hash TEXT COLLATE "C" NOT NULL,
	status     TEXT COLLATE "C" NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX password_reset_token ON password_reset (token_hash);
CREATE INDEX password_reset_user ON password_reset (user_id);

CREATE TABLE user_invite (
	id           TEXT COLLATE "C" PRIMARY KEY,
	account_id   TEXT COLLATE "C" NOT NULL REFERENCES account (id),
	email        TEXT COLLATE "C" NOT NULL,
	first_name   TEXT NOT NULL,
	last_name    TEXT NOT NULL,
	name_fold    TEXT COLLATE "C" NOT NULL,
	search       TEXT COLLATE "C" NOT NULL,
	status       TEXT COLLATE "C" NOT NULL,
	token_hash   TEXT COLLATE "C" NOT NULL,
	invited_by   TEXT COLLATE "C" NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	asked_at     BIGINT NOT NULL,
	delivery     TEXT COLLATE "C" NOT NULL,
	last_sent_at BIGINT,
	send_count   BIGINT NOT NULL
);
CREATE UNIQUE INDEX user_invite_token ON user_invite (token_hash);
CREATE UNIQUE INDEX user_invite_live ON user_invite (account_id, email) WHERE status = 'pending';
-- Lists filter and sort inside one of these indexes alone, whatever the size of
-- the Account: each holds all that a filter looks at.
CREATE INDEX user_invite_created ON user_invite (account_id, created_at, id) INCLUDE (status, expires_at, search);
CREATE INDEX user_invite_expires ON user_invite (account_id, expires_at, id) INCLUDE (status, search);
CREATE INDEX user_invite_email ON user_invite (account_id, email, id) INCLUDE (status, expires_at, search);
CREATE INDEX user_invite_name ON user_invite (account_id, name_fold, id) INCLUDE (status, expires_at, search);
CREATE INDEX user_invite_status ON user_invite (account_id, status, expires_at);

CREATE TABLE outbox (
	id         TEXT COLLATE "C" PRIMARY KEY,
	kind       TEXT COLLATE "C" NOT NULL,
	subject_id TEXT COLLATE "C" NOT NULL,
	version    TEXT COLLATE "C" NOT NULL,
	payload    BYTEA,
	state      TEXT COLLATE "C" NOT NULL,
	attempts   BIGINT NOT NULL,
	next_at    BIGINT NOT NULL,
	give_up_at BIGINT NOT NULL,
	last_error TEXT NOT NULL,
	created_at BIGINT NOT NULL
);
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'queued';
CREATE INDEX outbox_subject ON outbox (subject_id) WHERE state = 'queued';

CREATE TABLE audit_event (
	id               TEXT COLLATE "C" PRIMARY KEY,
	account_id       TEXT COLLATE "C",
	application_id   TEXT COLLATE "C",
	environment_id   TEXT COLLATE "C",
	actor_id         TEXT COLLATE "C",
	actor_type       TEXT COLLATE "C" NOT NULL,
	actor_label      TEXT,
	action           TEXT COLLATE "C" NOT NULL,
	category         TEXT COLLATE "C" NOT NULL,
	resource_type    TEXT COLLATE "C",
	resource_id      TEXT COLLATE "C",
	resource_label   TEXT,
	metadata         TEXT NOT NULL,
	outcome          TEXT COLLATE "C" NOT NULL,
	severity         TEXT COLLATE "C" NOT NULL,
	customer_visible BIGINT NOT NULL,
	identity_visible BIGINT NOT NULL,
	correlation_id   TEXT COLLATE "C",
	created_at       BIGINT NOT NULL
);
CREATE INDEX audit_event_account ON audit_event (account_id, created_at, id);
CREATE INDEX audit_event_created ON audit_event (created_at);

CREATE TABLE signing_key (
	id         TEXT COLLATE "C" PRIMARY KEY,
	private    BYTEA NOT NULL,
	created_at BIGINT NOT NULL,
	signs_from BIGINT NOT NULL
);

CREATE TABLE rate_count (
	name    TEXT COLLATE "C" NOT NULL,
	subject TEXT COLLATE "C" NOT NULL,
	ends_at BIGINT NOT NULL,
	count   BIGINT NOT NULL,
	PRIMARY KEY (name, subject)
);
CREATE INDEX rate_count_ends ON rate_count (ends_at);

CREATE TABLE idempotency (
	key        TEXT COLLATE "C" PRIMARY KEY,
	body_hash  TEXT COLLATE "C" NOT NULL,
	status     BIGINT NOT NULL,
	answer     BYTEA,
	created_at BIGINT NOT NULL
);
CREATE INDEX idempotency_created ON idempotency (created_at);

-- +goose Down
DROP TABLE idempotency;
DROP TABLE rate_count;
DROP TABLE signing_key;
DROP TABLE audit_event;
DROP TABLE outbox;
DROP TABLE user_invite;
DROP TABLE password_reset;
DROP TABLE pre_auth;
DROP TABLE portal_session_used;
DROP TABLE portal_session;
DROP TABLE registration;
DROP TABLE account_member;
DROP TABLE portal_user;
DROP TABLE environment;
DROP TABLE application;
DROP TABLE account_slug;
DROP TABLE account;

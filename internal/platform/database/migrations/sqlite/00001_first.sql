-- +goose Up
CREATE TABLE account (
	id         TEXT PRIMARY KEY,
	name       TEXT NOT NULL,
	settings   TEXT NOT NULL,
	plan       TEXT NOT NULL,
	version    INTEGER NOT NULL,
	created_at INTEGER NOT NULL,
	updated_at INTEGER NOT NULL
) STRICT;

-- Every slug in use: by an Account for ever, by a pending registration until
-- reserved_until. One primary key decides all races for a slug.
CREATE TABLE account_slug (
	slug           TEXT PRIMARY KEY,
	account_id     TEXT NOT NULL,
	reserved_until INTEGER
) STRICT;
CREATE UNIQUE INDEX account_slug_account_id ON account_slug (account_id);

CREATE TABLE application (
	id                     TEXT PRIMARY KEY,
	account_id             TEXT NOT NULL REFERENCES account (id),
	name                   TEXT NOT NULL,
	slug                   TEXT NOT NULL,
	settings               TEXT NOT NULL,
	default_environment_id TEXT NOT NULL,
	version                INTEGER NOT NULL,
	created_at             INTEGER NOT NULL,
	updated_at             INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX application_account_slug ON application (account_id, slug);

CREATE TABLE environment (
	id             TEXT PRIMARY KEY,
	account_id     TEXT NOT NULL REFERENCES account (id),
	application_id TEXT NOT NULL REFERENCES application (id) ON DELETE CASCADE,
	name           TEXT NOT NULL,
	slug           TEXT NOT NULL,
	access_model   TEXT NOT NULL,
	version        INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX environment_application_slug ON environment (application_id, slug);

CREATE TABLE portal_user (
	id                  TEXT PRIMARY KEY,
	email               TEXT NOT NULL,
	first_name          TEXT NOT NULL,
	last_name           TEXT NOT NULL,
	name_fold           TEXT NOT NULL,
	password_hash       TEXT NOT NULL,
	password_changed_at INTEGER NOT NULL,
	wrong_passwords     INTEGER NOT NULL,
	locked_until        INTEGER,
	created_at          INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX portal_user_email ON portal_user (email);

CREATE TABLE account_member (
	account_id   TEXT NOT NULL REFERENCES account (id),
	user_id      TEXT NOT NULL REFERENCES portal_user (id),
	account_role TEXT NOT NULL,
	is_active    INTEGER NOT NULL,
	joined_at    INTEGER NOT NULL,
	PRIMARY KEY (account_id, user_id)
) STRICT;
CREATE INDEX account_member_user ON account_member (user_id);

CREATE TABLE registration (
	id               TEXT PRIMARY KEY,
	email            TEXT NOT NULL,
	user_id          TEXT NOT NULL,
	account_id       TEXT NOT NULL,
	account_name     TEXT NOT NULL,
	application_id   TEXT NOT NULL,
	application_name TEXT NOT NULL,
	application_slug TEXT NOT NULL,
	first_name       TEXT NOT NULL,
	last_name        TEXT NOT NULL,
	password_hash    TEXT NOT NULL,
	token_hash       TEXT NOT NULL,
	is_decoy         INTEGER NOT NULL,
	status           TEXT NOT NULL,
	created_at       INTEGER NOT NULL,
	expires_at       INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX registration_token ON registration (token_hash);
CREATE INDEX registration_email ON registration (email, created_at);
CREATE INDEX registration_expires ON registration (expires_at);

CREATE TABLE portal_session (
	id                  TEXT PRIMARY KEY,
	user_id             TEXT NOT NULL REFERENCES portal_user (id),
	account_id          TEXT NOT NULL REFERENCES account (id),
	application_id      TEXT NOT NULL,
	include_permissions INTEGER NOT NULL,
	refresh_hash        TEXT NOT NULL,
	ip_address          TEXT NOT NULL,
	user_agent          TEXT NOT NULL,
	created_at          INTEGER NOT NULL,
	last_used_at        INTEGER NOT NULL,
	expires_at          INTEGER NOT NULL,
	ends_at             INTEGER NOT NULL,
	ended_at            INTEGER
) STRICT;
CREATE UNIQUE INDEX portal_session_refresh ON portal_session (refresh_hash);
CREATE INDEX portal_session_user ON portal_session (user_id, created_at) WHERE ended_at IS NULL;

-- Refresh tokens that were used: offered again, they give their session away.
CREATE TABLE portal_session_used (
	token_hash TEXT PRIMARY KEY,
	session_id TEXT NOT NULL REFERENCES portal_session (id) ON DELETE CASCADE,
	used_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE pre_auth (
	id                  TEXT PRIMARY KEY,
	user_id             TEXT NOT NULL REFERENCES portal_user (id),
	include_permissions INTEGER NOT NULL,
	expires_at          INTEGER NOT NULL,
	spent_at            INTEGER
) STRICT;

CREATE TABLE password_reset (
	id         TEXT PRIMARY KEY,
	user_id    TEXT NOT NULL REFERENCES portal_user (id),
	token_hash TEXT NOT NULL,
	status     TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX password_reset_token ON password_reset (token_hash);
CREATE INDEX password_reset_user ON password_reset (user_id);

CREATE TABLE user_invite (
	id           TEXT PRIMARY KEY,
	account_id   TEXT NOT NULL REFERENCES account (id),
	email        TEXT NOT NULL,
	first_name   TEXT NOT NULL,
	last_name    TEXT NOT NULL,
	name_fold    TEXT NOT NULL,
	search       TEXT NOT NULL,
	status       TEXT NOT NULL,
	token_hash   TEXT NOT NULL,
	invited_by   TEXT NOT NULL,
	created_at   INTEGER NOT NULL,
	expires_at   INTEGER NOT NULL,
	asked_at     INTEGER NOT NULL,
	delivery     TEXT NOT NULL,
	last_sent_at INTEGER,
	send_count   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX user_invite_token ON user_invite (token_hash);
CREATE UNIQUE INDEX user_invite_live ON user_invite (account_id, email) WHERE status = 'pending';
-- Lists filter and sort inside one of these indexes alone, whatever the size of
-- the Account: each holds all that a filter looks at.
CREATE INDEX user_invite_created ON user_invite (account_id, created_at, id, status, expires_at, search);
CREATE INDEX user_invite_expires ON user_invite (account_id, expires_at, id, status, search);
CREATE INDEX user_invite_email ON user_invite (account_id, email, id, status, expires_at, search);
CREATE INDEX user_invite_name ON user_invite (account_id, name_fold, id, status, expires_at, search);
CREATE INDEX user_invite_status ON user_invite (account_id, status, expires_at);

CREATE TABLE outbox (
	id         TEXT PRIMARY KEY,
	kind       TEXT NOT NULL,
	subject_id TEXT NOT NULL,
	version    TEXT NOT NULL,
	payload    BLOB,
	state      TEXT NOT NULL,
	attempts   INTEGER NOT NULL,
	next_at    INTEGER NOT NULL,
	give_up_at INTEGER NOT NULL,
	last_error TEXT NOT NULL,
	created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'queued';
CREATE INDEX outbox_subject ON outbox (subject_id) WHERE state = 'queued';

CREATE TABLE audit_event (
	id               TEXT PRIMARY KEY,
	account_id       TEXT,
	application_id   TEXT,
	environment_id   TEXT,
	actor_id         TEXT,
	actor_type       TEXT NOT NULL,
	actor_label      TEXT,
	action           TEXT NOT NULL,
	category         TEXT NOT NULL,
	resource_type    TEXT,
	resource_id      TEXT,
	resource_label   TEXT,
	metadata         TEXT NOT NULL,
	outcome          TEXT NOT NULL,
	severity         TEXT NOT NULL,
	customer_visible INTEGER NOT NULL,
	identity_visible INTEGER NOT NULL,
	correlation_id   TEXT,
	created_at       INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_event_account ON audit_event (account_id, created_at, id);
CREATE INDEX audit_event_created ON audit_event (created_at);

CREATE TABLE signing_key (
	id         TEXT PRIMARY KEY,
	private    BLOB NOT NULL,
	created_at INTEGER NOT NULL,
	signs_from INTEGER NOT NULL
) STRICT;

CREATE TABLE rate_count (
	name    TEXT NOT NULL,
	subject TEXT NOT NULL,
	ends_at INTEGER NOT NULL,
	count   INTEGER NOT NULL,
	PRIMARY KEY (name, subject)
) STRICT;
CREATE INDEX rate_count_ends ON rate_count (ends_at);

CREATE TABLE idempotency (
	key        TEXT PRIMARY KEY,
	body_hash  TEXT NOT NULL,
	status     INTEGER NOT NULL,
	answer     BLOB,
	created_at INTEGER NOT NULL
) STRICT;
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

-- +goose Up
-- What every Environment has: a tree with one root, a catalogue of permissions, roles.
-- Rows in it name the Environment alone: its Account is the Environment's.
ALTER TABLE environment ADD COLUMN hierarchy_schema TEXT;
ALTER TABLE environment ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- An Environment that was deleted, for as long as rows of it are left.
CREATE TABLE environment_deleted (
	id         TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	deleted_at INTEGER NOT NULL
) STRICT;

-- An Application that was deleted, for as long as rows of its audit log are left.
CREATE TABLE application_deleted (
	id         TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	deleted_at INTEGER NOT NULL
) STRICT;
CREATE INDEX audit_event_application ON audit_event (application_id) WHERE application_id IS NOT NULL;

-- Which Environment a portal user's dashboard opens.
CREATE TABLE resume_state (
	user_id        TEXT NOT NULL,
	application_id TEXT NOT NULL REFERENCES application (id) ON DELETE CASCADE,
	account_id     TEXT NOT NULL,
	environment_id TEXT NOT NULL,
	PRIMARY KEY (user_id, application_id)
) STRICT;
CREATE INDEX resume_state_application ON resume_state (application_id);

-- One row for each Account and Environment. A stamp is random, the mark of the write that
-- raised the revision; tree_revision and tree_stamp are of the last change of the tree.
CREATE TABLE revision (
	scope_id      TEXT PRIMARY KEY,
	account_id    TEXT NOT NULL,
	revision      INTEGER NOT NULL,
	tree_revision INTEGER NOT NULL,
	tree_stamp    TEXT NOT NULL,
	stamp         TEXT NOT NULL,
	stamp_before  TEXT NOT NULL
) STRICT;

-- What each revision has changed, as whole rows, for those who follow.
CREATE TABLE change (
	scope_id     TEXT NOT NULL,
	revision     INTEGER NOT NULL,
	ordinal      INTEGER NOT NULL,
	account_id   TEXT NOT NULL,
	stamp        TEXT NOT NULL,
	stamp_before TEXT NOT NULL,
	kind         TEXT NOT NULL,
	subject_id   TEXT,
	body         TEXT,
	created_at   INTEGER NOT NULL,
	PRIMARY KEY (scope_id, revision, ordinal)
) STRICT;
CREATE INDEX change_created ON change (created_at);

-- Numbers that nobody should have to count: nodes by type, status and depth.
CREATE TABLE tally (
	environment_id TEXT NOT NULL,
	kind           TEXT NOT NULL,
	item           TEXT NOT NULL,
	n              INTEGER NOT NULL,
	PRIMARY KEY (environment_id, kind, item)
) STRICT;

CREATE TABLE node (
	id             TEXT PRIMARY KEY,
	environment_id TEXT NOT NULL,
	parent_id      TEXT,
	node_type      TEXT NOT NULL,
	name           TEXT NOT NULL,
	name_fold      TEXT NOT NULL,
	slug           TEXT NOT NULL,
	description    TEXT,
	status         TEXT NOT NULL,
	metadata       TEXT NOT NULL,
	child_count    INTEGER NOT NULL,
	version        INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL,
	deleted_at     INTEGER
) STRICT;
-- With the slug, for the search among siblings. SQLite looks at a row for its deleted_at,
-- unless the index has it too.
CREATE INDEX node_siblings ON node (environment_id, parent_id, name_fold, id, slug, deleted_at)
	WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX node_slug ON node (environment_id, parent_id, slug) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX node_root ON node (environment_id) WHERE parent_id IS NULL AND deleted_at IS NULL;
-- Search looks at this index alone.
CREATE INDEX node_name ON node (environment_id, name_fold, id, slug, node_type, status, created_at, deleted_at)
	WHERE deleted_at IS NULL;
CREATE INDEX node_created ON node (environment_id, created_at, id, deleted_at);
CREATE INDEX node_deleted ON node (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE permission (
	id             TEXT PRIMARY KEY,
	environment_id TEXT NOT NULL,
	key            TEXT NOT NULL,
	name           TEXT NOT NULL,
	category       TEXT NOT NULL,
	category_fold  TEXT NOT NULL,
	description    TEXT,
	source         TEXT NOT NULL,
	version        INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX permission_key ON permission (environment_id, key);

CREATE TABLE role (
	id             TEXT PRIMARY KEY,
	environment_id TEXT NOT NULL,
	name           TEXT NOT NULL,
	name_fold      TEXT NOT NULL,
	description    TEXT,
	is_active      INTEGER NOT NULL,
	system_key     TEXT,
	version        INTEGER NOT NULL,
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX role_name ON role (environment_id, name_fold);

CREATE TABLE role_permission (
	role_id        TEXT NOT NULL REFERENCES role (id) ON DELETE CASCADE,
	permission_id  TEXT NOT NULL REFERENCES permission (id) ON DELETE CASCADE,
	environment_id TEXT NOT NULL,
	PRIMARY KEY (role_id, permission_id)
) STRICT;
CREATE INDEX role_permission_permission ON role_permission (permission_id);

CREATE TABLE api_key (
	id             TEXT PRIMARY KEY,
	environment_id TEXT NOT NULL,
	name           TEXT NOT NULL,
	name_fold      TEXT NOT NULL,
	description    TEXT,
	access_mode    TEXT NOT NULL,
	scopes         TEXT NOT NULL,
	key_hash       TEXT NOT NULL,
	key_preview    TEXT NOT NULL,
	is_active      INTEGER NOT NULL,
	expires_at     INTEGER,
	created_at     INTEGER NOT NULL,
	updated_at     INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX api_key_hash ON api_key (key_hash);
CREATE INDEX api_key_created ON api_key (environment_id, created_at, id);

-- When a key was used last, apart from the key: who looks keys up reads no change here.
CREATE TABLE api_key_use (
	key_id         TEXT PRIMARY KEY REFERENCES api_key (id) ON DELETE CASCADE,
	environment_id TEXT NOT NULL,
	used_at        INTEGER NOT NULL
) STRICT;
CREATE INDEX api_key_use_environment ON api_key_use (environment_id);

-- Refusals that the audit log has heard of, once a minute.
CREATE TABLE api_key_denial (
	key_id         TEXT NOT NULL,
	permission     TEXT NOT NULL,
	minute         INTEGER NOT NULL,
	environment_id TEXT NOT NULL,
	PRIMARY KEY (key_id, permission, minute)
) STRICT;
CREATE INDEX api_key_denial_minute ON api_key_denial (minute);

-- +goose Down
DROP TABLE api_key_denial;
DROP TABLE api_key_use;
DROP TABLE api_key;
DROP TABLE role_permission;
DROP TABLE role;
DROP TABLE permission;
DROP TABLE node;
DROP TABLE tally;
DROP TABLE change;
DROP TABLE revision;
DROP TABLE resume_state;
DROP INDEX audit_event_application;
DROP TABLE application_deleted;
DROP TABLE environment_deleted;
ALTER TABLE environment DROP COLUMN settings;
ALTER TABLE environment DROP COLUMN hierarchy_schema;

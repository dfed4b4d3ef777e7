-- +goose Up
-- The end users of an Account, and where they may be. email, name_fold, search, is_active
-- and created_at of a membership are copies of the identity's, for lists that look at an
-- index alone. When it came into being its id says, and activated_at when it was switched
-- on last.
CREATE TABLE identity (
	id                  TEXT COLLATE "C" PRIMARY KEY,
	account_id          TEXT COLLATE "C" NOT NULL REFERENCES account (id),
	email               TEXT COLLATE "C" NOT NULL,
	first_name          TEXT NOT NULL,
	last_name           TEXT NOT NULL,
	name_fold           TEXT COLLATE "C" NOT NULL,
	search              TEXT COLLATE "C" NOT NULL,
	external_id         TEXT COLLATE "C",
	metadata            TEXT,
	avatar_url          TEXT,
	is_active           BIGINT NOT NULL,
	email_verified_at   BIGINT,
	password_hash       TEXT,
	password_changed_at BIGINT,
	wrong_passwords     BIGINT NOT NULL,
	locked_until        BIGINT,
	mfa_admin_reset_at  BIGINT,
	created_at          BIGINT NOT NULL,
	updated_at          BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_email ON identity (account_id, email);
CREATE UNIQUE INDEX identity_external ON identity (account_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX identity_created ON identity (account_id, created_at, id, is_active, search);
CREATE INDEX identity_name ON identity (account_id, name_fold, id, is_active, search);

CREATE TABLE app_membership (
	id             TEXT COLLATE "C" PRIMARY KEY,
	account_id     TEXT COLLATE "C" NOT NULL,
	application_id TEXT COLLATE "C" NOT NULL,
	identity_id    TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	status         TEXT COLLATE "C" NOT NULL,
	email          TEXT COLLATE "C" NOT NULL,
	name_fold      TEXT COLLATE "C" NOT NULL,
	search         TEXT COLLATE "C" NOT NULL,
	is_active      BIGINT NOT NULL,
	invited_at     BIGINT,
	activated_at   BIGINT,
	deactivated_at BIGINT,
	created_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX app_membership_identity ON app_membership (identity_id, application_id);
CREATE INDEX app_membership_created ON app_membership (application_id, status, created_at, identity_id, is_active, search);
CREATE INDEX app_membership_name ON app_membership (application_id, status, name_fold, identity_id, is_active, search);
CREATE INDEX app_membership_email ON app_membership (application_id, status, email, identity_id, is_active, search);

-- Who is in an Environment. assignment_count is of the Environment's assignments.
CREATE TABLE membership (
	id               TEXT COLLATE "C" PRIMARY KEY,
	account_id       TEXT COLLATE "C" NOT NULL,
	application_id   TEXT COLLATE "C" NOT NULL,
	environment_id   TEXT COLLATE "C" NOT NULL,
	identity_id      TEXT COLLATE "C" NOT NULL REFERENCES identity (id),
	status           TEXT COLLATE "C" NOT NULL,
	email            TEXT COLLATE "C" NOT NULL,
	name_fold        TEXT COLLATE "C" NOT NULL,
	search           TEXT COLLATE "C" NOT NULL,
	is_active        BIGINT NOT NULL,
	assignment_count BIGINT NOT NULL,
	activated_at     BIGINT NOT NULL,
	created_at       BIGINT NOT NULL
);
CREATE UNIQUE INDEX membership_identity ON membership (identity_id, environment_id);
CREATE INDEX membership_created ON membership
	(environment_id, status, created_at, identity_id, is_active, assignment_count, search);
CREATE INDEX membership_name ON membership
	(environment_id, status, name_fold, identity_id, is_active, assignment_count, search);
CREATE INDEX membership_email ON membership
	(environment_id, status, email, identity_id, is_active, assignment_count, search);

-- Who holds which role where. The open ends of a window are the least and the greatest
-- whole number, so that every row compares.
CREATE TABLE assignment (
	id             TEXT COLLATE "C" PRIMARY KEY,
	environment_id TEXT COLLATE "C" NOT NULL,
	identity_id    TEXT COLLATE "C" NOT NULL,
	node_id        TEXT COLLATE "C" NOT NULL,
	role_id        TEXT COLLATE "C" NOT NULL,
	effective_from BIGINT NOT NULL,
	effective_to   BIGINT NOT NULL,
	created_at     BIGINT NOT NULL,
	updated_at     BIGINT NOT NULL
);
CREATE UNIQUE INDEX assignment_triple ON assignment (environment_id, identity_id, role_id, node_id);
CREATE INDEX assignment_node ON assignment (environment_id, node_id, identity_id, role_id, effective_from, effective_to, id);
CREATE INDEX assignment_node_created ON assignment (environment_id, node_id, created_at, id);
CREATE INDEX assignment_role_created ON assignment (environment_id, role_id, created_at, id);
CREATE INDEX assignment_role_identity ON assignment (environment_id, role_id, identity_id);
CREATE INDEX assignment_created ON assignment (environment_id, created_at, id, role_id, effective_from, effective_to);
CREATE INDEX assignment_to ON assignment (environment_id, effective_to, id);
CREATE INDEX assignment_from ON assignment (environment_id, effective_from, id);

-- +goose Down
DROP TABLE assignment;
DROP TABLE membership;
DROP TABLE app_membership;
DROP TABLE identity;

-- +goose Up
-- Who is invited to be an identity, or a member. Without an Environment an invite leads into
-- the directory alone. organization_id is the node of an organization, when there are any; an
-- address has one live invite into each, and one into the Environment itself.
CREATE TABLE identity_invite (
	id              TEXT PRIMARY KEY,
	account_id      TEXT NOT NULL REFERENCES account (id),
	application_id  TEXT,
	environment_id  TEXT,
	organization_id TEXT,
	email           TEXT NOT NULL,
	intent          TEXT NOT NULL,
	first_name      TEXT NOT NULL,
	last_name       TEXT NOT NULL,
	name_fold       TEXT NOT NULL,
	search          TEXT NOT NULL,
	role_id         TEXT,
	node_id         TEXT,
	client_id       TEXT,
	status          TEXT NOT NULL,
	token_hash      TEXT NOT NULL,
	invited_by      TEXT NOT NULL,
	inviter_kind    TEXT NOT NULL,
	created_at      INTEGER NOT NULL,
	expires_at      INTEGER NOT NULL,
	asked_at        INTEGER NOT NULL,
	delivery        TEXT NOT NULL,
	last_sent_at    INTEGER,
	send_count      INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX identity_invite_token ON identity_invite (token_hash);
CREATE UNIQUE INDEX identity_invite_live ON identity_invite
	(account_id, COALESCE(environment_id, ''), email, COALESCE(organization_id, '')) WHERE status = 'pending';
CREATE INDEX identity_invite_address ON identity_invite (account_id, email, id);
CREATE INDEX identity_invite_node ON identity_invite (environment_id, node_id)
	WHERE status = 'pending' AND node_id IS NOT NULL;
CREATE INDEX identity_invite_role ON identity_invite (environment_id, role_id)
	WHERE status = 'pending' AND role_id IS NOT NULL;
-- Lists of an Environment filter and sort inside one of these alone.
CREATE INDEX identity_invite_created ON identity_invite (environment_id, created_at, id, status, expires_at, search);
CREATE INDEX identity_invite_expires ON identity_invite (environment_id, expires_at, id, status, search);
CREATE INDEX identity_invite_email ON identity_invite (environment_id, email, id, status, expires_at, search);
CREATE INDEX identity_invite_name ON identity_invite (environment_id, name_fold, id, status, expires_at, search);
CREATE INDEX identity_invite_status ON identity_invite (environment_id, status, expires_at, role_id);
-- Those of the Account look at the Environment, too.
CREATE INDEX identity_invite_account ON identity_invite
	(account_id, created_at, id, environment_id, status, expires_at, role_id, search);
CREATE INDEX identity_invite_account_expires ON identity_invite (account_id, expires_at, id);
CREATE INDEX identity_invite_account_name ON identity_invite (account_id, name_fold, id);

-- +goose Down
DROP TABLE identity_invite;

-- +goose Up
-- An address that is nobody's has its reset link too, under an id that is nobody's; no
-- mail tells it. Of one person's links one is live.
DELETE FROM password_reset WHERE status = 'live' AND id NOT IN
	(SELECT max(id) FROM password_reset WHERE status = 'live' GROUP BY user_id);
DROP INDEX password_reset_token;
DROP INDEX password_reset_user;
ALTER TABLE password_reset RENAME TO password_reset_before;
CREATE TABLE password_reset (
	id         TEXT PRIMARY KEY,
	user_id    TEXT NOT NULL,
	token_hash TEXT NOT NULL,
	status     TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
INSERT INTO password_reset (id, user_id, token_hash, status, created_at, expires_at)
	SELECT id, user_id, token_hash, status, created_at, expires_at FROM password_reset_before;
DROP TABLE password_reset_before;
CREATE UNIQUE INDEX password_reset_token ON password_reset (token_hash);
CREATE INDEX password_reset_user ON password_reset (user_id);
CREATE UNIQUE INDEX password_reset_live ON password_reset (user_id) WHERE status = 'live';
-- What a resend writes for an address without a sign-up.
CREATE TABLE registration_nobody (
	id             TEXT PRIMARY KEY,
	token_hash     TEXT NOT NULL,
	expires_at     INTEGER NOT NULL,
	reserved_until INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX registration_nobody_token ON registration_nobody (token_hash);
CREATE INDEX registration_nobody_expires ON registration_nobody (expires_at);
INSERT INTO registration_nobody (id, token_hash, expires_at, reserved_until) VALUES ('nobody', '', 0, 0);

-- +goose Down
DROP TABLE registration_nobody;
DROP INDEX password_reset_live;
DROP INDEX password_reset_token;
DROP INDEX password_reset_user;
ALTER TABLE password_reset RENAME TO password_reset_before;
CREATE TABLE password_reset (
	id         TEXT PRIMARY KEY,
	user_id    TEXT NOT NULL REFERENCES portal_user (id),
	token_hash TEXT NOT NULL,
	status     TEXT NOT NULL,
	created_at INTEGER NOT NULL,
	expires_at INTEGER NOT NULL
) STRICT;
INSERT INTO password_reset (id, user_id, token_hash, status, created_at, expires_at)
	SELECT id, user_id, token_hash, status, created_at, expires_at FROM password_reset_before
	WHERE user_id IN (SELECT id FROM portal_user);
DROP TABLE password_reset_before;
CREATE UNIQUE INDEX password_reset_token ON password_reset (token_hash);
CREATE INDEX password_reset_user ON password_reset (user_id);

-- +goose Up
-- An address that is nobody's has its reset link too, under an id that is nobody's; no
-- mail tells it. Of one person's links one is live.
DELETE FROM password_reset WHERE status = 'live' AND id NOT IN
	(SELECT max(id) FROM password_reset WHERE status = 'live' GROUP BY user_id);
ALTER TABLE password_reset DROP CONSTRAINT password_reset_user_id_fkey;
CREATE UNIQUE INDEX password_reset_live ON password_reset (user_id) WHERE status = 'live';
-- What a resend writes for an address without a sign-up.
CREATE TABLE registration_nobody (
	id             TEXT COLLATE "C" PRIMARY KEY,
	token_hash     TEXT COLLATE "C" NOT NULL,
	expires_at     BIGINT NOT NULL,
	reserved_until BIGINT NOT NULL
);
CREATE UNIQUE INDEX registration_nobody_token ON registration_nobody (token_hash);
CREATE INDEX registration_nobody_expires ON registration_nobody (expires_at);
INSERT INTO registration_nobody (id, token_hash, expires_at, reserved_until) VALUES ('nobody', '', 0, 0);

-- +goose Down
DROP TABLE registration_nobody;
DROP INDEX password_reset_live;
DELETE FROM password_reset WHERE user_id NOT IN (SELECT id FROM portal_user);
ALTER TABLE password_reset ADD CONSTRAINT password_reset_user_id_fkey
	FOREIGN KEY (user_id) REFERENCES portal_user (id);

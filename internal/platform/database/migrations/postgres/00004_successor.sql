-- +goose Up
-- The refresh token before the current one, when it was used, and its successor, which
-- only that token opens: so a repeat gets the same answer.
ALTER TABLE portal_session ADD COLUMN renewed_with TEXT COLLATE "C";
ALTER TABLE portal_session ADD COLUMN renewed_at BIGINT;
ALTER TABLE portal_session ADD COLUMN successor BYTEA;
CREATE INDEX portal_session_successor ON portal_session (renewed_at) WHERE successor IS NOT NULL;
CREATE INDEX portal_session_used_session ON portal_session_used (session_id, used_at);

-- +goose Down
DROP INDEX portal_session_used_session;
DROP INDEX portal_session_successor;
ALTER TABLE portal_session DROP COLUMN successor;
ALTER TABLE portal_session DROP COLUMN renewed_at;
ALTER TABLE portal_session DROP COLUMN renewed_with;

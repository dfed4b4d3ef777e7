-- +goose Up
-- Browsers that portal users are known in, by the hash of the token in a cookie: wrong
-- passwords that others try shut nobody out of such a one.
CREATE TABLE portal_browser (
	token_hash TEXT COLLATE "C" PRIMARY KEY,
	user_id    TEXT COLLATE "C" NOT NULL REFERENCES portal_user (id) ON DELETE CASCADE,
	created_at BIGINT NOT NULL
);
CREATE INDEX portal_browser_user ON portal_browser (user_id, created_at);
CREATE INDEX portal_browser_created ON portal_browser (created_at);

-- +goose Down
DROP TABLE portal_browser;

-- +goose Up
-- Subscriptions. scope_id is the Environment, or the Account for one of the whole Account. secrets
-- holds, sealed, the signing secret and the one before, which signs too until previous_expires_at.
-- quiet_since is the last success, or when it was switched on; failures counts failed deliveries
-- since then.
CREATE TABLE webhook (
	id                  TEXT PRIMARY KEY,
	account_id          TEXT NOT NULL,
	application_id      TEXT,
	environment_id      TEXT,
	scope_id            TEXT NOT NULL,
	url                 TEXT NOT NULL,
	url_fold            TEXT NOT NULL,
	event_types         TEXT NOT NULL,
	description         TEXT,
	is_active           INTEGER NOT NULL,
	secrets             BLOB NOT NULL,
	previous_expires_at INTEGER,
	quiet_since         INTEGER NOT NULL,
	failures            INTEGER NOT NULL,
	created_at          INTEGER NOT NULL,
	updated_at          INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_scope ON webhook (scope_id, created_at, id);

-- How many subscriptions there are of an Environment, or of an Account as a whole.
CREATE TABLE webhook_count (
	scope_id   TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	count      INTEGER NOT NULL
) STRICT;

-- Which process delivers to a subscription, and until when nobody else does.
CREATE TABLE webhook_turn (
	webhook_id TEXT PRIMARY KEY,
	account_id TEXT NOT NULL,
	owner      TEXT NOT NULL,
	until      INTEGER NOT NULL
) STRICT;

-- What was sent, or is to be. The body is that of the event; body has that of a test.
CREATE TABLE webhook_delivery (
	id              TEXT PRIMARY KEY,
	account_id      TEXT NOT NULL,
	webhook_id      TEXT NOT NULL,
	event_id        TEXT NOT NULL,
	event_type      TEXT NOT NULL,
	body            TEXT,
	status          TEXT NOT NULL,
	attempts        INTEGER NOT NULL,
	replayed        INTEGER NOT NULL,
	next_at         INTEGER,
	response_status INTEGER,
	response_body   TEXT,
	created_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX webhook_delivery_list ON webhook_delivery (webhook_id, created_at, id);
CREATE INDEX webhook_delivery_event ON webhook_delivery (webhook_id, event_id);
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_at, id) WHERE status = 'pending';

CREATE TABLE webhook_try (
	delivery_id     TEXT NOT NULL,
	number          INTEGER NOT NULL,
	account_id      TEXT NOT NULL,
	at              INTEGER NOT NULL,
	duration_ms     INTEGER NOT NULL,
	response_status INTEGER,
	response_body   TEXT,
	failure         TEXT,
	PRIMARY KEY (delivery_id, number)
) STRICT;

-- +goose Down
DROP TABLE webhook_try;
DROP TABLE webhook_delivery;
DROP TABLE webhook_turn;
DROP TABLE webhook_count;
DROP TABLE webhook;

-- +goose Up
-- Subscriptions. scope_id is the Environment, or the Account for one of the whole Account. secrets
-- holds, sealed, the signing secret and the one before, which signs too until previous_expires_at.
-- quiet_since is the last success, or when it was switched on; failures counts failed deliveries
-- since then.
CREATE TABLE webhook (
	id                  TEXT COLLATE "C" PRIMARY KEY,
	account_id          TEXT COLLATE "C" NOT NULL,
	application_id      TEXT COLLATE "C",
	environment_id      TEXT COLLATE "C",
	scope_id            TEXT COLLATE "C" NOT NULL,
	url                 TEXT COLLATE "C" NOT NULL,
	url_fold            TEXT COLLATE "C" NOT NULL,
	event_types         TEXT COLLATE "C" NOT NULL,
	description         TEXT COLLATE "C",
	is_active           BIGINT NOT NULL,
	secrets             BYTEA NOT NULL,
	previous_expires_at BIGINT,
	quiet_since         BIGINT NOT NULL,
	failures            BIGINT NOT NULL,
	created_at          BIGINT NOT NULL,
	updated_at          BIGINT NOT NULL
);
CREATE INDEX webhook_scope ON webhook (scope_id, created_at, id);

-- How many subscriptions there are of an Environment, or of an Account as a whole.
CREATE TABLE webhook_count (
	scope_id   TEXT COLLATE "C" PRIMARY KEY,
	account_id TEXT COLLATE "C" NOT NULL,
	count      BIGINT NOT NULL
);

-- Which process delivers to a subscription, and until when nobody else does.
CREATE TABLE webhook_turn (
	webhook_id TEXT COLLATE "C" PRIMARY KEY,
	account_id TEXT COLLATE "C" NOT NULL,
	owner      TEXT COLLATE "C" NOT NULL,
	until      BIGINT NOT NULL
);

-- What was sent, or is to be. The body is that of the event; body has that of a test.
CREATE TABLE webhook_delivery (
	id              TEXT COLLATE "C" PRIMARY KEY,
	account_id      TEXT COLLATE "C" NOT NULL,
	webhook_id      TEXT COLLATE "C" NOT NULL,
	event_id        TEXT COLLATE "C" NOT NULL,
	event_type      TEXT COLLATE "C" NOT NULL,
	body            TEXT COLLATE "C",
	status          TEXT COLLATE "C" NOT NULL,
	attempts        BIGINT NOT NULL,
	replayed        BIGINT NOT NULL,
	next_at         BIGINT,
	response_status BIGINT,
	response_body   TEXT COLLATE "C",
	created_at      BIGINT NOT NULL
);
CREATE INDEX webhook_delivery_list ON webhook_delivery (webhook_id, created_at, id);
CREATE INDEX webhook_delivery_event ON webhook_delivery (webhook_id, event_id);
CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_at, id) WHERE status = 'pending';

CREATE TABLE webhook_try (
	delivery_id     TEXT COLLATE "C" NOT NULL,
	number          BIGINT NOT NULL,
	account_id      TEXT COLLATE "C" NOT NULL,
	at              BIGINT NOT NULL,
	duration_ms     BIGINT NOT NULL,
	response_status BIGINT,
	response_body   TEXT COLLATE "C",
	failure         TEXT COLLATE "C",
	PRIMARY KEY (delivery_id, number)
);

-- +goose Down
DROP TABLE webhook_try;
DROP TABLE webhook_delivery;
DROP TABLE webhook_turn;
DROP TABLE webhook_count;
DROP TABLE webhook;

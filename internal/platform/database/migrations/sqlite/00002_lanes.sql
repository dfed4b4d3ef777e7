-- +goose Up
ALTER TABLE outbox ADD COLUMN lane TEXT NOT NULL DEFAULT 'mail';
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (lane, next_at) WHERE state = 'queued';

-- +goose Down
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'queued';
ALTER TABLE outbox DROP COLUMN lane;

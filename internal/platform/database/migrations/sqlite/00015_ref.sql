-- +goose Up
-- By ref a copy is known again after it was renamed or moved: it has its original's, an
-- original its own id.
ALTER TABLE node ADD COLUMN ref TEXT;
UPDATE node SET ref = id;
CREATE INDEX node_ref ON node (environment_id, ref) WHERE deleted_at IS NULL;

ALTER TABLE role ADD COLUMN ref TEXT;
UPDATE role SET ref = id;
CREATE INDEX role_ref ON role (environment_id, ref);

-- +goose Down
DROP INDEX role_ref;
ALTER TABLE role DROP COLUMN ref;
DROP INDEX node_ref;
ALTER TABLE node DROP COLUMN ref;

-- Before this step Accounts and Environments of earlier versions get what new ones have
-- from their first moment: see seed.go.
-- +goose Up
SELECT 1;

-- +goose Down
SELECT 1;

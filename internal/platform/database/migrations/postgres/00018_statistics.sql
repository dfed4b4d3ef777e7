-- +goose Up
-- PostgreSQL gathers its statistics itself.
SELECT 1;

-- +goose Down
SELECT 1;

-- Before this step folded text is written again: see fold.go.
-- +goose Up
ALTER TABLE portal_user ALTER COLUMN name_fold TYPE TEXT COLLATE "C";

-- +goose Down
ALTER TABLE portal_user ALTER COLUMN name_fold TYPE TEXT COLLATE "default";

package signingkey

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

type row struct {
	id        string
	private   []byte // sealed
	createdAt time.Time
	signsFrom time.Time
}

// lock keeps other processes from adding a key until the transaction ends. On
// SQLite a write transaction is alone anyway.
func lock(ctx context.Context, tx *database.Tx) error {
	if tx.DB.Engine != database.Postgres {
		return nil
	}
	_, err := tx.Exec(ctx, `LOCK TABLE signing_key IN SHARE ROW EXCLUSIVE MODE`)
	return err
}

// rows are all keys, by the time they sign from.
func rows(ctx context.Context, tx *database.Tx) ([]row, error) {
	return database.All(ctx, tx, func(s database.Scanner) (r row, err error) {
		err = s.Scan(&r.id, &r.private, &r.createdAt, &r.signsFrom)
		return r, err
	}, `SELECT id, private, created_at, signs_from FROM signing_key ORDER BY signs_from, id`)
}

func insert(ctx context.Context, tx *database.Tx, r row) error {
	_, err := tx.Exec(ctx, `INSERT INTO signing_key (id, private, created_at, signs_from) VALUES ($1, $2, $3, $4)`,
		r.id, r.private, r.createdAt, r.signsFrom)
	return err
}

// prune deletes the keys of list whose successor has signed since before.
func prune(ctx context.Context, tx *database.Tx, list []row, before time.Time) error {
	for i := 0; i+1 < len(list) && list[i+1].signsFrom.Before(before); i++ {
		if _, err := tx.Exec(ctx, `DELETE FROM signing_key WHERE id = $1`, list[i].id); err != nil {
			return err
		}
	}
	return nil
}

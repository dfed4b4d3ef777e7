// Package idempotency keeps answers for 24 hours, so that a repeated call finds
// its first answer: the table idempotency. Answers are sealed under the install
// key and the caller's Idempotency-Key, since some show a secret once. It
// implements wire.Idempotency.
package idempotency

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
)

const (
	keep = 24 * time.Hour
	// A claim that was never settled belongs to a process that died.
	abandoned = 2 * time.Minute
)

// Store is safe for concurrent use.
type Store struct {
	DB  *database.DB
	Box *secret.Box
}

// Begin implements wire.Idempotency. The primary key decides between two first
// calls.
func (s *Store) Begin(ctx context.Context, scope, bodyHash, key string) (*wire.Kept, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (*wire.Kept, error) {
		if _, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE key = $1 AND (created_at <= $2 OR answer IS NULL AND created_at <= $3)`,
			scope, tx.Now.Add(-keep), tx.Now.Add(-abandoned)); err != nil {
			return nil, err
		}
		n, err := tx.Exec(ctx, `INSERT INTO idempotency (key, body_hash, status, answer, created_at) VALUES ($1, $2, 0, NULL, $3)
			ON CONFLICT (key) DO NOTHING`, scope, bodyHash, tx.Now)
		if err != nil || n == 1 {
			return nil, err
		}
		var hash string
		var sealed []byte
		err = tx.QueryRow(ctx, `SELECT body_hash, answer FROM idempotency WHERE key = $1`, scope).Scan(&hash, &sealed)
		switch {
		case errors.Is(err, database.ErrNoRows): // forgotten between the two statements
			return nil, wire.ErrInProgress
		case err != nil:
			return nil, err
		case hash != bodyHash:
			return nil, wire.ErrKeyReused
		case sealed == nil:
			return nil, wire.ErrInProgress
		}
		plain, err := s.Box.Open(sealed, binding(scope, key))
		if err != nil {
			return nil, err
		}
		var k wire.Kept
		return &k, json.Unmarshal(plain, &k)
	})
}

func binding(scope, key string) string { return "idempotency:" + scope + ":" + secret.Hash(key) }

// Finish implements wire.Idempotency.
func (s *Store) Finish(ctx context.Context, scope, key string, k wire.Kept) error {
	plain, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE idempotency SET status = $1, answer = $2 WHERE key = $3`, k.Status, s.Box.Seal(plain, binding(scope, key)), scope)
		return err
	})
}

// Forget implements wire.Idempotency.
func (s *Store) Forget(ctx context.Context, scope string) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE key = $1 AND answer IS NULL`, scope)
		return err
	})
}

// Sweep deletes answers that have been kept long enough.
func (s *Store) Sweep(ctx context.Context) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM idempotency WHERE created_at <= $1`, tx.Now.Add(-keep))
		return err
	})
}

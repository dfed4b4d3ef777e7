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
func (s *Store) Begin(ctx context.Context, scope, bodyHash, key string) (k wire.Kept, found bool, err error) {
	err = database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM idempotency
			WHERE key = $1 AND (created_at <= $2 OR answer IS NULL AND created_at <= $3)`,
			scope, tx.Now.Add(-keep), tx.Now.Add(-abandoned))
		if err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `INSERT INTO idempotency (key, body_hash, status, answer, created_at)
			VALUES ($1, $2, 0, NULL, $3) ON CONFLICT (key) DO NOTHING`, scope, bodyHash, tx.Now)
		if err != nil || n == 1 {
			return err
		}
		k, err = s.kept(ctx, tx, scope, bodyHash, key)
		found = err == nil
		return err
	})
	return k, found, err
}

// kept reads the answer of an equal call.
func (s *Store) kept(ctx context.Context, tx *database.Tx, scope, bodyHash, key string) (k wire.Kept, err error) {
	var hash string
	var sealed []byte
	err = tx.QueryRow(ctx, `SELECT body_hash, answer FROM idempotency WHERE key = $1`, scope).Scan(&hash, &sealed)
	switch {
	case errors.Is(err, database.ErrNoRows): // forgotten between the two statements
		return k, wire.ErrInProgress
	case err != nil:
		return k, err
	case hash != bodyHash:
		return k, wire.ErrKeyReused
	case sealed == nil:
		return k, wire.ErrInProgress
	}
	plain, err := s.Box.Open(sealed, binding(scope, key))
	if err != nil {
		return k, err
	}
	return k, json.Unmarshal(plain, &k)
}

func binding(scope, key string) string { return "idempotency:" + scope + ":" + secret.Hash(key) }

// Finish implements wire.Idempotency.
func (s *Store) Finish(ctx context.Context, scope, key string, k wire.Kept) error {
	plain, err := json.Marshal(k)
	if err != nil {
		return err
	}
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		sealed := s.Box.Seal(plain, binding(scope, key))
		_, err := tx.Exec(ctx, `UPDATE idempotency SET status = $1, answer = $2 WHERE key = $3`, k.Status, sealed, scope)
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

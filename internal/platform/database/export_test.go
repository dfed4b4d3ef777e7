package database

import (
	"context"
	"time"
)

// HoldGroups lets groups last, so that a test can gather one.
func (db *DB) HoldGroups(d time.Duration) { db.queue.hold = d }

// SetCallTime lets calls end sooner.
func (db *DB) SetCallTime(d time.Duration) { db.callTime = d }

// Guards is fn as Do runs it with a context.
func Guards(ctx context.Context, fn func(*Tx) error) func(*Tx) error {
	all := guarded(ctx, func(tx *Tx) (struct{}, error) { return struct{}{}, fn(tx) })
	return func(tx *Tx) error {
		_, err := all(tx)
		return err
	}
}

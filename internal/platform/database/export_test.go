package database

import "time"

// Waiting is how many writers of SQLite wait for their turn.
func (db *DB) Waiting() int {
	db.queue.mu.Lock()
	defer db.queue.mu.Unlock()
	return len(db.queue.waiting)
}

// HoldGroups lets groups last, so that a test can gather one.
func (db *DB) HoldGroups(d time.Duration) { db.queue.hold = d }

// SetCallTime lets calls end sooner.
func (db *DB) SetCallTime(d time.Duration) { db.callTime = d }

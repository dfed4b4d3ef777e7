package database

import "time"

// HoldGroups lets groups last, so that a test can gather one.
func (db *DB) HoldGroups(d time.Duration) { db.queue.hold = d }

// SetCallTime lets calls end sooner.
func (db *DB) SetCallTime(d time.Duration) { db.callTime = d }

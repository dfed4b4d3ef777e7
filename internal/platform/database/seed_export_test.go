package database

// For tests that begin with the store of an earlier version, and fill several batches.
const (
	SeedStep  = seedStep
	SeedBatch = seedBatch
)

// Package ratelimit owns the counters that say "too many": fixed windows, each
// anchored at the first thing counted in it, kept in the table rate_count, so
// that a limit holds over all processes and over restarts.
//
//	first count        count = limit            ends_at
//	    │───── counts ─────│───── refusals ─────│  next count opens a new window
//
// A refused call is not counted, so a caller that waits for the end of the
// window gets in. Subjects (addresses, e-mails) are stored as hashes only.
//
// It refuses to know who is counted or why: callers choose a Name and a subject,
// and turn fault.RateLimited into a fault of their own where the contract has
// one. It calls database, secret and fault; every room may call it.
package ratelimit

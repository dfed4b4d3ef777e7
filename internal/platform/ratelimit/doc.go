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
// What costs work before it is known to fail, such as a password, is counted before
// the work: an attempt takes a place in each of its counters (rate_place), and keeps
// it when it fails. A run counts failures in a row and not in a window; its last locks
// it, for longer each time.
//
// It refuses to know who is counted or why: callers choose a Name and a subject,
// and turn fault.RateLimited into a fault of their own where the contract has
// one. It calls database, secret, id and fault; every room may call it.
package ratelimit

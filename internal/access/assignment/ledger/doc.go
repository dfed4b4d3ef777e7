// Package ledger holds the assignments of one Environment in memory, as far as lists and
// counts have to look at all of them: a look at every one costs a tenth of what it costs in
// a database, and costs the same however many conditions there are.
//
//	rows ──Builder──► Index ──Apply(Edit)──► the next one, sharing what is equal
//	                    │
//	                    ├─ Find          one page of those that are looked for, and their number
//	                    ├─ Count, Newest what a summary tells
//	                    └─ Sets, Walk    who holds anything at a node, and above it
//
// It does no I/O, reads no clock and knows no store. An Index never changes: it may be used
// by any number of goroutines at once, and for as long as they like.
//
// Assignments lie in the order of their creation, in pieces that indexes share. People,
// nodes and roles have numbers in place of ids, of which all indexes that come of one
// another share one register, that only grows. Nodes without an assignment are not known.
package ledger

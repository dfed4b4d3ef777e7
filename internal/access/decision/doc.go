// Package decision answers whether somebody may do something, from snapshots that this
// process holds of Environments (package decide), and never from an old one.
//
//	question ──► proof: where does the Environment stand? ──► held as that ──► answer
//	                                   │
//	                                   ├─ behind ──► the kept changes, applied ──► answer
//	                                   └─ unknown, or it can't be followed ──► read anew
//
// The proof is read after the question came in, so a write that was answered, by whatever
// process, is in every answer to a question that came after it. On SQLite this process is
// the only one that writes, and tells itself when that is due (database.Watch). A write here
// brings what is held up to it before it is answered.
//
// It owns no table: the rooms whose rows decisions depend on hand them over (Rows) and keep
// changes of them (package edits). It refuses to answer what it can't prove.
package decision

// Package decide is the pure core: may this member do this at this node, and
// why? It keeps one Environment as an immutable Snapshot and answers from it.
//
//	rows ──Builder──► Snapshot ──Apply(Edit)──► the next, sharing what is equal
//	                     │
//	                     ├─ Evaluate, Bulk           may they, and for which reason
//	                     ├─ Explain                  what was looked at on the way
//	                     ├─ Grants, Permissions      what a member holds
//	                     ├─ AccessibleNodes, WhoCan  where, and who else
//	                     └─ Impact                   what a change would give and take
//
// It does no I/O and reads no clock: the instant of a question is part of the
// question. It knows no store, token or request; keeping snapshots fresh is its
// caller's work. Package oracle says the same plainly and slowly, and the tests
// hold every answer against it.
package decide

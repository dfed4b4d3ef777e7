// Package assignment owns who holds which role where, and when: the table assignment.
//
//	scheduled ──effective_from──► active ──effective_to──► expired
//
// These states are computed, never stored: no job runs when a window opens or closes. It
// calls enduser, membership, hierarchy, rbac and edits. It refuses to decide: it says what
// is assigned, and package decide what that allows.
//
// A plain list asks one index and a number that is kept. All other lists, summaries, and the
// numbers that trees tell (hierarchy.Holders), look at every assignment: they are held in
// memory (ledger), from the question on that wanted them first, and follow the changes that
// the revision keeps. What is told is of one moment: rows, number and order.
//
//	question ──► ledger at hand? ──no──► loaded, once for all who wait
//	                  │
//	                  ▼
//	    a view of the store ──► ledger of its revision ──► ids and number ──► rows
//	                  ▲               │
//	                  └── again ◄─────┘ it can't be followed, or is ahead
//
// Every write holds the Environment's lock (environment.Write) and appends to its revision.
package assignment

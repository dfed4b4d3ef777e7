// Package names holds one tree in memory as far as a search by name has to look at it: a
// look at every name costs a tenth of what it costs in a database.
//
//	rows ──Add──► Index ──Put, Drop──► the same, a change later
//	                │
//	                ├─ Find    which nodes have a text in name or slug
//	                └─ Before  how many siblings come before a node
//
// It does no I/O and knows no store. An Index may be read by many at once, while nobody
// changes it; its user sees to that.
package names

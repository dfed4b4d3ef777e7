// Package revision counts what decisions depend on: the tables revision and change. Each
// Account and each Environment has a number that only grows, raised by 1 in the very
// transaction that changes something in it, and rows that say what was changed, for those
// who keep a copy in memory and follow.
//
//	use case ──Append(change…)──► gathered ──just before commit──► revision + 1, change rows
//
// A change row is a whole row as of its revision, or says that the row is gone. It bears
// the stamp of its write and that of the write before, so that who follows sees a gap, a
// fail-over or a restored store. Changes are kept for an hour, swept in pieces.
//
// Who follows proves by a Prover that what is held is current, and reads by Since what is
// missing.
//
// Append does not wait for other writers: whoever judges by what is in an Environment
// holds the Environment's lock first (environment.Write), so that the order of revisions
// is that of commits. The room refuses to know what a change means.
package revision

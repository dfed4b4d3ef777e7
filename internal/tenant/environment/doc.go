// Package environment owns Environments, the units of isolation of an Application: the
// tables environment and environment_deleted. Whatever else an Environment has lies in
// other rooms, which are its Parts: they write what it has from its first moment, and
// remove what is left of it when it is deleted.
//
// Whoever changes what decisions depend on does so inside Write, which holds the
// Environment's lock, so that one write follows another and revisions are those of
// commits. Whoever reads it does so inside Read. Both note the revision for the answer
// (scope.Note).
//
//	Create ──► live ──Delete──► cut off at once ──Sweep, in small pieces──► gone
//
// It calls revision. It refuses to know trees, roles and keys.
package environment

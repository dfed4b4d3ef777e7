// Package hierarchy owns the tree of an Environment and the rules of its schema: the
// tables node and tally.
package hierarchy

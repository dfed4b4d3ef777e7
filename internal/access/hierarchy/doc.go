// Package hierarchy owns the tree of an Environment: the tables node and tally, the rules
// of nodes, and those of the schema that environment keeps.
//
//	created ──► active ⇄ inactive ──delete──► deleted, with everything below ──30 days──► gone
//
// A tree has one root, which comes with its Environment and stays. Nothing about the tree
// is stored twice but numbers: child_count at each node, and the tally of an Environment
// by kind: "type" (a node type), "status" (active, inactive) and "depth" (1 is the root),
// of nodes that are not deleted. Lineages and subtrees are walked; a tree is at most 16
// deep, so nothing about one node looks at the whole of it. Whole trees are read in
// families and told as they are read.
//
// A search by name looks at all names. Of a large tree they are held in memory (names), from
// the search on that wanted them first, and follow the changes that the revision keeps; where
// they can't, and until they are loaded, the database answers.
//
// How many identities hold something at a node, and above it, Holders says.
//
// Every write holds the Environment's lock (environment.Write), so moves can't make a
// cycle, and appends to its revision. The room refuses to know who may see what: a View
// says that, and this room applies it.
package hierarchy

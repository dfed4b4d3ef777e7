// Package decide is the pure core: may this identity do this at this node, and
// why? It holds one environment as an immutable Snapshot and answers from it.
//
//	rows ──Builder──► Snapshot ──Apply(Edit)──► the next one, sharing what is equal
//	                     │
//	                     ├─ Evaluate, Bulk           may they, and for which reason
//	                     ├─ Explain                  everything that led to the decision
//	                     ├─ Grants, Permissions      what an identity holds
//	                     ├─ AccessibleNodes, WhoCan  at which nodes, and who else
//	                     └─ Impact                   what an edit would give and take
//
// It does no I/O and reads no clock: the instant of a question is part of the
// question. It knows no store, token or request. Its caller keeps snapshots up to
// date. Package oracle gives the same answers plainly and slowly, and the tests
// compare every answer with the oracle's.
//
// # Glossary
//
//   - assignment: gives one identity one role at one node, within a window.
//   - window: the half-open time [from, to) in which an assignment counts.
//   - member: an identity that has, or had, a membership in the environment.
//   - key: the name of a permission in the catalog.
//   - lineage: a node and all its ancestors, up to the root.
//   - active: switched on. A node is live if it and all its ancestors are active.
//   - granted: an assignment grants a permission if now is in its window, its role is
//     active and the role bundles the permission.
//   - reason: why a question is denied.
//   - row: what the Builder and an Edit receive, such as Node or Member.
//   - edit: the changes from one revision of an environment to the next.
//   - number: what a node, member, role or key has inside a snapshot in place of its
//     id or name.
//   - free list: numbers that no longer stand for anything and can be used again.
//   - owner: the edit that may change a piece of memory in place (package persist).
//   - bucket, slot: what the hash of an id selects, and one of its four places.
//   - overflow index: finds the ids that had no room in their bucket.
//   - packed parent: a node's parent and, in one bit, whether the node is inactive.
//   - pair: two numbers in a sorted tree, a group and an item in it, such as
//     (node, member).
//   - summary: the essentials of up to 6 assignments in the member's own record.
//   - list: up to 64 assignments of one member in one piece of memory.
//   - spilled: in the tree of the assignments of members that have more than that.
//   - tally: adds up what assignments say about one permission at one instant.
//   - mark: a node at which an edit can change the answers for an identity.
//   - area: a permission at the live nodes of a subtree, as Impact reports it.
//
// # A guide to the data
//
// Outside, everything has a 16-byte id. Inside, nodes, members, roles and keys
// have numbers, and whatever refers to one of them takes four bytes. This is one
// snapshot. Arrows are numbers, and "×" means one for each:
//
//	a question: (identity, permission, node, now)
//	    │                │               │
//	    │ hash           │ hash          │ hash
//	    ▼                ▼               ▼
//	members          keyIndex        nodeTable  × node
//	× member             │             id, number, parent ──┐
//	id, state            │             (in buckets of 4)    │
//	summary              │                                  ▼
//	list ─┐              │             parents  × node: the packed parent
//	      │              │               ▲  │
//	      ▼              │               └──┘ up to the root: the lineage
//	list × assignment    │
//	node, role, ─────────┼───► roles  × role
//	from, to, id         └────► grants: one bit for each key; name, active
//
//	the other way:  children (node, child)   membersByNode (node, member)
//	                membersByRole (role, member)
//	the long lists: spilled (member, node, assignment)
//
// Evaluate finds the member and the node, follows the parents to the root, and
// looks which of the member's assignments are on the lineage. An assignment grants
// when now is in its window, its role is active, and the role's bit for the key is
// set. The reason of a denial is that of the assignment that got furthest.
// Evaluate reads about three distant places in memory, whatever the size of the
// environment. It allocates nothing and takes no lock.
//
//   - The members and the node table lay records out by the hash of the id, so that
//     finding one takes a single access to memory (hash.go).
//   - The assignments of a member lie in one list, sorted by node. Longer lists
//     spill into a tree, so that neither a question nor an edit has to go through
//     10,000 of them (member.go).
//   - membersByNode and membersByRole lead to the members that have anything at a
//     node, and to those that have a role. WhoCan reads the members of the lineage.
//     Impact asks only about members with assignments on the lineages that changed.
//
// # Edits
//
// The containers are those of package persist. Apply copies the pieces between the
// Snapshot and what changes, some kilobytes, and shares all others. So an edit
// costs the same in a small and in a large environment. Moving a node changes one
// parent, whatever lies below it.
//
// Rows that contradict each other are left out and reported as a [Problem]: a cycle
// of parents, an assignment of a role that does not exist, a window that ends
// before it starts. What is left out grants nothing.
//
// # What it costs
//
// In an environment of a million nodes and members and five million assignments, a
// node takes 57 bytes: its id, its parent, its pair among the children, and its
// entry in the node table. A member takes 74. An assignment takes 57: 40 in the
// list, and the rest in membersByNode and membersByRole. [Snapshot.Footprint]
// measures each structure, and "canopy bench decide" prints it with the times.
package decide

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
//
// # A guide to the data
//
// Outside, everything has a 16-byte id. Inside, nodes, members, roles and
// permissions have numbers, and whatever refers to one of them holds four bytes.
// This is one snapshot; arrows are numbers, "×" is one piece for each:
//
//	a question: (identity, permission, node, now)
//	    │                │               │
//	    │ hash           │ hash          │ hash
//	    ▼                ▼               ▼
//	members           byKey           plates  × node
//	× member            │             id, number, up ──┐
//	id, state           │             (in homes of 4)  │
//	nodes[6] roles[6]   │                              ▼
//	rows ─┐             │             up  × node: the parent's number,
//	      │             │              ▲  and one bit: switched off
//	      ▼             │              └─ up again, to the root: the lineage
//	rows × assignment   │
//	node, role, ────────┼───► roles  × role
//	from, to, id        └────► grants: one bit a permission, name, active
//
//	the ways back:  children (node, child)    holders (node, member)
//	                bearers (role, member)    heavy (member, node, assignment)
//
// Evaluate finds the member and the node, climbs the lineage through up, and
// looks which of the member's rows lie on it: a row counts when now is in its
// window, its role is active and the role's bit for the permission is set. The
// reason of a denial is that of the row that got furthest. It touches about
// three far places in memory, whatever the size of the environment, allocates
// nothing and takes no lock.
//
//   - members and plates (seats.go) are laid out by the hash of the id, four to
//     a home, so that finding is one look. Who finds its home full is a stray,
//     found by an index (index.go), a hash table that grows bucket by bucket.
//   - A member's rows lie in one piece, sorted by node. With more than 64 they
//     move into the tree heavy, so that neither a question nor an edit walks
//     10,000 of them. Up to six, the member's record itself says the essentials.
//   - holders and bearers (tree.go: B+ trees) say who has anything at a node,
//     and who has a role. WhoCan climbs from a node through holders. Impact asks
//     only those whose rows lie above what moved.
//   - table.go has lists in leaves below a spine; hall.go, a list laid out whole
//     when it was built, whose changed leaves move out to a spine.
//
// # Edits
//
// Apply copies the pieces between the Snapshot and what changes (a leaf and its
// way there, some kilobytes) and shares all others, so an edit costs the same in
// a small and in a large environment. A move changes one parent, whatever hangs
// below. Numbers of what was dropped are kept in a list of vacancies and given
// out again. session.go knows which pieces the running edit has made itself and
// may write to: every other piece belongs to an older snapshot too, which may
// be read by anybody, at any time, without a lock.
//
// What contradicts itself (a cycle of parents, an assignment to a role that is
// not there, a window that ends before it starts) is left out and reported as a
// [Problem]. What is left out grants nothing.
//
// # What it costs
//
// In an environment of a million nodes and members and five million assignments:
// a node 57 bytes (its id, its parent, its place among the parent's children,
// its plate), a member 74, an assignment 57 (40 the row, the rest the ways back
// from its node and role). [Snapshot.Footprint] counts each structure;
// `canopy bench decide` prints it, with the times.
package decide

package decide

import "canopy.dev/canopy/internal/foundation/id"

// Problem is a row that contradicts the others. It was left out, together with
// everything that depends on it. So it denies, and never grants.
//
// A row that was left out does not come back when a later edit adds the row it
// was missing. Whoever maintains a snapshot and learns of a problem should build
// the snapshot again once the rows are repaired.
type Problem struct {
	Kind ProblemKind
	Row  RowKind
	ID   id.ID  // of the row that was left out; zero for a permission
	Key  string // the permission key, where the problem is about one
	Ref  id.ID  // of the row that is missing, where one is
}

// RowKind is a kind of row.
type RowKind uint8

// The kinds of rows.
const (
	PermissionRow RowKind = iota
	RoleRow
	NodeRow
	MemberRow
	AssignmentRow
)

// String is the name of the kind, for logs.
func (k RowKind) String() string { return nameOf(rowKinds[:], int(k)) }

var rowKinds = [...]string{"permission", "role", "node", "member", "assignment"}

// ProblemKind says what is wrong with a row.
type ProblemKind uint8

// What can be wrong with a row.
const (
	NoID              ProblemKind = iota // the id is zero, or the permission key empty
	Duplicate                            // several rows have the id; all of them are left out
	MissingParent                        // Ref, the node's parent, does not exist or was left out itself
	ParentCycle                          // the node is its own ancestor, or lies below one that is
	SecondRoot                           // a node without a parent, in an environment that has a root
	MissingNode                          // Ref, the assignment's node, does not exist
	MissingRole                          // Ref, the assignment's role, does not exist
	MissingMember                        // Ref, the assignment's identity, is not a member
	MissingPermission                    // the role's Key is not in the catalog; the role stays, without it
	EmptyWindow                          // the assignment's window ends when it starts, or before
)

// String is the name of the kind, for logs.
func (k ProblemKind) String() string {
	return nameOf(problemKinds[:], int(k))
}

var problemKinds = [...]string{
	"no id", "duplicate", "missing parent", "parent cycle", "second root",
	"missing node", "missing role", "missing member", "missing permission", "empty window",
}

func nameOf(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return "unknown"
}

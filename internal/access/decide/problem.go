package decide

import "canopy.dev/canopy/internal/foundation/id"

// Problem is a row that contradicts the others. It was left out, together with
// everything that hangs on it, so it denies and never grants.
//
// A row that was left out does not come back by itself when its partner turns
// up in a later edit. Whoever keeps a snapshot and is told of a problem should
// build afresh once the rows are repaired.
type Problem struct {
	Kind    ProblemKind
	Subject Subject
	ID      id.ID  // of the row left out; zero for a permission
	Key     string // of the permission, where one is meant
	Ref     id.ID  // of the row that is missing, where one is
}

// Subject is the kind of row a Problem speaks of.
type Subject uint8

// The kinds of rows.
const (
	SubjectPermission Subject = iota
	SubjectRole
	SubjectNode
	SubjectMember
	SubjectAssignment
)

// String is the word for the kind of row.
func (s Subject) String() string {
	return word(subjects[:], int(s))
}

var subjects = [...]string{"permission", "role", "node", "member", "assignment"}

// ProblemKind says what is wrong with a row.
type ProblemKind uint8

// What can be wrong with a row.
const (
	NoID              ProblemKind = iota // the id is zero, or the permission key empty
	Duplicate                            // the id comes more than once; all of its rows are left out
	MissingParent                        // Ref, the node's parent, is not there, or was left out itself
	ParentCycle                          // the node is its own ancestor, or lies below one that is
	SecondRoot                           // a node without a parent, while the environment has a root
	MissingNode                          // Ref, the assignment's node, is not there
	MissingRole                          // Ref, the assignment's role, is not there
	MissingMember                        // Ref, the assignment's identity, is not a member
	MissingPermission                    // the role's Key is not in the catalog; the role stays, without it
	EmptyWindow                          // the assignment's window ends before or when it starts
)

// String is the kind in words, for logs.
func (k ProblemKind) String() string {
	return word(problemKinds[:], int(k))
}

var problemKinds = [...]string{
	"no id", "duplicate", "missing parent", "parent cycle", "second root",
	"missing node", "missing role", "missing member", "missing permission", "empty window",
}

func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return "unknown"
}

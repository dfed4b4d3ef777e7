package decide

import (
	"math"

	"canopy.dev/canopy/internal/foundation/id"
)

// Instant is a point in time: whole microseconds since 1970 in UTC.
type Instant int64

// Beginning and Forever are the open ends of a window, where the database has
// NULL: Beginning is before every instant and Forever after every one.
const (
	Beginning Instant = math.MinInt64
	Forever   Instant = math.MaxInt64
)

// Node is a row of the tree. Deleted nodes are not rows: leave them out of a
// build, and drop them in an edit. A node that is not Active, and all below it,
// grants nothing.
type Node struct {
	ID     id.ID
	Parent id.ID // zero for the root, of which there is one
	Active bool
}

// Role is a row of the roles with its whole set of permission keys, in any
// order; a key that comes twice counts once.
type Role struct {
	ID          id.ID
	Name        string
	Active      bool
	Permissions []string
}

// Member is an identity's membership row of this environment, joined with the
// account-wide switch of the identity. An identity that never had a row here is
// no Member.
type Member struct {
	Identity         id.ID
	IdentityActive   bool // identity.is_active
	MembershipActive bool // membership.status = active
}

// Assignment gives an identity a role at a node and everything below, in the
// half-open window [From, To). Its identity and node never change; its role and
// window may.
//
// The window has no default: the zero To is 1970, which grants nothing. Write
// Beginning and Forever where the database has NULL.
type Assignment struct {
	ID       id.ID
	Identity id.ID
	Node     id.ID
	Role     id.ID
	From     Instant
	To       Instant
}

// Rows is where the rows of one environment are told, each once and in any
// order. Builder implements it.
type Rows interface {
	Permission(key string)
	Role(Role)
	Node(Node)
	Member(Member)
	Assignment(Assignment)
}

// within reports whether now lies in [from, to).
func within(from, to, now Instant) bool {
	return from <= now && (now < to || to == Forever)
}

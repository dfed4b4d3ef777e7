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
// build, and drop them in an edit. Nothing is granted at a node that is not
// Active, nor anywhere below it.
type Node struct {
	ID     id.ID
	Parent id.ID // zero for the root; an environment has one root
	Active bool
}

// Role is a role with its whole set of permission keys, in any order. A key that
// is listed twice counts once.
type Role struct {
	ID          id.ID
	Name        string
	Active      bool
	Permissions []string
}

// Member is an identity's membership of this environment, together with the
// account-wide switch of the identity. An identity that never had a membership
// here is not a Member.
type Member struct {
	Identity         id.ID
	IdentityActive   bool // identity.is_active
	MembershipActive bool // membership.status = active
}

// Assignment gives an identity a role at a node and everything below, in the
// half-open window [From, To). Its identity and node never change; its role and
// window may.
//
// The window has no default. A zero To is 1970, which grants nothing. Use
// Beginning and Forever where the database has NULL.
type Assignment struct {
	ID       id.ID
	Identity id.ID
	Node     id.ID
	Role     id.ID
	From     Instant
	To       Instant
}

// Rows receives the rows of one environment, each row once and in any order.
// Builder implements it.
type Rows interface {
	Permission(key string)
	Role(Role)
	Node(Node)
	Member(Member)
	Assignment(Assignment)
}

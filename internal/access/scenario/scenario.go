// Package scenario runs files against anything that decides. A file is a small
// world, the questions asked of it, what was changed in it then, and the answers,
// all in names:
//
//	A comment says what the file shows.
//	-- world --
//	permission invoice.read invoice.approve
//	role Viewer: invoice.read
//	role Frozen (inactive): invoice.approve
//	tree
//	  Acme
//	    East
//	      Desk (inactive)
//	node leaf1..leaf500 under East
//	deleted node Gone                  known by name, and not there any more
//	elsewhere node Other               of another Environment
//	elsewhere identity kim             of the Account, never a member here
//	member ann
//	member cy (inactive)               the identity is switched off, account-wide
//	member dee (deactivated)           the membership is
//	assign Viewer to ann at Acme from 2026-06-01T00:00:00Z until 2026-07-01T00:00:00Z
//	-- ask --
//	now 2026-06-15T12:00:00Z
//	ann invoice.read at East => allowed by Viewer      # behind # is a note
//	ann invoice.read anywhere => allowed by Viewer
//	ann invoice.read at "x" => denied: node_not_found  in quotes: an id as it is sent
//	permissions of ann => invoice.read
//	grants of ann =>
//	  invoice.read at Acme
//	  until 2026-07-01T00:00:00Z
//	explain ann invoice.read at East => …
//	nodes of ann with invoice.read => …                where may ann
//	who has invoice.read at East => …                  who may there
//	impact of move East under West; delete Desk => …   what would that give and take
//	-- edit: what happens --
//	move East under West
//	activate Desk                      a node, a role or an identity
//	deactivate Viewer
//	set Viewer: invoice.approve        the whole set of a role
//	rename Viewer to Reader
//	delete East                        a node with all below, a role, a permission
//	assign Reader to ann at West
//	change Reader of ann at West to Frozen from … until …
//	unassign Frozen from ann at West
//	remove ann                         from the Environment; her assignments go
//	return ann                         the membership is active again
//	erase ann
//	-- again --
//
// An edit section is one transaction on the world as it was left; "again" goes
// back to the world of the top. System permissions are in every world. Lists
// whose order is that of ids, which files do not know, are sorted by name. A name
// with spaces stands in single quotes where it is not an answer: 'Regional Manager'.
//
// Beneath the world of a file there may be another one, that of an export
// (ReadExport). It refuses to touch a running server: that is for its callers, which
// implement Engine.
package scenario

import (
	"time"

	"canopy.dev/canopy/internal/foundation/id"
)

// Engine makes environments. What runs scenarios implements it: the engine as a
// package, a database, a door.
type Engine interface {
	// New is an environment with nothing in it but system permissions. The
	// first Apply fills it.
	New() Environment
}

// Environment is one environment, spoken to in names. Implementations give the
// names ids and keep them apart: nodes, identities and roles may be called
// alike in different files, never in one.
//
// A name in double quotes is sent as the id itself, without the quotes.
type Environment interface {
	// Apply makes all changes in one transaction.
	Apply([]Change) error

	Evaluate(Question) Verdict
	// Explain answers with the reason alone when the identity or the node is
	// not found.
	Explain(Question) Trace
	// Permissions and Grants are false where the answer is not found.
	Permissions(identity string, now time.Time) ([]string, bool)
	Grants(identity string, now time.Time) (Grants, bool)
	Nodes(identity, permission string, now time.Time) Reach
	Who(permission, node string, now time.Time) Who
	Impact(edit []Change, now time.Time) Impact
}

// A Door is an Environment that can also be asked what makes no sense.
type Door interface {
	Environment
	// Malformed is the status and code for a question with scope node and no
	// node, or app_wide with one, such as "400 validation".
	Malformed(Question) string
}

// Question asks whether an identity may do something.
type Question struct {
	Identity, Permission string
	Anywhere             bool   // scope app_wide, else node
	Node                 string // "" where none is given
	Now                  time.Time
}

func (q Question) malformed() bool { return q.Anywhere != (q.Node == "") }

// Verdict answers a Question. Roles and Reason are words of the specification.
type Verdict struct {
	Allowed bool
	Roles   []string
	Reason  string
}

// Trace is a verdict and what led to it, root first.
type Trace struct {
	Verdict
	Lineage       []TraceNode
	GrantingRoles []string // in the order answered
	GrantingNodes []string // in the order answered
}

// TraceNode is a node of a lineage. Its assignments stand in the order answered.
type TraceNode struct {
	Name           string
	Active, Target bool
	Assignments    []TraceAssignment
}

// TraceAssignment is an assignment in a trace.
type TraceAssignment struct {
	Role                                 string
	Active, RoleActive, GrantsPermission bool
}

// Grants is what an identity holds, and until when; zero for ever.
type Grants struct {
	Nodes map[string][]string // by permission
	Until time.Time
}

// Reach is where an identity may do something, or why nowhere.
type Reach struct {
	Reason       string
	Roots, Nodes []string
}

// Who is who may do something at a node, with the assignments that allow it, as
// "Role at Node", root first; or why nobody.
type Who struct {
	Reason  string
	Holders map[string][]string
}

// Impact is what an edit would give and take now, and until when that is so;
// zero for ever.
type Impact struct {
	Gains, Losses map[Access][]string // nodes
	Until         time.Time
}

// Access is an identity with a permission.
type Access struct{ Identity, Permission string }

// Change is one of the types below. They hold whole rows.
type Change any

type (
	// PutPermission puts a key into the catalog.
	PutPermission struct{ Key string }
	// DropPermission takes it out, and out of every role.
	DropPermission struct{ Key string }

	// PutRole makes a role or replaces its row.
	PutRole struct{ Role }
	// DropRole deletes a role with its assignments.
	DropRole struct{ Ref string }

	// PutNode makes a node or replaces its row.
	PutNode struct{ Node }
	// DropNode deletes a node and all below.
	DropNode struct{ Name string }

	// PutIdentity makes an identity or replaces its row.
	PutIdentity struct{ Identity }
	// RemoveMember deactivates the membership and drops the assignments.
	RemoveMember struct{ Identity }
	// EraseIdentity deletes an identity with all that it has.
	EraseIdentity struct{ Name string }

	// PutAssignment makes an assignment or replaces its row.
	PutAssignment struct{ Assignment }
	// DropAssignment deletes an assignment.
	DropAssignment struct{ Assignment }

	// Away gives a name to a node or an identity that is not there: deleted, or
	// elsewhere in the Account. No row of the environment tells of it.
	Away struct {
		Kind, Name string
		Deleted    bool
	}
)

// Role is a role's row. Ref is what it was called first.
type Role struct {
	Ref, Name   string
	Active      bool
	Permissions []string
}

// Node is a node's row.
type Node struct {
	ID           id.ID  // zero where files alone know the node
	Name, Parent string // Parent is "" for the root
	Active       bool
}

// Identity is an identity's row, joined with its membership.
type Identity struct {
	Name           string
	Active, Member bool
}

// Assignment is an assignment's row; zero bounds are open. Ref tells rows apart.
type Assignment struct {
	Ref, Identity, Node, Role string // Role is the role's Ref
	From, Until               time.Time
}

// SystemPermissions are in the catalog of every Environment from its first
// moment.
func SystemPermissions() []string {
	return []string{
		"identity.view", "identity.manage", "hierarchy.view", "hierarchy.manage", "rbac.view_roles", "rbac.manage_roles",
		"rbac.view_assignments", "rbac.manage_assignments", "permissions.evaluate", "webhook.view", "webhook.manage",
		"api_key.view", "api_key.manage", "audit.view", "audit.export", "canopy:organization.manage",
	}
}

package assignment

import (
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
)

type kind struct{}

// ID names an assignment.
type ID = id.Of[kind]

// Assignment gives one identity one role at one node, and everything below.
type Assignment struct {
	ID        ID
	Identity  principal.IdentityID
	Node      hierarchy.ID
	Role      rbac.RoleID
	Window    Window
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Window is when an assignment counts: From ≤ now < To. The zero window is none; Always has
// no ends.
type Window struct{ From, To decide.Instant }

// Always is the window of what counts from its creation on, for ever.
var Always = Window{decide.Beginning, decide.Forever}

// State says how an assignment stands to its window at a moment. It is never stored.
type State string

// The states.
const (
	Scheduled State = "scheduled" // its window has not begun
	Active    State = "active"    // it counts
	Expired   State = "expired"   // its window has ended
)

// Enum lists the states, for schemas.
func (State) Enum() []string { return []string{string(Active), string(Scheduled), string(Expired)} }

// At is the state at a moment.
func (w Window) At(now time.Time) State {
	switch t := instant(now); {
	case t < w.From:
		return Scheduled
	case t < w.To || w.To == decide.Forever:
		return Active
	}
	return Expired
}

// valid reports whether the window has a beginning before its end.
func (w Window) valid() bool { return w.From < w.To }

func instant(t time.Time) decide.Instant { return decide.Instant(t.UnixMicro()) }

// The faults of assignments.
var (
	ErrNotFound = fault.New(fault.NotFound, "rbac.assignment_not_found", "Assignment not found")
	ErrConflict = fault.New(fault.Conflict, "rbac.assignment_conflict",
		"The identity has this role at this node already")
	ErrSystemRole = fault.New(fault.Invalid, "rbac.role_system_not_assignable", "A system role can't be assigned")
	ErrInactive   = fault.New(fault.Invalid, "rbac.role_inactive", "An inactive role can't be assigned")
)

// put says what decisions see of the assignment.
func (a Assignment) put() revision.Change { return edits.PutAssignment(a.Decided()) }

// Decided is the assignment as decisions see it.
func (a Assignment) Decided() decide.Assignment {
	return decide.Assignment{
		ID: a.ID.Any(), Identity: a.Identity.Any(), Node: a.Node.Any(), Role: a.Role.Any(),
		From: a.Window.From, To: a.Window.To,
	}
}

// drop says that decisions see it no more.
func (a Assignment) drop() revision.Change {
	return edits.DropAssignment(a.ID.Any(), a.Identity.Any(), a.Node.Any())
}

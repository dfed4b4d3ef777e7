package assignment

import (
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
)

// Draft is an assignment to be made.
type Draft struct {
	IdentityID string         `json:"identity_id"             doc:"Who gets the role: a member of the Environment."`
	NodeID     string         `json:"node_id"                 doc:"Where: the role reaches this node and everything below it."`
	RoleID     string         `json:"role_id"                 doc:"What: an active role that is not the system's."`
	From       text.Clearable `json:"effective_from,omitzero" doc:"From when on; from its creation on when absent or null."`
	To         text.Clearable `json:"effective_to,omitzero"   doc:"Until when, that instant excluded; for ever when absent or null."`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Field("identity_id", &d.IdentityID, text.IDRule)
	f.Field("node_id", &d.NodeID, text.IDRule)
	f.Field("role_id", &d.RoleID, text.IDRule)
	WindowRules(f, &d.From, &d.To)
}

// WindowRules notes what is wrong with the ends of a window.
func WindowRules(f *text.Fields, from, to *text.Clearable) {
	f.Clearable("effective_from", from, text.InstantRule)
	f.Clearable("effective_to", to, text.InstantRule)
	f.Check("effective_to", Always.changed(*from, *to).valid(), windowRule)
}

// changed is the window with the ends that are given.
func (w Window) changed(from, to text.Clearable) Window {
	if from.Given {
		w.From = end(from, decide.Beginning)
	}
	if to.Given {
		w.To = end(to, decide.Forever)
	}
	return w
}

// end is an end of a window. The year 1 is one, and not an open end.
func end(c text.Clearable, open decide.Instant) decide.Instant {
	if c.Value == nil {
		return open
	}
	return instant(c.Time())
}

// named reads an id; what is none becomes the zero one, which names nothing.
func named[I ~[16]byte](text string) I {
	v, err := id.Parse[I](text)
	if err != nil {
		return I{}
	}
	return v
}

func (d *Draft) asNew() New {
	return New{
		Identity: named[principal.IdentityID](d.IdentityID), Node: named[hierarchy.ID](d.NodeID),
		Role: named[rbac.RoleID](d.RoleID), Window: Always.changed(d.From, d.To),
	}
}

// Change is what a caller wants changed of an assignment.
type Change struct {
	RoleID string         `json:"role_id"                 doc:"The role, also where only dates change."`
	From   text.Clearable `json:"effective_from,omitzero" doc:"From when on; absent is unchanged, null is from its creation on."`
	To     text.Clearable `json:"effective_to,omitzero"   doc:"Until when, that instant excluded; absent is unchanged, null is for ever."`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	f.Field("role_id", &c.RoleID, text.IDRule)
	WindowRules(f, &c.From, &c.To)
}

// most is how many rows a bulk call may have.
const most = 1000

// Some are assignments that a call is about.
type Some struct {
	IDs []string `json:"assignment_ids" doc:"1 to 1000 assignments; one that comes twice counts once." maxItems:"1000"`
}

// Rules implements text.Ruled.
func (s *Some) Rules(f *text.Fields) {
	f.Check("assignment_ids", len(s.IDs) >= 1 && len(s.IDs) <= most, "must hold 1 to 1000 ids")
}

// NewRole gives assignments another role.
type NewRole struct {
	Some
	RoleID string `json:"role_id" doc:"The role that all of them are to have."`
}

// Rules implements text.Ruled.
func (n *NewRole) Rules(f *text.Fields) {
	n.Some.Rules(f)
	f.Field("role_id", &n.RoleID, text.IDRule)
}

// NewWindow gives assignments another window.
type NewWindow struct {
	Some
	From text.Clearable `json:"effective_from,omitzero" doc:"From when on; absent is unchanged, null is from its creation on."`
	To   text.Clearable `json:"effective_to,omitzero"   doc:"Until when, that instant excluded; absent is unchanged, null is for ever."`
}

// Rules implements text.Ruled.
func (n *NewWindow) Rules(f *text.Fields) {
	n.Some.Rules(f)
	f.Check("effective_from", n.From.Given || n.To.Given, "or effective_to must be given")
	WindowRules(f, &n.From, &n.To)
}

// Times are the ends of a window, nil where it is open.
func (w Window) Times() (from, to *time.Time) {
	if w.From != decide.Beginning {
		t := time.UnixMicro(int64(w.From)).UTC()
		from = &t
	}
	if w.To != decide.Forever {
		t := time.UnixMicro(int64(w.To)).UTC()
		to = &t
	}
	return from, to
}

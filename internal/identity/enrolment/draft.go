package enrolment

import (
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/text"
)

// idRule is for an id that is looked up: what is none names nothing.
var idRule = text.Rule{
	Normalize: func(s string) (string, string) { return s, "" }, Format: "uuid",
	Example: "019daf52-4e20-7f58-a04d-ba41ecccc3fc",
}

// Draft is an identity to be made in an Environment, perhaps with a role.
type Draft struct {
	enduser.Draft
	RoleID *string `json:"role_id,omitempty" doc:"A role to give, at node_id. It also takes rbac.manage_assignments." nullable:"false"`
	NodeID *string `json:"node_id,omitempty" doc:"Where to give role_id." nullable:"false"`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	d.Draft.Rules(f)
	f.Optional("role_id", d.RoleID, idRule)
	f.Optional("node_id", d.NodeID, idRule)
	f.Check("role_id", d.RoleID != nil || d.NodeID == nil, "is required with node_id")
	f.Check("node_id", d.NodeID != nil || d.RoleID == nil, "is required with role_id")
}

// GivesRole reports whether a role is to be given along the way.
func (d Draft) GivesRole() bool { return d.RoleID != nil }

// DirectoryDraft is an identity to be made in the directory of an Account, perhaps as a member
// of an Application.
type DirectoryDraft struct {
	enduser.Draft
	ApplicationID *string `json:"application_id,omitempty" doc:"Makes a member of this Application and its default Environment." nullable:"false"`
}

// Rules implements text.Ruled.
func (d *DirectoryDraft) Rules(f *text.Fields) {
	d.Draft.Rules(f)
	f.Optional("application_id", d.ApplicationID, idRule)
}

// New is an identity to be made, from whatever place.
type New struct {
	enduser.Draft
	role, node, application *string
}

// New is the draft as Create takes it.
func (d Draft) New() New { return New{Draft: d.Draft, role: d.RoleID, node: d.NodeID} }

// New is the draft as Create takes it.
func (d DirectoryDraft) New() New { return New{Draft: d.Draft, application: d.ApplicationID} }

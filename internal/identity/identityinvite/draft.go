package identityinvite

import (
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
)

// Wish is the intent that an inviter asks for.
type Wish string

// The wishes. Onboard is another word for the first.
const (
	ToActivate Wish = "activate"
	ToReset    Wish = "password_reset"
	ToOnboard  Wish = "onboard"
)

// Enum lists the wishes, for schemas.
func (Wish) Enum() []string { return []string{string(ToActivate), string(ToReset), string(ToOnboard)} }

// clientRule is for the id of an OAuth client.
var clientRule = text.Rule{
	Normalize: func(s string) (string, string) { return s, "" }, MaxLength: 128, Example: "cnpc_5f1b2c3d",
}

// Draft is an invite into an Environment, perhaps with a role.
type Draft struct {
	Email     string  `json:"email"                doc:"Where the invite goes."`
	Intent    *Wish   `json:"intent,omitempty"     doc:"activate, which onboard also means: to make a member of the person, whether the Account knows the address or not. password_reset: to have a member choose a new password." nullable:"false"`
	FirstName *string `json:"first_name,omitempty" doc:"First name; wanted for an address that the Account does not know, else of no use." nullable:"false"`
	LastName  *string `json:"last_name,omitempty"  doc:"Last name; likewise." nullable:"false"`
	RoleID    *string `json:"role_id,omitempty"    doc:"A role to give, at node_id. It also takes rbac.manage_assignments." nullable:"false"`
	NodeID    *string `json:"node_id,omitempty"    doc:"Where to give role_id." nullable:"false"`
	SendEmail *bool   `json:"send_email,omitempty" doc:"Whether the link goes by mail; true when absent. Without, whoever invites hands accept_url over, also after a resend." nullable:"false" example:"true"`
	ClientID  *string `json:"client_id,omitempty"  doc:"The OAuth client whose invite_redirect_url the link leads to." nullable:"false"`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Field("email", &d.Email, text.EmailRule)
	f.Optional("first_name", d.FirstName, text.FirstNameRule)
	f.Optional("last_name", d.LastName, text.LastNameRule)
	f.Optional("role_id", d.RoleID, text.IDRule)
	f.Optional("node_id", d.NodeID, text.IDRule)
	f.Optional("client_id", d.ClientID, clientRule)
	resets := d.Intent != nil && *d.Intent == ToReset
	f.Check("intent", d.Intent == nil || *d.Intent == ToActivate || *d.Intent == ToOnboard || resets,
		"must be activate, password_reset or onboard")
	f.Check("role_id", d.RoleID != nil || d.NodeID == nil, "is required with node_id")
	f.Check("node_id", d.NodeID != nil || d.RoleID == nil, "is required with role_id")
	f.Check("role_id", d.RoleID == nil || !resets, "is not allowed with password_reset")
	f.Check("node_id", d.NodeID == nil || !resets, "is not allowed with password_reset")
}

// GivesRole reports whether a role is to be given along the way.
func (d *Draft) GivesRole() bool { return d.RoleID != nil }

// DirectoryDraft is an invite into the directory of an Account, or into the default Environment
// of one of its Applications. It is always mailed, and gives no role.
type DirectoryDraft struct {
	Email         string  `json:"email"                    doc:"Where the invite goes."`
	FirstName     *string `json:"first_name,omitempty"     doc:"First name; the person is asked for it, and may change it." nullable:"false"`
	LastName      *string `json:"last_name,omitempty"      doc:"Last name; likewise." nullable:"false"`
	ApplicationID *string `json:"application_id,omitempty" doc:"Makes a member of this Application and its default Environment." nullable:"false"`
}

// Rules implements text.Ruled.
func (d *DirectoryDraft) Rules(f *text.Fields) {
	f.Field("email", &d.Email, text.EmailRule)
	f.Optional("first_name", d.FirstName, text.FirstNameRule)
	f.Optional("last_name", d.LastName, text.LastNameRule)
	f.Optional("application_id", d.ApplicationID, text.IDRule)
}

// fresh is an invite on its way, from whatever place.
type fresh struct {
	account     scope.Account
	in          []scope.Environment // one, or none: into the directory
	email       string
	first, last string
	named       bool // both names are there, or may be missing
	resets      bool
	role        *rbac.RoleID
	node        hierarchy.ID
	mailed      bool
	tried       bool // nothing of it is to stay
}

func (d *Draft) fresh(in scope.Environment) fresh {
	f := fresh{
		account: in.Application.Account, in: []scope.Environment{in}, email: d.Email,
		first: given(d.FirstName), last: given(d.LastName), named: d.FirstName != nil && d.LastName != nil,
		resets: d.Intent != nil && *d.Intent == ToReset, mailed: d.SendEmail == nil || *d.SendEmail,
	}
	if d.RoleID != nil {
		role := named[rbac.RoleID](d.RoleID)
		f.role, f.node = &role, named[hierarchy.ID](d.NodeID)
	}
	return f
}

// given is an optional text, "" for none.
func given(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// named is the id that a body names; zero, which names nothing, for what is none.
func named[I ~[16]byte](s *string) (of I) {
	if v, err := id.Parse[I](given(s)); err == nil {
		of = v
	}
	return of
}

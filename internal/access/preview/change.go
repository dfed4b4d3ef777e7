package preview

import (
	"slices"
	"strings"
	"unicode/utf8"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/text"
)

// Kind says which call it is.
type Kind string

// The kinds.
const (
	MoveNodes         Kind = "node.move"
	SwitchNodes       Kind = "node.status"
	DeleteNodes       Kind = "node.delete"
	SwitchRole        Kind = "role.status"
	SetPermissions    Kind = "role.permissions"
	DeleteRole        Kind = "role.delete"
	DeletePermission  Kind = "permission.delete"
	CreateAssignments Kind = "assignment.create"
	ChangeAssignments Kind = "assignment.change"
	RemoveAssignments Kind = "assignment.remove"
	Deactivate        Kind = "identity.deactivate"
	Remove            Kind = "identity.remove"
	Revert            Kind = "environment.revert_to_flat"
	Promote           Kind = "environment.promote"
)

// Enum lists the kinds, for schemas.
func (Kind) Enum() []string {
	list := make([]string, len(kinds))
	for i, k := range kinds {
		list[i] = string(k.kind)
	}
	return list
}

// kinds are all there are, with the fields that each needs, and those that it may have.
var kinds = []struct {
	kind      Kind
	must, may []string
}{
	{MoveNodes, []string{"node_ids", "parent_node_id"}, nil},
	{SwitchNodes, []string{"node_ids", "status"}, nil},
	{DeleteNodes, []string{"node_ids"}, nil},
	{SwitchRole, []string{"role_id", "is_active"}, nil},
	{SetPermissions, []string{"role_id", "permission_keys"}, nil},
	{DeleteRole, []string{"role_id"}, nil},
	{DeletePermission, []string{"permission_id"}, nil},
	{CreateAssignments, []string{"assignments"}, nil},
	{ChangeAssignments, []string{"assignment_ids"}, []string{"role_id", "effective_from", "effective_to"}},
	{RemoveAssignments, []string{"assignment_ids"}, nil},
	{Deactivate, []string{"identity_ids"}, nil},
	{Remove, []string{"identity_ids"}, nil},
	{Revert, nil, nil},
	{Promote, []string{"source"}, []string{"parts"}},
}

// Change is a call that has not been made, by the fields of that call. Each kind has its own,
// and no others.
type Change struct {
	Kind          Kind               `json:"kind"                      doc:"Which call it is; the fields beside it are those of that call."`
	NodeIDs       []string           `json:"node_ids,omitempty"        doc:"With node.*: 1 to 100 nodes, judged one after the other as if those before had been done." maxItems:"100"`
	ParentNodeID  *string            `json:"parent_node_id,omitempty"  doc:"With node.move: where all of them are to lie."`
	Status        *hierarchy.Status  `json:"status,omitempty"          doc:"With node.status."`
	RoleID        *string            `json:"role_id,omitempty"         doc:"With role.*: the role. With assignment.change: the role that all are to have."`
	IsActive      *bool              `json:"is_active,omitempty"       doc:"With role.status."`
	Keys          []string           `json:"permission_keys,omitempty" doc:"With role.permissions: the whole set." maxItems:"10000"`
	PermissionID  *string            `json:"permission_id,omitempty"   doc:"With permission.delete."`
	Assignments   []assignment.Draft `json:"assignments,omitempty"     doc:"With assignment.create: 1 to 1000, each judged by itself as in bulk-create." maxItems:"1000"`
	AssignmentIDs []string           `json:"assignment_ids,omitempty"  doc:"With assignment.change and assignment.remove: 1 to 1000; one that comes twice counts once." maxItems:"1000"`
	From          text.Clearable     `json:"effective_from,omitzero"   doc:"With assignment.change: from when on; absent is unchanged, null is from its creation on."`
	To            text.Clearable     `json:"effective_to,omitzero"     doc:"With assignment.change: until when, that instant excluded; absent is unchanged, null is for ever."`
	IdentityIDs   []string           `json:"identity_ids,omitempty"    doc:"With identity.*: 1 to 100." maxItems:"100"`
	Source        *string            `json:"source,omitempty"          doc:"With environment.promote: slug of another Environment of the Application."`
	Parts         []dump.Part        `json:"parts,omitempty"           doc:"With environment.promote: permissions, roles and hierarchy when absent." maxItems:"5"`
}

// given are the fields that may be absent, and whether they are there.
func (c *Change) given() []struct {
	name string
	is   bool
} {
	return []struct {
		name string
		is   bool
	}{
		{"node_ids", c.NodeIDs != nil},
		{"parent_node_id", c.ParentNodeID != nil},
		{"status", c.Status != nil},
		{"role_id", c.RoleID != nil},
		{"is_active", c.IsActive != nil},
		{"permission_keys", c.Keys != nil},
		{"permission_id", c.PermissionID != nil},
		{"assignments", c.Assignments != nil},
		{"assignment_ids", c.AssignmentIDs != nil},
		{"effective_from", c.From.Given},
		{"effective_to", c.To.Given},
		{"identity_ids", c.IdentityIDs != nil},
		{"source", c.Source != nil},
		{"parts", c.Parts != nil},
	}
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	at := slices.Index(Kind("").Enum(), string(c.Kind))
	f.Check("kind", at >= 0, "must be one of "+strings.Join(Kind("").Enum(), ", "))
	for _, g := range c.given() {
		if at < 0 {
			break
		}
		must := slices.Contains(kinds[at].must, g.name)
		f.Check(g.name, g.is || !must, "is needed with the kind "+string(c.Kind))
		f.Check(g.name, !g.is || must || slices.Contains(kinds[at].may, g.name),
			"must be absent with the kind "+string(c.Kind))
	}
	f.Check("role_id", c.Kind != ChangeAssignments || c.RoleID != nil || c.From.Given || c.To.Given,
		"or an end of the window must be given")
	ids(f, "node_ids", c.NodeIDs, 100)
	ids(f, "assignment_ids", c.AssignmentIDs, 1000)
	ids(f, "identity_ids", c.IdentityIDs, 100)
	f.Optional("parent_node_id", c.ParentNodeID, idRule)
	f.Optional("role_id", c.RoleID, idRule)
	f.Optional("permission_id", c.PermissionID, idRule)
	f.Check("status", c.Status == nil || slices.Contains(c.Status.Enum(), string(*c.Status)),
		"must be active or inactive")
	f.Check("permission_keys", len(c.Keys) <= 10_000, "must hold 0 to 10000 keys")
	f.Check("assignments", c.Assignments == nil || len(c.Assignments) >= 1 && len(c.Assignments) <= 1000,
		"must hold 1 to 1000 rows")
	for i := range c.Assignments {
		f.Each("assignments", i, &c.Assignments[i])
	}
	assignment.WindowRules(f, &c.From, &c.To)
	f.Optional("source", c.Source, sourceRule)
	if c.Parts != nil {
		_, broken := dump.Named(c.Parts)
		f.Check("parts", broken == "", broken)
	}
}

const longestID = 255

// idRule is for an id that may name nothing, and is told when it does.
var idRule = text.Rule{
	Normalize: upTo(longestID), MinLength: 1, MaxLength: longestID, Example: text.IDRule.Example,
}

// sourceRule is for a slug that may name nothing.
var sourceRule = text.Rule{Normalize: upTo(63), MinLength: 1, MaxLength: 63, Example: "development"}

func upTo(most int) func(string) (string, string) {
	return func(s string) (string, string) {
		if n := utf8.RuneCountInString(s); n < 1 || n > most {
			return "", "must be 1 to " + number(most) + " characters"
		}
		return s, ""
	}
}

// ids notes what is wrong with a list of ids.
func ids(f *text.Fields, name string, list []string, most int) {
	f.Check(name, list == nil || len(list) >= 1 && len(list) <= most, "must hold 1 to "+number(most)+" ids")
	long := func(s string) bool { return utf8.RuneCountInString(s) > longestID }
	f.Check(name, !slices.ContainsFunc(list, long), "must hold ids of at most 255 characters")
}

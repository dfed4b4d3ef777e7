package peopleapi

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/roster"
	"canopy.dev/canopy/internal/platform/wire"
)

// caller is whoever looks at people, from one of the tiers.
type caller struct {
	principal.Actor
	principal principal.Principal
	at        membership.Place
}

func inEnvironment(by wire.By) caller {
	return caller{by.Actor, by.Caller, membership.InEnvironment(by.In)}
}

// inApplication is for a call about an Application, whose default Environment is proved.
func inApplication(by wire.At[scope.Environment]) caller {
	return caller{by.Actor, by.User, membership.InApplication(by.In.Application, by.In)}
}

func inAccount(by wire.At[scope.Account]) caller {
	return caller{by.Actor, by.User, membership.InAccount(by.In)}
}

// from makes a handler of a tier of one that serves them all.
func from[By, In, Out any](
	tier func(By) caller, fn func(ctx context.Context, c *wire.Call, by caller, in In) (Out, error),
) func(ctx context.Context, c *wire.Call, by By, in In) (Out, error) {
	return func(ctx context.Context, c *wire.Call, by By, in In) (Out, error) { return fn(ctx, c, tier(by), in) }
}

// plainIdentity is an identity in short.
type plainIdentity struct {
	ID         enduser.ID `json:"id"          doc:"The identity's id."`
	Email      string     `json:"email"       doc:"The address, unique in the Account." format:"email" example:"dana@acme.example"`
	FirstName  string     `json:"first_name"  doc:"First name." example:"Dana" maxLength:"100"`
	LastName   string     `json:"last_name"   doc:"Last name." example:"Cole" maxLength:"100"`
	AvatarURL  *string    `json:"avatar_url"  doc:"A picture." format:"uri"`
	ExternalID *string    `json:"external_id" doc:"What another system calls the person; unique in the Account." example:"hr-10442" maxLength:"255"`
	IsActive   bool       `json:"is_active"   doc:"The switch for the whole Account: without it nobody signs in, and every decision is no."`
	CreatedAt  time.Time  `json:"created_at"  doc:"When the identity came into being."`
}

func viewIdentity(i enduser.Identity) plainIdentity {
	return plainIdentity{
		i.ID, i.Email, i.FirstName, i.LastName, i.AvatarURL, i.ExternalID, i.Active, i.CreatedAt,
	}
}

// identityRole is a role that an identity holds at a node.
type identityRole struct {
	AssignmentID  assignment.ID `json:"assignment_id"  doc:"The assignment."`
	ID            rbac.RoleID   `json:"id"             doc:"The role."`
	Name          string        `json:"name"           doc:"Its name." example:"Regional Manager" maxLength:"100"`
	NodeID        hierarchy.ID  `json:"node_id"        doc:"Where it is held."`
	NodeName      string        `json:"node_name"      doc:"The node's name." example:"North" maxLength:"200"`
	EffectiveFrom *time.Time    `json:"effective_from" doc:"From when on; null for ever since."`
	EffectiveTo   *time.Time    `json:"effective_to"   doc:"Until when; null for ever."`
}

func viewRoles(list []assignment.Held) []identityRole {
	roles := []identityRole{}
	for _, h := range list {
		roles = append(roles, identityRole{
			h.ID, h.Role, h.RoleName, h.Node, h.NodeName, bound(h.Window.From), bound(h.Window.To),
		})
	}
	return roles
}

// bound is an end of a window, nil where it is open.
func bound(at decide.Instant) *time.Time {
	if at == decide.Beginning || at == decide.Forever {
		return nil
	}
	t := time.UnixMicro(int64(at)).UTC()
	return &t
}

// identityRow is an identity with what it holds.
type identityRow struct {
	ID        enduser.ID     `json:"id"         doc:"The identity's id."`
	Email     string         `json:"email"      doc:"The address." format:"email" example:"dana@acme.example"`
	FirstName string         `json:"first_name" doc:"First name." example:"Dana" maxLength:"100"`
	LastName  string         `json:"last_name"  doc:"Last name." example:"Cole" maxLength:"100"`
	Name      string         `json:"name"       doc:"First and last name." example:"Dana Cole" maxLength:"201"`
	AvatarURL *string        `json:"avatar_url" doc:"A picture." format:"uri"`
	IsActive  bool           `json:"is_active"  doc:"The switch for the whole Account."`
	Roles     []identityRole `json:"roles"      doc:"By the names of role and node, at most 100." maxItems:"100"`
	RoleCount int            `json:"role_count" doc:"All assignments here." example:"2"`
	CreatedAt time.Time      `json:"created_at" doc:"When the identity came into being."`
}

func viewRow(h roster.Holder) identityRow {
	return identityRow{
		h.ID, h.Email, h.FirstName, h.LastName, h.Name(), h.AvatarURL, h.Active, viewRoles(h.Roles), h.Count, h.CreatedAt,
	}
}

// fullIdentity is an identity with everything that its tier knows.
type fullIdentity struct {
	ID            enduser.ID     `json:"id"             doc:"The identity's id."`
	Email         string         `json:"email"          doc:"The address." format:"email" example:"dana@acme.example"`
	FirstName     string         `json:"first_name"     doc:"First name." example:"Dana" maxLength:"100"`
	LastName      string         `json:"last_name"      doc:"Last name." example:"Cole" maxLength:"100"`
	Name          string         `json:"name"           doc:"First and last name." example:"Dana Cole" maxLength:"201"`
	AvatarURL     *string        `json:"avatar_url"     doc:"A picture." format:"uri"`
	ExternalID    *string        `json:"external_id"    doc:"What another system calls the person." example:"hr-10442" maxLength:"255"`
	Metadata      jsontext.Value `json:"metadata"       doc:"Free JSON object, or null." type:"object" nullable:"true"`
	IsActive      bool           `json:"is_active"      doc:"The switch for the whole Account."`
	EmailVerified bool           `json:"email_verified" doc:"Whether the address is proven."`
	Roles         []identityRole `json:"roles"          doc:"By the names of role and node, at most 100." maxItems:"100"`
	RoleCount     int            `json:"role_count"     doc:"All assignments here." example:"2"`
	CanManage     bool           `json:"can_manage"     doc:"Whether the caller may change the identity."`
	CreatedAt     time.Time      `json:"created_at"     doc:"When the identity came into being."`
	UpdatedAt     time.Time      `json:"updated_at"     doc:"When it was changed last."`
}

func viewFull(h roster.Holder, manages bool) fullIdentity {
	return fullIdentity{
		h.ID, h.Email, h.FirstName, h.LastName, h.Name(), h.AvatarURL, h.ExternalID, h.Metadata, h.Active,
		h.EmailVerified(), viewRoles(h.Roles), h.Count, manages, h.CreatedAt, h.UpdatedAt,
	}
}

// identityAssignment is one assignment of an identity.
type identityAssignment struct {
	ID            assignment.ID `json:"id"                  doc:"The assignment's id."`
	IdentityID    enduser.ID    `json:"identity_id"         doc:"Who holds it."`
	NodeID        hierarchy.ID  `json:"application_node_id" doc:"Where."`
	RoleID        rbac.RoleID   `json:"role_id"             doc:"Which role."`
	EffectiveFrom *time.Time    `json:"effective_from"      doc:"From when on; null for ever since."`
	EffectiveTo   *time.Time    `json:"effective_to"        doc:"Until when; null for ever."`
	CreatedAt     time.Time     `json:"created_at"          doc:"When it came into being."`
	UpdatedAt     time.Time     `json:"updated_at"          doc:"When it was changed last."`
}

func viewAssignment(a assignment.Assignment) identityAssignment {
	return identityAssignment{
		a.ID, a.Identity, a.Node, a.Role, bound(a.Window.From), bound(a.Window.To), a.CreatedAt, a.UpdatedAt,
	}
}

// identityCounts are the numbers of a place's members.
type identityCounts struct {
	Total      int `json:"total_identities" doc:"Active members." example:"120"`
	Assigned   int `json:"assigned_count"   doc:"Those with an assignment here, in whatever state." example:"100"`
	Unassigned int `json:"unassigned_count" doc:"Those without." example:"20"`
}

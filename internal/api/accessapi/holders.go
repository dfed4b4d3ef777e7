package accessapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// Holders serves lists of what is assigned: in the whole Environment, and what reaches a node.
type Holders struct{ Grants *assignment.Service }

// holder is a person as lists of assignments show one.
type holder struct {
	ID        principal.IdentityID `json:"id"         doc:"The identity's id."`
	FirstName string               `json:"first_name" doc:"First name." example:"Ann" maxLength:"100"`
	LastName  string               `json:"last_name"  doc:"Last name." example:"Lee" maxLength:"100"`
	Name      string               `json:"name"       doc:"First and last name." example:"Ann Lee" maxLength:"201"`
	Email     string               `json:"email"      doc:"The address." example:"ann@acme.com" maxLength:"254"`
	AvatarURL *string              `json:"avatar_url" doc:"A picture." format:"uri"`
}

type heldRole struct {
	ID   rbac.RoleID `json:"id"   doc:"The role's id."`
	Name string      `json:"name" doc:"Its name." example:"Reader" maxLength:"100"`
}

// heldAt is an assignment in a list.
type heldAt struct {
	ID        assignment.ID     `json:"id"               doc:"The assignment's id."`
	NodeID    hierarchy.ID      `json:"source_node_id"   doc:"Where it was made."`
	NodeName  string            `json:"source_node_name" doc:"What that node is called." example:"North" maxLength:"200"`
	Access    assignment.Access `json:"access_type"      doc:"Whether it was made at the node that was asked about, or above it."`
	From      *time.Time        `json:"effective_from"   doc:"From when on; null is from its creation on."`
	To        *time.Time        `json:"effective_to"     doc:"Until when, that instant excluded; null is for ever."`
	State     assignment.State  `json:"status"           doc:"How it stands to its window just now."`
	CreatedAt time.Time         `json:"created_at"       doc:"When it came into being."`
}

// holderRow is one assignment with whose it is and what.
type holderRow struct {
	Identity   holder   `json:"identity"   doc:"Who has the role."`
	Role       heldRole `json:"role"       doc:"What role it is."`
	Assignment heldAt   `json:"assignment" doc:"Where and when."`
}

func viewHolder(l assignment.Listed) holderRow {
	from, to := l.Window.Times()
	who := l.Who
	return holderRow{
		holder{who.ID, who.FirstName, who.LastName, who.Name(), who.Email, who.AvatarURL},
		heldRole{l.Role, l.RoleName},
		heldAt{l.ID, l.Node, l.NodeName, l.Access, from, to, l.State, l.CreatedAt},
	}
}

// GrantCounts counts assignments. It is exported for the schema alone: others embed it.
type GrantCounts struct {
	Active     int `json:"active_count"        doc:"Assignments in their window." example:"40"`
	Scheduled  int `json:"scheduled_count"     doc:"Those whose window has not begun." example:"2"`
	Expired    int `json:"expired_count"       doc:"Those whose window has ended." example:"5"`
	EndingSoon int `json:"expiring_soon_count" doc:"Active ones that end within 7 days." example:"3"`
	Roles      int `json:"distinct_role_count" doc:"Different roles, over all of these." example:"6"`
}

// recentHolder is a person in a summary.
type recentHolder struct {
	ID        principal.IdentityID `json:"id"         doc:"The identity's id."`
	FirstName string               `json:"first_name" doc:"First name." example:"Ann" maxLength:"100"`
	LastName  string               `json:"last_name"  doc:"Last name." example:"Lee" maxLength:"100"`
	Name      string               `json:"name"       doc:"First and last name." example:"Ann Lee" maxLength:"201"`
	AvatarURL *string              `json:"avatar_url" doc:"A picture." format:"uri"`
}

func viewRecent(n enduser.Named) recentHolder {
	return recentHolder{n.ID, n.FirstName, n.LastName, n.Name(), n.AvatarURL}
}

// nodeCounts counts what reaches a node.
type nodeCounts struct {
	GrantCounts

	Direct    int            `json:"direct_count"           doc:"Identities with an active assignment at this node, as in the tree." example:"3"`
	Inherited int            `json:"inherited_count"        doc:"Identities with one above it, as in the tree." example:"8"`
	CanManage bool           `json:"can_manage_assignments" doc:"Whether the caller may manage the tree here."`
	Recent    []recentHolder `json:"recent_identities"      doc:"Those with the newest assignments, the newest first." maxItems:"5"`
}

var (
	allPaging  = wire.Paged(assignment.Sorts)
	nodeGrants = wire.Paged(assignment.SortsAtNode)

	ofRoleID = wire.QueryID[rbac.RoleID]("role_id", "Only assignments of this role.")
	inState  = wire.QueryEnum("status", "Only those that are so just now.", assignment.Active, assignment.Scheduled,
		assignment.Expired)
	madeAt      = wire.QueryID[hierarchy.ID]("source_node_id", "Only those that were made at this node.")
	endsBy      = wire.QueryInstant("expires_before", "Only those that end then, or before.")
	ofIdentity  = wire.QueryID[principal.IdentityID]("identity_id", "Only those of this identity.")
	underNode   = wire.QueryID[hierarchy.ID]("under_node_id", "Only those at this node or below it.")
	reachingHow = wire.QueryEnum("access_type", "Only those that were made at this node, or above it.",
		assignment.Direct, assignment.Inherited)
)

// Routes registers the resource.
func (h *Holders) Routes(rt *wire.Router) {
	all := rt.Twins("/assignments/app-wide", tagAssignments)
	wire.HandleTwins(all, wire.Route{
		Method: http.MethodGet, ID: "listAssignments", Summary: "List assignments",
		About: "One page of all that is assigned in the Environment, whatever its state; q looks in names and " +
			"addresses. No end is the latest one.",
		Needs:  permission.AssignmentsView,
		Params: []wire.Parameter{allPaging, ofRoleID, inState, madeAt, endsBy, ofIdentity, underNode},
		Status: http.StatusOK,
	}, h.list)
	wire.HandleTwins(all, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "summarizeAssignments", Summary: "Count assignments",
		About: "How many there are, by state, and of how many roles.",
		Needs: permission.AssignmentsView, Status: http.StatusOK,
	}, h.summary)
	at := rt.Twins("/nodes/{id}/identities", tagTree)
	wire.HandleTwins(at, wire.Route{
		Method: http.MethodGet, ID: "listNodeIdentities", Summary: "List who has access at a node",
		About: "One page of the assignments that reach the node: those made at it and those made above it, whatever " +
			"their state. Whether one grants something, evaluate says.",
		Needs:  permission.HierarchyView,
		Params: []wire.Parameter{nodeID, nodeGrants, ofRoleID, reachingHow, inState, madeAt}, Status: http.StatusOK,
	}, h.listAt)
	wire.HandleTwins(at, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "summarizeNodeIdentities", Summary: "Count who has access at a node",
		About: "Identities as the tree counts them, and the assignments that reach the node by state.",
		Needs: permission.HierarchyView, Params: []wire.Parameter{nodeID}, Status: http.StatusOK,
	}, h.summaryAt)
}

func (h *Holders) list(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Page[holderRow], error) {
	rows, info, err := h.Grants.List(ctx, by.In, assignment.Query{
		Request: allPaging.Of(c), Role: ofRoleID.Of(c), State: inState.Of(c), Node: madeAt.Of(c), EndsBy: endsBy.Of(c),
		Identity: ofIdentity.Of(c), Under: underNode.Of(c),
	})
	return wire.PageOf(rows, info, err, viewHolder)
}

func (h *Holders) summary(ctx context.Context, _ *wire.Call, by wire.By, _ wire.None) (wire.Data[GrantCounts], error) {
	s, err := h.Grants.Summary(ctx, by.In)
	return wire.Of(GrantCounts(s), err)
}

func (h *Holders) listAt(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Page[holderRow], error) {
	rows, info, err := h.Grants.ListAt(ctx, by.In, nodeID.Of(c), assignment.Query{
		Request: nodeGrants.Of(c), Role: ofRoleID.Of(c), Access: reachingHow.Of(c), State: inState.Of(c), Node: madeAt.Of(c),
	})
	return wire.PageOf(rows, info, err, viewHolder)
}

func (h *Holders) summaryAt(
	ctx context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Data[nodeCounts], error) {
	s, err := h.Grants.SummaryAt(ctx, by.In, nodeID.Of(c))
	n := nodeCounts{
		GrantCounts: GrantCounts(s.Summary), Direct: s.Direct, Inherited: s.Inherited,
		CanManage: by.Caller.Holds(permission.HierarchyManage), Recent: []recentHolder{},
	}
	for _, who := range s.Recent {
		n.Recent = append(n.Recent, viewRecent(who))
	}
	return wire.Of(n, err)
}

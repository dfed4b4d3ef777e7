package accessapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/wire"
)

// Assignments serves what is assigned in an Environment.
type Assignments struct{ Grants *assignment.Service }

// fullAssignment is an assignment with everything it has.
type fullAssignment struct {
	ID         assignment.ID        `json:"id"                  doc:"The assignment's id."`
	IdentityID principal.IdentityID `json:"identity_id"         doc:"Who has the role."`
	NodeID     hierarchy.ID         `json:"application_node_id" doc:"Where: at this node and everything below it."`
	RoleID     rbac.RoleID          `json:"role_id"             doc:"What role it is."`
	From       *time.Time           `json:"effective_from"      doc:"From when on; null is from its creation on."`
	To         *time.Time           `json:"effective_to"        doc:"Until when, that instant excluded; null is for ever."`
	CreatedAt  time.Time            `json:"created_at"          doc:"When it came into being."`
	UpdatedAt  time.Time            `json:"updated_at"          doc:"When it was changed last."`
}

func viewAssignment(a assignment.Assignment) fullAssignment {
	from, to := a.Window.Times()
	return fullAssignment{a.ID, a.Identity, a.Node, a.Role, from, to, a.CreatedAt, a.UpdatedAt}
}

const maxBulkAssignments = 1000

type bulkAssignments struct {
	Assignments wire.Rows[assignment.Draft] `json:"assignments" nullable:"false" doc:"1 to 1000 rows; each is judged by itself." minItems:"1" maxItems:"1000"`
}

// Rules implements text.Ruled.
func (b *bulkAssignments) Rules(f *text.Fields) {
	n := len(b.Assignments)
	f.Check("assignments", n >= 1 && n <= maxBulkAssignments, "must hold 1 to 1000 rows")
}

var (
	tagAssignments = wire.Tag{Name: "Assignments", About: "Who holds which role where, and when."}
	assignmentID   = wire.PathID[assignment.ID]("id", "The assignment's id.", assignment.ErrNotFound)
)

// givingRole are the faults of a role that is to be given.
var givingRole = []*fault.Error{
	rbac.ErrRoleNotFound, hierarchy.ErrReservedType, assignment.ErrSystemRole, assignment.ErrInactive,
	assignment.ErrConflict,
}

// giving are the faults of a new assignment.
var giving = append([]*fault.Error{enduser.ErrNotFound, hierarchy.ErrNotFound}, givingRole...)

// Routes registers the resource.
func (h *Assignments) Routes(rt *wire.Router) {
	g := rt.Twins("/assignments", tagAssignments)
	one := []wire.Parameter{assignmentID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createAssignment", Summary: "Assign a role",
		About: "Gives one identity one role at one node and everything below it, from that moment on or within a window.",
		Needs: permission.AssignmentsManage, Idempotent: true, Status: http.StatusCreated,
		Faults: giving, Writes: []wire.EventType{assignment.Created},
	}, h.create)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateAssignment", Summary: "Change an assignment",
		About: "Its role, its window, or both. Identity and node are fixed.",
		Needs: permission.AssignmentsManage, Params: one, Status: http.StatusOK,
		Faults: givingRole, Writes: []wire.EventType{assignment.Updated},
	}, h.update)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "deleteAssignment", Summary: "Remove an assignment",
		About: "What it granted is denied at once, unless something else grants it.",
		Needs: permission.AssignmentsManage, Params: one, Status: http.StatusNoContent,
		Faults: []*fault.Error{hierarchy.ErrReservedType}, Writes: []wire.EventType{assignment.Removed},
	}, h.delete)
	h.bulkRoutes(rt, g)
}

func (h *Assignments) bulkRoutes(rt *wire.Router, g wire.Twins) {
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-create", ID: "bulkCreateAssignments", Summary: "Assign many roles",
		About: "Each row is judged by itself, and all good ones are stored together; 207 says that some were not.",
		Needs: permission.AssignmentsManage, Idempotent: true, Body: wire.BodyRows,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus},
		Faults: giving, Writes: []wire.EventType{assignment.BulkCreated},
	}, h.createMany)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-remove", ID: "bulkRemoveAssignments", Summary: "Remove many assignments",
		About: "All of them, or none.",
		Needs: permission.AssignmentsManage, Body: wire.BodyRows, Status: http.StatusNoContent,
		Faults: []*fault.Error{assignment.ErrNotFound, hierarchy.ErrReservedType},
		Writes: []wire.EventType{assignment.BulkRemoved},
	}, h.removeMany)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-change-role", ID: "bulkChangeAssignmentRole",
		Summary: "Give many assignments another role",
		About:   "All of them, or none. Windows stay, and so do those that have the role.",
		Needs:   permission.AssignmentsManage, Body: wire.BodyRows, Status: http.StatusOK,
		Faults: append([]*fault.Error{assignment.ErrNotFound}, givingRole...),
		Writes: []wire.EventType{assignment.BulkRoleChanged},
	}, h.changeRole)
	wire.Handle(rt.InEnvironment("/assignments", tagAssignments), wire.Route{
		Method: http.MethodPost, Path: "/bulk-change-window", ID: "bulkChangeAssignmentWindow",
		Summary: "Give many assignments another window",
		About:   "All of them, or none. An end that is absent stays, null takes it away; one of the two is given.",
		Needs:   permission.AssignmentsManage, Body: wire.BodyRows, Status: http.StatusOK,
		Faults: []*fault.Error{assignment.ErrNotFound}, Writes: []wire.EventType{assignment.Updated},
	}, h.changeWindow)
}

func (h *Assignments) create(
	ctx context.Context, _ *wire.Call, by wire.By, in assignment.Draft,
) (wire.Data[fullAssignment], error) {
	a, err := h.Grants.Create(ctx, by.Actor, by.In, in)
	return wire.Of(viewAssignment(a), err)
}

func (h *Assignments) update(
	ctx context.Context, c *wire.Call, by wire.By, in assignment.Change,
) (wire.Data[fullAssignment], error) {
	a, err := h.Grants.Update(ctx, by.Actor, by.In, assignmentID.Of(c), in)
	return wire.Of(viewAssignment(a), err)
}

func (h *Assignments) delete(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Grants.Remove(ctx, by.Actor, by.In, assignmentID.Of(c))
}

func (h *Assignments) createMany(
	ctx context.Context, c *wire.Call, by wire.By, in bulkAssignments,
) (wire.Bulk[fullAssignment], error) {
	do := func(rows []assignment.Draft) ([]wire.Outcome[fullAssignment], error) {
		results, err := h.Grants.BulkCreate(ctx, by.Actor, by.In, rows, len(in.Assignments))
		list := make([]wire.Outcome[fullAssignment], len(results))
		for i, r := range results {
			list[i] = wire.Outcome[fullAssignment]{Made: viewAssignment(r.Made), Err: r.Err}
		}
		return list, err
	}
	return wire.AllRows(c, in.Assignments, nil, do)
}

func (h *Assignments) removeMany(
	ctx context.Context, _ *wire.Call, by wire.By, in assignment.Some,
) (wire.Empty, error) {
	return wire.Empty{}, h.Grants.BulkRemove(ctx, by.Actor, by.In, in)
}

func (h *Assignments) changeRole(
	ctx context.Context, _ *wire.Call, by wire.By, in assignment.NewRole,
) (wire.Data[wire.Message], error) {
	return wire.Say("Assignments updated", h.Grants.BulkChangeRole(ctx, by.Actor, by.In, in))
}

func (h *Assignments) changeWindow(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], in assignment.NewWindow,
) (wire.Data[wire.Message], error) {
	return wire.Say("Assignments updated", h.Grants.BulkChangeWindow(ctx, by.Actor, by.In, in))
}

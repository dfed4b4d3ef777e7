package accessapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/platform/wire"
)

// Nodes serves the nodes of a tree, one by one.
type Nodes struct{ Tree *hierarchy.Service }

// Node is a node with everything it has. It is exported for the schema alone: others embed
// it.
type Node struct {
	ID            hierarchy.ID        `json:"id"             doc:"The node's id."`
	ApplicationID scope.ApplicationID `json:"application_id" doc:"The Application."`
	ParentID      *hierarchy.ID       `json:"parent_node_id" doc:"The node above it; null for the root only."`
	Type          string              `json:"node_type"      doc:"A type of the schema." example:"region" maxLength:"100"`
	Name          string              `json:"name"           doc:"Its name." example:"North" maxLength:"200"`
	Description   *string             `json:"description"    doc:"What it is." maxLength:"1000"`
	Slug          string              `json:"slug"           doc:"Its slug, unique among its siblings." example:"north" maxLength:"63"`
	Status        hierarchy.Status    `json:"status"         doc:"An inactive node grants nothing, nor does anything below it."`
	Metadata      jsontext.Value      `json:"metadata"       doc:"Free JSON object." type:"object"`
	CreatedAt     time.Time           `json:"created_at"     doc:"When it came into being."`
	UpdatedAt     time.Time           `json:"updated_at"     doc:"When it was changed last."`
	Version       int                 `json:"version"        doc:"Starts at 1 and grows with each change." example:"1"`
}

func viewNode(in scope.Environment, n hierarchy.Node) Node {
	return Node{
		n.ID, in.Application.ID, above(n), n.Type, n.Name, n.Description, n.Slug, n.Status, n.Metadata,
		n.CreatedAt, n.UpdatedAt, n.Version,
	}
}

// above is the parent, nil for the root.
func above(n hierarchy.Node) *hierarchy.ID {
	if n.IsRoot() {
		return nil
	}
	return &n.Parent
}

// seenNode is a node with what the caller may do there.
type seenNode struct {
	Node

	AccessState hierarchy.State `json:"access_state"   doc:"Whether the caller may look below it, or only sees it on the way."`
	CanAccess   bool            `json:"can_access"     doc:"Whether the caller may look below it."`
	CanManage   bool            `json:"can_manage"     doc:"Whether the caller may change it."`
}

func viewSeen(in scope.Environment, n hierarchy.Node, s hierarchy.Seen) seenNode {
	return seenNode{viewNode(in, n), s.State, s.State == hierarchy.Accessible, s.Manages}
}

var (
	tagTree = wire.Tag{Name: "Hierarchy", About: "The tree of an Environment, and the schema that it follows."}
	nodeID  = wire.PathID[hierarchy.ID]("id", "The node's id.", hierarchy.ErrNotFound)
)

// sight is what a caller sees of the tree: portal users and API keys with the right see all
// of it.
func sight(by wire.By) hierarchy.View {
	return hierarchy.Everywhere(by.Caller.Holds(permission.HierarchyManage))
}

// moving are the faults of putting a node somewhere else.
var moving = []*fault.Error{
	hierarchy.ErrCycle, hierarchy.ErrInvalidParent, hierarchy.ErrMaxDepth, hierarchy.ErrSlugTaken,
	hierarchy.ErrSchemaNotConfigured,
}

// Routes registers the resource.
func (h *Nodes) Routes(rt *wire.Router) {
	g := rt.Twins("/nodes", tagTree)
	one := []wire.Parameter{nodeID}
	kept := []*fault.Error{fault.VersionConflict, hierarchy.ErrRootProtected, hierarchy.ErrReservedType}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createNode", Summary: "Create a node",
		About: "Below a parent whose type allows it. A slug that is not given is made of the name.",
		Needs: permission.HierarchyManage, Idempotent: true, ETag: true, Status: http.StatusCreated,
		Faults: []*fault.Error{
			hierarchy.ErrNotFound, hierarchy.ErrSchemaNotConfigured, hierarchy.ErrReservedType, hierarchy.ErrInvalidType,
			hierarchy.ErrRootExists, hierarchy.ErrInvalidParent, hierarchy.ErrMaxDepth, hierarchy.ErrLimitReached,
			hierarchy.ErrSlugTaken,
		},
		Writes: []wire.EventType{hierarchy.Created},
	}, h.create)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getNode", Summary: "Read a node",
		About: "One node of the tree, with what the caller may do there.",
		Needs: permission.HierarchyView, Params: one, ETag: true, Status: http.StatusOK,
	}, h.get)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateNode", Summary: "Change a node",
		About: "Absent fields stay as they are. Another parent moves it, with everything below it.",
		Needs: permission.HierarchyManage, Params: one, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: append(kept, moving...), Writes: []wire.EventType{hierarchy.Updated, hierarchy.Moved},
	}, h.update)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "deleteNode", Summary: "Delete a node",
		About: "With everything below it. It can't be undone.",
		Needs: permission.HierarchyManage, Params: one, IfMatch: true, Status: http.StatusNoContent,
		Faults: kept, Writes: []wire.EventType{hierarchy.Deleted, identityinvite.Withdrawn},
	}, h.delete)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/move", ID: "moveNode", Summary: "Move a node",
		About: "With everything below it. Assignments stay on their nodes, and access follows at once.",
		Needs: permission.HierarchyManage, Params: one, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: append(kept, moving...), Writes: []wire.EventType{hierarchy.Moved},
	}, h.move)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/ancestors", ID: "listAncestors", Summary: "List what lies above a node",
		About: "The root first, and the node itself last.",
		Needs: permission.HierarchyView, Params: one, Status: http.StatusOK,
	}, h.ancestors)
}

func (h *Nodes) create(
	ctx context.Context, c *wire.Call, by wire.By, in hierarchy.Draft,
) (wire.Data[Node], error) {
	n, err := h.Tree.Create(ctx, by.Actor, by.In, in)
	return wire.OfVersion(c, viewNode(by.In, n), n.Version, err)
}

func (h *Nodes) get(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Data[seenNode], error) {
	n, seen, err := h.Tree.Get(ctx, by.In, sight(by), nodeID.Of(c))
	return wire.OfVersion(c, viewSeen(by.In, n, seen), n.Version, err)
}

func (h *Nodes) update(
	ctx context.Context, c *wire.Call, by wire.By, in hierarchy.Change,
) (wire.Data[Node], error) {
	n, err := h.Tree.Update(ctx, by.Actor, by.In, nodeID.Of(c), in, c.Version(), wire.ShownIn(by.In, viewNode))
	return wire.OfVersion(c, viewNode(by.In, n), n.Version, err)
}

func (h *Nodes) delete(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Tree.Delete(ctx, by.Actor, by.In, nodeID.Of(c), c.Version(), wire.ShownIn(by.In, viewNode))
}

func (h *Nodes) move(ctx context.Context, c *wire.Call, by wire.By, in hierarchy.Move) (wire.Data[Node], error) {
	n, err := h.Tree.Move(ctx, by.Actor, by.In, nodeID.Of(c), in, c.Version(), wire.ShownIn(by.In, viewNode))
	return wire.OfVersion(c, viewNode(by.In, n), n.Version, err)
}

func (h *Nodes) ancestors(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Items[Node], error) {
	list, err := h.Tree.Ancestors(ctx, by.In, sight(by), nodeID.Of(c))
	return wire.ItemsOf(list, err, func(n hierarchy.Node) Node { return viewNode(by.In, n) })
}

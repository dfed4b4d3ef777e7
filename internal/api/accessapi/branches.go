package accessapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// Branches serves what a dashboard needs to open a tree piece by piece.
type Branches struct{ Tree *hierarchy.Service }

// branchRow is a node in an opened tree.
type branchRow struct {
	ID             hierarchy.ID     `json:"id"                      doc:"The node's id."`
	ParentID       *hierarchy.ID    `json:"parent_node_id"          doc:"The node above it; null for the root only."`
	Type           string           `json:"node_type"               doc:"A type of the schema." example:"region" maxLength:"100"`
	Name           string           `json:"name"                    doc:"Its name." example:"North" maxLength:"200"`
	Slug           string           `json:"slug"                    doc:"Its slug." example:"north" maxLength:"63"`
	Status         hierarchy.Status `json:"status"                  doc:"Its own status."`
	Live           bool             `json:"live"                    doc:"Whether it and everything above it are active."`
	Version        int              `json:"version"                 doc:"Starts at 1 and grows with each change." example:"1"`
	ChildCount     int              `json:"child_count"             doc:"How many children it has." example:"4"`
	DirectCount    int              `json:"direct_count"            doc:"Identities with an assignment at this node." example:"0"`
	InheritedCount int              `json:"inherited_count"         doc:"Identities with an assignment above it." example:"0"`
	SiblingIndex   *int             `json:"sibling_index,omitempty" nullable:"false" doc:"On a path: its place among its siblings, from 0." example:"0"`
}

func viewRow(r hierarchy.Row) branchRow {
	return branchRow{
		ID: r.ID, ParentID: above(r.Node), Type: r.Type, Name: r.Name, Slug: r.Slug, Status: r.Status, Live: r.Live,
		Version: r.Version, ChildCount: r.Children, DirectCount: r.Direct, InheritedCount: r.Inherited,
	}
}

// branch is a piece of a node's children.
type branch struct {
	Items      []branchRow `json:"items"      doc:"Children in tree order." maxItems:"200"`
	Pagination branchPiece `json:"pagination" doc:"Which piece it is."`
}

type branchPiece struct {
	Offset    int `json:"offset"     doc:"Children before the first of the piece." example:"0"`
	Limit     int `json:"limit"      doc:"The most items of the piece." example:"100"`
	ItemCount int `json:"item_count" doc:"All children of the node." example:"4"`
}

type treeSummary struct {
	Total    int            `json:"total"    doc:"All nodes." example:"41"`
	Active   int            `json:"active"   doc:"Nodes that are active themselves." example:"40"`
	Inactive int            `json:"inactive" doc:"Nodes that are inactive themselves." example:"1"`
	Deepest  int            `json:"deepest"  doc:"The greatest depth; the root is at 1." example:"4"`
	ByType   map[string]int `json:"by_type"  doc:"Nodes of each type."`
}

// branchOf is the id of a node, or the word root.
var branchOf = wire.PathWord("id", "The node's id, or root.", "root", hierarchy.ErrNotFound)

var (
	branchOffset = wire.QueryNumber("offset", "How many children are left out before the first.", 0, 0, 1<<31-1)
	branchLimit  = wire.QueryNumber("limit", "How many children are told.", 100, 1, 200)
)

// Routes registers the resource.
func (h *Branches) Routes(rt *wire.Router) {
	g := rt.InEnvironment("/nodes", tagTree)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/branch", ID: "getBranch", Summary: "Open a node",
		About: "A piece of its children, in tree order; it costs the same whatever the tree's size.",
		Needs: permission.HierarchyView, Params: []wire.Parameter{branchOf, branchOffset, branchLimit},
		Status: http.StatusOK,
	}, h.branch)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/path", ID: "getNodePath", Summary: "Find the way to a node",
		About: "The root first and the node last, each with its place among its siblings.",
		Needs: permission.HierarchyView, Params: []wire.Parameter{nodeID}, Status: http.StatusOK,
	}, h.path)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "getTreeSummary", Summary: "Count nodes",
		About: "How many nodes there are, by type and status, and how deep the tree is.",
		Needs: permission.HierarchyView, Status: http.StatusOK,
	}, h.summary)
}

func (h *Branches) branch(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (branch, error) {
	offset, limit := branchOffset.Of(c), branchLimit.Of(c)
	of, err := id.Parse[hierarchy.ID](branchOf.Of(c))
	if err != nil {
		of = hierarchy.ID{}
	}
	rows, total, err := h.Tree.Branch(ctx, by.In, of, offset, limit)
	b := branch{Items: []branchRow{}, Pagination: branchPiece{offset, limit, total}}
	for _, r := range rows {
		b.Items = append(b.Items, viewRow(r))
	}
	return b, err
}

func (h *Branches) path(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Items[branchRow], error) {
	rows, err := h.Tree.Path(ctx, by.In, nodeID.Of(c))
	return wire.ItemsOf(rows, err, func(r hierarchy.Row) branchRow {
		v := viewRow(r)
		v.SiblingIndex = &r.SiblingIndex
		return v
	})
}

func (h *Branches) summary(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Data[treeSummary], error) {
	s, err := h.Tree.Summary(ctx, by.In)
	return wire.Of(treeSummary{s.Total, s.Active, s.Inactive, s.Deepest, s.ByType}, err)
}

package accessapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// Tree serves trees and pieces of them.
type Tree struct{ Tree *hierarchy.Service }

// treeNode is a node of a tree that is told whole.
type treeNode struct {
	ID             hierarchy.ID     `json:"id"                    doc:"The node's id."`
	Name           string           `json:"name"                  doc:"Its name." example:"North" maxLength:"200"`
	Description    *string          `json:"description"           doc:"What it is." maxLength:"1000"`
	Slug           string           `json:"slug"                  doc:"Its slug, unique among its siblings." example:"north" maxLength:"63"`
	Type           string           `json:"node_type"             doc:"A type of the schema." example:"region" maxLength:"100"`
	ParentID       *hierarchy.ID    `json:"parent_node_id"        doc:"The node above it; null for the root only."`
	Status         hierarchy.Status `json:"status"                doc:"An inactive node grants nothing, nor does anything below it."`
	AccessState    hierarchy.State  `json:"access_state"          doc:"Whether the caller may look below it, or only sees it on the way."`
	CanAccess      bool             `json:"can_access"            doc:"Whether the caller may look below it."`
	CanManage      bool             `json:"can_manage"            doc:"Whether the caller may change it."`
	Version        int              `json:"version"               doc:"Starts at 1 and grows with each change." example:"1"`
	DirectCount    int              `json:"direct_count"          doc:"Identities with an assignment at this node." example:"0"`
	InheritedCount int              `json:"inherited_count"       doc:"Identities with an assignment above it." example:"0"`
	ChildCount     *int             `json:"child_count,omitempty" nullable:"false" doc:"Where only a part is told: how many children it has." example:"2"`
	Children       []treeNode       `json:"children"              doc:"The nodes below it, by name." maxItems:"1000000"`
}

// treeScope says what the caller's view of the tree is, in tree order.
type treeScope struct {
	Accessible []hierarchy.ID `json:"accessible_node_ids" doc:"Nodes that the caller may look at." maxItems:"1000000"`
	Roots      []hierarchy.ID `json:"scope_root_node_ids" doc:"Entries that have no other entry above them." maxItems:"1000000"`
	Entries    []hierarchy.ID `json:"entry_node_ids"      doc:"Nodes at which the caller's right begins." maxItems:"1000000"`
}

// scopedTree is a tree with what the caller sees of it.
type scopedTree struct {
	Tree  []treeNode `json:"tree"  doc:"The root, with everything below it; empty where nothing is seen." maxItems:"1"`
	Scope treeScope  `json:"scope" doc:"What the caller sees of it."`
}

type parentEdge struct {
	ID       hierarchy.ID  `json:"id"             doc:"A live node."`
	ParentID *hierarchy.ID `json:"parent_node_id" doc:"The node above it; null for the root only."`
}

// someNodes is a list that is paged where that was asked for.
type someNodes struct {
	Items      []Node     `json:"items" doc:"The children, by name." maxItems:"1000000"`
	Pagination *page.Info `json:"pagination,omitempty" nullable:"false" doc:"Where a page was asked for."`
}

type pathNode struct {
	ID   hierarchy.ID `json:"id"   doc:"The node's id."`
	Name string       `json:"name" doc:"Its name." example:"North" maxLength:"200"`
	Slug string       `json:"slug" doc:"Its slug." example:"north" maxLength:"63"`
}

// foundNode is a node with the way to it.
type foundNode struct {
	Node

	Path    []pathNode `json:"path"           doc:"The way to it: the root first, the node last." maxItems:"16"`
	Matched string     `json:"matched_path,omitempty" doc:"The path of the request that leads here." example:"acme/north" maxLength:"1100"`
}

var (
	treeRoot  = wire.QueryID[hierarchy.ID]("root", "Where the tree starts; the root when absent.")
	treeDepth = wire.QueryNumber("depth", "How many levels are told, the first included; all when absent.", 0, 1, 16)

	childPage = wire.QueryNumber("page", "Which page, from 1; with it, or with take, the answer is paged.", 0, 1, 1<<31-1)
	childTake = wire.QueryNumber("take", "How many items a page holds, 20 when absent.", 0, 1, 100)
	childText = wire.QueryFilter("q", "On a page: part of the name or slug, without regard to case.", 800, "north")

	nodePaging = wire.Paged(hierarchy.Sorts)
	nodeType   = wire.QueryFilter("node_type", "Only nodes of this type.", 100, "region")
	nodeStatus = wire.QueryEnum("status", "Only nodes of this status.", hierarchy.Active, hierarchy.Inactive)
	nodeUnder  = wire.QueryID[hierarchy.ID]("under", "Only this node and what lies below it.")
	nodeIDs    = wire.QueryIDs[hierarchy.ID]("ids", "Only these, comma-separated, at most 100.", 100)
	nodePaths  = wire.QueryTexts("paths", "Only the nodes at these slug paths, comma-separated, at most 100; "+
		"the root's own slug comes first.", 100, "acme/north")
)

// Routes registers the resource.
func (h *Tree) Routes(rt *wire.Router) {
	g := rt.Twins("/nodes", tagTree)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listNodes", Summary: "Read the tree",
		About: "The whole tree, nested, or a part of it.",
		Needs: permission.HierarchyView, Params: []wire.Parameter{treeRoot, treeDepth}, Validator: true,
		Status: http.StatusOK,
	}, h.whole)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/parents", ID: "listNodeParents", Summary: "Read the edges of the tree",
		About: "Each live node with its parent: an inactive node and everything below it are left out. " +
			"The validator changes with the tree alone.",
		Needs: permission.HierarchyView, Validator: true, Status: http.StatusOK,
	}, h.parents)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/search", ID: "searchNodes", Summary: "Find nodes",
		About:  "One page of the nodes that match, each with the way to it.",
		Needs:  permission.HierarchyView,
		Params: []wire.Parameter{nodePaging, nodeType, nodeStatus, nodeUnder, nodeIDs, nodePaths},
		Status: http.StatusOK,
	}, h.search)
	denied := []*fault.Error{fault.PermissionDenied}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/tree", ID: "getSubtree", Summary: "Read a subtree",
		About: "A node with everything below it, or with some levels.",
		Needs: permission.HierarchyView, Params: []wire.Parameter{nodeID, treeDepth}, Status: http.StatusOK, Faults: denied,
	}, h.subtree)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/children", ID: "listChildren", Summary: "List a node's children",
		About: "One level, by name; all of it, or a page.",
		Needs: permission.HierarchyView, Params: []wire.Parameter{nodeID, childPage, childTake, childText},
		Status: http.StatusOK, Faults: denied,
	}, h.children)
}

func (h *Tree) whole(
	_ context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Streamed[wire.Data[scopedTree]], error) {
	w := hierarchy.Walk{View: sight(by), From: treeRoot.Of(c), Depth: treeDepth.Of(c), Counted: true}
	return wire.Streamed[wire.Data[scopedTree]]{Write: func(ctx context.Context, out *wire.StreamWriter) error {
		t := &treeWriter{
			out: out, tag: "nodes-", view: w.View, part: !w.From.IsZero() || w.Depth > 0, scoped: true,
		}
		t.text(`{"data":{"tree":[`)
		if err := h.Tree.Walk(ctx, by.In, w, t); err != nil || t.unchanged {
			return err
		}
		t.text(`],"scope":{`)
		t.ids(`"accessible_node_ids":[`, t.accessible.all())
		t.ids(`],"scope_root_node_ids":[`, t.roots.all())
		t.ids(`],"entry_node_ids":[`, t.entries.all())
		t.text(`]}}}`)
		return t.flush()
	}}, nil
}

func (h *Tree) subtree(
	_ context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Streamed[wire.Data[treeNode]], error) {
	w := hierarchy.Walk{
		View: sight(by), From: nodeID.Of(c), Depth: treeDepth.Of(c), Accessible: true, Counted: true,
	}
	return wire.Streamed[wire.Data[treeNode]]{Write: func(ctx context.Context, out *wire.StreamWriter) error {
		t := &treeWriter{out: out, part: w.Depth > 0}
		t.text(`{"data":`)
		if err := h.Tree.Walk(ctx, by.In, w, t); err != nil {
			return err
		}
		t.text(`}`)
		return t.flush()
	}}, nil
}

func (h *Tree) parents(
	_ context.Context, _ *wire.Call, by wire.By, _ wire.None,
) (wire.Streamed[wire.Items[parentEdge]], error) {
	w := hierarchy.Walk{View: sight(by), Live: true}
	return wire.Streamed[wire.Items[parentEdge]]{Write: func(ctx context.Context, out *wire.StreamWriter) error {
		e := &edgeWriter{treeWriter{out: out, tag: "parents-"}}
		e.text(`{"items":[`)
		if err := h.Tree.Walk(ctx, by.In, w, e); err != nil || e.unchanged {
			return err
		}
		e.text(`]}`)
		return e.flush()
	}}, nil
}

func (h *Tree) children(
	_ context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Streamed[someNodes], error) {
	of, number, take := nodeID.Of(c), childPage.Of(c), childTake.Of(c)
	if number > 0 || take > 0 {
		r := page.Request{Page: max(1, number), Take: take, Q: childText.Of(c)}
		if r.Take == 0 {
			r.Take = 20
		}
		return wire.Streamed[someNodes]{Write: func(ctx context.Context, out *wire.StreamWriter) error {
			list, info, err := h.Tree.ChildPage(ctx, by.In, sight(by), of, r)
			if err != nil {
				return err
			}
			some := someNodes{Items: []Node{}, Pagination: &info}
			for _, n := range list {
				some.Items = append(some.Items, viewNode(by.In, n))
			}
			return encode(out, some)
		}}, nil
	}
	return wire.Streamed[someNodes]{Write: func(ctx context.Context, out *wire.StreamWriter) error {
		t := &treeWriter{out: out}
		t.text(`{"items":[`)
		first := true
		err := h.Tree.Children(ctx, by.In, sight(by), of, func(n hierarchy.Node) error {
			if !first {
				t.text(`,`)
			}
			first = false
			return t.value(viewNode(by.In, n))
		})
		if err != nil {
			return err
		}
		t.text(`]}`)
		return t.flush()
	}}, nil
}

func (h *Tree) search(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Page[foundNode], error) {
	hits, info, err := h.Tree.Search(ctx, by.In, hierarchy.Query{
		Request: nodePaging.Of(c), Type: nodeType.Of(c), Status: nodeStatus.Of(c), Under: nodeUnder.Of(c),
		IDs: nodeIDs.Of(c), Paths: nodePaths.Of(c),
	})
	return wire.PageOf(hits, info, err, func(hit hierarchy.Hit) foundNode { return viewFound(by.In, hit) })
}

func viewFound(in scope.Environment, hit hierarchy.Hit) foundNode {
	v := foundNode{viewNode(in, hit.Node), []pathNode{}, hit.Matched}
	for _, n := range hit.Path {
		v.Path = append(v.Path, pathNode{n.ID, n.Name, n.Slug})
	}
	return v
}

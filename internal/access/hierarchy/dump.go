package hierarchy

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// DumpedNode is a node as a dump has it.
type DumpedNode struct {
	ID          string         `json:"id"                   doc:"What the parents of other nodes name it by." format:"uuid"`
	Ref         *string        `json:"ref,omitempty"        doc:"By which it is known again after it was renamed or moved." nullable:"false" format:"uuid"`
	ParentID    *string        `json:"parent_node_id"       doc:"The node above it; null for the root only." format:"uuid"`
	Type        string         `json:"node_type"            doc:"A type of the schema."`
	Name        string         `json:"name"                 doc:"Its name."`
	Description text.Clearable `json:"description,omitzero" doc:"What it is."`
	Slug        string         `json:"slug"                 doc:"Its slug, unique among its siblings."`
	Status      *Status        `json:"status,omitempty"     doc:"An inactive node grants nothing, nor does anything below it; active when absent." nullable:"false"`
	Metadata    jsontext.Value `json:"metadata,omitempty"   doc:"Free JSON object, at most 64 KiB and 8 levels; {} when absent." type:"object"`
}

// Rules implements text.Ruled.
func (d *DumpedNode) Rules(f *text.Fields) {
	f.Field("node_type", &d.Type, typeRule)
	f.Field("name", &d.Name, nameRule)
	f.Clearable("description", &d.Description, text.DescriptionRule)
	f.Field("slug", &d.Slug, text.SlugRule)
	f.Check("status", d.Status == nil || *d.Status == Active || *d.Status == Inactive, "must be active or inactive")
	f.Object("metadata", d.Metadata)
}

// Dump tells of every ordinary node of a tree, with all that it has: parents first,
// siblings in tree order; depth is 1 at the root. Nodes of the product's own types are left
// out, with everything below them. It holds a bounded part of the tree at a time.
func Dump(
	ctx context.Context, tx *database.Tx, in scope.Environment, each func(n Node, depth int) error,
) error {
	root, err := found(scanWhole(tx.QueryRow(ctx, selectWholeRoot, in.ID)))
	if err != nil {
		return err
	}
	t := &treeWalk{
		reading: whole(), ctx: ctx, tx: tx, in: in, w: Walk{View: Everywhere(false), Ordinary: true},
		holders: nobody{},
	}
	t.to = &dumped{walk: t, each: each}
	_, err = t.visit(&branch{node: root}, true)
	return err
}

// dumped hands on the nodes of a walk.
type dumped struct {
	walk *treeWalk
	each func(n Node, depth int) error
}

// Begin implements Walker.
func (*dumped) Begin(string) (stop bool, err error) { return false, nil }

// Enter implements Walker.
func (d *dumped) Enter(n Node, _ Seen, _ bool) error { return d.each(n, len(d.walk.way)) }

// Leave implements Walker.
func (*dumped) Leave(Node) error { return nil }

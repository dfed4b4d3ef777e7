package hierarchy

import (
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/text"
)

type nodeKind struct{}

// ID names a node.
type ID = id.Of[nodeKind]

// Status says whether a node and what lies below it grant anything.
type Status string

// The statuses of nodes that are there; a deleted node has none that anybody sees.
const (
	Active   Status = "active"
	Inactive Status = "inactive"
)

// Enum lists the statuses, for schemas.
func (Status) Enum() []string { return []string{string(Active), string(Inactive)} }

// Node is a place in the tree.
type Node struct {
	ID          ID
	Parent      ID // zero: the root
	Type        string
	Name        string
	Slug        string // unique among its siblings
	Description *string
	Status      Status
	Metadata    jsontext.Value // a JSON object; not read for trees
	Children    int            // that are not deleted
	Version     int
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Ref         ID // of the node that this is a copy of, else its own; read for dumps alone

	nameFold string
}

// IsRoot reports whether the node is the root of its tree.
func (n Node) IsRoot() bool { return n.Parent.IsZero() }

// RootType is the type of a root until a schema names another.
const RootType = "root"

// reserved begins the types that belong to the product.
const reserved = "canopy:"

// IsReserved reports whether a type is one of the product's own.
func IsReserved(nodeType string) bool { return strings.HasPrefix(nodeType, reserved) }

// MaxNodes is how many nodes an Environment may have that are not deleted.
const MaxNodes = 1_000_000

const maxDepth = 16

// The faults of nodes.
var (
	ErrNotFound      = fault.New(fault.NotFound, "nodes.node_not_found", "Organization node not found")
	ErrRootProtected = fault.New(fault.Invalid, "nodes.root_protected",
		"The root can't be moved, deleted or made inactive")
	ErrCycle         = fault.New(fault.Invalid, "nodes.cycle", "A node can't be moved below itself")
	ErrInvalidParent = fault.New(fault.Invalid, "nodes.invalid_parent",
		"The schema does not allow this type below that parent")
	ErrMaxDepth = fault.New(fault.Invalid, "nodes.max_depth_exceeded",
		"The tree would be deeper than the schema allows")
	ErrInvalidType  = fault.New(fault.Invalid, "nodes.invalid_type", "The schema has no such node type")
	ErrReservedType = fault.New(fault.Invalid, "nodes.reserved_type", "Types that begin with canopy: are reserved")
	ErrRootExists   = fault.New(fault.Conflict, "nodes.root_exists", "The tree has a root already; name a parent")
	ErrSlugTaken    = fault.New(fault.Conflict, "nodes.slug_taken", "A sibling has this slug")
	ErrLimitReached = fault.New(fault.Invalid, "nodes.limit_reached", "The tree has as many nodes as it may have")
)

// The rules of a node's values.
var (
	nameRule = text.Rule{
		Normalize: func(s string) (string, string) { return text.NameUpTo(s, 200) },
		MinLength: 1, MaxLength: 200, Example: "North",
	}
	// typeRule takes any text: one that is no type is not in the schema.
	typeRule = text.Rule{
		Normalize: func(s string) (string, string) {
			if len(s) > 100 {
				return "", "must be at most 100 characters"
			}
			return s, ""
		},
		MaxLength: 100, Example: "region",
	}
)

// Draft is a node to be made.
type Draft struct {
	ParentID    *string        `json:"parent_node_id,omitempty" nullable:"true" doc:"The node below which it is to lie. Null or absent asks for a root, of which there is one."`
	Type        string         `json:"node_type"                doc:"A type of the schema that the parent's type allows."`
	Name        string         `json:"name"                     doc:"Its name; siblings may share one."`
	Description text.Clearable `json:"description,omitzero"     doc:"What it is."`
	Slug        *string        `json:"slug,omitempty"           doc:"Unique among its siblings; made of the name when absent." nullable:"false"`
	Metadata    jsontext.Value `json:"metadata,omitempty"       doc:"Free JSON object, at most 64 KiB and 8 levels. Numbers keep their digits." type:"object"`
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) {
	f.Optional("parent_node_id", d.ParentID, text.IDRule)
	f.Field("node_type", &d.Type, typeRule)
	f.Field("name", &d.Name, nameRule)
	f.Clearable("description", &d.Description, text.DescriptionRule)
	f.Optional("slug", d.Slug, text.SlugRule)
	f.Object("metadata", d.Metadata)
}

// Change is what a caller wants changed; nil leaves a field as it is.
type Change struct {
	Name        *string        `json:"name,omitempty"           nullable:"false" doc:"Its name."`
	Description text.Clearable `json:"description,omitzero"     doc:"What it is; null clears."`
	Slug        *string        `json:"slug,omitempty"           nullable:"false" doc:"Its slug, unique among its siblings."`
	Status      *Status        `json:"status,omitempty"         nullable:"false" doc:"An inactive node grants nothing, nor does anything below it."`
	Metadata    jsontext.Value `json:"metadata,omitempty"       doc:"Free JSON object, replaced as a whole." type:"object"`
	ParentID    *string        `json:"parent_node_id,omitempty" nullable:"false" doc:"Where it is to lie from now on."`
}

// Rules implements text.Ruled.
func (c *Change) Rules(f *text.Fields) {
	f.Optional("name", c.Name, nameRule)
	f.Clearable("description", &c.Description, text.DescriptionRule)
	f.Optional("slug", c.Slug, text.SlugRule)
	f.Check("status", c.Status == nil || *c.Status == Active || *c.Status == Inactive, "must be active or inactive")
	f.Object("metadata", c.Metadata)
	f.Optional("parent_node_id", c.ParentID, text.IDRule)
}

// Move says where a node is to lie.
type Move struct {
	ParentID string `json:"parent_node_id" doc:"Where it is to lie from now on."`
}

// Rules implements text.Ruled.
func (m *Move) Rules(f *text.Fields) { f.Field("parent_node_id", &m.ParentID, text.IDRule) }

// applied is the node with a change made that leaves it in its place, and whether anything
// differs.
func (n Node) applied(c Change) (changed Node, differs bool, err error) {
	changed = n
	if c.Name != nil {
		changed.Name = *c.Name
	}
	if c.Description.Given {
		changed.Description = c.Description.Value
	}
	if c.Slug != nil {
		changed.Slug = *c.Slug
	}
	if c.Status != nil {
		changed.Status = *c.Status
	}
	if c.Metadata != nil {
		if changed.Metadata, err = text.CompactObject(c.Metadata); err != nil {
			return n, false, err
		}
	}
	differs = changed.Name != n.Name || changed.Slug != n.Slug || changed.Status != n.Status ||
		string(changed.Metadata) != string(n.Metadata) || shown(changed.Description) != shown(n.Description)
	return changed, differs, nil
}

func shown(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Sorts are the keys that search can sort by.
var Sorts = page.Sorts{
	{Key: "name", Column: "n.name_fold"},
	{Key: "created_at", Column: "n.created_at", Desc: true},
}

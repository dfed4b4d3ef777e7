package dump

import (
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Dump is what is configured in an Environment, in format 1. It is only described here:
// it is written and read piece by piece, and never held as a whole.
type Dump struct {
	FormatVersion int                     `json:"format_version"     doc:"The format of the dump." example:"1" minimum:"1"`
	Source        Source                  `json:"source_env"         doc:"Where it comes from."`
	Model         environment.Model       `json:"access_model"       doc:"flat or hierarchy."`
	Schema        Schema                  `json:"hierarchy_schema"   doc:"The schema of the tree; {} where none is stored."`
	Permissions   []rbac.DumpedPermission `json:"permissions"        doc:"The custom permissions, by key." maxItems:"10000"`
	Roles         []rbac.DumpedRole       `json:"roles"              doc:"The custom roles, by name." maxItems:"1000"`
	Nodes         []hierarchy.DumpedNode  `json:"nodes"              doc:"The tree, parents first." maxItems:"1000000"`
	Clients       []jsontext.Value        `json:"oauth_clients"      doc:"Always empty." maxItems:"0"`
	Webhooks      []jsontext.Value        `json:"webhooks"           doc:"Always empty." maxItems:"0"`
}

// Source says which Environment a dump comes from.
type Source struct {
	ID              string `json:"id"               doc:"Its id." format:"uuid" maxLength:"36"`
	Name            string `json:"name"             doc:"Its name." example:"Development" maxLength:"100"`
	Slug            string `json:"slug"             doc:"Its slug." example:"development" maxLength:"63"`
	ApplicationSlug string `json:"application_slug" doc:"The slug of its Application." example:"lease-desk" maxLength:"63"`
	ExportedAt      string `json:"exported_at"      doc:"When the dump was made." format:"date-time" maxLength:"64"`
}

// Schema is the schema of a tree, or nothing.
type Schema struct {
	NodeTypes       []string            `json:"node_types,omitempty"       doc:"The types of nodes." maxItems:"65"`
	AllowedChildren map[string][]string `json:"allowed_children,omitempty" doc:"The types that may lie below each type."`
	MaxDepth        int                 `json:"max_depth,omitempty"        doc:"How deep the tree may be; the root is at depth 1." example:"4"`
	RootNodeType    string              `json:"root_node_type,omitempty"   doc:"The type of the root." example:"company" maxLength:"63"`
}

// DefaultLimit is how large a dump may be that is imported, in bytes.
const DefaultLimit = 64 << 20

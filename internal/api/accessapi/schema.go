package accessapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Schema serves the hierarchy schema of an Environment.
type Schema struct {
	Tree *hierarchy.Service
	// Environment is the Environment as its own door shows it: the data of a conflict.
	Environment func(environment.Environment) any
}

// Routes registers the resource.
func (h *Schema) Routes(rt *wire.Router) {
	g := rt.Twins("/hierarchy-schema", tagTree)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "getHierarchySchema", Summary: "Read the hierarchy schema",
		About: "Which types of nodes there are, what may lie below what, and how deep; null while none is stored. " +
			"The ETag is the Environment's version.",
		Needs: permission.HierarchyView, ETag: true, Status: http.StatusOK,
	}, h.get)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPatch, ID: "updateHierarchySchema", Summary: "Change the hierarchy schema",
		About: "Replaces it whole. Every node that is there must fit; the root takes its type. " +
			"If-Match is the Environment's version.",
		Needs: permission.HierarchyManage, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: []*fault.Error{fault.VersionConflict, hierarchy.ErrSchemaInvalid, hierarchy.ErrSchemaInUse},
		Writes: []wire.EventType{hierarchy.SchemaUpdated},
	}, h.update)
}

func (h *Schema) get(
	ctx context.Context, c *wire.Call, by wire.By, _ wire.None,
) (wire.Data[*environment.Schema], error) {
	e, err := h.Tree.Schema(ctx, by.In)
	return wire.OfVersion(c, e.Schema, e.Version, err)
}

func (h *Schema) update(
	ctx context.Context, c *wire.Call, by wire.By, in hierarchy.Schema,
) (wire.Data[*environment.Schema], error) {
	e, err := h.Tree.SetSchema(ctx, by.Actor, by.In, in, c.Version(), h.Environment)
	return wire.OfVersion(c, e.Schema, e.Version, err)
}

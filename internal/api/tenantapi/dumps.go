package tenantapi

import (
	"context"
	"io"
	"net/http"

	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// Dumps serves whole Environments in motion.
type Dumps struct{ Dumps *dump.Service }

var tagDumps = wire.Tag{
	Name: "Moving Environments", About: "Whole configurations: export, import, promote, make flat again.",
}

// Routes registers the resource.
func (h *Dumps) Routes(rt *wire.Router) {
	one := rt.InEnvironment("", tagDumps)
	wire.Handle(one, wire.Route{
		Method: http.MethodGet, Path: "/export", ID: "exportEnvironment", Summary: "Export an Environment",
		About: "What is configured in it, as one dump: access model and schema, custom permissions and roles, the tree. " +
			"No people, keys or secrets. Two dumps of the same state differ in exported_at alone.",
		Needs: permission.EnvironmentManage, Status: http.StatusOK, Writes: []wire.EventType{dump.Exported},
	}, h.export)
}

func (h *Dumps) export(
	_ context.Context, _ *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Streamed[wire.Data[dump.Dump]], error) {
	return wire.Streamed[wire.Data[dump.Dump]]{Write: func(ctx context.Context, out *wire.StreamWriter) error {
		if _, err := io.WriteString(out, `{"data":`); err != nil {
			return err
		}
		if err := h.Dumps.Export(ctx, by.Actor, by.In, out); err != nil {
			return err
		}
		_, err := io.WriteString(out, `}`)
		return err
	}}, nil
}

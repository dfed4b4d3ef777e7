package tenantapi

import (
	"cmp"
	"context"
	"io"
	"net/http"

	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/identityinvite"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/application"
)

// Dumps serves whole Environments in motion.
type Dumps struct {
	Dumps *dump.Service
	// Limit is how large the dump of an import may be, in bytes; 0 is 64 MiB.
	Limit int64
}

var tagDumps = wire.Tag{
	Name: "Moving Environments", About: "Whole configurations: export, import, promote, make flat again.",
}

// importedDump is the body of an import.
type importedDump struct {
	dump.Dump

	Metadata any `json:"metadata,omitempty" doc:"Free JSON object, at most 64 KiB and 8 levels, which the audit row keeps." type:"object"`
}

// movedEnvironment is an Environment whose configuration was replaced.
type movedEnvironment struct {
	Environment fullEnvironment   `json:"environment"                    doc:"The Environment; of a dry run, as it is."`
	Clients     []clientRotation  `json:"oauth_client_rotations"         doc:"Always empty." maxItems:"0"`
	Webhooks    []webhookRotation `json:"webhook_subscription_rotations" doc:"Always empty." maxItems:"0"`

	Removed    removed           `json:"removed"              doc:"What went."`
	Difference *dump.Differences `json:"difference,omitempty" nullable:"false" doc:"Of a dry run: what would be done."`
}

type removed struct {
	Permissions int `json:"permissions" doc:"Custom permissions." example:"0"`
	Roles       int `json:"roles"       doc:"Custom roles." example:"1"`
	Nodes       int `json:"nodes"       doc:"Nodes." example:"2"`
	Assignments int `json:"assignments" doc:"Assignments of such roles, or at such nodes." example:"14"`
	Invites     int `json:"invites"     doc:"Pending invites that named such a role or node." example:"0"`
}

// promotion is the body that promotes one Environment into another.
type promotion struct {
	Source string      `json:"source"          doc:"Slug of another Environment of the Application." example:"development" maxLength:"63"`
	Parts  []dump.Part `json:"parts,omitempty" doc:"What is replaced: permissions, roles and hierarchy when absent." maxItems:"5"`
	Dry    bool        `json:"dry_run,omitempty" doc:"Whether to tell only what would be done."`
}

// Rules implements text.Ruled.
func (p *promotion) Rules(f *text.Fields) {
	if p.Parts == nil {
		p.Parts = dump.Promoted()
	}
	_, broken := dump.Named(p.Parts)
	f.Check("parts", broken == "", broken)
}

var (
	dryRun = wire.QueryFlag("dry_run", "Whether to tell only what would be done: nothing is stored.")
	ofDump = wire.QueryTexts("parts", "What is replaced, comma-separated: permissions, roles, hierarchy, oauth_clients, "+
		"webhooks; all when absent. The other lists of the dump are not looked at.", 5, "permissions,roles")
)

// Routes registers the resource.
func (h *Dumps) Routes(rt *wire.Router) {
	one := rt.InEnvironment("", tagDumps)
	wire.Handle(one, wire.Route{
		Method: http.MethodGet, Path: "/export", ID: "exportEnvironment", Summary: "Export an Environment",
		About: "What is configured in it, as one dump: access model and schema, custom permissions and roles, the tree. " +
			"No people, keys or secrets. Two dumps of the same state differ in exported_at alone.",
		Needs: permission.EnvironmentManage, Status: http.StatusOK, Writes: []wire.EventType{dump.Exported},
	}, h.export)
	wire.Handle(one, wire.Route{
		Method: http.MethodPost, Path: "/import", ID: "importEnvironment", Summary: "Import a dump",
		About: "Replaces what is configured by what the dump says, all of it or nothing. Permissions are known again by " +
			"their keys, roles and nodes by ref, then by name and by slug; what is known again keeps its id and its " +
			"assignments, what is not in the dump goes, with its assignments.",
		Needs: permission.EnvironmentManage, Body: wire.BodyClass(cmp.Or(h.Limit, dump.DefaultLimit)), Idempotent: true,
		Long: true, Params: []wire.Parameter{dryRun, ofDump}, Status: http.StatusOK,
		Faults: []*fault.Error{dump.ErrUnsupported, dump.ErrInvalid},
		Writes: []wire.EventType{dump.Imported, hierarchy.SchemaUpdated, identityinvite.Withdrawn},
	}, h.load)
	wire.Handle(one, wire.Route{
		Method: http.MethodPost, Path: "/promote", ID: "promoteEnvironment", Summary: "Promote an Environment into this one",
		About: "Exports another Environment of the Application and imports it here, at any size.",
		Needs: permission.EnvironmentManage, Idempotent: true, Long: true, Status: http.StatusOK,
		Faults: []*fault.Error{application.ErrNotInApplication, dump.ErrInvalid},
		Writes: []wire.EventType{dump.Imported, hierarchy.SchemaUpdated, identityinvite.Withdrawn},
	}, h.promote)
	wire.Handle(one, wire.Route{
		Method: http.MethodPost, Path: "/revert-to-flat", ID: "revertToFlat", Summary: "Make a hierarchy flat again",
		About: "The root alone stays. What was assigned below it is assigned there, so that who held a role somewhere " +
			"holds it everywhere.",
		Needs: permission.EnvironmentManage, Long: true, Status: http.StatusOK,
		Faults: []*fault.Error{dump.ErrAlreadyFlat},
		Writes: []wire.EventType{dump.RevertedToFlat, hierarchy.SchemaUpdated, identityinvite.Withdrawn},
	}, h.revert)
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

func (h *Dumps) load(
	ctx context.Context, c *wire.Call, by wire.At[scope.Environment], in wire.Raw[importedDump],
) (wire.Data[movedEnvironment], error) {
	of := dump.All()
	if given := ofDump.Of(c); given != nil {
		var broken string
		if of, broken = dump.Named(given); broken != "" {
			return wire.Data[movedEnvironment]{}, fault.Validation.WithDetails("parts " + broken)
		}
	}
	r, err := h.Dumps.Import(ctx, by.Actor, by.In, in.JSON, of, dryRun.Of(c))
	return wire.Of(viewMoved(r), err)
}

func (h *Dumps) promote(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], in promotion,
) (wire.Data[movedEnvironment], error) {
	r, err := h.Dumps.Promote(ctx, by.Actor, by.In, in.Source, in.Parts, in.Dry)
	return wire.Of(viewMoved(r), err)
}

func (h *Dumps) revert(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Environment], _ wire.None,
) (wire.Data[dump.Reverted], error) {
	r, err := h.Dumps.Revert(ctx, by.Actor, by.In)
	return wire.Of(r, err)
}

func viewMoved(r dump.Result) movedEnvironment {
	return movedEnvironment{
		viewEnvironment(r.Environment), []clientRotation{}, []webhookRotation{}, removed(r.Removed), r.Difference,
	}
}

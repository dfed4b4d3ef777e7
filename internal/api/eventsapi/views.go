package eventsapi

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/wire"
)

// Views serves the questions to the log that a portal user keeps.
type Views struct{ Audit *audit.Service }

// AuditFilters are the parameters of a query of the log, as a body has them.
type AuditFilters struct {
	From          *string         `json:"from,omitempty"           nullable:"false" doc:"From this instant on."`
	To            *string         `json:"to,omitempty"             nullable:"false" doc:"Up to this instant."`
	Action        []string        `json:"action,omitempty"         nullable:"false" doc:"Actions, any of which." maxItems:"50"`
	Category      *event.Category `json:"category,omitempty"       nullable:"false" doc:"What the rows belong to."`
	Severity      *event.Severity `json:"severity,omitempty"       nullable:"false" doc:"How much they matter."`
	Outcome       *event.Outcome  `json:"outcome,omitempty"        nullable:"false" doc:"How it ended."`
	ActorType     *string         `json:"actor_type,omitempty"     nullable:"false" doc:"What kind of actor did it."`
	ActorID       *string         `json:"actor_id,omitempty"       nullable:"false" doc:"Who did it."`
	ResourceType  *string         `json:"resource_type,omitempty"  nullable:"false" doc:"What kind of thing it was done to."`
	ResourceID    *string         `json:"resource_id,omitempty"    nullable:"false" doc:"What it was done to."`
	CorrelationID *string         `json:"correlation_id,omitempty" nullable:"false" doc:"The request or job that did it."`
	ApplicationID *string         `json:"application_id,omitempty" nullable:"false" doc:"The Application where it was done."`
	EnvironmentID *string         `json:"environment_id,omitempty" nullable:"false" doc:"The Environment where it was done."`
	Q             *string         `json:"q,omitempty"              nullable:"false" doc:"Part of a label or of a value of metadata."`
}

// Rules implements text.Ruled.
func (f *AuditFilters) Rules(r *text.Fields) {
	r.Optional("from", f.From, text.InstantRule)
	r.Optional("to", f.To, text.InstantRule)
	for _, action := range f.Action {
		r.Check("action", action != "" && len(action) <= 128, "must hold actions of 1 to 128 characters")
	}
	among(r, "category", f.Category)
	among(r, "severity", f.Severity)
	among(r, "outcome", f.Outcome)
	r.Optional("actor_type", f.ActorType, atMost(64, "user"))
	r.Optional("actor_id", f.ActorID, strictID)
	r.Optional("resource_type", f.ResourceType, atMost(64, "role"))
	r.Optional("resource_id", f.ResourceID, strictID)
	r.Optional("correlation_id", f.CorrelationID, strictID)
	r.Optional("application_id", f.ApplicationID, strictID)
	r.Optional("environment_id", f.EnvironmentID, strictID)
	r.Optional("q", f.Q, atMost(200, "ann lee"))
}

// among checks a word that may be absent.
func among[T interface {
	~string
	Enum() []string
}](r *text.Fields, name string, word *T) {
	if word != nil {
		list := (*word).Enum()
		r.Check(name, slices.Contains(list, string(*word)), "must be one of "+strings.Join(list, ", "))
	}
}

// strictID is for an id that is compared: what is none was meant otherwise.
var strictID = text.Rule{
	Normalize: func(s string) (string, string) {
		if of, err := id.Parse[id.ID](s); err != nil || of.IsZero() {
			return "", "must be an id"
		}
		return s, ""
	},
	Format: "uuid", Example: text.IDRule.Example,
}

func atMost(characters int, example string) text.Rule {
	return text.Rule{
		Normalize: func(s string) (string, string) {
			if utf8.RuneCountInString(s) > characters {
				return "", "is too long"
			}
			return s, ""
		},
		MaxLength: characters, Example: example,
	}
}

// savedView is a question that is kept.
type savedView struct {
	Name    string       `json:"name"    doc:"What it is called; the same name takes its place."`
	Surface viewSurface  `json:"surface" doc:"The part of the log that is asked."`
	Filters AuditFilters `json:"filters" doc:"What it is asked."`
}

type viewSurface string

// Enum lists the surfaces, for schemas.
func (viewSurface) Enum() []string { return event.Both.Names() }

const viewName = `^[\p{L}\p{M}\p{N} _-]{1,60}$`

var viewNameRule = text.Rule{
	Normalize: func(s string) (string, string) {
		if s = strings.TrimSpace(s); !viewNames.MatchString(s) {
			return "", "must be 1 to 60 letters, digits, spaces, dashes and underscores"
		}
		return s, ""
	},
	MinLength: 1, MaxLength: 60, Example: "Refused this week",
}

var viewNames = regexp.MustCompile(viewName)

// Rules implements text.Ruled.
func (v *savedView) Rules(f *text.Fields) {
	f.Field("name", &v.Name, viewNameRule)
	among(f, "surface", &v.Surface)
	f.Within("filters", &v.Filters)
}

var (
	viewsSurface = wire.QueryEnum("surface", "The part of the log that they ask; all when absent.", event.Both.Names()...)
	goneSurface  = wire.QueryText("surface", "The part of the log that it asks.", 20, "admin")
	goneName     = wire.QueryText("name", "What it is called.", 300, "Refused this week")
)

// Routes registers the resource.
func (h *Views) Routes(rt *wire.Router) {
	g := rt.Users("/portal/v1/me/audit-views", tagEvents)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, ID: "saveAuditView", Summary: "Save a view of the audit log",
		About: "Keeps a question to the audit log of the Account that the token is bound to, for the caller alone, in " +
			"the place of one with the same name and surface.",
		Needs: permission.AuditView, Status: http.StatusCreated, Faults: []*fault.Error{audit.ErrViewLimit},
	}, h.save)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "listAuditViews", Summary: "List saved views of the audit log",
		About: "The caller's own in this Account, by name.",
		Needs: permission.AuditView, Params: []wire.Parameter{viewsSurface}, Status: http.StatusOK,
	}, h.list)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, ID: "deleteAuditView", Summary: "Delete a saved view of the audit log",
		About: "The view is gone; that there was none is no error.",
		Needs: permission.AuditView, Params: []wire.Parameter{goneSurface, goneName}, Status: http.StatusNoContent,
	}, h.forget)
}

func (h *Views) save(
	ctx context.Context, _ *wire.Call, by principal.User, in savedView,
) (wire.Data[savedView], error) {
	filters, err := json.Marshal(in.Filters)
	if err != nil {
		return wire.Data[savedView]{}, err
	}
	return wire.Of(in, h.Audit.Save(ctx, by, audit.View{Name: in.Name, Surface: string(in.Surface), Filters: filters}))
}

func (h *Views) list(
	ctx context.Context, c *wire.Call, by principal.User, _ wire.None,
) (out wire.Items[savedView], err error) {
	list, err := h.Audit.Views(ctx, by, viewsSurface.Of(c))
	out.Items = make([]savedView, len(list))
	for i, v := range list {
		out.Items[i] = savedView{Name: v.Name, Surface: viewSurface(v.Surface)}
		if err := json.Unmarshal(v.Filters, &out.Items[i].Filters); err != nil {
			return out, err
		}
	}
	return out, err
}

func (h *Views) forget(ctx context.Context, c *wire.Call, by principal.User, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Audit.Forget(ctx, by, goneSurface.Of(c), strings.TrimSpace(goneName.Of(c)))
}

package eventsapi

import (
	"context"
	"net/http"
	"slices"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// Audit serves the log to those who read it.
type Audit struct{ Audit *audit.Service }

// auditPage is a page of the log.
type auditPage struct {
	Items      []event.LogRow `json:"items"      doc:"Newest first." maxItems:"200"`
	Pagination auditNext      `json:"pagination" doc:"How to go on."`
}

type auditNext struct {
	Cursor *string `json:"next_cursor" doc:"To be sent as cursor, with the same filters, for the next page; null on the last." maxLength:"128" example:"q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9"`
}

// auditDetail is a row with what belongs to it.
type auditDetail struct {
	event.LogRow
	ByCorrelation []event.LogRow `json:"related_by_correlation" doc:"Other rows of the same request or job, oldest first." maxItems:"50"`
	ByActor       []event.LogRow `json:"related_by_actor"       doc:"What the same actor did at most an hour before or after, newest first." maxItems:"10"`
}

var auditRowID = wire.PathID[event.RowID]("id", "The row's id.", audit.ErrRowNotFound)

// surface is a part of the log with its routes in the portal.
type surface struct {
	on    event.Surfaces
	name  string // in paths
	of    string // in operation ids
	about string
}

var surfaces = []surface{
	{event.Identities, "identities", "Identity", "what end users do, and what is done to them"},
	{event.Admin, "admin", "Admin", "what administrators, API keys and the system do"},
}

// Routes registers the resource.
func (h *Audit) Routes(rt *wire.Router) {
	list := wire.Route{
		Method: http.MethodGet, ID: "listAuditEvents", Summary: "Read the audit log",
		About: "Rows of the Environment about " + surfaces[0].about + ", newest first. Rows that are written meanwhile " +
			"don't disturb the next pages: the cursor keeps the window of the first one. Each call writes a row of its own.",
		Needs: permission.AuditView, Params: append(slices.Clip(auditFilters), auditCursor, auditLimit),
		Status: http.StatusOK, Writes: []wire.EventType{audit.QueryExecuted},
	}
	look := wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getAuditEvent", Summary: "Read a row of the audit log",
		About: "A row, the others of the same request or job, and what the same actor did around that time. " +
			"The call writes a row of its own.",
		Needs: permission.AuditView, Params: []wire.Parameter{auditRowID}, Status: http.StatusOK,
		Faults: []*fault.Error{audit.ErrRowNotFound}, Writes: []wire.EventType{audit.RowViewed},
	}
	public := rt.Twins("/audit-events", tagEvents)
	wire.HandlePublic(public, list, h.list)
	wire.HandlePublic(public, look, h.look)
	for _, s := range surfaces {
		in := rt.InAccount("/audit-log/"+s.name, tagEvents)
		list.ID, list.Summary = "list"+s.of+"AuditLog", "Read the audit log: "+s.name
		list.About = "Rows of the Account and all its Environments about " + s.about + ", newest first. Rows that are " +
			"written meanwhile don't disturb the next pages. Each call writes a row of its own."
		wire.Handle(in, list, func(
			ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
		) (auditPage, error) {
			return h.page(ctx, c, readerInAccount(by, s.on))
		})
		h.stream(in, s)
		look.ID, look.Summary = "get"+s.of+"AuditLogRow", "Read a row of the audit log: "+s.name
		wire.Handle(in, look, func(
			ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
		) (wire.Data[auditDetail], error) {
			return h.detail(ctx, c, readerInAccount(by, s.on))
		})
	}
}

func readerInAccount(by wire.At[scope.Account], on event.Surfaces) audit.Reader {
	return audit.Reader{By: by.Actor, Through: audit.Portal, On: on, Account: by.In.ID}
}

// readerInEnvironment reads about end users alone.
func readerInEnvironment(by wire.By) audit.Reader {
	return audit.Reader{
		By: by.Actor, Through: audit.API, On: event.Identities, Account: by.In.Application.Account.ID, Environment: by.In,
	}
}

func (h *Audit) list(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (auditPage, error) {
	return h.page(ctx, c, readerInEnvironment(by))
}

func (h *Audit) look(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Data[auditDetail], error) {
	return h.detail(ctx, c, readerInEnvironment(by))
}

func (h *Audit) page(ctx context.Context, c *wire.Call, in audit.Reader) (auditPage, error) {
	q := filterOf(c)
	q.Cursor, q.Limit = auditCursor.Of(c), auditLimit.Of(c)
	p, err := h.Audit.List(ctx, in, q)
	out := auditPage{Items: shown(p.Rows)}
	if p.Next != "" {
		out.Pagination.Cursor = &p.Next
	}
	return out, err
}

func (h *Audit) detail(ctx context.Context, c *wire.Call, in audit.Reader) (wire.Data[auditDetail], error) {
	d, err := h.Audit.Look(ctx, in, auditRowID.Of(c))
	return wire.Of(auditDetail{event.Shown(d.Row), shown(d.ByCorrelation), shown(d.ByActor)}, err)
}

// shown is never nil: an empty list is [] and not null.
func shown(rows []event.Row) []event.LogRow {
	list := make([]event.LogRow, len(rows))
	for i := range rows {
		list[i] = event.Shown(rows[i])
	}
	return list
}

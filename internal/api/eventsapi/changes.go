package eventsapi

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/feed"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// Changes serves the change feed.
type Changes struct{ Feed *feed.Service }

var tagEvents = wire.Tag{
	Name:  "Events",
	About: "What has happened, for those who keep a copy, are to be told, or have to account for it.",
}

// change is an event as followers get it.
type change struct {
	ID       event.RowID    `json:"id"       doc:"The event's id, as webhooks carry it."`
	Revision *uint64        `json:"revision" doc:"What its write has raised the Environment to; null for one of no Environment." example:"4711"`
	Event    string         `json:"event"    doc:"Its type." example:"assignment.removed" maxLength:"128"`
	Data     jsontext.Value `json:"data"     doc:"The same bytes as in the body of a webhook: account_id, application_id, environment_id, actor_id, actor_type, resource_type, resource_id, metadata, timestamp." type:"object"`
}

// changes are a page of a feed.
type changes struct {
	Items      []change   `json:"items"      doc:"Oldest first." maxItems:"200"`
	Pagination behindPage `json:"pagination" doc:"Where the next page begins."`
}

type behindPage struct {
	Cursor string `json:"next_cursor" doc:"To be sent as cursor for what comes after this page, at any time; there always is one." maxLength:"64" example:"q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9"`
}

var (
	changesCursor = wire.QueryFilter("cursor", "The next_cursor of the page before; absent for the oldest that is kept.",
		page.MaxCursor, "q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9")
	changesLimit = wire.QueryNumber("limit", "How many events are told.", 50, 1, 200)
	changesStart = wire.QueryEnum("start", "latest, without a cursor: none, and the cursor of now, for who then takes "+
		"a copy of everything.", "latest")
)

// Routes registers the resource.
func (h *Changes) Routes(rt *wire.Router) {
	route := wire.Route{
		Method: http.MethodGet, ID: "listChanges", Summary: "Follow what changes",
		About: "The events of the Environment, oldest first, in the order of their revisions: the pull side of " +
			"webhooks. No event ever appears before a cursor that was given, and one whose write was answered is there.",
		Needs: permission.AuditView, Params: []wire.Parameter{changesCursor, changesLimit, changesStart},
		Faults: []*fault.Error{feed.ErrExpired}, Status: http.StatusOK,
	}
	wire.HandleTwins(rt.Twins("/changes", tagEvents), route, h.ofEnvironment)
	route.ID, route.Summary = "listAccountChanges", "Follow what changes in an Account"
	route.About = "The events of the Account and all its Environments, oldest first. Within an Environment they come " +
		"in the order of its revisions; of two writes one that was answered before the other was asked comes first."
	wire.Handle(rt.InAccount("/changes", tagEvents), route, h.ofAccount)
}

func query(c *wire.Call) feed.Query {
	return feed.Query{Cursor: changesCursor.Of(c), Latest: changesStart.Of(c) == "latest", Limit: changesLimit.Of(c)}
}

func (h *Changes) ofEnvironment(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (changes, error) {
	p, err := h.Feed.OfEnvironment(ctx, by.In, query(c))
	return view(p, err)
}

func (h *Changes) ofAccount(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (changes, error) {
	p, err := h.Feed.OfAccount(ctx, by.In.ID, query(c))
	return view(p, err)
}

func view(p feed.Page, err error) (changes, error) {
	out := changes{Items: []change{}, Pagination: behindPage{p.Next}}
	for i := range p.Rows {
		r := &p.Rows[i]
		data, failed := r.Data()
		if failed != nil {
			return out, failed
		}
		one := change{ID: r.ID, Event: r.Action, Data: data}
		if r.Revision != 0 {
			one.Revision = &r.Revision
		}
		out.Items = append(out.Items, one)
	}
	return out, err
}

package eventsapi

import (
	"context"
	"net/http"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
)

// auditEnd says why a stream ends.
type auditEnd struct {
	Reason audit.Ended `json:"reason"`
}

// stream registers the live tail of a surface.
func (h *Audit) stream(in wire.Group[wire.At[scope.Account]], s surface) {
	wire.Handle(in, wire.Route{
		Method: http.MethodGet, Path: "/stream", ID: "follow" + s.of + "AuditLog",
		Summary: "Follow the audit log: " + s.name,
		About: "Rows about " + s.about + " as they are committed, as server-sent events: each has the row's id, the name " +
			"audit and the row as data. With Last-Event-ID the rows after that one come first. A last event named end " +
			"tells in its data why the stream ends: reason is token_expired, session_ended, shutdown or too_slow; " +
			"connect again with Last-Event-ID. from and to don't count. A user has five streams at most.",
		Needs: permission.AuditView, Params: auditFilters, Status: http.StatusOK,
		Faults: []*fault.Error{fault.RateLimited}, Writes: []wire.EventType{audit.QueryExecuted},
	}, func(_ context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None) (wire.Events[event.LogRow], error) {
		q := filterOf(c)
		return wire.Events[event.LogRow]{Follow: func(ctx context.Context, w *wire.EventWriter) error {
			return h.follow(ctx, c, by, readerInAccount(by, s.on), q, w)
		}}, nil
	})
}

func (h *Audit) follow(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in audit.Reader, q audit.Query, w *wire.EventWriter,
) error {
	// What is no id names no row: such a stream begins now.
	after, _ := id.Parse[event.RowID](c.LastEventID())
	why, err := h.Audit.Follow(ctx, in, q, audit.Listener{
		After: after, Until: by.TokenEnds, Listening: c.Listening, Beat: w.Beat,
		Row: func(r *event.Row) error {
			data, err := wire.Encode(event.Shown(*r))
			if err != nil {
				return err
			}
			return w.Event(r.ID.String(), "audit", data)
		},
	})
	if err != nil || why == "" {
		return err
	}
	data, err := wire.Encode(auditEnd{why})
	if err != nil {
		return err
	}
	return w.Event("", "end", data)
}

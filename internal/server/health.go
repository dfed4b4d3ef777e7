package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/wire"
)

// health tells whoever runs the server how it is.
type health struct {
	platform *platform
	log      *slog.Logger
}

type checkResult struct {
	OK     bool   `json:"ok"     doc:"Whether the check passed."`
	Detail string `json:"detail" doc:"What was found." example:"sqlite" maxLength:"1000"`
}

type readiness struct {
	Status string                 `json:"status" doc:"ready or unready." enum:"ready,unready"`
	Checks map[string]checkResult `json:"checks" doc:"What was looked at, by name."`
}

// HTTPStatus is 503 while a check that matters fails.
func (r readiness) HTTPStatus() int {
	if r.Status != "ready" {
		return http.StatusServiceUnavailable
	}
	return http.StatusOK
}

type alive struct {
	Status string `json:"status" doc:"Always ok." enum:"ok"`
}

// Routes registers the resource.
func (h *health) Routes(rt *wire.Router) {
	g := rt.Public("", wire.Tag{Name: "Health", About: "What the operator of the server asks."})
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/healthz", ID: "health", Summary: "Is the process alive",
		About: "Looks at nothing else.", Status: http.StatusOK,
	}, func(context.Context, *wire.Call, principal.Actor, wire.None) (alive, error) { return alive{"ok"}, nil })
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/readyz", ID: "readiness", Summary: "Can it do its work",
		About:  "Looks at the database, its migrations and the queue of mails.",
		Status: http.StatusOK, Also: []int{http.StatusServiceUnavailable},
	}, func(ctx context.Context, _ *wire.Call, _ principal.Actor, _ wire.None) (readiness, error) {
		return h.ready(ctx), nil
	})
}

// ready looks at what the server needs. A missing mail server is told, and does
// not make it unready: everything but mail works.
func (h *health) ready(ctx context.Context) readiness {
	r := readiness{Status: "ready", Checks: map[string]checkResult{}}
	check := func(name string, err error, good string) {
		if err != nil {
			r.Status = "unready"
			r.Checks[name] = checkResult{false, "fails; the log says why"}
			h.log.ErrorContext(ctx, "not ready", "check", name, "error", err)
			return
		}
		r.Checks[name] = checkResult{true, good}
	}
	db := h.platform.db
	check("database", db.Ping(ctx), string(db.Engine))
	steps, err := db.Migrations(ctx)
	pending := 0
	for _, m := range steps {
		if !m.Applied {
			pending++
		}
	}
	if err == nil && pending > 0 {
		err = fmt.Errorf("%d migrations are pending", pending)
	}
	check("migrations", err, fmt.Sprintf("%d applied", len(steps)))
	queued, oldest, err := outbox.Depth(ctx, db)
	detail := fmt.Sprintf("%d queued", queued)
	if queued > 0 {
		detail += fmt.Sprintf(", the oldest for %s", oldest.Round(time.Second))
	}
	if h.platform.sender == nil {
		detail += "; no mail server is configured (CANOPY_SMTP_URL)"
	}
	check("mail", err, detail)
	return r
}

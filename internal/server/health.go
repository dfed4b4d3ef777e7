package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/wire"
)

const (
	readyEvery  = time.Second             // the store is asked no oftener, however many ask us
	readyLook   = 1500 * time.Millisecond // and has this long for all its answers
	readyAnswer = 1800 * time.Millisecond // whoever asks us has an answer by then
)

// health tells whoever runs the server how it is. One look serves all who ask.
type health struct {
	platform *platform
	log      *slog.Logger

	mu      sync.Mutex
	last    readiness
	at      time.Time     // of last
	looking chan struct{} // closed when the look that is under way is over; nil without one
	looks   sync.WaitGroup
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
		About: "Looks at the database, which must take a write, its migrations and the queue of mails; " +
			"at most once a second, for all who ask. Answers within two seconds.",
		Status: http.StatusOK, Also: []int{http.StatusServiceUnavailable},
	}, func(ctx context.Context, _ *wire.Call, _ principal.Actor, _ wire.None) (readiness, error) {
		return h.ready(ctx), nil
	})
}

// ready gives what a look of the last second found, or has one taken. It waits no
// longer than a prober does.
func (h *health) ready(ctx context.Context) readiness {
	h.mu.Lock()
	if h.looking == nil {
		if h.platform.db.Now().Sub(h.at).Abs() < readyEvery {
			defer h.mu.Unlock()
			return h.last
		}
		h.looking = make(chan struct{})
		h.looks.Go(func() {
			task.Try(ctx, h.log, "readiness", func() { h.take(context.WithoutCancel(ctx)) })
		})
	}
	over := h.looking
	h.mu.Unlock()
	late := time.NewTimer(readyAnswer)
	defer late.Stop()
	select {
	case <-over:
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.last
	case <-late.C:
	case <-ctx.Done():
	}
	return readiness{Status: "unready", Checks: map[string]checkResult{"database": {false, "has not answered in time"}}}
}

// take looks, and keeps what it found.
func (h *health) take(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, readyLook)
	defer cancel()
	found := readiness{Status: "unready", Checks: map[string]checkResult{}}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.last, h.at = found, h.platform.db.Now()
		close(h.looking)
		h.looking = nil
	}()
	found = h.look(ctx)
}

// wait waits for a look that is under way.
func (h *health) wait() { h.looks.Wait() }

// look looks at what the server needs. A missing mail server is told, and does not
// make it unready: everything but mail works.
func (h *health) look(ctx context.Context) readiness {
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
	check("database", db.TryWrite(ctx), string(db.Engine))
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

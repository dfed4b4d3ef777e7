package database_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// carry runs Hints until the test ends.
func carry(t *testing.T, h *database.Hints) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { h.Send(ctx) })
	wg.Go(func() { h.Listen(ctx) })
	t.Cleanup(func() {
		stop()
		wg.Wait()
	})
}

// hear tells words until one arrives, as the first may come before anybody listens.
func hear(t *testing.T, from, to *database.Hints, word string) {
	t.Helper()
	for range 600 {
		from.Tell(word)
		select {
		case got := <-to.Come():
			if got == word {
				return
			}
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatal("nothing was heard")
}

// TestHintsReachTheOtherProcesses and not their own, also after the connection was cut.
func TestHintsReachTheOtherProcesses(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, database.Postgres)
	db := opened(t, address)
	a := database.NewHints(db, slog.New(slog.DiscardHandler))
	b := database.NewHints(opened(t, address), slog.New(slog.DiscardHandler))
	carry(t, a)
	carry(t, b)
	hear(t, a, b, "one")
	hear(t, b, a, "two")
	dbtest.Number(t, db, `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
		WHERE datname = current_database() AND query LIKE 'LISTEN%'`)
	hear(t, a, b, "three")
	hear(t, b, a, "four")
	for len(a.Come()) > 0 {
		if got := <-a.Come(); got == "one" || got == "three" {
			t.Errorf("its own word came back: %s", got)
		}
	}
}

// TestWithoutListening: behind a pooler of transactions nobody listens, which is said once,
// and those who tell don't notice. On SQLite there is nobody else.
func TestWithoutListening(t *testing.T) {
	t.Parallel()
	direct := dbtest.URL(t, database.Postgres)
	for _, address := range []string{bouncer(t, direct), dbtest.URL(t, database.SQLite)} {
		var said bytes.Buffer
		h := database.NewHints(opened(t, address), slog.New(slog.NewTextHandler(&said, nil)))
		for range 5000 {
			h.Tell("word")
		}
		h.Listen(t.Context())
		if n := strings.Count(said.String(), "pooler"); n > 1 || strings.Contains(address, "postgres") && n == 0 {
			t.Errorf("%d times: %s", n, &said)
		}
	}
}

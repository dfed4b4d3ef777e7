package audit_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

var happened = event.Type[event.None]{Action: "thing.happened", Category: event.Tenancy, Resource: "thing"}

// world is a log to follow.
type world struct {
	*audit.Service
	t  *testing.T
	db *database.DB
}

func each(t *testing.T, fn func(w *world)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		log := slog.New(slog.DiscardHandler)
		fn(&world{&audit.Service{DB: db, Log: log, Seal: &seal.Service{DB: db, Log: log}}, t, db})
	})
}

// happen records rows of an Account, of which the labels are counted from a number on.
func (w *world) happen(account byte, from, many int) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
		for n := from; n < from+many; n++ {
			e := event.Entry{Actor: principal.System(), Account: scope.AccountID{account}, Label: strconv.Itoa(n)}
			if err := event.Record(w.t.Context(), tx, happened, e, event.None{}); err != nil {
				return err
			}
		}
		return nil
	})
}

var all = audit.Query{Filter: event.Filter{Actions: []string{"thing.happened"}}}

func reader(user byte) audit.Reader {
	return audit.Reader{
		By: principal.Actor{Kind: principal.KindUser, ID: id.ID{user}}, Through: audit.Portal, On: event.Both,
		Account: scope.AccountID{1},
	}
}

// ear listens to everything: ready is closed once it does, and tell gets each row.
func ear(ready chan struct{}, tell func(*event.Row) error) audit.Listener {
	begun := false
	return audit.Listener{
		Until: time.Now().Add(time.Hour), Listening: func(context.Context) error { return nil }, Row: tell,
		Beat: func() error {
			if !begun {
				close(ready)
			}
			begun = true
			return nil
		},
	}
}

type followed struct {
	why audit.Ended
	err error
}

func (w *world) follow(in audit.Reader, l audit.Listener) <-chan followed {
	end := make(chan followed, 1)
	go func() {
		why, err := w.Follow(w.t.Context(), in, all, l)
		end <- followed{why, err}
	}()
	return end
}

// Who does not take what it is told gets what was kept for it, and is then let go.
func TestWhoIsTooSlowIsLetGo(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ready, written := make(chan struct{}), make(chan struct{})
		told := 0
		end := w.follow(reader(1), ear(ready, func(r *event.Row) error {
			<-written
			if r.ResourceLabel != strconv.Itoa(told) {
				w.t.Errorf("row %d is %s", told, r.ResourceLabel)
			}
			told++
			return nil
		}))
		<-ready
		quick, others := make(chan struct{}), make(chan string, 2000)
		rest := w.follow(reader(2), ear(quick, func(r *event.Row) error {
			others <- r.ResourceLabel
			return nil
		}))
		<-quick
		w.happen(1, 0, 1500)
		for n := range 1500 {
			if got := <-others; got != strconv.Itoa(n) {
				w.t.Fatalf("the quick one is told %s, not %d", got, n)
			}
		}
		close(written)
		if got := <-end; got.why != audit.TooSlow || got.err != nil || told < 500 || told >= 1500 {
			w.t.Errorf("after %d rows %v", told, got)
		}
		w.Close()
		if got := <-rest; got.why != audit.Shutdown {
			w.t.Errorf("the quick one ends with %v", got)
		}
	})
}

func TestNobodyFollowsBeyondTheEnd(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		ready := make(chan struct{})
		end := w.follow(reader(1), ear(ready, nil))
		<-ready
		w.Close()
		w.Close()
		if got := <-end; got.why != audit.Shutdown || got.err != nil {
			w.t.Errorf("%v", got)
		}
		if got := <-w.follow(reader(1), ear(make(chan struct{}), nil)); got.why != audit.Shutdown || got.err != nil {
			w.t.Errorf("later: %v", got)
		}
	})
}

// Rows that come while a listener catches up are told once, behind those that it has missed.
func TestWhatWasMissedComesFirstAndOnce(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		w.happen(1, 0, 1)
		page, err := w.List(w.t.Context(), reader(1), audit.Query{Filter: all.Filter, Limit: 1})
		if err != nil || len(page.Rows) != 1 {
			w.t.Fatal(page, err)
		}
		w.happen(1, 1, 1200)
		w.happen(2, 5000, 3)
		told := make(chan string, 3000)
		ready := make(chan struct{})
		l := ear(ready, func(r *event.Row) error {
			if r.ResourceLabel == "600" {
				w.happen(1, 1201, 100)
			}
			told <- r.ResourceLabel
			return nil
		})
		l.After = page.Rows[0].ID
		end := w.follow(reader(1), l)
		for n := 1; n <= 1300; n++ {
			if got := <-told; got != strconv.Itoa(n) {
				w.t.Fatalf("%s comes in the place of %d", got, n)
			}
		}
		w.Close()
		if got := <-end; got.why != audit.Shutdown || len(told) > 0 {
			w.t.Errorf("%v, and %d more", got, len(told))
		}
	})
}

// A listener's own error ends it, and gives its place back.
func TestWhoHasGoneIsToldNothing(t *testing.T) {
	t.Parallel()
	each(t, func(w *world) {
		gone := errors.New("gone")
		for range 7 {
			l := ear(make(chan struct{}), nil)
			l.Beat = func() error { return gone }
			if got := <-w.follow(reader(1), l); !errors.Is(got.err, gone) {
				w.t.Fatalf("%v", got)
			}
		}
	})
}

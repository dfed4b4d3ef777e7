package feed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/feed"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

type told struct {
	What string `json:"what"`
}

var (
	happened = event.Type[told]{
		Action: "thing.happened", Category: event.RBAC, Resource: "thing", Feed: event.OfEnvironments,
	}
	joined = event.Type[told]{
		Action: "thing.joined", Category: event.AdminUser, Resource: "thing", Feed: event.OfAccounts,
	}
	looked = event.Type[told]{Action: "thing.looked", Category: event.RBAC, Resource: "thing"}
)

// world is an Account with some Environments, as far as feeds know them.
type world struct {
	*feed.Service
	t       testing.TB
	db      *database.DB
	account scope.AccountID
	in      []scope.Environment
}

func newWorld(t testing.TB, db *database.DB, environments int) *world {
	t.Helper()
	w := &world{
		t: t, db: db, account: scope.AccountID{1},
		Service: &feed.Service{DB: db, Seal: &seal.Service{DB: db, Log: slog.New(slog.DiscardHandler)}},
	}
	dbtest.Do(t, db, func(tx *database.Tx) error {
		err := revision.Open(t.Context(), tx, w.account, w.account.Any())
		for i := range environments {
			in := scope.Environment{ID: scope.EnvironmentID{2, byte(i)}}
			in.Application.Account.ID = w.account
			w.in = append(w.in, in)
			err = errors.Join(err, revision.Open(t.Context(), tx, w.account, in.ID.Any()))
		}
		return err
	})
	return w
}

// write records events in Environments; one without an Environment is the Account's.
func (w *world) write(ctx context.Context, what string, pause time.Duration, in ...scope.Environment) error {
	return database.Do(ctx, w.db, func(tx *database.Tx) error {
		entry := event.Entry{Actor: principal.System(), Account: w.account}
		if len(in) == 0 {
			return event.Record(ctx, tx, joined, entry, told{what})
		}
		for _, e := range in {
			entry.Environment = e.ID
			if err := event.Record(ctx, tx, happened, entry, told{what}); err != nil {
				return err
			}
			if err := event.Record(ctx, tx, looked, entry, told{what}); err != nil {
				return err
			}
			time.Sleep(pause)
		}
		return nil
	})
}

// reader follows one feed.
type reader struct {
	ask    func(feed.Query) (feed.Page, error)
	cursor string
	seen   []string // metadata, by order
	ids    map[event.RowID]bool
}

func (r *reader) read() error {
	for {
		p, err := r.ask(feed.Query{Cursor: r.cursor, Limit: 7})
		if err != nil {
			return err
		}
		for _, row := range p.Rows {
			if r.ids[row.ID] {
				return fmt.Errorf("%s came twice", row.Metadata)
			}
			if row.Action == "thing.looked" {
				return fmt.Errorf("%s is no event", row.Metadata)
			}
			r.ids[row.ID], r.seen = true, append(r.seen, string(row.Metadata))
		}
		if r.cursor = p.Next; len(p.Rows) == 0 {
			return nil
		}
	}
}

// readers are one for each Environment, and one for the Account at last.
func (w *world) readers() (list []*reader) {
	for _, in := range w.in {
		list = append(list, &reader{ids: map[event.RowID]bool{}, ask: func(q feed.Query) (feed.Page, error) {
			return w.OfEnvironment(database.Long(w.t.Context()), in, q)
		}})
	}
	return append(list, &reader{ids: map[event.RowID]bool{}, ask: func(q feed.Query) (feed.Page, error) {
		return w.OfAccount(database.Long(w.t.Context()), w.account, q)
	}})
}

// TestFollowersMissNothing: two hundred writers, some of them slow, and readers that never
// pause. Each event comes once, in an order that stays, and at the first read after its answer.
func TestFollowersMissNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db, 3)
		const writers, each = 200, 2
		var answered [4]struct {
			sync.Mutex
			list []string
		}
		var done atomic.Int64
		var all, reading sync.WaitGroup
		for i := range writers {
			all.Go(func() {
				defer done.Add(1)
				r := rand.New(rand.NewPCG(1, uint64(i)))
				for k := range each {
					what, pause := fmt.Sprintf("%d.%d", i, k), time.Duration(0)
					if i%20 == 0 {
						pause = time.Duration(r.IntN(20)) * time.Millisecond
					}
					var in []scope.Environment
					if n := r.IntN(5); n < 3 {
						in = w.in[n : n+1]
					} else if n == 3 {
						in = w.in
					}
					if err := w.write(database.Long(t.Context()), what, pause, in...); err != nil {
						t.Error(err)
						return
					}
					meta := fmt.Sprintf(`{"what":%q}`, what)
					for e := range w.in {
						if slices.ContainsFunc(in, func(s scope.Environment) bool { return s == w.in[e] }) {
							answered[e].Lock()
							answered[e].list = append(answered[e].list, meta)
							answered[e].Unlock()
						}
					}
					answered[3].Lock()
					for range max(1, len(in)) {
						answered[3].list = append(answered[3].list, meta)
					}
					answered[3].Unlock()
				}
			})
		}
		readers := w.readers()
		for i, r := range readers {
			reading.Go(func() {
				for over := false; !over && !t.Failed(); {
					over = done.Load() == writers
					answered[i].Lock()
					before := slices.Clone(answered[i].list)
					answered[i].Unlock()
					if err := r.read(); err != nil {
						t.Error(err)
						return
					}
					if lack := missing(before, r.seen); lack != "" {
						t.Errorf("feed %d: %s was answered and is not there", i, lack)
					}
				}
			})
		}
		all.Wait()
		reading.Wait()
		for i, again := range w.readers() {
			if err := again.read(); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(again.seen, readers[i].seen) {
				t.Errorf("feed %d: read anew it has another order: %d rows, and %d", i, len(again.seen), len(readers[i].seen))
			}
			if len(again.seen) != len(answered[i].list) {
				t.Errorf("feed %d: %d events of %d", i, len(again.seen), len(answered[i].list))
			}
		}
	})
}

// missing is one that should be there and is not there as often.
func missing(want, got []string) string {
	n := map[string]int{}
	for _, one := range got {
		n[one]++
	}
	for _, one := range want {
		if n[one]--; n[one] < 0 {
			return one
		}
	}
	return ""
}

// TestCursors: there always is one, it is of one feed, and it ends with what was swept.
func TestCursors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db, 2)
		for i, r := range w.readers() {
			first, err := r.ask(feed.Query{Limit: 5})
			if err != nil || first.Next == "" || len(first.Rows) != 0 {
				t.Fatalf("%d: %+v, %v", i, first, err)
			}
			if again, err := r.ask(feed.Query{Limit: 5, Cursor: first.Next}); err != nil || again.Next != first.Next {
				t.Errorf("%d: an empty page gives another cursor: %+v, %v", i, again, err)
			}
		}
		for i, r := range w.readers() {
			if err := w.write(t.Context(), "one", 0, w.in...); err != nil {
				t.Fatal(err)
			}
			latest, err := r.ask(feed.Query{Limit: 5, Latest: true})
			if err != nil || len(latest.Rows) != 0 {
				t.Errorf("%d: %+v, %v", i, latest, err)
			}
			if err := w.write(t.Context(), "two", 0, w.in[0], w.in[1]); err != nil {
				t.Fatal(err)
			}
			p, err := r.ask(feed.Query{Limit: 5, Cursor: latest.Next})
			if err != nil || len(p.Rows) == 0 || string(p.Rows[0].Metadata) != `{"what":"two"}` {
				t.Errorf("%d: %+v, %v", i, p, err)
			}
			for k, other := range w.readers() {
				if _, err := other.ask(feed.Query{Limit: 5, Cursor: p.Next}); (err == nil) != (i == k) {
					t.Errorf("the cursor of feed %d in feed %d: %v", i, k, err)
				}
			}
			for _, bad := range []string{"x", p.Next + "A", p.Next[1:], "\x00", id.ID{1}.String()} {
				if _, err := r.ask(feed.Query{Limit: 5, Cursor: bad}); fault.As(err).Code != "validation" {
					t.Errorf("%d: %q: %v", i, bad, err)
				}
			}
			of := w.account.Any()
			if i < len(w.in) {
				of = w.in[i].ID.Any()
			}
			dbtest.Exec(t, db, `INSERT INTO audit_swept (scope_id, account_id, position) VALUES ($1, $2, 1000000)`,
				of, w.account)
			if _, err := r.ask(feed.Query{Limit: 5, Cursor: p.Next}); !errors.Is(err, feed.ErrExpired) {
				t.Errorf("%d: a cursor behind which rows were swept: %v", i, err)
			}
		}
	})
}

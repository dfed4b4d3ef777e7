package webhook_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/outbound"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

type payload struct {
	Name string `json:"name"`
}

// happened is an event of Environments, joined one of Accounts.
var (
	happened = event.Type[payload]{
		Action: "thing.happened", Category: event.Tenancy, Resource: "thing", Feed: event.OfEnvironments,
	}
	changed = event.Type[payload]{
		Action: "thing.changed", Category: event.Tenancy, Resource: "thing", Feed: event.OfEnvironments,
	}
	joined = event.Type[payload]{
		Action: "person.joined", Category: event.AdminUser, Resource: "person", Feed: event.OfAccounts,
	}
	quiet = event.Type[payload]{Action: "thing.seen", Category: event.Tenancy, Resource: "thing"}
)

func types() []webhook.Type {
	return []webhook.Type{{Name: "thing.changed"}, {Name: "thing.happened"}, {Name: "person.joined", Account: true}}
}

// world is an Account with two Environments, as one process has it.
type world struct {
	*webhook.Service
	*webhook.Sender
	t     testing.TB
	db    *database.DB
	clock *dbtest.Clock

	account, env, other delivery.Place

	mu  sync.Mutex
	off []string // URLs of subscriptions of whose end the people were told
}

func newWorld(t testing.TB, db *database.DB, clock *dbtest.Clock, out outbound.Config) *world {
	t.Helper()
	w := &world{t: t, db: db, clock: clock}
	now := db.Now()
	w.account.Account = id.New[scope.AccountID](now)
	w.env, w.other = w.account, w.account
	w.env.Application, w.env.Environment = id.New[scope.ApplicationID](now), id.New[scope.EnvironmentID](now)
	w.other.Application, w.other.Environment = w.env.Application, id.New[scope.EnvironmentID](now)
	dbtest.Do(t, db, func(tx *database.Tx) error {
		for _, of := range []id.ID{w.account.Account.Any(), w.env.Environment.Any(), w.other.Environment.Any()} {
			if err := revision.Open(t.Context(), tx, w.account.Account, of); err != nil {
				return err
			}
		}
		return nil
	})
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	out.Allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	client := outbound.New(out)
	w.Service = &webhook.Service{DB: db, Box: box, Out: client, Types: types}
	w.Sender = webhook.NewSender(webhook.SenderConfig{
		DB: db, Box: box, Out: client, Log: slog.New(slog.DiscardHandler),
		SwitchedOff: func(_ context.Context, _ *database.Tx, s delivery.Subscription) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.off = append(w.off, s.URL)
			return nil
		},
	})
	return w
}

// each runs fn in a new world on each engine.
func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	eachCalling(t, outbound.Config{}, fn)
}

func eachCalling(t *testing.T, out outbound.Config, fn func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		fn(t, newWorld(t, db, clock, out))
	})
}

// another is a process beside this one.
func (w *world) another() *webhook.Sender {
	return webhook.NewSender(w.SenderConfig)
}

// got is a request as the receiver saw it.
type got struct {
	http.Header
	body string
}

func (g got) event() string { return strings.Split(g.body, `"`)[3] }

// receiver keeps what it gets.
type receiver struct {
	*httptest.Server
	mu   sync.Mutex
	list []got
}

// receive is a receiver that answers by h, or with 204.
func receive(t testing.TB, h http.HandlerFunc) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		raw, _ := io.ReadAll(q.Body)
		r.mu.Lock()
		r.list = append(r.list, got{q.Header.Clone(), string(raw)})
		r.mu.Unlock()
		if h == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h(w, q)
	}))
	t.Cleanup(r.Close)
	return r
}

// take gives what came since the last time.
func (r *receiver) take() []got {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.list
	r.list = nil
	return list
}

// status answers always the same.
func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (w *world) subscribe(in delivery.Place, url string, types ...string) (delivery.Subscription, string) {
	w.t.Helper()
	if len(types) == 0 {
		types = []string{delivery.Every}
	}
	s, value, err := w.Create(w.t.Context(), alex, in, webhook.Draft{URL: url, EventTypes: types})
	if err != nil {
		w.t.Fatal(err)
	}
	return s, value.Reveal()
}

func (w *world) record(in delivery.Place, t event.Type[payload], resource id.ID, name string) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error { return record(w.t.Context(), tx, in, t, resource, name) })
}

func record(
	ctx context.Context, tx *database.Tx, in delivery.Place, t event.Type[payload], resource id.ID, name string,
) error {
	by := alex
	by.Request.ID = "request " + name
	return event.Record(ctx, tx, t, event.Entry{
		Actor: by, Account: in.Account, Application: in.Application, Environment: in.Environment,
		Resource: resource, Label: name,
	}, payload{name})
}

func (w *world) run() int {
	w.t.Helper()
	n, err := w.RunDue(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// deliveries are those of a subscription, newest first.
func (w *world) deliveries(of delivery.Subscription) []delivery.Delivery {
	w.t.Helper()
	list, _, err := w.Deliveries(w.t.Context(), of.Place, of.ID, "",
		page.Request{Page: 1, Take: 100, Sort: delivery.Sorts[0], Desc: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

func (w *world) only(of delivery.Subscription) delivery.Delivery {
	w.t.Helper()
	list := w.deliveries(of)
	if len(list) != 1 {
		w.t.Fatalf("%d deliveries", len(list))
	}
	return list[0]
}

// wait waits until something holds; what is waited for comes, or the test ends.
func wait(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(end) {
			t.Fatal(what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

package export_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

var alex = principal.Actor{Kind: principal.KindUser, ID: id.ID{1}, Label: "alex@acme.com"}

type note struct {
	Note string `json:"note"`
}

// happened is on both surfaces, configured on that of administrators alone, hidden on none.
var (
	happened = event.Type[note]{
		Action: "thing.happened", Category: event.Identity, Resource: "thing", On: event.Both,
	}
	configured = event.Type[note]{Action: "thing.configured", Category: event.Tenancy, Resource: "thing"}
	hidden     = event.Type[note]{
		Action: "thing.hidden", Category: event.Identity, Resource: "thing", On: event.Both, Hidden: true,
	}
)

// world is an install with two Accounts, of which the first has two Environments.
type world struct {
	*export.Service
	t     testing.TB
	db    *database.DB
	clock *dbtest.Clock
	log   *audit.Service

	env, other, stranger scope.Environment
}

func each(t *testing.T, fn func(t *testing.T, w *world)) {
	t.Helper()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		box, err := secret.NewBox(make([]byte, secret.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		quiet := slog.New(slog.DiscardHandler)
		w := &world{
			t: t, db: db, clock: clock, log: &audit.Service{DB: db, Log: quiet, Seal: &seal.Service{DB: db, Log: quiet}},
			Service: &export.Service{DB: db, Box: box, Public: "https://canopy.test"},
		}
		at := func(account, n byte) scope.Environment {
			in := scope.Account{ID: scope.AccountID{account}}
			application := scope.Application{Account: in, ID: scope.ApplicationID{account, 1}}
			return scope.Environment{Application: application, ID: scope.EnvironmentID{account, n}}
		}
		w.env, w.other, w.stranger = at(1, 1), at(1, 2), at(2, 1)
		dbtest.Do(t, db, func(tx *database.Tx) error {
			for _, in := range []scope.Environment{w.env, w.other, w.stranger} {
				if err := revision.Open(t.Context(), tx, in.Application.Account.ID, in.ID.Any()); err != nil {
					return err
				}
			}
			return nil
		})
		fn(t, w)
	})
}

// ofEnvironment reads about end users of an Environment, ofAccount about an Account.
func ofEnvironment(in scope.Environment) audit.Reader {
	return audit.Reader{
		By: alex, Through: audit.API, On: event.Identities, Account: in.Application.Account.ID, Environment: in,
	}
}

func ofAccount(in scope.Environment, on event.Surfaces) audit.Reader {
	return audit.Reader{By: alex, Through: audit.Portal, On: on, Account: in.Application.Account.ID}
}

// happen records some events of a type in an Environment, a millisecond apart.
func (w *world) happen(in scope.Environment, typ event.Type[note], notes ...string) {
	w.t.Helper()
	for _, text := range notes {
		w.clock.Advance(time.Millisecond)
		dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
			return event.Record(w.t.Context(), tx, typ, event.Entry{
				Actor: alex, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
				Resource: id.ID{7}, Label: text,
			}, note{text})
		})
	}
}

// things asks for what the tests make happen.
var things = audit.Query{Filter: event.Filter{Actions: []string{"thing.happened", "thing.configured", "thing.hidden"}}}

func (w *world) worker() *export.Worker { return w.workerOf(export.WorkerConfig{}) }

func (w *world) workerOf(c export.WorkerConfig) *export.Worker {
	c.DB, c.Log = w.db, slog.New(slog.DiscardHandler)
	return export.NewWorker(c)
}

func (w *world) ask(in audit.Reader, q audit.Query, f export.Format) export.Job {
	w.t.Helper()
	j, err := w.Ask(w.t.Context(), in, q, f)
	if err != nil {
		w.t.Fatal(err)
	}
	return j
}

func (w *world) run(by *export.Worker) (jobs int) {
	w.t.Helper()
	jobs, err := by.RunDue(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return jobs
}

func (w *world) get(in audit.Reader, of export.ID) (export.Job, string) {
	w.t.Helper()
	j, link, err := w.Get(w.t.Context(), in, of)
	if err != nil {
		w.t.Fatal(err)
	}
	return j, link
}

// linkOf reads a link, as the door does.
func linkOf(t testing.TB, link string) export.Link {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	of, err := id.Parse[export.ID](strings.TrimPrefix(u.Path, export.LinkPath))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	return export.Link{Job: of, Account: q.Get("account"), Expires: q.Get("expires"), Signature: q.Get("signature")}
}

// file is that of a completed job.
func (w *world) file(in audit.Reader, of export.ID) string {
	w.t.Helper()
	j, link := w.get(in, of)
	if j.Status != export.Completed {
		w.t.Fatalf("it is %s: %v", j.Status, j.Error)
	}
	f, err := w.Open(w.t.Context(), linkOf(w.t, link))
	if err != nil {
		w.t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.WriteTo(w.t.Context(), &b); err != nil {
		w.t.Fatal(err)
	}
	if int64(b.Len()) != f.Size {
		w.t.Errorf("%d bytes, not %d", b.Len(), f.Size)
	}
	return b.String()
}

// made asks for a file and has it made.
func (w *world) made(in audit.Reader, q audit.Query, f export.Format) string {
	w.t.Helper()
	j := w.ask(in, q, f)
	w.run(w.worker())
	return w.file(in, j.ID)
}

// cells are the lines of a table, without the first.
func cells(t testing.TB, file string) [][]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	if err != nil || len(all) == 0 {
		t.Fatalf("%v in %q", err, file)
	}
	return all[1:]
}

// counted are texts, "00000" and so on.
func counted(n int) (list []string) {
	for i := range n {
		list = append(list, fmt.Sprintf("%05d", i))
	}
	return list
}

func (w *world) pieces() int {
	return dbtest.Number(w.t, w.db, `SELECT count(*) FROM audit_export_piece`)
}

func (w *world) count(action string) int {
	return dbtest.Number(w.t, w.db, `SELECT count(*) FROM audit_event WHERE action = $1`, action)
}

// happenAtOnce records events in one transaction.
func (w *world) happenAtOnce(in scope.Environment, n int) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
		for _, text := range counted(n) {
			err := event.Record(w.t.Context(), tx, happened, event.Entry{
				Actor: alex, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
				Resource: id.ID{7}, Label: text,
			}, note{text})
			if err != nil {
				return err
			}
		}
		return nil
	})
}

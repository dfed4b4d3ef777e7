package apikey_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func (w world) flush() {
	w.t.Helper()
	if err := w.Flush(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

// TestLastUse: written in the background alone, the newest of all processes, and raising no
// revision.
func TestLastUse(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		k, value := w.make(full())
		gone, ended := w.make(full())
		before := w.revision()
		late := w.on(w.DB) // a process that is slow to write
		_ = late.by(value)
		clock.Advance(20 * time.Second)
		used := clock.Now()
		_, _ = w.by(value), w.by(ended)
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM api_key_use`); n != 0 {
			t.Error("a call has written its use")
		}
		w.delete(gone.ID) // used, and no more there
		before++
		w.flush()
		late.flush()
		late.flush()
		list := w.list()
		if len(list) != 1 || list[0].ID != k.ID || list[0].LastUsedAt.Sub(used).Abs() > time.Second {
			t.Errorf("%v, used at %s", list, used)
		}
		clock.Advance(time.Hour)
		if w.flush(); !w.list()[0].LastUsedAt.Equal(list[0].LastUsedAt) {
			t.Error("a use was written that was none")
		}
		if now := w.revision(); now != before {
			t.Errorf("the revision went from %d to %d", before, now)
		}
	})
}

// TestUseThatCouldNotBeWritten is written the next time.
func TestUseThatCouldNotBeWritten(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		var values []string
		for range 3 {
			_, value := w.make(full())
			values = append(values, value)
			_ = w.by(value)
		}
		dbtest.Exec(t, w.DB, `ALTER TABLE api_key_use RENAME TO elsewhere`)
		if w.Flush(t.Context()) == nil {
			t.Fatal("it was written nowhere")
		}
		clock.Advance(time.Minute)
		_ = w.by(values[0])
		dbtest.Exec(t, w.DB, `ALTER TABLE elsewhere RENAME TO api_key_use`)
		w.flush()
		var used []time.Time
		for _, k := range w.list() {
			if k.LastUsedAt.IsZero() {
				t.Error("a use was lost")
			}
			used = append(used, k.LastUsedAt)
		}
		if len(used) == 3 && used[0].Sub(used[1]) < time.Minute { // the one made first was used last
			t.Error("the later use was overwritten", used)
		}
	})
}

// TestDenialsAreToldOnce for each key, permission and minute, by however many processes.
func TestDenialsAreToldOnce(t *testing.T) {
	t.Parallel()
	twice(t, func(t *testing.T, a, b world) {
		_, value := a.make(scoped("audit.view"))
		_, other := a.make(scoped("audit.view"))
		k := a.by(value)
		_ = eventtest.Take(t, a.DB)
		processes := make(chan world, 20)
		for range 10 {
			processes <- a
			processes <- b
		}
		_ = dbtest.AtOnce(20, func() string {
			p := <-processes
			p.denied(k, permission.RolesView, "/api/v1/roles")
			return ""
		})
		b.denied(k, permission.RolesManage, "/api/v1/roles")
		b.denied(b.by(other), permission.RolesView, "/api/v1/roles")
		got := map[string]int{}
		for _, row := range eventtest.Take(t, a.DB) {
			got[row.Metadata+" "+row.ActorID.String()]++
			if row.Action != "authorization.denied" || row.Category != "authorization" || row.Outcome != "denied" ||
				row.Severity != "warning" || row.ActorType != "api_key" || row.ActorLabel != "Backend" ||
				row.Environment != a.in.ID.Any() || row.ResourceType != "" {
				t.Errorf("%+v", row)
			}
		}
		told := func(permission string) string {
			return `{"permission":"` + permission + `","method":"GET","path":"/api/v1/roles"} `
		}
		want := map[string]int{
			told("rbac.view_roles") + k.ID.String(): 1, told("rbac.manage_roles") + k.ID.String(): 1,
			told("rbac.view_roles") + b.by(other).ID.String(): 1,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestDenialsOfTheNextMinute are told again, and rows of earlier ones are swept.
func TestDenialsOfTheNextMinute(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		_, value := w.make(scoped("audit.view"))
		k := w.by(value)
		_ = eventtest.Take(t, w.DB)
		for range 3 {
			w.denied(k, permission.RolesView, "/x")
			w.denied(k, permission.RolesView, "/y")
			clock.Advance(time.Minute)
		}
		if n := len(eventtest.Take(t, w.DB)); n != 3 {
			t.Errorf("%d are told of three minutes", n)
		}
		if err := w.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM api_key_denial`); n != 1 {
			t.Errorf("%d rows are left", n)
		}
	})
}

// TestDenialThatCouldNotBeTold is told the next time, and any path can be told.
func TestDenialThatCouldNotBeTold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		_, value := w.make(scoped("audit.view"))
		k := w.by(value)
		_ = eventtest.Take(t, w.DB)
		dbtest.Exec(t, w.DB, `ALTER TABLE api_key_denial RENAME TO elsewhere`)
		if w.Denied(t.Context(), k, k.Actor, permission.RolesView, "GET", "/x") == nil {
			t.Error("it was told nowhere")
		}
		dbtest.Exec(t, w.DB, `ALTER TABLE elsewhere RENAME TO api_key_denial`)
		w.denied(k, permission.RolesView, "/"+strings.Repeat("ä", 600))
		w.denied(k, permission.RolesManage, "/\xff")
		if rows := eventtest.Take(t, w.DB); len(rows) != 2 {
			t.Errorf("%v", rows)
		}
	})
}

// TestManyDenialsFillNoMemory: beyond what is kept the store decides.
func TestManyDenialsFillNoMemory(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dbtest.Open(t, database.SQLite, (&dbtest.Clock{}).Now))
	_, value := w.make(scoped("audit.view"))
	k := w.by(value)
	_ = eventtest.Take(t, w.DB)
	w.denied(k, permission.RolesView, "/x")
	for range 2 {
		w.FillDenials()
		w.denied(k, permission.RolesView, "/x")
	}
	if n := len(eventtest.Take(t, w.DB)); n != 1 || w.ToldDenials() > revision.MostKept {
		t.Errorf("%d are told, %d are in memory", n, w.ToldDenials())
	}
}

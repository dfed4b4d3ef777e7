package membership_test

import (
	"sync/atomic"
	"testing"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestFiftyActivate: of fifty who make one person a member one does, whether the person was
// one before or not.
func TestFiftyActivate(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db)
		ann := w.born("Ann", "Doe", "ann@acme.example")
		for _, how := range []string{"for the first time", "again"} {
			got := dbtest.AtOnce(50, func() string { return dbtest.Outcome(w.activate(ann, w.envs[0])) })
			if got["ok"] != 1 || got["identities.already_member"] != 49 {
				t.Errorf("%s: %v", how, got)
			}
			removed := dbtest.AtOnce(50, func() string {
				is, err := w.deactivate(ann, w.envs[0])
				if is {
					return "removed"
				}
				return dbtest.Outcome(err)
			})
			if removed["removed"] != 1 || removed["ok"] != 49 {
				t.Errorf("%s, and out: %v", how, removed)
			}
		}
		for table, want := range map[string]int{"membership": 1, "app_membership": 1} {
			if n := dbtest.Number(t, db, `SELECT count(*) FROM `+table); n != want {
				t.Errorf("%d rows of %s", n, table)
			}
		}
	})
}

// TestComingAndGoingAtOnce: whoever comes and goes in two Environments at once is, at last,
// where the successes say, and in the Application that both belong to; every change has raised
// the revision of its Environment once.
func TestComingAndGoingAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db)
		ann := w.born("Ann", "Doe", "ann@acme.example")
		raised := func() int { return dbtest.Number(t, db, `SELECT sum(revision) FROM revision`) }
		before := raised()
		var calls, changes atomic.Int64
		var inside [2]atomic.Int64
		dbtest.AtOnce(80, func() string {
			n := calls.Add(1)
			in := w.envs[n%2]
			if n%4 < 2 {
				err := w.activate(ann, in)
				if err == nil {
					inside[n%2].Add(1)
					changes.Add(1)
				}
				return dbtest.Outcome(err)
			}
			is, err := w.deactivate(ann, in)
			if is {
				inside[n%2].Add(-1)
				changes.Add(1)
			}
			return dbtest.Outcome(err)
		})
		for i := range inside {
			m, is := w.membership(ann, i)
			want := inside[i].Load() == 1
			if active := is && m.Status == membership.Active; active != want || inside[i].Load() < 0 || inside[i].Load() > 1 {
				t.Errorf("Environment %d: %+v after %d entries more than exits", i, m, inside[i].Load())
			}
		}
		if got := raised() - before; int64(got) != changes.Load() {
			t.Errorf("%d changes raised revisions by %d", changes.Load(), got)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM app_membership WHERE status = 'active'`); n != 1 {
			t.Errorf("%d places in the Application", n)
		}
	})
}

func (w *world) membership(p *person, i int) (m membership.Membership, is bool) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) (err error) {
		m, is, err = membership.Of(w.t.Context(), tx, w.envs[i], p.ID)
		return err
	})
	return m, is
}

// TestSwitchMeetsEntry: who is switched off while entering is switched off there, too: copies
// for lists never differ from the person.
func TestSwitchMeetsEntry(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db)
		for range 20 {
			p := w.born("Ann", "Doe", "ann"+string(rune('a'+len(w.people)))+"@acme.example")
			var turn atomic.Int64
			got := dbtest.AtOnce(3, func() string {
				switch turn.Add(1) {
				case 1:
					return dbtest.Outcome(w.activate(p, w.envs[0]))
				case 2:
					return dbtest.Outcome(w.activate(p, w.envs[1]))
				}
				return dbtest.Outcome(w.off(p.ID))
			})
			if got["ok"] != 3 {
				t.Errorf("%v", got)
			}
		}
		for _, table := range []string{"membership", "app_membership"} {
			on := dbtest.Number(t, db, `SELECT count(*) FROM `+table+` WHERE is_active = 1`)
			if all := dbtest.Number(t, db, `SELECT count(*) FROM `+table); on != 0 || all < 20 {
				t.Errorf("%d of %d rows of %s say that people are on", on, all, table)
			}
		}
	})
}

// off switches somebody off.
func (w *world) off(who enduser.ID) error {
	return database.Do(w.t.Context(), w.db, func(tx *database.Tx) error {
		i, err := enduser.Lock(w.t.Context(), tx, w.in.ID, who)
		if err != nil {
			return err
		}
		if i, err = enduser.SetActive(w.t.Context(), tx, i, false); err != nil {
			return err
		}
		_, err = membership.Follow(w.t.Context(), tx, i)
		return err
	})
}

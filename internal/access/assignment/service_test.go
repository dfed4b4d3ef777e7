package assignment_test

import (
	"fmt"
	"testing"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// start is a moment that windows are told from.
var start = time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)

// at is an end of a window, so many minutes after start.
func at(minutes int) text.Clearable {
	s := start.Add(time.Duration(minutes) * time.Minute).Format("2006-01-02T15:04:05.000Z")
	return text.Clearable{Given: true, Value: &s}
}

// open is an end that is taken away.
func open() text.Clearable { return text.Clearable{Given: true} }

func (w *world) change(of assignment.ID, c assignment.Change) (assignment.Assignment, error) {
	return w.grants.Update(w.t.Context(), alex, w.in, of, c)
}

// reserve makes a node one of an organization.
func (w *world) reserve(of hierarchy.ID) {
	w.t.Helper()
	dbtest.Exec(w.t, w.db, `UPDATE node SET node_type = 'canopy:organization' WHERE id = $1`, of)
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader, writer := w.person("Ann"), w.role("Reader"), w.role("Writer")
		a := w.given(ann, w.root, reader)
		w.quiet()
		clock.Advance(time.Second)
		b, err := w.change(a.ID, assignment.Change{RoleID: writer.String(), To: at(60)})
		w.must(err)
		from, to := b.Window.Times()
		if b.Role != writer || from != nil || !to.Equal(start.Add(time.Hour)) || !b.UpdatedAt.After(a.UpdatedAt) ||
			!b.CreatedAt.Equal(a.CreatedAt) {
			t.Errorf("%+v", b)
		}
		w.recorded(fmt.Sprintf(`assignment.updated {"identity_id":"%s","node_id":"%s","role_id":"%s"}`, ann, w.root, writer))
		w.sound()
		// Absent is unchanged, the same again writes nothing.
		before := w.revision()
		for _, c := range []assignment.Change{{}, {From: open(), To: at(60)}} {
			c.RoleID = writer.String()
			same, err := w.change(a.ID, c)
			if err != nil || same != b {
				t.Errorf("%+v, %v", same, err)
			}
		}
		w.nothing(before)
		c, err := w.change(a.ID, assignment.Change{RoleID: writer.String(), From: at(-5), To: open()})
		w.must(err)
		if from, to := c.Window.Times(); from == nil || to != nil {
			t.Errorf("%+v", c)
		}
		w.sound()
	})
}

func TestUpdateHoldsItsRules(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader, writer, off := w.person("Ann"), w.role("Reader"), w.role("Writer"), w.role("Off")
		a, b := w.given(ann, w.root, reader), w.given(ann, w.root, writer)
		kept := w.given(ann, w.root, off)
		w.turnOff(off)
		org := w.node(w.root, "Org")
		in := w.given(ann, org, reader)
		w.reserve(org)
		_, err := w.change(a.ID, assignment.Change{RoleID: reader.String(), From: at(10)})
		w.must(err)
		w.quiet()
		to := func(r string) assignment.Change { return assignment.Change{RoleID: r} }
		late := assignment.Change{RoleID: "x", To: at(10)}
		for name, c := range map[string]struct {
			of   assignment.ID
			c    assignment.Change
			want *fault.Error
			data any
		}{
			"the other's role":        {a.ID, to(writer.String()), assignment.ErrConflict, m{"assignment_id": b.ID}},
			"an inactive role":        {a.ID, to(off.String()), assignment.ErrInactive, nil},
			"no role":                 {a.ID, to("x"), rbac.ErrRoleNotFound, nil},
			"an end before its begin": {a.ID, late, fault.Validation, nil},
			"nobody's":                {assignment.ID{7}, late, assignment.ErrNotFound, nil},
			"of an organization":      {in.ID, to(off.String()), hierarchy.ErrReservedType, nil},
			"none of an organization": {in.ID, to("x"), rbac.ErrRoleNotFound, nil},
		} {
			before := w.revision()
			_, err := w.change(c.of, c.c)
			t.Log(name)
			refused(t, err, c.want, c.data)
			w.nothing(before)
		}
		// What an inactive role, or an organization, keeps may get other dates.
		for _, c := range []struct {
			of assignment.ID
			r  rbac.RoleID
		}{{kept.ID, off}, {in.ID, reader}} {
			_, err := w.change(c.of, assignment.Change{RoleID: c.r.String(), To: at(10)})
			w.must(err)
		}
		w.sound()
	})
}

func TestRemove(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader, org := w.person("Ann"), w.role("Reader"), w.node(w.root, "Org")
		a, in := w.given(ann, w.root, reader), w.given(ann, org, reader)
		w.reserve(org)
		w.quiet()
		before := w.revision()
		refused(t, w.grants.Remove(t.Context(), alex, w.in, in.ID), hierarchy.ErrReservedType, nil)
		refused(t, w.grants.Remove(t.Context(), alex, w.other, a.ID), assignment.ErrNotFound, nil)
		w.nothing(before)
		w.must(w.grants.Remove(t.Context(), alex, w.in, a.ID))
		w.recorded(fmt.Sprintf(`assignment.removed {"identity_id":"%s","node_id":"%s","role_id":"%s"}`, ann, w.root, reader))
		refused(t, w.grants.Remove(t.Context(), alex, w.in, a.ID), assignment.ErrNotFound, nil)
		w.sound()
		// What was removed may be given again.
		w.given(ann, w.root, reader)
		w.sound()
	})
}

// The state changes at the very ends of the window.
func TestStates(t *testing.T) {
	t.Parallel()
	now := start
	w := assignment.Window{From: micro(now), To: micro(now.Add(time.Minute))}
	for _, c := range []struct {
		w    assignment.Window
		at   time.Time
		want assignment.State
	}{
		{w, now.Add(-time.Millisecond), assignment.Scheduled},
		{w, now, assignment.Active},
		{w, now.Add(time.Minute - time.Millisecond), assignment.Active},
		{w, now.Add(time.Minute), assignment.Expired},
		{assignment.Always, now, assignment.Active},
		{assignment.Window{From: assignment.Always.From, To: w.To}, now.Add(-time.Hour), assignment.Active},
		{assignment.Window{From: w.From, To: assignment.Always.To}, now.Add(time.Hour), assignment.Active},
	} {
		if got := c.w.At(c.at); got != c.want {
			t.Errorf("%+v at %s: %s, want %s", c.w, c.at, got, c.want)
		}
	}
}

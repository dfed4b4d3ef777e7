package preview_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/preview"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// crowded is a world in which n people read at North, and one at the root.
func crowded(
	t *testing.T, db *database.DB, config preview.Config, n int,
) (w *world, north hierarchy.ID, reader rbac.RoleID) {
	t.Helper()
	w = newWorld(t, db, config)
	w.permissions(w.in, keys...)
	root := w.root(w.in)
	made, err := w.node(w.in, root, "region", "North")
	w.must(err)
	reader = w.role(w.in, "Reader", "lease.read", "lease.sign", "lease.void")
	for i := range n {
		w.give(w.person(fmt.Sprintf("p%d", i)).ID, made.ID, reader)
	}
	w.give(w.person("chief").ID, root, reader)
	return w, made.ID, reader
}

// first is the first page.
func (w *world) first(c preview.Change, limit int) preview.Page {
	w.t.Helper()
	p, err := w.Preview(w.t.Context(), w.in, preview.Query{Change: c, Limit: limit})
	w.must(err)
	return p
}

// TestPagesAreWholeAndDisjoint: in the order of ids, whatever their size; also where each ends
// at once, for the work has taken too long: then the summary says that it is not whole.
func TestPagesAreWholeAndDisjoint(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]preview.Config{"in time": {}, "out of time": {Work: time.Nanosecond}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
				t.Parallel()
				w, _, reader := crowded(t, db, config, 12)
				c := preview.Change{Kind: preview.DeleteRole, RoleID: new(reader.String())}
				whole := idsOf(w.read(w.in).members, func(m decide.Member) id.ID { return m.Identity })
				for _, limit := range []int{1, 5, 13, 200} {
					p := w.all(c, limit)
					var got []id.ID
					for _, it := range p.Items {
						got = append(got, it.Identity.ID.Any())
					}
					if diff := cmp.Diff(whole, got); diff != "" {
						t.Errorf("pages of %d:\n%s", limit, diff)
					}
					s := *p.Summary
					if s.Going.Assignments != 13 || s.Gaining != 0 || s.Complete != (config.Work == 0) ||
						s.Complete != (s.Losing == 13) {
						t.Errorf("pages of %d: %+v", limit, s)
					}
				}
			})
		})
	}
}

// TestWhatIsTooLargeIsOnlyCounted: of it problems and what goes are told, and no people.
func TestWhatIsTooLargeIsOnlyCounted(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w, north, reader := crowded(t, db, preview.Config{Most: 2}, 3)
		south, err := w.node(w.in, w.root(w.in), "region", "South")
		w.must(err)
		for range 3 {
			_, err := w.node(w.in, south.ID, "team", "Team")
			w.must(err)
		}
		southern := []string{south.ID.String()}
		inactive, production := hierarchy.Inactive, "production"
		for _, c := range []struct {
			change preview.Change
			going  preview.Going
		}{
			{
				preview.Change{Kind: preview.MoveNodes, NodeIDs: southern, ParentNodeID: new(north.String())},
				preview.Going{Nodes: 4},
			},
			{preview.Change{Kind: preview.SwitchNodes, NodeIDs: southern, Status: &inactive}, preview.Going{Nodes: 4}},
			{
				preview.Change{Kind: preview.DeleteNodes, NodeIDs: []string{north.String()}},
				preview.Going{Nodes: 1, Assignments: 3},
			},
			{preview.Change{Kind: preview.DeleteRole, RoleID: new(reader.String())}, preview.Going{Assignments: 4}},
			{preview.Change{Kind: preview.Revert}, preview.Going{Nodes: 5}},
			{preview.Change{Kind: preview.Promote, Source: &production}, preview.Going{Nodes: 5, Assignments: 4}},
		} {
			p := w.first(c.change, 200)
			want := preview.Summary{Going: c.going}
			diff := cmp.Diff(&want, p.Summary)
			if diff != "" || len(p.Items) > 0 || p.Next != "" || len(p.Problems) > 0 {
				t.Errorf("%s: %+v\n%s", c.change.Kind, p, diff)
			}
		}
	})
}

// TestInvitesThatGo: those that name a node or a role that goes, or whose person is removed.
func TestInvitesThatGo(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w, north, reader := crowded(t, db, preview.Config{}, 1)
		other := w.role(w.in, "Other", "lease.note")
		ann := w.person("ann")
		w.invite("ben@acme.com", reader, w.root(w.in))
		w.invite("cy@acme.com", other, north)
		w.invite(ann.Email, other, w.root(w.in))
		production, inactive := "production", hierarchy.Inactive
		for _, c := range []struct {
			change preview.Change
			want   int
		}{
			{preview.Change{Kind: preview.DeleteNodes, NodeIDs: []string{north.String()}}, 1},
			{preview.Change{Kind: preview.DeleteRole, RoleID: new(reader.String())}, 1},
			{preview.Change{Kind: preview.DeleteRole, RoleID: new(other.String())}, 2},
			{preview.Change{Kind: preview.Remove, IdentityIDs: []string{ann.ID.String()}}, 1},
			{preview.Change{Kind: preview.Deactivate, IdentityIDs: []string{ann.ID.String()}}, 0},
			{preview.Change{Kind: preview.Promote, Source: &production}, 3},
			{preview.Change{Kind: preview.Revert}, 0},
		} {
			if got := w.first(c.change, 200).Summary.Going.Invites; got != c.want {
				t.Errorf("%s: %d invites, want %d", c.change.Kind, got, c.want)
			}
		}
		off := hierarchy.Change{Status: &inactive}
		_, err := w.tree.Update(t.Context(), alex, w.in, north, off, 0, whole[hierarchy.Node])
		w.must(err)
		going := w.first(preview.Change{Kind: preview.Revert}, 200).Summary.Going
		if going.Invites != 1 || going.Assignments != 1 {
			t.Errorf("where North is off: %+v", going)
		}
	})
}

// TestAreasAreCut: twenty gains and twenty losses of each person, and how many more there are.
func TestAreasAreCut(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w, _, reader := crowded(t, db, preview.Config{}, 1)
		var many []string
		for i := range 25 {
			many = append(many, fmt.Sprintf("many.k%02d", i))
		}
		w.permissions(w.in, many...)
		more := w.first(preview.Change{Kind: preview.SetPermissions, RoleID: new(reader.String()), Keys: many}, 1)
		it := more.Items[0]
		if len(it.Gains) != 20 || len(it.Losses) != 3 || it.More != 5 || more.Next == "" {
			t.Errorf("%d gains, %d losses, %d more", len(it.Gains), len(it.Losses), it.More)
		}
	})
}

// TestTimeAlone: an answer says until when it is right, on whatever page.
func TestTimeAlone(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		w, _, reader := crowded(t, db, preview.Config{}, 2)
		remove := preview.Change{Kind: preview.DeleteRole, RoleID: new(reader.String())}
		if p := w.first(remove, 1); p.Until != decide.Forever {
			t.Errorf("without windows: until %d", p.Until)
		}
		end := clock.Now().Add(time.Hour).Truncate(time.Millisecond)
		ids := idsOf(w.read(w.in).assignments, func(a decide.Assignment) id.ID { return a.ID })
		last := slices.MaxFunc(w.read(w.in).assignments, func(a, b decide.Assignment) int {
			return slices.Compare(a.Identity[:], b.Identity[:])
		})
		window := assignment.NewWindow{
			Some: assignment.Some{IDs: []string{last.ID.String()}},
			To:   text.Clearable{Given: true, Value: new(text.InstantOf(end))},
		}
		w.must(w.grants.BulkChangeWindow(t.Context(), alex, w.in, window))
		want := decide.Instant(end.UnixMicro())
		first := w.first(remove, 1) // its summary counts the last person too
		if first.Until != want || first.Summary.Losing != len(ids) {
			t.Errorf("until %d, want %d; %+v", first.Until, want, first.Summary)
		}
		if p := w.first(preview.Change{Kind: preview.Revert}, 200); p.Until != want {
			t.Errorf("revert: until %d, want %d", p.Until, want)
		}
		clock.Advance(2 * time.Hour)
		if p := w.first(remove, 1); p.Until != decide.Forever || p.Summary.Losing != len(ids)-1 {
			t.Errorf("afterwards: until %d, %+v", p.Until, p.Summary)
		}
	})
}

// TestACursorIsOfOneMoment: a write in the Environment, or in the one that something comes
// from, ends it.
func TestACursorIsOfOneMoment(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w, _, reader := crowded(t, db, preview.Config{}, 3)
		production := "production"
		remove := preview.Change{Kind: preview.DeleteRole, RoleID: new(reader.String())}
		promote := preview.Change{Kind: preview.Promote, Source: &production}
		ask := func(c preview.Change, cursor string) error {
			_, err := w.Preview(t.Context(), w.in, preview.Query{Change: c, Cursor: cursor, Limit: 1})
			return err
		}
		removing, promoting := w.first(remove, 1).Next, w.first(promote, 1).Next
		w.role(w.from, "Elsewhere")
		if err := ask(remove, removing); err != nil {
			t.Errorf("after a write elsewhere: %v", err)
		}
		if err := ask(promote, promoting); !errors.Is(err, preview.ErrOutdated) {
			t.Errorf("after a write in the source: %v", err)
		}
		promoting = w.first(promote, 1).Next
		w.role(w.in, "Here")
		for c, cursor := range map[*preview.Change]string{&remove: removing, &promote: promoting} {
			if err := ask(*c, cursor); !errors.Is(err, preview.ErrOutdated) {
				t.Errorf("%s after a write: %v", c.Kind, err)
			}
		}
		gone := w.in
		gone.ID = environment.ID{9}
		_, err := w.Preview(t.Context(), gone, preview.Query{Change: remove, Limit: 1})
		if !errors.Is(err, environment.ErrNotFound) {
			t.Errorf("of an Environment that is gone: %v", err)
		}
	})
}

// TestOneAfterTheOther: calls of one list are judged as if those before had been made.
func TestOneAfterTheOther(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w, north, reader := crowded(t, db, preview.Config{}, 0)
		chain := func(above hierarchy.ID, n int) (ids []string) {
			for range n {
				made, err := w.node(w.in, above, "region", "Deep")
				w.must(err)
				above, ids = made.ID, append(ids, made.ID.String())
			}
			return ids
		}
		deep, to := chain(north, 3), chain(w.root(w.in), 2)[1]
		draft := assignment.Draft{
			IdentityID: w.person("ann").ID.String(), NodeID: north.String(), RoleID: reader.String(),
		}
		for _, c := range []struct {
			change preview.Change
			want   []string
		}{
			{
				preview.Change{Kind: preview.MoveNodes, NodeIDs: []string{deep[0], deep[1]}, ParentNodeID: &to},
				[]string{"nodes.max_depth_exceeded: " + hierarchy.ErrMaxDepth.Message},
			},
			{
				preview.Change{Kind: preview.MoveNodes, NodeIDs: []string{deep[0]}, ParentNodeID: &to},
				[]string{"nodes.slug_taken: " + hierarchy.ErrSlugTaken.Message},
			},
			{
				preview.Change{Kind: preview.CreateAssignments, Assignments: []assignment.Draft{draft, draft}},
				[]string{"rbac.assignment_conflict: " + assignment.ErrConflict.Message},
			},
			{
				preview.Change{Kind: preview.DeleteNodes, NodeIDs: []string{north.String(), deep[0]}},
				[]string{"nodes.node_not_found: " + hierarchy.ErrNotFound.Message},
			},
		} {
			got := told(w.first(c.change, 50).Problems)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", c.change.Kind, diff)
			}
			if diff := cmp.Diff(w.do(c.change), got); diff != "" {
				t.Errorf("%s, real call (-): %s", c.change.Kind, diff)
			}
		}
		// What has been moved out first is no longer in the way.
		above, err := w.node(w.in, w.root(w.in), "region", "West")
		w.must(err)
		west := chain(above.ID, 3)
		to = chain(w.root(w.in), 2)[1]
		both := preview.Change{
			Kind: preview.MoveNodes, NodeIDs: []string{west[1], above.ID.String()}, ParentNodeID: &to,
		}
		got := told(w.first(both, 50).Problems)
		if diff := cmp.Diff(w.do(both), got); diff != "" || len(got) > 0 {
			t.Errorf("the lower one first, real call (-): %s", diff)
		}
	})
}

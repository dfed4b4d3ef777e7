package hierarchy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// TestFoundedTree: from its first moment an Environment has an active root, of the type
// root, named like the Application.
func TestFoundedTree(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := flat(t, db)
		n, seen, err := w.Get(t.Context(), w.in, manager, w.root())
		w.must(err)
		is := n.Name == "Lease Desk" && n.Slug == "lease-desk" && n.Type == "root" && n.Status == hierarchy.Active &&
			n.Version == 1 && n.IsRoot() && string(n.Metadata) == "{}"
		if !is || !seen.Manages || seen.State != hierarchy.Accessible {
			t.Errorf("%+v", n)
		}
		if _, err := w.tryAdd(n.ID, "region", "East"); !errors.Is(err, hierarchy.ErrSchemaNotConfigured) {
			t.Error(err)
		}
		w.sound()
	})
}

// TestCreateRefuses what a new node may not be, in the order of the rules.
func TestCreateRefuses(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		other := flat(t, db).root()
		root := w.root()
		region := w.add(root, "region", "East")
		deep := region
		for range 4 {
			deep = w.add(deep, "region", "Deeper")
		}
		for name, c := range map[string]struct {
			parent, nodeType string
			want             error
		}{
			"nothing is named":       {"none", "canopy:organization", hierarchy.ErrNotFound},
			"another Environment's":  {other.String(), "region", hierarchy.ErrNotFound},
			"unknown":                {id.New[hierarchy.ID](time.Now()).String(), "none", hierarchy.ErrNotFound},
			"reserved":               {root.String(), "canopy:organization", hierarchy.ErrReservedType},
			"no such type":           {"", "none", hierarchy.ErrInvalidType},
			"a second root":          {"", "company", hierarchy.ErrRootExists},
			"not allowed":            {root.String(), "area", hierarchy.ErrInvalidParent},
			"too deep":               {deep.String(), "region", hierarchy.ErrMaxDepth},
			"too deep, not allowed ": {deep.String(), "company", hierarchy.ErrInvalidParent},
		} {
			d := hierarchy.Draft{ParentID: &c.parent, Type: c.nodeType, Name: "X"}
			if c.parent == "" {
				d.ParentID = nil
			}
			if _, err := w.Create(t.Context(), by, w.in, d); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		slug, above := "east", root.String()
		d := hierarchy.Draft{ParentID: &above, Type: "region", Name: "X", Slug: &slug}
		if _, err := w.Create(t.Context(), by, w.in, d); !errors.Is(err, hierarchy.ErrSlugTaken) {
			t.Error(err)
		}
		w.Most = 6
		if _, err := w.tryAdd(root, "region", "X"); !errors.Is(err, hierarchy.ErrLimitReached) {
			t.Error(err)
		}
		w.sound()
	})
}

// TestSlugs: derived ones step aside, those of deleted nodes are free at once, and a new
// name keeps the slug.
func TestSlugs(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		root := w.root()
		var slugs []string
		var first hierarchy.ID
		for i, name := range []string{"East", "EAST!", "éast", "山田", "東京"} {
			n, err := w.tryAdd(root, "region", name)
			w.must(err)
			if slugs = append(slugs, n.Slug); i == 0 {
				first = n.ID
			}
		}
		if got := strings.Join(slugs, " "); got != "east east-2 east-3 node node-2" {
			t.Error(got)
		}
		name := "West"
		if n, err := w.change(first, hierarchy.Change{Name: &name}); err != nil || n.Slug != "east" || n.Version != 2 {
			t.Errorf("%+v %v", n, err)
		}
		taken := "east-2"
		if _, err := w.change(first, hierarchy.Change{Slug: &taken}); !errors.Is(err, hierarchy.ErrSlugTaken) {
			t.Error(err)
		}
		w.must(w.remove(first))
		if n, err := w.tryAdd(root, "region", "East"); err != nil || n.Slug != "east" {
			t.Errorf("%+v %v", n, err)
		}
		w.sound()
	})
}

// TestUpdate: each field, what is refused, and that what changes nothing writes nothing.
func TestUpdate(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		root := w.root()
		east := w.add(root, "region", "East")
		_ = eventtest.Take(t, db)
		about, off := "All of it", hierarchy.Inactive
		changed := hierarchy.Change{
			Description: cleared(&about), Status: &off, Metadata: jsontext.Value(`{"b": 12345678901234567890, "a": [1 ]}`),
		}
		n, err := w.change(east, changed)
		if err != nil || n.Version != 2 || *n.Description != about || n.Status != off ||
			string(n.Metadata) != `{"a":[1],"b":12345678901234567890}` {
			t.Errorf("%+v %v", n, err)
		}
		got, _, err := w.Get(t.Context(), w.in, manager, east)
		if diff := cmp.Diff(n, got, cmpopts.IgnoreUnexported(hierarchy.Node{})); diff != "" || err != nil {
			t.Error(diff, err)
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "node.updated" || rows[0].Metadata != `{"name":"East","status":"inactive"}` {
			t.Errorf("%v", rows)
		}
		for _, c := range []hierarchy.Change{{}, changed} {
			if again, err := w.change(east, c); err != nil || again.Version != 2 {
				t.Errorf("%+v %v", again, err)
			}
		}
		if _, err := w.change(root, hierarchy.Change{Status: &off}); !errors.Is(err, hierarchy.ErrRootProtected) {
			t.Error(err)
		}
		_, err = w.Update(t.Context(), by, w.in, east, hierarchy.Change{}, 1, asIs)
		if f := fault.As(err); f == nil || f.Code != "version_conflict" || f.Data.(hierarchy.Node).Version != 2 {
			t.Error(err)
		}
		if n, err := w.change(east, hierarchy.Change{Description: cleared(nil)}); err != nil || n.Description != nil {
			t.Errorf("%+v %v", n, err)
		}
		if got := eventtest.Actions(t, db); got != "node.updated" {
			t.Error(got)
		}
		w.sound()
	})
}

func cleared(to *string) text.Clearable { return text.Clearable{Given: true, Value: to} }

// TestMove: what is refused in the order of the rules, and what follows the node.
func TestMove(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		root := w.root()
		east, west := w.add(root, "region", "East"), w.add(root, "region", "West")
		inner := w.add(east, "region", "Inner")
		team := w.add(inner, "team", "Team")
		deep := west
		for range 3 {
			deep = w.add(deep, "region", "Deeper")
		}
		other := w.add(west, "region", "Inner")
		zed := "Zed"
		if _, err := w.change(other, hierarchy.Change{Name: &zed}); err != nil {
			t.Fatal(err)
		}
		_ = eventtest.Take(t, db)
		for _, c := range []struct {
			name   string
			of, to hierarchy.ID
			want   error
		}{
			{"unknown node", hierarchy.ID{1}, root, hierarchy.ErrNotFound},
			{"unknown parent", root, hierarchy.ID{1}, hierarchy.ErrNotFound},
			{"the root", root, east, hierarchy.ErrRootProtected},
			{"below itself", east, east, hierarchy.ErrCycle},
			{"below its own", east, team, hierarchy.ErrCycle},
			{"below a leaf", west, team, hierarchy.ErrInvalidParent},
			{"too deep", east, deep, hierarchy.ErrMaxDepth},
			{"slug taken", inner, west, hierarchy.ErrSlugTaken},
			{"where it is", inner, east, nil},
			{"a leaf, just as deep", team, deep, nil},
		} {
			if err := w.move(c.of, c.to); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		}
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Metadata != `{"name":"Team","parent_node_id":"`+deep.String()+`"}` {
			t.Errorf("%v", rows)
		}
		// The slug of the same change is judged at the new place.
		slug, parent := "inner-2", west.String()
		n, err := w.change(inner, hierarchy.Change{Slug: &slug, ParentID: &parent})
		if err != nil || n.Version != 2 || n.Parent != west {
			t.Errorf("%+v %v", n, err)
		}
		w.must(w.move(east, inner))
		want := "Lease Desk(West(Deeper(Deeper(Deeper(Team())))Inner(East())Zed()))"
		if got := w.drawn(); got != want {
			t.Error(got)
		}
		w.sound()
	})
}

// TestDelete takes along all that is below, once and for all.
func TestDelete(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		root := w.root()
		east := w.add(root, "region", "East")
		inner := w.add(east, "region", "Inner")
		team := w.add(inner, "team", "Team")
		w.add(root, "region", "West")
		_ = eventtest.Take(t, db)
		if err := w.remove(root); !errors.Is(err, hierarchy.ErrRootProtected) {
			t.Error(err)
		}
		if err := w.Delete(t.Context(), by, w.in, east, 2, asIs); !errors.Is(err, fault.VersionConflict) {
			t.Error(err)
		}
		w.must(w.remove(east))
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Metadata != `{"name":"East","descendant_count":2,"assignments_removed":0}` ||
			rows[0].Severity != "warning" {
			t.Errorf("%v", rows)
		}
		for _, of := range []hierarchy.ID{east, inner, team} {
			if _, _, err := w.Get(t.Context(), w.in, manager, of); !errors.Is(err, hierarchy.ErrNotFound) {
				t.Error(err)
			}
			if err := w.remove(of); !errors.Is(err, hierarchy.ErrNotFound) {
				t.Error(err)
			}
		}
		w.sound()
		left := func() int {
			return dbtest.Number(t, db, `SELECT count(*) FROM node WHERE environment_id = $1`, w.in.ID)
		}
		w.must(hierarchy.Sweep(t.Context(), db))
		if n := left(); n != 5 {
			t.Errorf("%d are left at once", n)
		}
		clock.Advance(31 * 24 * time.Hour)
		w.must(hierarchy.Sweep(t.Context(), db))
		if n := left(); n != 2 {
			t.Errorf("%d are left in the end", n)
		}
	})
}

// TestPartEnds: a deleted Environment is counted, and its rows are swept.
func TestPartEnds(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w, other := grown(t, db), grown(t, db)
		w.must(w.remove(w.add(w.root(), "region", "Gone")))
		w.add(w.root(), "region", "East")
		part := hierarchy.Part{}
		removed := dbtest.Write(t, db, func(tx *database.Tx) (environment.Removed, error) {
			return part.Cut(t.Context(), tx, w.in)
		})
		if removed.Nodes != 2 {
			t.Errorf("%+v", removed)
		}
		for done := false; !done; {
			done = dbtest.Write(t, db, func(tx *database.Tx) (bool, error) { return part.Sweep(t.Context(), tx, w.in.ID) })
		}
		for _, table := range []string{"node", "tally"} {
			if n := dbtest.Number(t, db, `SELECT count(*) FROM `+table+` WHERE environment_id = $1`, w.in.ID); n != 0 {
				t.Errorf("%s: %d", table, n)
			}
		}
		other.sound()
	})
}

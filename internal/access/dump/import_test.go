package dump_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// small furnishes development: company > north > bremen, company > south, two permissions
// and two roles.
func (w *world) small() (root, north, bremen, south hierarchy.ID) {
	w.t.Helper()
	root = w.root(w.dev)
	north = w.node(w.dev, root, "region", "North")
	bremen = w.node(w.dev, north, "team", "Bremen")
	south = w.node(w.dev, root, "region", "South")
	w.permission(w.dev, "lease.read", "lease.sign")
	w.role(w.dev, "Agent", "lease.read", "lease.sign")
	w.role(w.dev, "Reader", "lease.read")
	w.quiet()
	return root, north, bremen, south
}

// list is a list of a dump.
func list(d m, name string) []any { return d[name].([]any) }

func one(d m, name string, i int) m { return list(d, name)[i].(m) }

// TestLimits: a dump with more than an Environment may hold is refused.
func TestLimits(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		raw := w.export(w.dev)
		for most, want := range map[dump.Limits]string{
			{Nodes: 3}:                           "nodes: there are 4, and an Environment has at most 3",
			{Permissions: 1}:                     "permissions: there are 2, and an Environment has at most 1",
			{Roles: 1}:                           "roles: there are 2, and an Environment has at most 1",
			{Nodes: 4, Permissions: 2, Roles: 2}: "",
		} {
			c := w.Config
			c.Most = most
			_, err := dump.New(c).Import(t.Context(), alex, w.prod, raw, dump.All(), true)
			if f := fault.As(err); (want == "") != (err == nil) || f != nil && (len(f.Details) != 1 || f.Details[0] != want) {
				t.Errorf("%+v: %v", most, err)
			}
		}
	})
}

// TestWhatMayBeAbsent, and in which order the rest may come.
func TestWhatMayBeAbsent(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		d := w.parsed(w.dev)
		d["metadata"] = m{"by": "pipeline", "n": 1}
		for _, name := range []string{"permissions", "roles", "nodes"} {
			for _, e := range list(d, name) {
				for _, optional := range []string{"description", "is_active", "status", "metadata", "ref"} {
					delete(e.(m), optional)
				}
			}
		}
		one(d, "roles", 0)["permission_keys"] = []string{"lease.sign", "lease.read", "lease.sign"}
		nodes := list(d, "nodes") // children before their parents
		nodes[0], nodes[2], nodes[3] = nodes[2], nodes[3], nodes[0]
		w.quiet()
		_, err := w.Import(t.Context(), alex, w.prod, w.encoded(d), dump.All(), false)
		w.must(err)
		got := eventtest.Take(t, db)
		if len(got) != 2 || !strings.Contains(got[0].String(), `"metadata":{"by":"pipeline","n":1}`) ||
			!strings.Contains(got[0].String(), `"nodes":{"created":3,"changed":1,"removed":0}`) {
			t.Error(got)
		}
		w.sound(w.prod)
		for _, n := range w.nodes(w.prod)[1:] {
			if n.Ref != n.ID || n.Version != 1 || string(n.Metadata) != "{}" || n.Status != hierarchy.Active {
				t.Errorf("%+v", n)
			}
		}
		if n := len(w.nodes(w.prod)); n != 4 {
			t.Errorf("%d nodes", n)
		}
	})
}

// TestParts: what is not named stays, and is not looked at.
func TestParts(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		d := w.parsed(w.dev)
		d["nodes"], d["webhooks"], d["access_model"] = []any{"rubbish"}, []any{1}, "rubbish"
		w.permission(w.prod, "lease.read", "lease.sign")
		with := func(of ...dump.Part) string {
			_, err := w.Import(t.Context(), alex, w.prod, w.encoded(d), of, false)
			return dbtest.Outcome(err)
		}
		// The keys are those of the target, where they are not replaced.
		if got := with(dump.Roles); got != "ok" {
			t.Error(got)
		}
		if got := with(dump.Hierarchy); got != "validation" {
			t.Error(got)
		}
		if got := with(dump.Webhooks); got != "environments.import_invalid" {
			t.Error(got)
		}
		d["permissions"] = []any{}
		if got := with(dump.Permissions); got != "ok" {
			t.Error(got)
		}
		roles, err := w.roles.Roles(t.Context(), w.prod, rbac.CustomRole, true)
		w.must(err)
		if len(roles) != 2 || roles[0].Permissions != 0 || roles[0].Version != 2 {
			t.Errorf("roles whose permissions went: %+v", roles)
		}
		if got := with(dump.Roles); got != "environments.import_invalid" {
			t.Error(got)
		}
		if n := len(w.nodes(w.prod)); n != 1 {
			t.Errorf("%d nodes", n)
		}
		w.sound(w.prod)
	})
}

// TestRefs: one that two rows carry, or that names nothing, counts as none; a row then has
// that of the dump.
func TestRefs(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		root, north, bremen, south := w.small()
		d := w.parsed(w.dev)
		foreign := id.New[hierarchy.ID](db.Now())
		// Nodes are root, north, bremen, south.
		one(d, "nodes", 1)["ref"], one(d, "nodes", 3)["ref"] = bremen.String(), bremen.String()
		one(d, "nodes", 2)["ref"] = foreign.String()
		one(d, "nodes", 0)["ref"] = south.String() // the root is the root all the same
		w.loaded(w.dev, w.encoded(d))
		got := map[hierarchy.ID]hierarchy.ID{}
		for _, n := range w.nodes(w.dev) {
			got[n.ID] = n.Ref
		}
		want := map[hierarchy.ID]hierarchy.ID{root: south, north: bremen, bremen: foreign, south: bremen}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		w.sound(w.dev)
	})
}

// TestPlacesChangeHands: what takes the slug, the place or the name of another gets it,
// though that one leaves it in the same import.
func TestPlacesChangeHands(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		_, north, _, south := w.small()
		inner := w.node(w.dev, north, "region", "Inner")
		followed := w.snapshot(w.dev)
		d := w.parsed(w.dev)
		at := map[string]m{}
		for i := range list(d, "nodes") {
			at[one(d, "nodes", i)["id"].(string)] = one(d, "nodes", i)
		}
		a, b, c := at[north.String()], at[south.String()], at[inner.String()]
		// North and South swap their slugs, and Inner comes to lie above North.
		a["slug"], b["slug"] = b["slug"], a["slug"]
		c["parent_node_id"], a["parent_node_id"] = a["parent_node_id"], c["id"]
		x, y := one(d, "roles", 0), one(d, "roles", 1)
		x["name"], y["name"] = y["name"], x["name"]
		r := w.loaded(w.dev, w.encoded(d))
		if r.Removed != (dump.Removed{}) {
			t.Errorf("%+v", r.Removed)
		}
		w.sound(w.dev)
		got := w.parsed(w.dev)
		for i := range list(got, "nodes") {
			n := one(got, "nodes", i)
			if diff := cmp.Diff(at[n["id"].(string)], n); diff != "" {
				t.Error(diff)
			}
		}
		followed = w.follow(w.dev, followed)
		if diff := cmp.Diff(w.shown(w.dev, w.snapshot(w.dev)), w.shown(w.dev, followed)); diff != "" {
			t.Error(diff)
		}
	})
}

package dump_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/application"
)

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}

// copied is a copy of an Environment.
func (w *world) copied(of scope.Environment, name string) scope.Environment {
	w.t.Helper()
	e, err := w.Copy(w.t.Context(), alex, w.app, application.Draft{Name: name}, of.Slug)
	w.must(err)
	return e.In(w.app)
}

// disturb changes an Environment at random.
func (w *world) disturb(r *rand.Rand, in scope.Environment) {
	w.t.Helper()
	for range 12 {
		nodes := w.nodes(in)
		n, to := nodes[r.IntN(len(nodes))], nodes[r.IntN(len(nodes))]
		name, above := fmt.Sprintf("Other %d", r.IntN(9)), to.ID.String()
		slug := []string{"node-1", "node-2", "node-3", "x"}[r.IntN(4)]
		var err error
		switch r.IntN(5) {
		case 0:
			err = w.update(in, n.ID, hierarchy.Change{ParentID: &above})
		case 1:
			err = w.update(in, n.ID, hierarchy.Change{Name: &name})
		case 2:
			err = w.update(in, n.ID, hierarchy.Change{Slug: &slug})
		case 3:
			err = w.remove(in, n.ID)
		default:
			_, err = w.tree.Create(w.t.Context(), alex, in, hierarchy.Draft{ParentID: &above, Type: "region", Name: name})
		}
		if err != nil && dbtest.Outcome(err) == err.Error() {
			w.t.Fatal(err)
		}
	}
	roles, err := w.roles.Roles(w.t.Context(), in, rbac.CustomRole, true)
	w.must(err)
	// Names go round: each wants that of another.
	for i, one := range roles {
		name, active := fmt.Sprintf("Passing %d", i), r.IntN(3) > 0
		w.change(in, one.ID, rbac.RoleChange{Name: &name, Active: &active})
	}
	for i, one := range roles {
		name := roles[(i+1)%len(roles)].Name
		w.change(in, one.ID, rbac.RoleChange{Name: &name})
	}
	w.permission(in, "b.a")
	w.role(in, "Role 9", "b.a", "canopy:organization.manage")
	if r.IntN(2) == 0 {
		w.must(w.roles.DeleteRole(w.t.Context(), alex, in, roles[0].ID, 0, func(r rbac.Role) any { return r }))
	}
	permissions, err := w.roles.Permissions(w.t.Context(), in, rbac.Custom)
	w.must(err)
	asIs := func(p rbac.Permission) any { return p }
	w.must(w.roles.DeletePermission(w.t.Context(), alex, in, permissions[0].ID, 0, asIs))
}

// TestAnyWorldComesThrough: whatever an Environment holds, its copy says the same; however
// that is changed, promoted back it makes the Environment equal to it, an assignment is
// lost exactly when its role or its node is, and who follows sees what is there.
func TestAnyWorldComesThrough(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		for seed := range uint64(6) {
			r := rand.New(rand.NewPCG(seed, 1))
			w := newWorld(t, db)
			var people []principal.IdentityID
			for i := range 3 {
				people = append(people, w.person(w.dev, fmt.Sprintf("P%d", i)))
			}
			w.grow(r, w.dev, people)
			staging := w.copied(w.dev, "Staging")
			if diff := cmp.Diff(w.placeless(w.dev), w.placeless(staging)); diff != "" {
				t.Fatalf("seed %d: the copy differs: %s", seed, diff)
			}
			w.sound(staging)
			w.disturb(r, staging)
			followed, before := w.snapshot(w.dev), w.assignments(w.dev)
			refs := w.refs(staging)
			kept := slices.DeleteFunc(slices.Clone(before), func(h held) bool { return !refs[h.node] || !refs[h.role] })

			untouched := w.stored()
			dry, err := w.Promote(t.Context(), alex, w.dev, "staging", dump.Promoted(), true)
			w.must(err)
			if w.stored() != untouched {
				t.Fatal("a dry run has changed something")
			}
			done, err := w.Promote(t.Context(), alex, w.dev, "staging", dump.Promoted(), false)
			w.must(err)
			if dry.Removed != done.Removed || done.Removed.Assignments != len(before)-len(kept) {
				t.Errorf("seed %d: %+v dry, %+v done, %d of %d assignments stay", seed, dry.Removed, done.Removed,
					len(kept), len(before))
			}
			if diff := cmp.Diff(w.placeless(staging), w.placeless(w.dev)); diff != "" {
				t.Errorf("seed %d: what was promoted differs: %s", seed, diff)
			}
			if diff := cmp.Diff(kept, w.assignments(w.dev), cmp.AllowUnexported(held{})); diff != "" {
				t.Errorf("seed %d: assignments: %s", seed, diff)
			}
			w.sound(w.dev)
			followed = w.follow(w.dev, followed)
			if diff := cmp.Diff(w.shown(w.dev, w.snapshot(w.dev)), w.shown(w.dev, followed)); diff != "" {
				t.Errorf("seed %d: -rows +followed: %s", seed, diff)
			}
			w.nothingLeft("staging", w.dev)
			w.loaded(w.prod, w.export(w.dev))
			if diff := cmp.Diff(w.placeless(w.dev), w.placeless(w.prod)); diff != "" {
				t.Errorf("seed %d: what was imported differs: %s", seed, diff)
			}
			w.sound(w.prod)
		}
	})
}

// refs are those of the roles and nodes of a copy: the ids of its original.
func (w *world) refs(in scope.Environment) map[string]bool {
	w.t.Helper()
	all, d := map[string]bool{}, w.parsed(in)
	for _, list := range []string{"roles", "nodes"} {
		for _, one := range d[list].([]any) {
			all[one.(m)["ref"].(string)] = true
		}
	}
	return all
}

// loaded imports a dump.
func (w *world) loaded(in scope.Environment, raw []byte) dump.Result {
	w.t.Helper()
	r, err := w.Import(w.t.Context(), alex, in, raw, dump.All(), false)
	w.must(err)
	return r
}

// nothingLeft: to promote once more would change nothing.
func (w *world) nothingLeft(from string, in scope.Environment) {
	w.t.Helper()
	r, err := w.Promote(w.t.Context(), alex, in, from, dump.Promoted(), true)
	w.must(err)
	for _, d := range []*dump.Difference{r.Difference.Permissions, r.Difference.Roles, r.Difference.Hierarchy} {
		if len(d.OnlyFrom)+len(d.OnlyTo)+len(d.Changed) > 0 {
			w.t.Errorf("there is a difference: %+v", d)
		}
	}
}

package decision_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// nodes are all that somebody reaches, page by page, each asked of the next of some worlds;
// between is called before each page but the first.
func nodes(t rapid.TB, of enduser.ID, limit int, between func(), worlds ...*world) (all []id.ID) {
	q := decide.ReachQuery{Identity: of.Any(), Permission: read, Limit: limit}
	for i := 0; ; i++ {
		p, err := worlds[i%len(worlds)].AccessibleNodes(worlds[0].t.Context(), alex, worlds[0].in, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(p.Nodes) > limit {
			t.Fatalf("%d nodes on a page of %d", len(p.Nodes), limit)
		}
		all = append(all, p.Nodes...)
		if q.After = p.Next; p.Next == nil {
			return all
		}
		between()
	}
}

// holders are the same of who may at a node.
func holders(t rapid.TB, at hierarchy.ID, limit int, between func(), worlds ...*world) (all []id.ID) {
	q := decide.WhoQuery{Node: at.Any(), Permission: read, Limit: limit}
	for i := 0; ; i++ {
		p, err := worlds[i%len(worlds)].WhoCan(worlds[0].t.Context(), alex, worlds[0].in, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range p.Holders {
			if p.People[enduser.ID(h.Identity)].FirstName == "" {
				t.Fatalf("%v has no name", h.Identity)
			}
			all = append(all, h.Identity)
		}
		if q.After = p.Next; p.Next.IsZero() {
			return all
		}
		between()
	}
}

func nothing() {}

// stays are those of some that are not among others.
func stays(some []id.ID, gone map[id.ID]bool) []id.ID {
	return slices.DeleteFunc(slices.Clone(some), func(one id.ID) bool { return gone[one] })
}

// TestPagesKeepTheirPlace: whatever comes and goes between two pages, which two processes
// answer in turn, what stays is seen once.
func TestPagesKeepTheirPlace(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, a, b *world) {
		var below []hierarchy.ID
		for i := range 3 {
			north := a.node(a.root, fmt.Sprintf("N%d", i))
			below = append(below, north)
			for j := range 3 {
				below = append(below, a.node(north, fmt.Sprintf("N%d-%d", i, j)))
			}
		}
		people := []enduser.ID{a.ann}
		for i := range 8 {
			people = append(people, a.person(fmt.Sprintf("p%d", i)))
		}
		for _, of := range people {
			a.must(a.give(of, a.root, a.role, assignment.Always))
		}
		rapid.Check(t, func(r *rapid.T) {
			limit, made := rapid.IntRange(2, 7).Draw(r, "limit"), 0
			before := nodes(r, a.ann, 1000, nothing, a)
			changed := map[id.ID]bool{}
			changes := 0
			during := nodes(r, a.ann, limit, func() {
				if changes++; changes > 2 {
					return
				}
				w := rapid.SampledFrom([]*world{a, b}).Draw(r, "who writes")
				at := rapid.SampledFrom(below).Draw(r, "node")
				what := rapid.IntRange(0, 3).Draw(r, "what")
				if len(before) > 20 {
					what = 2 // a tree that grows for ever is read ever longer
				}
				switch what {
				case 0, 1:
					made++
					above := rapid.SampledFrom([]hierarchy.ID{at, a.root}).Draw(r, "above").String()
					name := fmt.Sprintf("new %d of %d", made, len(below))
					n, err := w.tree.Create(t.Context(), alex, w.in, hierarchy.Draft{ParentID: &above, Type: "region", Name: name})
					if err == nil {
						changed[n.ID.Any()] = true
						below = append(below, n.ID)
					}
				case 2:
					for _, gone := range nodesUnder(t, a, at) {
						changed[gone] = true
					}
					_ = w.tree.Delete(t.Context(), alex, w.in, at, 0, whole[hierarchy.Node])
				default:
					for _, moved := range nodesUnder(t, a, at) {
						changed[moved] = true
					}
					to := rapid.SampledFrom(below).Draw(r, "to").String()
					_, _ = w.tree.Update(t.Context(), alex, w.in, at, hierarchy.Change{ParentID: &to}, 0, whole[hierarchy.Node])
				}
			}, a, b)
			if diff := cmp.Diff(stays(before, changed), stays(during, changed)); diff != "" {
				r.Fatalf("nodes that stayed (-before +during):\n%s", diff)
			}
			changed, changes = map[id.ID]bool{}, 0
			atFirst := holders(r, a.root, 1000, nothing, b)
			seen := holders(r, a.root, limit, func() {
				if changes++; changes > 2 {
					return
				}
				of := rapid.SampledFrom(people).Draw(r, "of")
				changed[of.Any()] = true
				a.take(of)
				if rapid.Bool().Draw(r, "gives again") {
					_ = b.give(of, a.root, a.role, assignment.Always)
				}
			}, b, a)
			if diff := cmp.Diff(stays(atFirst, changed), stays(seen, changed)); diff != "" {
				r.Fatalf("people who stayed (-before +during):\n%s", diff)
			}
			for of := range changed { // for the next round
				_ = a.give(enduser.ID(of), a.root, a.role, assignment.Always)
			}
		})
	})
}

// nodesUnder are a node and all below it; none where it is gone.
func nodesUnder(t *testing.T, w *world, top hierarchy.ID) (list []id.ID) {
	t.Helper()
	ids, err := environment.Read(t.Context(), w.db, w.in, func(tx *database.Tx, _ revision.At) ([]hierarchy.ID, error) {
		return hierarchy.Under(t.Context(), tx, w.in, top)
	})
	w.must(err)
	for _, n := range ids {
		list = append(list, n.Any())
	}
	return list
}

// TestNobodyReachesAnything: why, and of what is not there.
func TestNobodyReachesAnything(t *testing.T) {
	t.Parallel()
	pair(t, func(t *testing.T, a, _ *world) {
		for _, of := range []id.ID{a.ann.Any(), {}} {
			p, err := a.AccessibleNodes(t.Context(), alex, a.in, decide.ReachQuery{Identity: of, Permission: read, Limit: 3})
			want := map[bool]decide.Reason{true: decide.IdentityNotFound, false: decide.NoAssignment}[of.IsZero()]
			if err != nil || p.Reason != want || len(p.Nodes)+len(p.Roots)+len(p.Next) > 0 {
				t.Errorf("%+v, %v", p, err)
			}
		}
		for _, c := range []struct {
			at   id.ID
			key  string
			want decide.Reason
		}{
			{id.ID{}, read, decide.NodeNotFound},
			{a.root.Any(), "lease.none", decide.PermissionUnknown},
			{a.root.Any(), read, decide.None},
		} {
			w, err := a.WhoCan(t.Context(), alex, a.in, decide.WhoQuery{Node: c.at, Permission: c.key, Limit: 3})
			if err != nil || w.Reason != c.want || len(w.Holders) > 0 || !w.Next.IsZero() {
				t.Errorf("%+v, %v", w, err)
			}
		}
	})
}

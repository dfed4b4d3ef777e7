package hierarchy_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// model is a tree as a plain map has it.
type model struct {
	parent map[hierarchy.ID]hierarchy.ID
	kind   map[hierarchy.ID]string
}

func (m *model) lineage(of hierarchy.ID) (list []hierarchy.ID) {
	for ; of != (hierarchy.ID{}); of = m.parent[of] {
		list = append(list, of)
	}
	return list
}

// height is how many levels a node and all below it make.
func (m *model) height(of hierarchy.ID) (levels int) {
	for n := range m.parent {
		if at := slices.Index(m.lineage(n), of); at >= 0 {
			levels = max(levels, at+1)
		}
	}
	return levels
}

// move is what moving a node must answer.
func (m *model) move(of, to hierarchy.ID) string {
	allowed := schema().AllowedChildren
	switch {
	case m.parent[of] == (hierarchy.ID{}):
		return "nodes.root_protected"
	case m.parent[of] == to:
		return "ok"
	case slices.Contains(m.lineage(to), of):
		return "nodes.cycle"
	case !slices.Contains(allowed[m.kind[to]], m.kind[of]):
		return "nodes.invalid_parent"
	case len(m.lineage(to))+m.height(of) > 6:
		return "nodes.max_depth_exceeded"
	}
	m.parent[of] = to
	return "ok"
}

func (m *model) remove(of hierarchy.ID) string {
	if m.parent[of] == (hierarchy.ID{}) {
		return "nodes.root_protected"
	}
	var gone []hierarchy.ID
	for n := range m.parent {
		if slices.Contains(m.lineage(n), of) {
			gone = append(gone, n)
		}
	}
	for _, n := range gone {
		delete(m.parent, n)
	}
	return "ok"
}

// TestAnyRunOfWrites: each write answers what a plain model of the tree answers, and leaves
// what the model holds.
func TestAnyRunOfWrites(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		rapid.Check(t, func(r *rapid.T) {
			w := grown(t, db)
			root := w.root()
			m := &model{parent: map[hierarchy.ID]hierarchy.ID{root: {}}, kind: map[hierarchy.ID]string{root: "company"}}
			all := []hierarchy.ID{root}
			pick := func(what string) hierarchy.ID {
				live := slices.DeleteFunc(slices.Clone(all), func(n hierarchy.ID) bool { _, is := m.parent[n]; return !is })
				return rapid.SampledFrom(live).Draw(r, what)
			}
			for i := range rapid.IntRange(5, 25).Draw(r, "steps") {
				of := pick("of")
				var got string
				want := "ok"
				switch rapid.IntRange(0, 9).Draw(r, "what") {
				default:
					nodeType := rapid.SampledFrom([]string{"region", "region", "area", "team"}).Draw(r, "type")
					switch {
					case !slices.Contains(schema().AllowedChildren[m.kind[of]], nodeType):
						want = "nodes.invalid_parent"
					case len(m.lineage(of)) == 6:
						want = "nodes.max_depth_exceeded"
					}
					n, err := w.tryAdd(of, nodeType, fmt.Sprintf("N%d", i))
					if got = dbtest.Outcome(err); err == nil {
						all = append(all, n.ID)
						m.parent[n.ID], m.kind[n.ID] = of, nodeType
					}
				case 0, 1, 2, 3:
					to := pick("to")
					got = dbtest.Outcome(w.move(of, to))
					want = m.move(of, to)
				case 4:
					got = dbtest.Outcome(w.remove(of))
					want = m.remove(of)
				}
				if got != want {
					r.Fatalf("%s, want %s", got, want)
				}
			}
			edges := map[hierarchy.ID]hierarchy.ID{}
			for _, e := range w.edges() {
				edges[e.ID] = e.Parent
			}
			if fmt.Sprint(edges) != fmt.Sprint(m.parent) {
				r.Error("the model has another tree")
			}
			w.sound()
		})
	})
}

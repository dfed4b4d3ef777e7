package hierarchy_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// planted is a large tree, written past the use cases.
type planted struct {
	*world
	ids     []hierarchy.ID // the root first; parents come before their children
	parents []int
	names   []string
}

// plant adds nodes below the root of a world: node n, from 1 on, below the node that parent
// gives, under the name that name gives.
func plant(t testing.TB, db *database.DB, n int, parent func(int) int, name func(int) string) *planted {
	t.Helper()
	w := grown(t, db)
	p := &planted{world: w, ids: []hierarchy.ID{w.root()}, parents: []int{-1}, names: []string{"Lease Desk"}}
	children, depths := make([]int, n+1), []int{1}
	counts := map[string]int{}
	for i := 1; i <= n; i++ {
		above := parent(i)
		p.parents, p.names = append(p.parents, above), append(p.names, name(i))
		depths = append(depths, depths[above]+1)
		counts[strconv.Itoa(depths[i])]++
		children[above]++
	}
	dbtest.Do(t, db, func(tx *database.Tx) error {
		for i := 1; i <= n; i++ {
			of := id.New[hierarchy.ID](tx.Now)
			p.ids = append(p.ids, of)
			_, err := tx.Exec(t.Context(), `INSERT INTO node (id, environment_id, parent_id, node_type, name, name_fold, slug,
				status, metadata, child_count, version, created_at, updated_at)
				VALUES ($1, $2, $3, 'region', $4, $5, $6, 'active', '{}', $7, 1, $8, $8)`,
				of, w.in.ID, p.ids[p.parents[i]], p.names[i], text.Fold(p.names[i]), fmt.Sprintf("n-%d", i), children[i], tx.Now)
			if err != nil {
				return err
			}
		}
		_, err := tx.Exec(t.Context(), `UPDATE node SET child_count = $1 WHERE id = $2`, children[0], p.ids[0])
		if err != nil {
			return err
		}
		for depth, n := range counts {
			_, err := tx.Exec(t.Context(), `INSERT INTO tally (environment_id, kind, item, n) VALUES ($1, 'depth', $2, $3)`,
				w.in.ID, depth, n)
			if err != nil {
				return err
			}
		}
		_, err = tx.Exec(t.Context(), `INSERT INTO tally (environment_id, kind, item, n) VALUES ($1, 'type', 'region', $2)`,
			w.in.ID, n)
		if err == nil {
			_, err = tx.Exec(t.Context(), `UPDATE tally SET n = $2 WHERE environment_id = $1 AND item = 'active'`, w.in.ID, n+1)
		}
		return err
	})
	return p
}

// inOrder are the nodes in tree order, by number, as a plain reading of the rule has it.
func (p *planted) inOrder() (list []int) {
	below := make([][]int, len(p.ids))
	for n, above := range p.parents {
		if above >= 0 {
			below[above] = append(below[above], n)
		}
	}
	var visit func(n int)
	visit = func(n int) {
		list = append(list, n)
		slices.SortFunc(below[n], func(a, b int) int {
			if c := text.Compare(p.names[a], p.names[b]); c != 0 {
				return c
			}
			return strings.Compare(p.ids[a].String(), p.ids[b].String())
		})
		for _, child := range below[n] {
			visit(child)
		}
	}
	visit(0)
	return list
}

package hierarchy_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestATreeIsWalkedBySiblings: SQLite goes from a node to its children by the index of
// siblings. By any other it would look at the whole tree for every step.
func TestATreeIsWalkedBySiblings(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		if db.Engine != database.SQLite {
			return // PostgreSQL decides by how many nodes there are
		}
		for _, query := range hierarchy.Downwards {
			plan := ""
			dbtest.Do(t, db, func(tx *database.Tx) error {
				return tx.Query(t.Context(), func(row database.Scanner) error {
					var id, parent, unused int
					var step string
					err := row.Scan(&id, &parent, &unused, &step)
					plan += step + "\n"
					return err
				}, `EXPLAIN QUERY PLAN `+query, "environment", "node", 1)
			})
			if !strings.Contains(plan, "INDEX node_siblings (environment_id=? AND parent_id=?)") {
				t.Errorf("%s\n%s", query, plan)
			}
		}
	})
}

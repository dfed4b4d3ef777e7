package preview_test

import (
	"fmt"
	"strconv"
	"testing"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/preview"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// BenchmarkMove previews the move of 1,000 nodes, by which 5,000 people of 20,000 lose and
// gain: the first page with its summary, and the second one.
func BenchmarkMove(b *testing.B) {
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		b.Run(string(engine), func(b *testing.B) {
			clock := &dbtest.Clock{}
			w := newWorld(b, dbtest.Open(b, engine, clock.Now), preview.Config{})
			c := w.populate()
			first := w.first(c, 50)
			b.Logf("%+v, %d items", first.Summary, len(first.Items))
			b.Run("first page", func(b *testing.B) {
				for b.Loop() {
					w.first(c, 50)
				}
			})
			b.Run("second page", func(b *testing.B) {
				for b.Loop() {
					_, err := w.Preview(b.Context(), w.in, preview.Query{Change: c, Cursor: first.Next, Limit: 50})
					w.must(err)
				}
			})
		})
	}
}

// populate fills the tree with two regions, of which the one has 1,000 nodes to be moved.
func (w *world) populate() preview.Change {
	w.t.Helper()
	ctx := w.t.Context()
	w.permissions(w.in, keys...)
	reader, writer := w.role(w.in, "Reader", keys[:3]...), w.role(w.in, "Writer", keys...)
	root := w.root(w.in)
	var regions []hierarchy.ID
	for _, name := range []string{"North", "South"} {
		n, err := w.node(w.in, root, "region", name)
		w.must(err)
		regions = append(regions, n.ID)
	}
	top, err := w.node(w.in, regions[0], "region", "Top")
	w.must(err)
	_, err = environment.Write(database.Long(ctx), w.db, w.in,
		func(tx *database.Tx, _ environment.Environment) (none struct{}, err error) {
			var below []id.ID
			for i := range 1000 {
				of := id.New[id.ID](tx.Now)
				below = append(below, of)
				_, err = tx.Exec(ctx, `INSERT INTO node (id, environment_id, parent_id, node_type, name, name_fold, slug, status,
					metadata, child_count, version, created_at, updated_at)
					VALUES ($1, $2, $3, 'team', $4, $4, $1, 'active', '{}', 0, 1, $5, $5)`,
					of, w.in.ID, top.ID, fmt.Sprintf("n%d", i), tx.Now)
				if err != nil {
					return none, err
				}
			}
			for i := range 20_000 {
				who, role, at := id.New[id.ID](tx.Now), reader, below[i%len(below)]
				switch {
				case i < 2500:
					at = regions[0].Any()
				case i < 5000:
					at = regions[1].Any()
				case i%2 == 0:
					role, at = writer, root.Any()
				}
				_, err = tx.Exec(ctx, `INSERT INTO identity (id, account_id, email, first_name, last_name, name_fold, search,
					is_active, wrong_passwords, created_at, updated_at) VALUES ($1, $2, $1, 'Ann', $3, $3, $3, 1, 0, $4, $4)`,
					who, w.in.Application.Account.ID, strconv.Itoa(i), tx.Now)
				if err == nil {
					_, err = tx.Exec(ctx, `INSERT INTO membership (id, account_id, application_id, environment_id, identity_id,
						status, email, name_fold, search, is_active, assignment_count, activated_at, created_at)
						VALUES ($1, $2, $3, $4, $1, 'active', $1, $1, $1, 1, 1, $5, $5)`,
						who, w.in.Application.Account.ID, w.in.Application.ID, w.in.ID, tx.Now)
				}
				if err == nil {
					_, err = tx.Exec(ctx, `INSERT INTO assignment (id, environment_id, identity_id, node_id, role_id, effective_from,
						effective_to, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)`,
						id.New[id.ID](tx.Now), w.in.ID, who, at, role, decide.Beginning, decide.Forever, tx.Now)
				}
				if err != nil {
					return none, err
				}
			}
			revision.Append(tx, w.in, revision.Change{Kind: revision.Reload})
			return none, nil
		})
	w.must(err)
	return preview.Change{
		Kind: preview.MoveNodes, NodeIDs: []string{top.ID.String()}, ParentNodeID: new(regions[1].String()),
	}
}

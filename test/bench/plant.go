package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// newGrove makes the Environments by the API, some others beside the two that are asked
// about, fills their trees in the store, has more filled in, and starts the server.
func newGrove(
	ctx context.Context, o options, engine database.Engine, size, others int,
	more func(context.Context, *grove, *database.DB) error,
) (*grove, error) {
	i, err := running(ctx, o, engine)
	if err != nil {
		return nil, err
	}
	g := &grove{instance: i, rnd: rand.New(rand.NewPCG(3, 4))}
	if err := g.signIn(ctx); err != nil {
		return g, err
	}
	app := g.account("/applications/lease-desk/environments")
	g.portal, g.wide = app+"/development", app+"/production"
	if g.key, err = g.prepare(ctx, g.portal); err != nil {
		return g, err
	}
	if g.wideKey, err = g.prepare(ctx, g.wide); err != nil {
		return g, err
	}
	for n := range others {
		if err := g.must(ctx, http.StatusCreated, http.MethodPost, app, fmt.Sprintf(`{"name":"Other %d"}`, n)); err != nil {
			return g, err
		}
		if _, err := g.prepare(ctx, app+"/other-"+strconv.Itoa(n)); err != nil {
			return g, err
		}
	}
	g.stop()
	if err := g.plant(ctx, size, more); err != nil {
		return g, err
	}
	if _, err := g.start(ctx); err != nil {
		return g, err
	}
	return g, g.signIn(ctx)
}

// prepare makes an Environment a hierarchy, and a key for it.
func (g *grove) prepare(ctx context.Context, at string) (key string, err error) {
	if err := g.must(ctx, http.StatusOK, http.MethodPut, at+"/access-model", `{"model":"hierarchy"}`); err != nil {
		return "", err
	}
	if err := g.must(ctx, http.StatusOK, http.MethodPatch, at+"/hierarchy-schema", treeSchema()); err != nil {
		return "", err
	}
	status, raw, err := g.call(ctx, http.MethodPost, at+"/api-keys", `{"name":"Bench","access_mode":"full_access"}`)
	if err != nil || status != http.StatusCreated {
		return "", fmt.Errorf("a key answers %d %s: %w", status, raw, err)
	}
	_, rest, _ := strings.Cut(string(raw), `"key":"`)
	key, _, _ = strings.Cut(rest, `"`)
	return key, nil
}

const (
	insertNodes = `INSERT INTO node (id, environment_id, parent_id, node_type, name, name_fold, slug, status, metadata,
		child_count, version, created_at, updated_at) VALUES `
	nodeColumns = 9
)

// planter writes rows of nodes in pieces.
type planter struct {
	tx   *database.Tx
	args []any
	rows int
	most int
}

func (p *planter) add(ctx context.Context, of, in, parent id.ID, level int, name string, children int) error {
	p.args = append(p.args, of, in, parent, "t"+strconv.Itoa(level), name, strings.ToLower(name), children, of.String(),
		p.tx.Now)
	if p.rows++; p.rows < p.most {
		return nil
	}
	return p.flush(ctx)
}

func (p *planter) flush(ctx context.Context) error {
	if p.rows == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString(insertNodes)
	for r := range p.rows {
		if r > 0 {
			b.WriteByte(',')
		}
		at := r * nodeColumns
		fmt.Fprintf(&b, `($%d,$%d,$%d,$%d,$%d,$%d,$%d,'active','{}',$%d,1,$%d,$%d)`,
			at+1, at+2, at+3, at+4, at+5, at+6, at+8, at+7, at+9, at+9)
	}
	_, err := p.tx.Exec(ctx, b.String(), p.args...)
	p.args, p.rows = p.args[:0], 0
	return err
}

// plant fills the trees.
func (g *grove) plant(
	ctx context.Context, size int, more func(context.Context, *grove, *database.DB) error,
) error {
	db, err := g.open(ctx)
	if err != nil {
		return err
	}
	defer func() {
		// A store that was filled at once takes its time to end.
		for began := time.Now(); errors.Is(db.Close(), database.ErrStillInUse) && time.Since(began) < time.Minute; {
			time.Sleep(time.Second)
		}
	}()
	if db.Engine == database.SQLite {
		for _, pragma := range []string{"synchronous = OFF", "cache_size = -1000000"} { // only for filling
			if _, err := db.Pool().ExecContext(ctx, "PRAGMA "+pragma); err != nil {
				return err
			}
		}
	}
	began := time.Now()
	err = database.Do(database.Long(ctx), db, func(tx *database.Tx) error {
		p := &planter{tx: tx, most: 20}
		if db.Engine == database.Postgres {
			p.most = 500
		}
		return g.trees(ctx, p, size)
	})
	if err == nil && more != nil {
		err = more(ctx, g, db)
	}
	if err == nil && db.Engine == database.Postgres {
		err = g.vacuum(ctx)
	}
	fmt.Printf("  planted in %v\n", time.Since(began).Round(time.Second))
	return err
}

// vacuum leaves the store as autovacuum would some minutes later.
func (g *grove) vacuum(ctx context.Context) error {
	plain, err := sql.Open("pgx", g.dbURL) // without our limits of time
	if err != nil {
		return err
	}
	defer plain.Close()
	_, err = plain.ExecContext(ctx, "VACUUM ANALYZE")
	return err
}

func (g *grove) trees(ctx context.Context, p *planter, size int) error {
	type root struct {
		of, in id.ID
		slug   string
	}
	roots, err := database.All(ctx, p.tx, func(row database.Scanner) (r root, err error) {
		return r, row.Scan(&r.of, &r.in, &r.slug)
	}, `SELECT n.id, n.environment_id, e.slug FROM node n JOIN environment e ON e.id = n.environment_id ORDER BY e.slug`)
	if err != nil {
		return err
	}
	for _, r := range roots {
		var err error
		switch r.slug {
		case "development":
			g.byLevel, err = tree(ctx, p, r.of, r.in, size)
		case "production":
			g.familyOf = r.of
			g.family, err = siblings(ctx, p, r.of, r.in, 100_000)
		default:
			_, err = tree(ctx, p, r.of, r.in, min(size, 10_000))
		}
		if err == nil {
			err = p.flush(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tree grows a tree below a root, level by level, and counts it.
func tree(ctx context.Context, p *planter, root, in id.ID, size int) (levelsOf [levels][]id.ID, err error) {
	sizes := sizesOf(size)
	levelsOf[0] = []id.ID{root}
	for n := 1; n < levels; n++ {
		above, many := levelsOf[n-1], sizes[n]
		levelsOf[n] = make([]id.ID, many)
		for k := range many {
			of := id.New[id.ID](p.tx.Now)
			levelsOf[n][k] = of
			children := 0
			if n+1 < levels {
				children = share(sizes[n+1], many, k)
			}
			parent := above[k*len(above)/many]
			if err := p.add(ctx, of, in, parent, n, fmt.Sprintf("Unit-%d-%d", n, k), children); err != nil {
				return levelsOf, err
			}
		}
		if err := tally(ctx, p, in, n+1, "t"+strconv.Itoa(n), many); err != nil {
			return levelsOf, err
		}
	}
	return levelsOf, rooted(ctx, p, root, in, sizes[1])
}

// share is how many of so many children the k-th of the parents has.
func share(children, parents, k int) int {
	n := 0
	for c := k * children / parents; c < children && c*parents/children <= k; c++ {
		if c*parents/children == k {
			n++
		}
	}
	return n
}

func siblings(ctx context.Context, p *planter, root, in id.ID, many int) (list []id.ID, err error) {
	for k := range many {
		of := id.New[id.ID](p.tx.Now)
		list = append(list, of)
		if err := p.add(ctx, of, in, root, 1, fmt.Sprintf("Sibling-%d", k), 0); err != nil {
			return list, err
		}
	}
	if err := tally(ctx, p, in, 2, "t1", many); err != nil {
		return list, err
	}
	return list, rooted(ctx, p, root, in, many)
}

func tally(ctx context.Context, p *planter, in id.ID, depth int, nodeType string, n int) error {
	for _, of := range [][2]string{{"depth", strconv.Itoa(depth)}, {"type", nodeType}, {"status", "active"}} {
		_, err := p.tx.Exec(ctx, `INSERT INTO tally (environment_id, kind, item, n) VALUES ($1, $2, $3, $4)
			ON CONFLICT (environment_id, kind, item) DO UPDATE SET n = tally.n + excluded.n`, in, of[0], of[1], n)
		if err != nil {
			return err
		}
	}
	return nil
}

func rooted(ctx context.Context, p *planter, root, in id.ID, children int) error {
	_, err := p.tx.Exec(ctx, `UPDATE node SET child_count = $1 WHERE environment_id = $2 AND id = $3`, children, in, root)
	return err
}

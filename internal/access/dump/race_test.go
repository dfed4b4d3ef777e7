package dump_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/application"
)

// TestPromotionsAtOnce: into one Environment from two others, and between two in both
// directions: each finds whole states, and leaves one.
func TestPromotionsAtOnce(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		staging, preview := w.copied(w.dev, "Staging"), w.copied(w.dev, "Preview")
		w.node(staging, w.root(staging), "region", "East")
		w.must(w.remove(preview, w.nodes(preview)[3].ID))
		one, other := w.placeless(staging), w.placeless(preview)
		got := dbtest.AtOnce(8, func() string {
			outcome := "ok"
			for _, from := range []string{"staging", "preview"} {
				if _, err := w.Promote(t.Context(), alex, w.dev, from, dump.Promoted(), false); err != nil {
					outcome = dbtest.Outcome(err)
				}
			}
			return outcome
		})
		if got["ok"] != 8 {
			t.Fatal(got)
		}
		now := w.placeless(w.dev)
		if cmp.Diff(one, now) != "" && cmp.Diff(other, now) != "" {
			t.Errorf("neither of both: %v", now)
		}
		w.sound(w.dev)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				if _, err := w.Promote(t.Context(), alex, staging, "preview", dump.Promoted(), false); err != nil {
					t.Error(err)
				}
			})
			all.Go(func() {
				if _, err := w.Promote(t.Context(), alex, preview, "staging", dump.Promoted(), false); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		w.sound(staging)
		w.sound(preview)
	})
}

// TestASourceIsReadAtOneMoment: while somebody writes to it. Each write adds a permission, a
// role that holds it and a node, and every copy has as many of each, or one permission more.
func TestASourceIsReadAtOneMoment(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		root := w.root(w.dev)
		stop := make(chan struct{})
		var writer sync.WaitGroup
		writer.Go(func() {
			for i := range 900 { // fewer than an Environment may have roles
				select {
				case <-stop:
					return
				default:
				}
				key := fmt.Sprintf("k.k%d", i)
				w.permission(w.dev, key)
				w.role(w.dev, key, key)
				w.node(w.dev, root, "region", key)
			}
		})
		for i := range 10 {
			in := w.copied(w.dev, fmt.Sprint("Copy ", i))
			d := w.parsed(in)
			p, r, n := len(list(d, "permissions")), len(list(d, "roles")), len(list(d, "nodes"))-1
			if p < r || p > r+1 || r < n || r > n+1 || p > n+1 {
				t.Errorf("%d permissions, %d roles, %d nodes", p, r, n)
			}
			w.sound(in)
		}
		close(stop)
		writer.Wait()
	})
}

// TestWritesMeetAnImport: what is written meanwhile comes wholly before or wholly after.
func TestWritesMeetAnImport(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		_, north, _, _ := w.small()
		ann, agent := w.person(w.dev, "Ann"), w.role(w.dev, "A")
		empty := w.export(w.prod)
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := w.Import(t.Context(), alex, w.dev, empty, dump.All(), false); err != nil {
				t.Error(err)
			}
		})
		for i := range 6 {
			all.Go(func() {
				above := north.String()
				_, err := w.tree.Create(t.Context(), alex, w.dev,
					hierarchy.Draft{ParentID: &above, Type: "team", Name: fmt.Sprint("T", i)})
				if got := dbtest.Outcome(err); got != "ok" && got != "nodes.node_not_found" &&
					got != "hierarchy.schema_not_configured" {
					t.Error(got)
				}
			})
			all.Go(func() {
				err := w.tryGive(w.dev, ann, north, agent)
				if got := dbtest.Outcome(err); got != "ok" && got != "nodes.node_not_found" &&
					got != "rbac.role_not_found" && got != "rbac.assignment_conflict" {
					t.Error(got)
				}
			})
		}
		all.Wait()
		if n := len(w.nodes(w.dev)); n != 1 {
			t.Errorf("%d nodes", n)
		}
		if n := len(w.assignments(w.dev)); n != 0 {
			t.Errorf("%d assignments", n)
		}
		w.sound(w.dev)
	})
}

// TestWhereToAndFrom: an Environment is no source of its own, nor is one that is not there.
func TestWhereToAndFrom(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		before := w.stored()
		for _, from := range []string{"development", "nowhere", "", "Production"} {
			for _, dry := range []bool{false, true} {
				_, err := w.Promote(t.Context(), alex, w.dev, from, dump.Promoted(), dry)
				if !errors.Is(err, application.ErrNotInApplication) {
					t.Errorf("from %q: %v", from, err)
				}
			}
		}
		_, err := w.Copy(t.Context(), alex, w.app, application.Draft{Name: "Copy"}, "nowhere")
		if !errors.Is(err, application.ErrNotInApplication) {
			t.Error(err)
		}
		taken := "production"
		_, err = w.Copy(t.Context(), alex, w.app, application.Draft{Name: "Copy", Slug: &taken}, "development")
		if got := dbtest.Outcome(err); got != "environments.slug_taken" {
			t.Error(got)
		}
		if w.stored() != before {
			t.Error("something was changed")
		}
	})
}

// TestWhatACopyLeavesBehind: people, and what they were given.
func TestWhatACopyLeavesBehind(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		root, north, _, _ := w.small()
		w.give(w.dev, w.person(w.dev, "Ann"), north, w.role(w.dev, "A"))
		org := w.node(w.dev, root, "region", "Org")
		w.node(w.dev, org, "team", "Within")
		w.organization(org)
		w.quiet()
		staging := w.copied(w.dev, "Staging")
		if got := w.recorded(); got !=
			`environment.created {"copied_from":"development","copied":{"permissions":2,"roles":3,"nodes":4}}` {
			t.Error(got)
		}
		if n := len(w.assignments(staging)); n != 0 {
			t.Errorf("%d assignments", n)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM membership WHERE environment_id = $1`, staging.ID); n != 0 {
			t.Errorf("%d members", n)
		}
		if n := dbtest.Number(t, db, `SELECT count(*) FROM node WHERE environment_id = $1`, staging.ID); n != 4 {
			t.Errorf("%d nodes, an organization's among them", n)
		}
		w.sound(staging)
	})
}

// TestOrganizationsStay: what the product made, and what lies below it, outlives whatever is
// imported, which has to fit it.
func TestOrganizationsStay(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		root, _, _, _ := w.small()
		org := w.node(w.dev, root, "region", "Org")
		within := w.node(w.dev, org, "team", "Within")
		ann, agent := w.person(w.dev, "Ann"), w.role(w.dev, "Agent 2")
		w.give(w.dev, ann, within, agent)
		w.organization(org)
		d := w.parsed(w.dev)
		with := d["hierarchy_schema"].(m)["allowed_children"].(m)
		try := func(d any) string {
			_, err := w.Import(t.Context(), alex, w.dev, w.encoded(d), dump.All(), true)
			return dbtest.Outcome(err)
		}
		if got := try(d); got != "environments.import_invalid" {
			t.Errorf("the schema allows nothing below organizations: %s", got)
		}
		with["canopy:organization"] = []string{"team"}
		if got := try(d); got != "ok" {
			t.Error(got)
		}
		one(d, "nodes", 1)["slug"] = "org"
		if got := try(d); got != "environments.import_invalid" {
			t.Errorf("an organization has the slug: %s", got)
		}
		d["nodes"] = list(d, "nodes")[:1]
		r := w.loaded(w.dev, w.encoded(d))
		if r.Removed.Nodes != 3 || r.Removed.Assignments != 0 || len(w.assignments(w.dev)) != 1 {
			t.Errorf("%+v, %d", r.Removed, len(w.assignments(w.dev)))
		}
		w.sound(w.dev)
		flat := w.parsed(w.prod)
		if got := try(flat); got != "environments.import_invalid" {
			t.Errorf("below an organization lies a node, which can't be in a flat Environment: %s", got)
		}
	})
}

// undated is a dump without its source.
func undated(raw []byte) []byte {
	_, after, _ := bytes.Cut(raw, []byte(`"access_model"`))
	return after
}

// TestExportsEnd: a reader that goes away ends the reading, and two dumps of one state are
// equal but for the instant.
func TestExportsEnd(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		w.quiet()
		if err := w.Export(t.Context(), alex, w.dev, closed{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		if got := w.recorded(); got != "environment.exported {}" {
			t.Error(got)
		}
		if !bytes.Equal(undated(w.export(w.dev)), undated(w.export(w.dev))) {
			t.Error("two dumps of one state differ")
		}
	})
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

package assignment_test

import (
	"fmt"
	"testing"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// firstPage asks for a first page in the usual order.
func firstPage(sorts page.Sorts, take int) page.Request {
	return page.Request{Page: 1, Take: take, Sort: sorts[0], Desc: sorts[0].Desc}
}

func TestGive(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, north, reader := w.person("Ann"), w.node(w.root, "North"), w.role("Reader")
		w.quiet()
		before := w.revision()
		a, err := w.giveNew(assignment.New{
			Identity: ann, Node: north, Role: reader, Window: assignment.Always, Source: "invite",
		})
		w.must(err)
		w.recorded(fmt.Sprintf(`assignment.created {"identity_id":"%s","node_id":"%s","role_id":"%s","source":"invite"}`,
			ann, north, reader))
		if w.revision() != before+1 || a.CreatedAt.IsZero() || a.Identity != ann || a.Node != north || a.Role != reader {
			t.Errorf("revision %d, %+v", w.revision(), a)
		}
		w.given(ann, w.root, reader)
		w.given(ann, north, w.role("Writer"))
		w.sound()
		if n := dbtest.Number(t, db, `SELECT assignment_count FROM membership WHERE identity_id = $1`, ann); n != 3 {
			t.Errorf("Ann has %d assignments", n)
		}
	})
}

// Of several broken rules the first of the table answers.
func TestGiveHoldsItsRulesInTheirOrder(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		g := newGround(w)
		nobody := id.New[principal.IdentityID](db.Now())
		nowhere, none := id.New[hierarchy.ID](db.Now()), id.New[rbac.RoleID](db.Now())
		to := func(of principal.IdentityID, at hierarchy.ID, r rbac.RoleID) assignment.New {
			return assignment.New{Identity: of, Node: at, Role: r, Window: assignment.Always}
		}
		in := func(of, to decide.Instant, n assignment.New) assignment.New {
			n.Window = assignment.Window{From: of, To: to}
			return n
		}
		for name, c := range map[string]struct {
			assignment.New
			want *fault.Error
		}{
			"an empty window":        {in(5, 5, to(nobody, nowhere, none)), fault.Validation},
			"the zero window":        {in(0, 0, to(g.ann, g.north, g.reader)), fault.Validation},
			"nobody":                 {to(nobody, nowhere, none), enduser.ErrNotFound},
			"no identity":            {to(principal.IdentityID{}, nowhere, none), enduser.ErrNotFound},
			"a former member":        {to(g.gone, g.north, g.reader), enduser.ErrNotFound},
			"nowhere":                {to(g.ann, nowhere, none), hierarchy.ErrNotFound},
			"no node":                {to(g.ann, hierarchy.ID{}, none), hierarchy.ErrNotFound},
			"a deleted node":         {to(g.ann, g.deleted, g.reader), hierarchy.ErrNotFound},
			"an unknown role":        {to(g.ann, g.org, none), rbac.ErrRoleNotFound},
			"no role":                {to(g.ann, g.north, rbac.RoleID{}), rbac.ErrRoleNotFound},
			"another Environment's":  {to(g.ann, g.north, g.elsewhere), rbac.ErrRoleNotFound},
			"an organization":        {to(g.ann, g.org, g.off), hierarchy.ErrReservedType},
			"the system role":        {to(g.ann, g.north, g.system), assignment.ErrSystemRole},
			"an inactive role":       {to(g.ann, g.north, g.off), assignment.ErrInactive},
			"the same once more":     {to(g.ann, g.north, g.reader), assignment.ErrConflict},
			"the same in the future": {in(1<<60, decide.Forever, to(g.ann, g.north, g.reader)), assignment.ErrConflict},
		} {
			before := w.revision()
			_, err := w.giveNew(c.New)
			var data any
			if c.want == assignment.ErrConflict {
				data = map[string]any{"assignment_id": g.there}
			}
			t.Log(name)
			refused(t, err, c.want, data)
			w.nothing(before)
		}
		w.sound()
	})
}

// ground is a world with everything that can't be given, or not to everybody.
type ground struct {
	ann, gone                      principal.IdentityID // gone is a member no more
	north, deleted, org            hierarchy.ID
	reader, off, system, elsewhere rbac.RoleID
	there                          assignment.ID // ann has reader at north
}

func newGround(w *world) (g ground) {
	w.t.Helper()
	g.ann, g.gone, g.reader, g.off = w.person("Ann"), w.person("Gone"), w.role("Reader"), w.role("Off")
	g.north, g.deleted, g.org = w.node(w.root, "North"), w.node(w.root, "Deleted"), w.node(w.root, "Org")
	w.turnOff(g.off)
	g.there = w.given(g.ann, g.north, g.reader).ID
	dbtest.Exec(w.t, w.db, `UPDATE membership SET status = 'deactivated' WHERE identity_id = $1`, g.gone)
	dbtest.Exec(w.t, w.db, `UPDATE node SET node_type = 'canopy:organization' WHERE id = $1`, g.org)
	w.deleteNode(g.deleted)
	system, err := w.roles.Roles(w.t.Context(), w.in, rbac.SystemRole, true)
	w.must(err)
	elsewhere, err := w.roles.AddRole(w.t.Context(), alex, w.other, rbac.NewRole{Name: "Elsewhere"})
	w.must(err)
	g.system, g.elsewhere = system[0].ID, elsewhere.ID
	w.quiet()
	return g
}

// An inactive node takes assignments, which grant nothing there.
func TestGiveAtAnInactiveNode(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		north, off := w.node(w.root, "North"), hierarchy.Inactive
		_, err := w.tree.Update(t.Context(), alex, w.in, north, hierarchy.Change{Status: &off}, 0,
			func(n hierarchy.Node) any { return n })
		w.must(err)
		w.given(w.person("Ann"), north, w.role("Reader"))
	})
}

// Fits judges role and node without anybody who gets the role.
func TestFits(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		reader, off := w.role("Reader"), w.role("Off")
		w.turnOff(off)
		for name, c := range map[string]struct {
			node hierarchy.ID
			role rbac.RoleID
			want string
		}{
			"both fit":         {w.root, reader, "ok"},
			"no node":          {hierarchy.ID{}, reader, "nodes.node_not_found"},
			"no role":          {w.root, rbac.RoleID{}, "rbac.role_not_found"},
			"an inactive role": {w.root, off, "rbac.role_inactive"},
		} {
			err := database.View(t.Context(), db, func(tx *database.Tx) error {
				return assignment.Fits(t.Context(), tx, w.in, c.node, c.role)
			})
			if got := dbtest.Outcome(err); got != c.want {
				t.Errorf("%s: %s, want %s", name, got, c.want)
			}
		}
	})
}

// Of fifty who give the same at once, one does.
func TestOneOfManyGives(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader := w.person("Ann"), w.role("Reader")
		got := dbtest.AtOnce(50, func() string {
			_, err := w.give(ann, w.root, reader)
			return dbtest.Outcome(err)
		})
		if got["ok"] != 1 || got["rbac.assignment_conflict"] != 49 {
			t.Error(got)
		}
		w.sound()
	})
}

func TestDropOfIdentity(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, bob, reader := w.person("Ann"), w.person("Bob"), w.role("Reader")
		w.given(ann, w.root, reader)
		w.given(ann, w.node(w.root, "North"), reader)
		w.given(bob, w.root, reader)
		w.quiet()
		drop := func() int {
			n, err := environment.Write(t.Context(), db, w.in, func(tx *database.Tx, _ environment.Environment) (int, error) {
				return assignment.DropOfIdentity(t.Context(), tx, w.in, ann)
			})
			w.must(err)
			return n
		}
		if n := drop(); n != 2 {
			t.Errorf("%d were removed", n)
		}
		w.recorded()
		const gone = `SELECT count(*) FROM change WHERE kind = 'assignment' AND body NOT LIKE '%role%'`
		if n := dbtest.Number(t, db, gone); n != 2 {
			t.Errorf("%d changes say that an assignment is gone", n)
		}
		w.sound()
		before := w.revision()
		if n := drop(); n != 0 {
			t.Errorf("%d more were removed", n)
		}
		w.nothing(before)
		if n := dbtest.Number(t, db, `SELECT count(*) FROM assignment`); n != 1 {
			t.Errorf("%d are left", n)
		}
	})
}

func TestHeldBy(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, bob, cid := w.person("Ann"), w.person("Bob"), w.person("Cid")
		reader, writer, north := w.role("reader"), w.role("Writer"), w.node(w.root, "North")
		w.given(ann, north, writer)
		w.given(ann, north, reader)
		w.given(ann, w.root, reader)
		w.given(bob, w.root, writer)
		var got []string
		dbtest.Do(t, db, func(tx *database.Tx) error {
			all := []principal.IdentityID{ann, bob, cid}
			held, err := assignment.HeldBy(t.Context(), tx, w.in, all)
			for _, of := range all {
				for _, h := range held[of] {
					got = append(got, h.RoleName+"@"+h.NodeName)
				}
				got = append(got, "|")
			}
			return err
		})
		want := "[reader@Desk reader@North Writer@North | Writer@Desk | |]"
		if fmt.Sprint(got) != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestOfIdentity(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		ann, reader := w.person("Ann"), w.role("Reader")
		var made []assignment.ID
		for i := range 5 {
			clock.Advance(1000)
			made = append(made, w.given(ann, w.node(w.root, fmt.Sprint("N", i)), reader).ID)
		}
		r := firstPage(assignment.OfIdentitySorts, 2)
		r.Page = 2
		dbtest.Do(t, db, func(tx *database.Tx) error {
			list, info, err := assignment.OfIdentity(t.Context(), tx, w.in, ann, r)
			if err == nil && (len(list) != 2 || list[0].ID != made[2] || list[1].ID != made[1] || info.ItemCount != 5) {
				t.Errorf("%+v %+v, of %v", list, info, made)
			}
			return err
		})
	})
}

package assignment_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// lively is a world in which something happens.
type lively struct {
	*world
	r     *rand.Rand
	clock *dbtest.Clock

	people []principal.IdentityID
	nodes  []hierarchy.ID // without the root
	roles  []rbac.RoleID
	n      int
}

func one[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func newLively(t *testing.T, db *database.DB, clock *dbtest.Clock, seed uint64) *lively {
	t.Helper()
	w := &lively{world: newWorld(t, db), r: rand.New(rand.NewPCG(seed, 7)), clock: clock}
	w.tree.Holders = w.grants
	for _, name := range []string{"Ann", "ann", "Bea", "Cleo", "Straße", "strasse", "Zoë"} {
		w.people = append(w.people, w.person(fmt.Sprint(name, len(w.people))))
	}
	for _, name := range []string{"Writer", "reader", "Zeta", "Älter"} {
		w.roles = append(w.roles, w.role(name))
	}
	for range 8 {
		w.grow()
	}
	for range 40 {
		w.assign()
	}
	return w
}

func (w *lively) anywhere() hierarchy.ID { return one(w.r, append([]hierarchy.ID{w.root}, w.nodes...)) }

func (w *lively) grow() {
	w.n++
	parent := w.root
	if p := w.plain(); w.r.IntN(2) == 0 && len(w.nodes) > 0 {
		if at := one(w.r, w.nodes); len(p.lineage(at)) < 5 {
			parent = at
		}
	}
	w.nodes = append(w.nodes, w.node(parent, fmt.Sprint("Node ", w.n)))
}

// window has its ends hours away, so that nothing turns while a test looks.
func (w *lively) window() assignment.Window {
	now, window := w.db.Now().Truncate(time.Hour), assignment.Always
	if w.r.IntN(3) == 0 {
		window.From = micro(now.Add(time.Duration(w.r.IntN(400)-200) * time.Hour))
	}
	if w.r.IntN(2) == 0 {
		window.To = micro(now.Add(time.Duration(w.r.IntN(500)-200) * time.Hour))
	}
	if window.From >= window.To {
		window.To = decide.Forever
	}
	return window
}

// assign gives something that may be there already.
func (w *lively) assign() {
	w.t.Helper()
	_, err := w.giveNew(assignment.New{
		Identity: one(w.r, w.people), Node: w.anywhere(), Role: one(w.r, w.roles), Window: w.window(),
	})
	if err != nil && !errors.Is(err, assignment.ErrConflict) && !errors.Is(err, enduser.ErrNotFound) {
		w.t.Fatal(err)
	}
}

// change gives an assignment another role and window, where no other one has them.
func (w *lively) change(of assignment.ID) {
	w.t.Helper()
	from, to := w.window().Times()
	c := assignment.Change{RoleID: one(w.r, w.roles).String()}
	c.From.Given, c.To.Given = true, true
	if from != nil {
		c.From.Value = new(from.Format("2006-01-02T15:04:05.000Z"))
	}
	if to != nil {
		c.To.Value = new(to.Format("2006-01-02T15:04:05.000Z"))
	}
	_, err := w.grants.Update(w.t.Context(), alex, w.in, of, c)
	if err != nil && !errors.Is(err, assignment.ErrConflict) {
		w.t.Fatal(err)
	}
}

// become changes a person, as the room of profiles does.
func (w *lively) become(
	who principal.IdentityID, change func(*database.Tx, enduser.Identity) (enduser.Identity, error),
) {
	w.t.Helper()
	dbtest.Do(w.t, w.db, func(tx *database.Tx) error {
		i, err := enduser.Lock(w.t.Context(), tx, w.in.Application.Account.ID, who)
		if err == nil {
			i, err = change(tx, i)
		}
		if err == nil {
			_, err = membership.Follow(w.t.Context(), tx, i)
		}
		return err
	})
}

// leave ends a membership, and what it held.
func (w *lively) leave(who principal.IdentityID) {
	w.t.Helper()
	_, err := environment.Write(w.t.Context(), w.db, w.in, func(tx *database.Tx, _ environment.Environment) (int, error) {
		i, err := enduser.Find(w.t.Context(), tx, w.in.Application.Account.ID, who)
		if err != nil {
			return 0, err
		}
		if _, err := membership.Deactivate(w.t.Context(), tx, w.in, i); err != nil {
			return 0, err
		}
		return assignment.DropOfIdentity(w.t.Context(), tx, w.in, who)
	})
	w.must(err)
}

// happen does something.
func (w *lively) happen() {
	w.t.Helper()
	ctx := w.t.Context()
	switch rows := w.plain().rows; w.r.IntN(14) {
	case 0, 1, 2, 3:
		w.assign()
	case 4, 5:
		w.change(one(w.r, rows).ID)
	case 6:
		w.must(w.grants.Remove(ctx, alex, w.in, one(w.r, rows).ID))
	case 7:
		w.clock.Advance(time.Duration(w.r.IntN(48)) * time.Hour)
	case 8:
		w.become(one(w.r, w.people), func(tx *database.Tx, i enduser.Identity) (enduser.Identity, error) {
			i.FirstName = one(w.r, []string{"Max", "ANN", "Ute", "éa"})
			return enduser.SaveProfile(ctx, tx, i)
		})
	case 9:
		w.become(one(w.r, w.people), func(tx *database.Tx, i enduser.Identity) (enduser.Identity, error) {
			return enduser.SetActive(ctx, tx, i, !i.Active)
		})
	case 10:
		if gone := one(w.r, w.nodes); len(w.nodes) > 4 {
			w.deleteNode(gone)
			p := w.plain()
			kept := w.nodes[:0]
			for _, n := range w.nodes {
				if _, is := p.parent[n]; is {
					kept = append(kept, n)
				}
			}
			w.nodes = kept
		}
		w.grow()
	case 11:
		i := w.r.IntN(len(w.roles))
		w.deleteRole(w.roles[i])
		w.n++
		w.roles[i] = w.role(fmt.Sprint("Role ", w.n))
	case 12:
		w.n++
		w.people = append(w.people, w.person(fmt.Sprint("New", w.n)))
		w.assign()
	default:
		w.leave(one(w.r, w.people))
		w.assign()
	}
}

// query is any question.
func (w *lively) query(sorts page.Sorts) assignment.Query {
	maybe := func() bool { return w.r.IntN(4) == 0 }
	q := assignment.Query{Request: page.Request{
		Page: 1 + w.r.IntN(3), Take: one(w.r, []int{1, 7, 100}), Sort: one(w.r, sorts), Desc: w.r.IntN(2) == 0,
	}}
	if maybe() {
		q.Q = one(w.r, []string{"ann", "STRASSE", "doe", "@acme", "zoë", "%", "nobody"})
	}
	if maybe() {
		q.Role = one(w.r, append(w.roles, id.New[rbac.RoleID](w.db.Now())))
	}
	if maybe() {
		q.State = one(w.r, []assignment.State{assignment.Active, assignment.Scheduled, assignment.Expired})
	}
	if maybe() {
		q.Node = one(w.r, []hierarchy.ID{w.anywhere(), id.New[hierarchy.ID](w.db.Now())})
	}
	return q
}

// TestListsAreWhatOneReads: on random worlds every list, count and summary is that of a plain
// reading, in a process that follows and in one that has just started, after each of many changes.
func TestListsAreWhatOneReads(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		for seed := range uint64(2) {
			w := newLively(t, db, clock, seed)
			for step := range 60 {
				w.happen()
				grants := w.grants
				if step%5 == 0 {
					grants = &assignment.Service{DB: db}
				}
				for range 4 {
					w.same(grants)
				}
				if t.Failed() {
					t.Fatalf("seed %d, step %d", seed, step)
				}
			}
			w.sound()
			w.counted()
		}
	})
}

// same asks a few questions.
func (w *lively) same(grants *assignment.Service) {
	w.t.Helper()
	p, ctx := w.plain(), w.t.Context()
	q := w.query(assignment.Sorts)
	if w.r.IntN(4) == 0 {
		q.Identity = one(w.r, append(w.people, id.New[principal.IdentityID](w.db.Now())))
	}
	if w.r.IntN(3) == 0 {
		q.Under = one(w.r, []hierarchy.ID{w.anywhere(), w.root, id.New[hierarchy.ID](w.db.Now())})
	}
	if w.r.IntN(4) == 0 {
		q.EndsBy = new(w.db.Now().Truncate(time.Hour).Add(time.Duration(w.r.IntN(200)-100) * time.Hour))
	}
	rows, info, err := grants.List(ctx, w.in, q)
	w.must(err)
	w.equal(p, q, hierarchy.ID{}, rows, info)
	at, q := w.anywhere(), w.query(assignment.SortsAtNode)
	if w.r.IntN(3) == 0 {
		q.Access = one(w.r, []assignment.Access{assignment.Direct, assignment.Inherited})
	}
	rows, info, err = grants.ListAt(ctx, w.in, at, q)
	w.must(err)
	w.equal(p, q, at, rows, info)
	s, err := grants.Summary(ctx, w.in)
	w.must(err)
	if diff := cmp.Diff(p.summary(hierarchy.ID{}), s); diff != "" {
		w.t.Error(diff)
	}
	n, err := grants.SummaryAt(ctx, w.in, at)
	w.must(err)
	direct, inherited := p.holders(at)
	if diff := cmp.Diff(p.summary(at), n.Summary); diff != "" || n.Direct != direct || n.Inherited != inherited {
		w.t.Errorf("%d and %d, want %d and %d\n%s", n.Direct, n.Inherited, direct, inherited, diff)
	}
	recent := []principal.IdentityID(nil)
	for _, who := range n.Recent {
		recent = append(recent, who.ID)
	}
	if diff := cmp.Diff(p.recent(at), recent); diff != "" {
		w.t.Error(diff)
	}
}

func (w *lively) equal(p *plain, q assignment.Query, at hierarchy.ID, rows []assignment.Listed, info page.Info) {
	w.t.Helper()
	want, total := p.list(q, at)
	if diff := cmp.Diff(want, rows, cmpopts.EquateEmpty()); diff != "" || info != q.Of(total) {
		w.t.Errorf("%+v at %v: %+v, want %d\n%s", q, at, info, total, diff)
	}
}

// counted holds that trees, branches and paths count as one reads.
func (w *lively) counted() {
	w.t.Helper()
	p, ctx := w.plain(), w.t.Context()
	c := counts{}
	for _, from := range append(w.nodes, hierarchy.ID{}) {
		walk := hierarchy.Walk{View: hierarchy.Everywhere(true), From: from, Counted: true}
		w.must(w.tree.Walk(ctx, w.in, walk, c))
		if len(c) == 0 || from.IsZero() && len(c) != len(p.parent) {
			w.t.Errorf("%d nodes of %d", len(c), len(p.parent))
		}
		for of, got := range c {
			if direct, inherited := p.holders(of); got != [2]int{direct, inherited} {
				w.t.Errorf("a walk from %v counts %v at %v, want %d and %d", from, got, of, direct, inherited)
			}
		}
		clear(c)
		rows, _, err := w.tree.Branch(ctx, w.in, from, 0, 100)
		w.must(err)
		if !from.IsZero() {
			way, err := w.tree.Path(ctx, w.in, from)
			w.must(err)
			rows = append(rows, way...)
		}
		for _, r := range rows {
			if direct, inherited := p.holders(r.ID); r.Direct != direct || r.Inherited != inherited {
				w.t.Errorf("%d and %d at %s, want %d and %d", r.Direct, r.Inherited, r.Name, direct, inherited)
			}
		}
	}
}

// counts are what a walk counts at each node.
type counts map[hierarchy.ID][2]int

func (counts) Begin(string) (bool, error) { return false, nil }

func (c counts) Enter(n hierarchy.Node, s hierarchy.Seen, _ bool) error {
	c[n.ID] = [2]int{s.Direct, s.Inherited}
	return nil
}

func (counts) Leave(hierarchy.Node) error { return nil }

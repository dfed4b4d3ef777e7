package preview_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/preview"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

var keys = []string{"lease.read", "lease.sign", "lease.void", "lease.note"}

// TestPreviewIsWhatTheCallDoes: a preview refuses what the real call refuses, by the same
// words, and tells the difference between all answers before and after it: of nobody too few,
// of nobody too many, and with the right exceptions.
func TestPreviewIsWhatTheCallDoes(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, clock *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db, preview.Config{Areas: 1000})
		seen := map[preview.Kind]int{}
		rapid.Check(t, func(r *rapid.T) {
			d := &drawing{T: r, w: w, n: clock.Now().UnixNano()}
			d.refill()
			for range 4 {
				clock.Advance(time.Hour)
				c := d.change()
				seen[c.Kind] += d.check(c)
			}
		})
		for _, kind := range preview.Kind("").Enum() {
			if seen[preview.Kind(kind)] == 0 {
				t.Errorf("no %s changed anything", kind)
			}
		}
	})
}

// drawing draws changes of a world.
type drawing struct {
	*rapid.T

	w    *world
	now  *rows
	from *rows
	n    int64
}

func (d *drawing) name() string {
	d.n++
	return fmt.Sprintf("x%d", d.n)
}

func (d *drawing) chance(of int) bool { return rapid.IntRange(1, of).Draw(d.T, "chance") == 1 }

// refill makes the worlds large enough again.
func (d *drawing) refill() {
	w := d.w
	for _, in := range []scope.Environment{w.from, w.in} {
		w.treeIn(in)
		r := w.read(in)
		var missing []string
		for _, key := range keys {
			if !slices.Contains(r.keys, key) {
				missing = append(missing, key)
			}
		}
		if len(missing) > 0 {
			w.permissions(in, missing...)
		}
		for n := len(r.roles); n < 5; n++ {
			w.role(in, d.name(), d.some("keys", keys)...)
		}
		d.switchOn(in, r)
		for n := len(r.nodes); n < 12; n++ {
			at := hierarchy.ID(rapid.SampledFrom(w.read(in).nodes).Draw(d.T, "at").ID)
			// Siblings get different slugs; two that are moved together may have one.
			_, _ = w.node(in, at, rapid.SampledFrom([]string{"region", "region", "team"}).Draw(d.T, "type"),
				rapid.SampledFrom([]string{"a", "b", "c"}).Draw(d.T, "name"))
		}
	}
	d.look()
	for n := len(d.now.members); n < 5; n++ {
		w.person(d.name())
	}
	for _, m := range d.now.members {
		w.revive(enduser.ID(m.Identity))
	}
	d.look()
	for n := len(d.now.assignments); n < 20; n++ {
		_, _ = w.grants.BulkCreate(w.t.Context(), alex, w.in, []assignment.Draft{d.draft()}, 1)
	}
	d.look()
}

// switchOn switches on most of what was switched off.
func (d *drawing) switchOn(in scope.Environment, r *rows) {
	ctx, w := d.w.t.Context(), d.w
	for _, o := range r.roles {
		if d.chance(6) {
			continue
		}
		on := rbac.RoleChange{Active: new(true)}
		_, _ = w.roles.UpdateRole(ctx, alex, in, rbac.RoleID(o.ID), on, 0, whole[rbac.Role])
		if len(o.Permissions) == 0 {
			_ = w.roles.SetRoleKeys(ctx, alex, in, rbac.RoleID(o.ID), d.some("keys", keys), 0, whole[rbac.Role])
		}
	}
	for _, n := range r.nodes {
		if !n.Active && !d.chance(4) {
			on := hierarchy.Change{Status: new(hierarchy.Active)}
			_, err := w.tree.Update(ctx, alex, in, hierarchy.ID(n.ID), on, 0, whole[hierarchy.Node])
			w.must(err)
		}
	}
}

// revive makes somebody an active member again.
func (w *world) revive(who enduser.ID) {
	_, err := w.profiles.SetActive(w.t.Context(), alex, membership.InAccount(w.in.Application.Account), who, true)
	w.must(err)
	_, err = environment.Write(w.t.Context(), w.db, w.in,
		func(tx *database.Tx, _ environment.Environment) (none struct{}, err error) {
			i, err := enduser.Find(w.t.Context(), tx, w.in.Application.Account.ID, who)
			if err == nil {
				_, _, err = membership.Activate(w.t.Context(), tx, w.in, i)
			}
			if errors.Is(err, membership.ErrAlreadyMember) {
				err = nil
			}
			return none, err
		})
	w.must(err)
}

func (d *drawing) look() { d.now, d.from = d.w.read(d.w.in), d.w.read(d.w.from) }

// some are some of a list, in any order, mostly few.
func (d *drawing) some(what string, list []string) []string {
	return rapid.SliceOfN(rapid.SampledFrom(list), 1, 3).Draw(d.T, what)
}

// named is mostly an id of the list, and otherwise one that names nothing.
func (d *drawing) named(what string, list []id.ID) string {
	if len(list) == 0 || d.chance(25) {
		return rapid.SampledFrom([]string{"none", id.ID{7}.String()}).Draw(d.T, what+" is nothing")
	}
	return rapid.SampledFrom(list).Draw(d.T, what).String()
}

func (d *drawing) several(what string, list []id.ID) []string {
	ids := make([]string, rapid.IntRange(1, 3).Draw(d.T, "how many"))
	for i := range ids {
		ids[i] = d.named(what, list)
	}
	return ids
}

func idsOf[T any](list []T, of func(T) id.ID) []id.ID {
	ids := make([]id.ID, len(list))
	for i := range list {
		ids[i] = of(list[i])
	}
	slices.SortFunc(ids, func(a, b id.ID) int { return slices.Compare(a[:], b[:]) })
	return ids
}

func (d *drawing) nodes() []id.ID {
	return idsOf(d.now.nodes, func(n decide.Node) id.ID { return n.ID })
}

func (d *drawing) roles() []id.ID {
	return idsOf(d.now.roles, func(r decide.Role) id.ID { return r.ID })
}

func (d *drawing) people() []id.ID {
	return idsOf(d.now.members, func(m decide.Member) id.ID { return m.Identity })
}

func (d *drawing) given() []id.ID {
	return idsOf(d.now.assignments, func(a decide.Assignment) id.ID { return a.ID })
}

// window is an end of a window, around now.
func (d *drawing) end() (c text.Clearable) {
	if !d.chance(3) {
		return c
	}
	c.Given = true
	if !d.chance(3) {
		hours := rapid.IntRange(-100, 100).Draw(d.T, "hours")
		at := text.InstantOf(d.w.db.Now().Add(time.Duration(hours) * time.Hour))
		c.Value = &at
	}
	return c
}

func (d *drawing) ends() (from, to text.Clearable) {
	for {
		from, to = d.end(), d.end()
		if from.Value == nil || to.Value == nil || *from.Value < *to.Value {
			return from, to
		}
	}
}

func (d *drawing) draft() assignment.Draft {
	a := assignment.Draft{
		IdentityID: d.named("who", d.people()), NodeID: d.named("where", d.nodes()), RoleID: d.named("what", d.roles()),
	}
	a.From, a.To = d.ends()
	return a
}

// change is any change.
func (d *drawing) change() preview.Change {
	// What takes much away comes less often.
	often := slices.Concat(preview.Kind("").Enum(), preview.Kind("").Enum()[:12],
		slices.Repeat([]string{string(preview.MoveNodes), string(preview.ChangeAssignments)}, 3))
	kind := preview.Kind(rapid.SampledFrom(often).Draw(d.T, "kind"))
	c := preview.Change{Kind: kind}
	switch kind {
	case preview.MoveNodes:
		c.NodeIDs, c.ParentNodeID = d.several("node", d.nodes()), new(d.named("to", d.nodes()))
	case preview.SwitchNodes:
		to := rapid.SampledFrom([]hierarchy.Status{hierarchy.Active, hierarchy.Inactive}).Draw(d.T, "status")
		c.NodeIDs, c.Status = d.several("node", d.nodes()), &to
	case preview.DeleteNodes:
		c.NodeIDs = d.several("node", d.nodes())
	case preview.SwitchRole:
		c.RoleID, c.IsActive = new(d.named("role", d.roles())), new(rapid.Bool().Draw(d.T, "active"))
	case preview.SetPermissions:
		c.RoleID, c.Keys = new(d.named("role", d.roles())), d.some("keys", keys)
		if d.chance(8) {
			c.Keys = append(c.Keys, rapid.SampledFrom([]string{"audit.view", "no.such"}).Draw(d.T, "bad key"))
		}
	case preview.DeleteRole:
		c.RoleID = new(d.named("role", d.roles()))
	case preview.DeletePermission:
		list, err := d.w.roles.Permissions(d.w.t.Context(), d.w.in, "")
		d.w.must(err)
		if !d.chance(8) {
			list = slices.DeleteFunc(list, func(p rbac.Permission) bool { return p.Source == rbac.System })
		}
		c.PermissionID = new(d.named("permission", idsOf(list, func(p rbac.Permission) id.ID { return p.ID.Any() })))
	case preview.CreateAssignments:
		for range rapid.IntRange(1, 3).Draw(d.T, "drafts") {
			c.Assignments = append(c.Assignments, d.draft())
		}
	case preview.ChangeAssignments:
		c.AssignmentIDs = d.several("assignment", d.given())
		if c.From, c.To = d.ends(); !c.From.Given && !c.To.Given || d.chance(2) {
			c.RoleID = new(d.named("role", d.roles()))
		}
	case preview.RemoveAssignments:
		c.AssignmentIDs = d.several("assignment", d.given())
	case preview.Deactivate, preview.Remove:
		c.IdentityIDs = d.several("identity", d.people())
	case preview.Promote:
		c.Source = new("production")
		if d.chance(4) {
			c.Source = new("nowhere")
		}
		if d.chance(2) {
			c.Parts = rapid.SliceOfNDistinct(rapid.SampledFrom(dump.Promoted()), 1, 3,
				func(p dump.Part) dump.Part { return p }).Draw(d.T, "parts")
		}
	case preview.Revert:
	}
	return c
}

// check previews a change, makes it, and compares; 1 where somebody's access has changed.
func (d *drawing) check(c preview.Change) int {
	w := d.w
	before := d.now
	limit := rapid.IntRange(1, 3).Draw(d.T, "limit")
	p := w.all(c, limit)
	now := decide.Instant(w.db.Now().UnixMicro())
	d.same(c, "problems", w.do(c), told(p.Problems))
	d.look()
	gains, losses := difference(w.t, before, d.now, now)
	gotGains, gotLosses := map[access]bool{}, map[access]bool{}
	gaining, losing := 0, 0
	last := id.ID{}
	for _, it := range p.Items {
		of := it.Identity.ID.Any()
		if slices.Compare(last[:], of[:]) >= 0 {
			d.Fatalf("%s comes after %s", of, last)
		}
		if last = of; it.Identity.Email == "" || it.More > 0 || len(it.Gains)+len(it.Losses) == 0 {
			d.Errorf("an item without a name, or empty, or cut: %+v", it)
		}
		d.expand(d.now, before, of, it.Gains, gotGains)
		d.expand(before, before, of, it.Losses, gotLosses)
		gaining, losing = gaining+min(1, len(it.Gains)), losing+min(1, len(it.Losses))
	}
	d.same(c, "gains", gains, gotGains)
	d.same(c, "losses", losses, gotLosses)
	d.same(c, "summary", []any{gaining, losing, true},
		[]any{p.Summary.Gaining, p.Summary.Losing, p.Summary.Complete})
	gone := len(before.assignments) - len(d.now.assignments)
	if c.Kind == preview.CreateAssignments {
		gone = 0
	}
	d.same(c, "assignments that go", gone, p.Summary.Going.Assignments)
	if c.Kind == preview.DeleteNodes || c.Kind == preview.Revert {
		d.same(c, "nodes that go", len(before.nodes)-len(d.now.nodes), p.Summary.Going.Nodes)
	}
	return min(1, len(p.Items))
}

func (d *drawing) same(c preview.Change, what string, want, got any) {
	d.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		d.Fatalf("%+v: %s, real call (-) and preview (+):\n%s", c, what, diff)
	}
}

// access is somebody's permission at a node.
type access struct {
	Identity, Node id.ID
	Key            string
}

// difference asks for every answer before and after; at nodes that were there before.
func difference(t testing.TB, before, after *rows, now decide.Instant) (gains, losses map[access]bool) {
	t.Helper()
	was, is := before.snapshot(t), after.snapshot(t)
	gains, losses = map[access]bool{}, map[access]bool{}
	for _, m := range before.members {
		for _, n := range before.nodes {
			for _, key := range keys {
				q := decide.Question{Identity: m.Identity, Permission: key, Node: n.ID, Scope: decide.AtNode}
				a, b := was.Evaluate(q, now, nil).Allowed, is.Evaluate(q, now, nil).Allowed
				switch at := (access{m.Identity, n.ID, key}); {
				case b && !a:
					gains[at] = true
				case a && !b:
					losses[at] = true
				}
			}
		}
	}
	return gains, losses
}

// expand adds the nodes that the areas stand for, in a tree, as far as they were there before.
func (d *drawing) expand(tree, before *rows, of id.ID, areas []preview.Area, into map[access]bool) {
	byID, known := map[id.ID]decide.Node{}, map[id.ID]bool{}
	for _, n := range tree.nodes {
		byID[n.ID] = n
	}
	for _, n := range before.nodes {
		known[n.ID] = true
	}
	for _, area := range areas {
		if area.NodeName == "" || !known[area.Node] {
			d.Errorf("%+v is at no node that there is", area)
		}
		for _, n := range tree.nodes {
			inside, live := false, true
			for at := n; ; at = byID[at.Parent] {
				if slices.Contains(area.Except, at.ID) {
					break
				}
				if inside = at.ID == area.Node; inside || at.Parent.IsZero() {
					break
				}
			}
			for at := n; live && !at.Parent.IsZero(); at = byID[at.Parent] {
				live = at.Active
			}
			at := access{of, n.ID, area.Permission}
			if !inside || !live || !known[n.ID] {
				continue
			}
			if into[at] {
				d.Errorf("%+v is in two areas", at)
			}
			into[at] = true
		}
		for _, but := range area.Except {
			if !known[but] {
				d.Errorf("%+v excepts a node that is not there", area)
			}
		}
	}
}

// told are problems as texts, each once, sorted.
func told(list []preview.Problem) []string {
	texts := []string{}
	for _, p := range list {
		texts = append(texts, p.Code+": "+p.Message)
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

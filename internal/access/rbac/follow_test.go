package rbac_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestWhoFollowsSeesWhatIsThere: after any writes, the kept changes bring a snapshot of the
// beginning to what a snapshot of the rows is, with no hole between the revisions.
func TestWhoFollowsSeesWhatIsThere(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		for seed := range uint64(4) {
			w := newWorld(t, db)
			followed := w.snapshot(1)
			h := &hand{world: w, Rand: rand.New(rand.NewPCG(seed, 0))}
			for range 60 {
				if err := h.write(); err != nil && dbtest.Outcome(err) == err.Error() {
					t.Fatal(err)
				}
			}
			followed = w.follow(followed)
			if w.revision() < 20 {
				t.Fatalf("only %d revisions", w.revision())
			}
			if diff := cmp.Diff(w.shown(w.snapshot(followed.Revision())), w.shown(followed)); diff != "" {
				t.Errorf("seed %d: -rows +followed:\n%s", seed, diff)
			}
		}
	})
}

// hand writes at random.
type hand struct {
	world
	*rand.Rand
}

// write does one write, which may be refused.
func (h *hand) write() error {
	key := func() string { return fmt.Sprintf("k.k%d", h.IntN(12)) }
	name := fmt.Sprintf("Role %d", h.IntN(6))
	permissions, err := h.Permissions(h.t.Context(), h.in, rbac.Custom)
	if err != nil {
		return err
	}
	roles, err := h.Roles(h.t.Context(), h.in, rbac.CustomRole, true)
	if err != nil {
		return err
	}
	var held []string
	for range h.IntN(5) {
		held = append(held, append([]string{key()}, "canopy:organization.manage")[h.IntN(10)/9])
	}
	what := h.IntN(10)
	if what >= 2 && what <= 3 && len(permissions) == 0 || what >= 4 && what <= 7 && len(roles) == 0 {
		what = 8
	}
	switch what {
	case 0:
		_, err = h.AddPermissions(h.t.Context(), alex, h.in, []rbac.NewPermission{draft(key()), draft(key())})
	case 1:
		_, err = h.AddRole(h.t.Context(), alex, h.in, rbac.NewRole{Name: name})
	case 2:
		_, err = h.UpdatePermission(h.t.Context(), alex, h.in, permissions[h.IntN(len(permissions))].ID,
			rbac.PermissionChange{Name: &name}, 0, anyPermission)
	case 3:
		err = h.DeletePermission(h.t.Context(), alex, h.in, permissions[h.IntN(len(permissions))].ID, 0, anyPermission)
	case 4:
		err = h.DeleteRole(h.t.Context(), alex, h.in, roles[h.IntN(len(roles))].ID, 0, anyRole)
	case 5:
		on := h.IntN(2) == 0
		_, err = h.UpdateRole(h.t.Context(), alex, h.in, roles[h.IntN(len(roles))].ID,
			rbac.RoleChange{Name: &name, Active: &on}, 0, anyRole)
	case 6:
		err = h.setKeys(roles[h.IntN(len(roles))].ID, 0, held...)
	case 7:
		_, err = h.AddResources(h.t.Context(), alex, h.in, rbac.Addition{
			Resources:       []rbac.Resource{{Name: "k", Actions: []string{key()[2:], key()[2:]}}},
			RolePermissions: []rbac.RolePermissions{{roles[h.IntN(len(roles))].ID.String(), held}},
		})
	default:
		_, err = h.bootstrap(rbac.Bootstrap{
			Resources: []rbac.Resource{{Name: "k", Actions: []string{key()[2:], key()[2:]}}},
			Roles:     []rbac.RoleDraft{roleDraft(name, held...)},
		})
	}
	return err
}

// snapshot is the Environment as its rows have it.
func (w world) snapshot(at uint64) *decide.Snapshot {
	w.t.Helper()
	b := &decide.Builder{}
	permissions, err := w.Permissions(w.t.Context(), w.in, "")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, p := range permissions {
		b.Permission(p.Key)
	}
	roles, err := w.Roles(w.t.Context(), w.in, "", true)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range roles {
		b.Role(decide.Role{ID: r.ID.Any(), Name: r.Name, Active: r.Active, Permissions: w.keys(r.ID)})
	}
	s, problems := b.Build(at)
	if len(problems) > 0 {
		w.t.Errorf("the rows contradict each other: %v", problems)
	}
	return s
}

// follow applies the kept changes after a snapshot's revision.
func (w world) follow(s *decide.Snapshot) *decide.Snapshot {
	w.t.Helper()
	type kept struct {
		revision            uint64
		stamp, before, kind string
		subject             id.ID
		body                *string
	}
	rows := dbtest.Write(w.t, w.DB, func(tx *database.Tx) ([]kept, error) {
		return database.All(w.t.Context(), tx, func(row database.Scanner) (k kept, err error) {
			return k, row.Scan(&k.revision, &k.stamp, &k.before, &k.kind, &k.subject, &k.body)
		}, `SELECT revision, stamp, stamp_before, kind, subject_id, body FROM change WHERE scope_id = $1 AND revision > $2
			ORDER BY revision, ordinal`, w.in.ID, s.Revision())
	})
	var stamp string
	for _, k := range rows {
		if k.revision != s.Revision() && (k.revision != s.Revision()+1 || stamp != "" && k.before != stamp) {
			w.t.Errorf("revision %d comes after %d", k.revision, s.Revision())
		}
		var body []byte
		if k.body != nil {
			body = []byte(*k.body)
		}
		change, err := edits.Of(revision.Kind(k.kind), k.subject, body)
		if err != nil {
			w.t.Fatal(err)
		}
		e := decide.Edit{Revision: k.revision}
		if change != nil {
			e.Changes = []decide.Change{change}
		}
		var problems []decide.Problem
		if s, problems = s.Apply(e); len(problems) > 0 {
			w.t.Errorf("revision %d: %v", k.revision, problems)
		}
		stamp = k.stamp
	}
	if int(s.Revision()) != w.revision() {
		w.t.Errorf("the changes lead to %d, the Environment is at %d", s.Revision(), w.revision())
	}
	return s
}

// shown is what a snapshot says of each role that there is, by a member who has it.
func (w world) shown(s *decide.Snapshot) []string {
	w.t.Helper()
	roles, err := w.Roles(w.t.Context(), w.in, "", true)
	if err != nil {
		w.t.Fatal(err)
	}
	root := id.ID{1}
	e := decide.Edit{Revision: s.Revision(), Changes: []decide.Change{
		decide.PutNode{Node: decide.Node{ID: root, Active: true}},
	}}
	for _, r := range roles {
		e.Changes = append(e.Changes,
			decide.PutMember{Member: decide.Member{Identity: r.ID.Any(), IdentityActive: true, MembershipActive: true}},
			decide.PutAssignment{Assignment: decide.Assignment{
				ID: r.ID.Any(), Identity: r.ID.Any(), Node: root, Role: r.ID.Any(), From: decide.Beginning, To: decide.Forever,
			}})
	}
	s, problems := s.Apply(e)
	list := []string{fmt.Sprintf("%+v %v", s.Counts(), problems)}
	for _, r := range roles {
		keys, _ := s.Permissions(r.ID.Any(), 0)
		var names []string
		for _, key := range keys {
			d := s.Evaluate(decide.Question{Identity: r.ID.Any(), Permission: key, Node: root}, 0, nil)
			names = append(names, d.GrantingRoles...)
		}
		list = append(list, fmt.Sprint(r.Name, keys, slices.Compact(names)))
	}
	return list
}

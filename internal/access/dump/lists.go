package dump

import (
	"context"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// permissionPlan says how one catalogue becomes another. There are few permissions, so
// they are held.
type permissionPlan struct {
	wanted []rbac.Permission // with the id of the one that it is, zero for a new one
	before map[string]rbac.Permission
	fates  []fate
	gone   []rbac.Permission

	made, changed, same int
}

// planPermissions reads what is wanted, and what there is.
func (p *plan) planPermissions(ctx context.Context, from source) error {
	q := &permissionPlan{before: map[string]rbac.Permission{}}
	p.permissions = q
	err := rbac.DumpPermissions(ctx, p.tx, p.in, func(o rbac.Permission) error {
		q.before[o.Key] = o
		return nil
	})
	if err != nil {
		return err
	}
	seen, n := map[string]bool{}, 0
	err = from.permissions(ctx, func(w rbac.Permission) error {
		n++
		switch {
		case n > p.most.Permissions:
			return nil
		case seen[w.Key]:
			p.found.add("permissions: the key %s comes twice", w.Key)
		case permission.IsSystem(permission.Key(w.Key)):
			p.found.add("permissions: the key %s is the system's own", w.Key)
		}
		seen[w.Key] = true
		q.want(w)
		return nil
	})
	if n > p.most.Permissions {
		p.found.add("permissions: there are %d, and an Environment has at most %d", n, p.most.Permissions)
	}
	for _, o := range q.before {
		if !seen[o.Key] {
			q.gone = append(q.gone, o)
		}
	}
	slices.SortFunc(q.gone, func(a, b rbac.Permission) int { return strings.Compare(a.Key, b.Key) })
	if n <= p.most.Permissions {
		p.keys = seen
	}
	return err
}

// want judges one permission that is wanted.
func (q *permissionPlan) want(w rbac.Permission) {
	o, is := q.before[w.Key]
	w.ID, w.Version = o.ID, o.Version
	switch {
	case !is:
		q.fates = append(q.fates, made)
		q.made++
	case len(permissionFields(w, o)) > 0:
		q.fates = append(q.fates, changed)
		q.changed++
	default:
		q.fates = append(q.fates, same)
		q.same++
	}
	q.wanted = append(q.wanted, w)
}

// permissionFields are those in which two permissions of one key differ.
func permissionFields(a, b rbac.Permission) []string {
	return differing(
		field{"name", a.Name == b.Name}, field{"description", equal(a.Description, b.Description)},
		field{"category", a.Category == b.Category},
	)
}

type field struct {
	name string
	same bool
}

func differing(list ...field) []string {
	names := []string{}
	for _, f := range list {
		if !f.same {
			names = append(names, f.name)
		}
	}
	return names
}

func equal(a, b *string) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// heldRole is a role with a hash of the keys that it holds.
type heldRole struct {
	rbac.Role
	fold string
	keys uint64
}

// rolePlan says how roles become others.
type rolePlan struct {
	wanted []heldRole // with the id of the one that it is, zero for a new one
	before []heldRole
	match  []int // of each wanted: the one before that it is, or -1
	fates  []fate
	gone   []rbac.Role

	made, changed, same int
}

// planRoles reads what is wanted, and what there is. The keys are those of the catalogue
// as it is going to be.
func (p *plan) planRoles(ctx context.Context, from source) error {
	q := &rolePlan{}
	p.roles = q
	err := rbac.DumpRoles(ctx, p.tx, p.in, func(r rbac.Role, keys []string) error {
		q.before = append(q.before, p.held(r, keys))
		return nil
	})
	if err != nil {
		return err
	}
	names, n := map[string]bool{text.Fold(rbac.PlatformAdminName): true}, 0
	err = from.roles(ctx, func(r rbac.Role, keys []string) error {
		if n++; n > p.most.Roles {
			return nil
		}
		w := p.held(r, keys)
		w.ID = rbac.RoleID{}
		if names[w.fold] {
			p.found.add("roles: the name %q comes twice, or is the system's own", r.Name)
		}
		names[w.fold] = true
		for _, key := range keys {
			p.lookAtKey(r.Name, key)
		}
		q.wanted = append(q.wanted, w)
		return nil
	})
	if n > p.most.Roles {
		p.found.add("roles: there are %d, and an Environment has at most %d", n, p.most.Roles)
	}
	q.pair()
	q.judge()
	return err
}

// lookAtKey finds what a role can't hold.
func (p *plan) lookAtKey(role, key string) {
	switch {
	case p.keys == nil || p.keys[key] || key == string(permission.OrganizationManage):
	case permission.IsSystem(permission.Key(key)):
		p.found.add("roles: %q names %s, a system permission that can't be granted", role, key)
	default:
		p.found.add("roles: %q names the unknown permission %s", role, excerpt(key))
	}
}

// held sums up a role.
func (p *plan) held(r rbac.Role, keys []string) heldRole {
	sorted := slices.Compact(slices.Sorted(slices.Values(keys)))
	return heldRole{Role: r, fold: text.Fold(r.Name), keys: p.hash.of(sorted...)}
}

// pair finds which roles are the same: those whose refs say so, then those of one name.
func (q *rolePlan) pair() {
	q.match = make([]int, len(q.wanted))
	taken := make([]bool, len(q.before))
	from, to := map[rbac.RoleID][]int{}, map[rbac.RoleID][]int{}
	byName := map[string]int{}
	for i, w := range q.wanted {
		q.match[i] = -1
		from[w.Ref] = append(from[w.Ref], i)
	}
	for i, o := range q.before {
		to[o.Ref] = append(to[o.Ref], i)
		byName[o.fold] = i
	}
	for ref, list := range from {
		if !ref.IsZero() && len(list) == 1 && len(to[ref]) == 1 {
			q.match[list[0]] = to[ref][0]
			taken[to[ref][0]] = true
		}
	}
	for i, w := range q.wanted {
		if at, is := byName[w.fold]; is && q.match[i] < 0 && !taken[at] {
			q.match[i], taken[at] = at, true
		}
	}
	for i, o := range q.before {
		if !taken[i] {
			q.gone = append(q.gone, o.Role)
		}
	}
}

// judge says what becomes of each role.
func (q *rolePlan) judge() {
	for i := range q.wanted {
		w := &q.wanted[i]
		if q.match[i] < 0 {
			q.fates = append(q.fates, made)
			q.made++
			continue
		}
		o := q.before[q.match[i]]
		w.ID, w.Version = o.ID, o.Version
		if w.Ref.IsZero() {
			w.Ref = o.Ref
		}
		if len(roleFields(*w, o)) > 0 {
			q.fates = append(q.fates, changed)
			q.changed++
			continue
		}
		q.fates = append(q.fates, same)
		q.same++
	}
}

// roleFields are those in which two roles differ.
func roleFields(a, b heldRole) []string {
	return differing(
		field{"name", a.Name == b.Name}, field{"description", equal(a.Description, b.Description)},
		field{"is_active", a.Active == b.Active}, field{"permission_keys", a.keys == b.keys},
	)
}

// catalogue are the keys that a role may hold where the permissions stay as they are.
func (p *plan) catalogue(ctx context.Context, tx *database.Tx, in scope.Environment) error {
	all, err := rbac.Grantable(ctx, tx, in)
	p.keys = make(map[string]bool, len(all))
	for key := range all {
		p.keys[key] = true
	}
	return err
}

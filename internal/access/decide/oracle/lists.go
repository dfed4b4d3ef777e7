package oracle

import (
	"reflect"
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// Grants returns what the identity holds now, by permission and node, and until
// when.
func (w *World) Grants(identity id.ID, now decide.Instant) (decide.GrantList, bool) {
	m, ok := w.Members[identity]
	if !ok || !m.MembershipActive {
		return decide.GrantList{}, false
	}
	today := w.grantsAt(identity, now)
	list := decide.GrantList{Grants: today, Until: decide.Forever}
	for _, t := range w.edges(now) {
		if !reflect.DeepEqual(w.grantsAt(identity, t), today) {
			list.Until = t
			break
		}
	}
	return list, true
}

func (w *World) grantsAt(identity id.ID, now decide.Instant) []decide.Grant {
	list := []decide.Grant{}
	for _, key := range w.keys() {
		var nodes []id.ID
		for _, a := range w.Assignments {
			role := w.Roles[a.Role]
			if a.Identity == identity && w.Members[identity].IdentityActive && w.Live(a.Node) && inWindow(a, now) &&
				role.Active && slices.Contains(role.Permissions, key) {
				nodes = append(nodes, a.Node)
			}
		}
		if nodes = sorted(nodes); len(nodes) > 0 {
			list = append(list, decide.Grant{Permission: key, Nodes: nodes})
		}
	}
	return list
}

// edges returns every instant after now at which a window begins or ends.
func (w *World) edges(now decide.Instant) []decide.Instant {
	var edges []decide.Instant
	for _, a := range w.Assignments {
		for _, t := range []decide.Instant{a.From, a.To} {
			if t > now && t != decide.Forever {
				edges = append(edges, t)
			}
		}
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

func (w *World) keys() []string {
	var keys []string
	for key := range w.Permissions {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func compare(a, b id.ID) int { return slices.Compare(a[:], b[:]) }

func sorted(ids []id.ID) []id.ID {
	slices.SortFunc(ids, compare)
	return slices.Compact(ids)
}

// Accessible returns the granted nodes that lie below no other, by id, and all
// nodes at which the permission is allowed, in the order of the paths that lead to
// them from these roots.
func (w *World) Accessible(identity id.ID, permission string, now decide.Instant) (roots, nodes []id.ID) {
	allowed := func(n id.ID) bool {
		return w.Evaluate(decide.Question{Identity: identity, Permission: permission, Node: n}, now).Allowed
	}
	for u, n := range w.Nodes {
		if !allowed(u) {
			continue
		}
		nodes = append(nodes, u)
		if n.Parent.IsZero() || !allowed(n.Parent) {
			roots = append(roots, u)
		}
	}
	path := func(n id.ID) []id.ID {
		var ids []id.ID
		for _, at := range w.Lineage(n) {
			ids = append([]id.ID{at}, ids...)
			if slices.Contains(roots, at) {
				break
			}
		}
		return ids
	}
	slices.SortFunc(nodes, func(a, b id.ID) int { return slices.CompareFunc(path(a), path(b), compare) })
	return sorted(roots), nodes
}

// WhoCan returns the identities for which the permission is allowed at the node, by
// id, with the assignments that grant it, root first, then by id.
func (w *World) WhoCan(node id.ID, permission string, now decide.Instant) []decide.Holder {
	var list []decide.Holder
	line := w.Lineage(node)
	slices.Reverse(line)
	for u := range w.Members {
		if !w.Evaluate(decide.Question{Identity: u, Permission: permission, Node: node}, now).Allowed {
			continue
		}
		h := decide.Holder{Identity: u}
		for _, n := range line {
			var here []decide.GrantingAssignment
			for _, a := range w.Assignments {
				role := w.Roles[a.Role]
				grants := inWindow(a, now) && role.Active && slices.Contains(role.Permissions, permission)
				if a.Identity == u && a.Node == n && grants {
					here = append(here, decide.GrantingAssignment{
						ID: a.ID, Node: n, Role: a.Role, RoleName: role.Name, From: a.From, To: a.To,
					})
				}
			}
			slices.SortFunc(here, func(a, b decide.GrantingAssignment) int { return compare(a.ID, b.ID) })
			h.Assignments = append(h.Assignments, here...)
		}
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b decide.Holder) int { return compare(a.Identity, b.Identity) })
	return list
}

// Access is a permission that an identity has at one node.
type Access struct {
	Identity   id.ID
	Permission string
	Node       id.ID
}

// Difference returns every access that after has and w has not, and the other way
// round.
func (w *World) Difference(after *World, now decide.Instant) (gains, losses map[Access]bool) {
	had, has := w.access(now), after.access(now)
	gains, losses = map[Access]bool{}, map[Access]bool{}
	for x := range has {
		if !had[x] {
			gains[x] = true
		}
	}
	for x := range had {
		if !has[x] {
			losses[x] = true
		}
	}
	return gains, losses
}

// DifferenceUntil returns, for each identity, the first instant after now at which
// its Difference changes.
func (w *World) DifferenceUntil(after *World, now decide.Instant) map[id.ID]decide.Instant {
	until := map[id.ID]decide.Instant{}
	gains, losses := w.Difference(after, now)
	edges := append(w.edges(now), after.edges(now)...)
	slices.Sort(edges)
	for _, t := range slices.Compact(edges) {
		g, l := w.Difference(after, t)
		for _, pair := range [][2]map[Access]bool{{gains, g}, {losses, l}, {g, gains}, {l, losses}} {
			for x := range pair[0] {
				if _, known := until[x.Identity]; !pair[1][x] && !known {
					until[x.Identity] = t
				}
			}
		}
	}
	return until
}

func (w *World) access(now decide.Instant) map[Access]bool {
	all := map[Access]bool{}
	for u := range w.Members {
		for n := range w.Nodes {
			for key := range w.Permissions {
				if w.Evaluate(decide.Question{Identity: u, Permission: key, Node: n}, now).Allowed {
					all[Access{u, key, n}] = true
				}
			}
		}
	}
	return all
}

// Expand returns every access that an area stands for in this world.
func (w *World) Expand(identity id.ID, area decide.Area) []Access {
	var all []Access
	for n := range w.Nodes {
		line := w.Lineage(n)
		top := slices.Index(line, area.Node)
		if top < 0 || !w.Live(n) {
			continue
		}
		if !slices.ContainsFunc(area.Except, func(u id.ID) bool { return slices.Contains(line[:top], u) }) {
			all = append(all, Access{identity, area.Permission, n})
		}
	}
	return all
}

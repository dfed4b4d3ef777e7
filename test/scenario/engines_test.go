package scenario_test

import (
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/foundation/id"
)

// plain is the oracle.
type plain struct{ *oracle.World }

func newPlain() scenario.Answers { return plain{oracle.New()} }

func (p plain) Where(identity id.ID, permission string, now decide.Instant) (decide.Reason, []id.ID, []id.ID) {
	d := p.Evaluate(decide.Question{Identity: identity, Permission: permission, Scope: decide.AppWide}, now)
	if !d.Allowed {
		return d.Reason, nil, nil
	}
	roots, nodes := p.Accessible(identity, permission, now)
	return decide.None, roots, nodes
}

func (p plain) Who(node id.ID, permission string, now decide.Instant) (decide.Reason, []decide.Holder) {
	switch _, there := p.Nodes[node]; {
	case !there:
		return decide.NodeNotFound, nil
	case !p.Live(node):
		return decide.NodeInactive, nil
	case !p.Permissions[permission]:
		return decide.PermissionUnknown, nil
	}
	return decide.None, p.WhoCan(node, permission, now)
}

func (p plain) Impact(
	edit decide.Edit, now decide.Instant,
) (gains, losses map[scenario.Reached]bool, until decide.Instant) {
	after := p.Clone()
	after.Apply(edit)
	more, fewer := p.Difference(after, now)
	gains, losses = reached(more), reached(fewer)
	until = decide.Forever
	for _, t := range p.DifferenceUntil(after, now) {
		until = min(until, t)
	}
	return gains, losses, until
}

func reached(set map[oracle.Access]bool) map[scenario.Reached]bool {
	all := map[scenario.Reached]bool{}
	for x := range set {
		all[scenario.Reached(x)] = true
	}
	return all
}

package scenario_test

import (
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
)

// engine is package decide. It asks for lists in short pages. The oracle beside
// it only says which nodes an area means.
type engine struct {
	snapshot *decide.Snapshot
	rows     *oracle.World
}

func newEngine() answerer { return &engine{rows: oracle.New()} }

// apply builds the first rows and edits the rest.
func (e *engine) apply(edit decide.Edit) int {
	left := e.rows.Apply(edit)
	if e.snapshot != nil {
		next, problems := e.snapshot.Apply(edit)
		e.snapshot = next
		return len(problems)
	}
	var b decide.Builder
	e.rows.Tell(&b)
	snapshot, problems := b.Build(edit.Revision)
	e.snapshot = snapshot
	return left + len(problems)
}

func (e *engine) evaluate(q decide.Question, now decide.Instant) decide.Decision {
	return e.snapshot.Evaluate(q, now, nil)
}

func (e *engine) explain(identity id.ID, permission string, node id.ID, now decide.Instant) decide.Trace {
	return e.snapshot.Explain(identity, permission, node, now)
}

func (e *engine) permissions(u id.ID, now decide.Instant) ([]string, bool) {
	return e.snapshot.Permissions(u, now)
}

func (e *engine) grants(u id.ID, now decide.Instant) (decide.GrantList, bool) {
	return e.snapshot.Grants(u, now)
}

func (e *engine) nodes(identity id.ID, permission string, now decide.Instant) (decide.Reason, []id.ID, []id.ID) {
	q := decide.ReachQuery{Identity: identity, Permission: permission, Limit: 3}
	if now%2 != 0 {
		q.Limit = 1000
	}
	var nodes []id.ID
	for {
		page := e.snapshot.AccessibleNodes(q, now)
		nodes = append(nodes, page.Nodes...)
		if q.After = page.Next; page.Next == nil {
			return page.Reason, page.Roots, nodes
		}
	}
}

func (e *engine) who(node id.ID, permission string, now decide.Instant) (decide.Reason, []decide.Holder) {
	q := decide.WhoQuery{Node: node, Permission: permission, Limit: 2}
	var holders []decide.Holder
	for {
		page := e.snapshot.WhoCan(q, now)
		holders = append(holders, page.Holders...)
		if q.After = page.Next; page.Next.IsZero() {
			return page.Reason, holders
		}
	}
}

func (e *engine) impact(
	edit decide.Edit, now decide.Instant,
) (gains, losses map[oracle.Access]bool, until decide.Instant) {
	gains, losses, until = map[oracle.Access]bool{}, map[oracle.Access]bool{}, decide.Forever
	after := e.rows.Clone()
	after.Apply(edit)
	q := decide.ImpactQuery{Edit: edit, Limit: 2}
	for {
		page := e.snapshot.Impact(q, now)
		until = min(until, page.Until)
		for _, i := range page.Impacts {
			expand(after, i.Identity, i.Gains, gains)
			expand(e.rows, i.Identity, i.Losses, losses)
		}
		if q.After = page.Next; page.Next.IsZero() {
			return gains, losses, until
		}
	}
}

func expand(w *oracle.World, identity id.ID, areas []decide.Area, into map[oracle.Access]bool) {
	for _, area := range areas {
		for _, x := range w.Expand(identity, area) {
			into[x] = true
		}
	}
}

// plain is the oracle.
type plain struct{ *oracle.World }

func newPlain() answerer { return plain{oracle.New()} }

func (p plain) apply(edit decide.Edit) int { return p.Apply(edit) }

func (p plain) evaluate(q decide.Question, now decide.Instant) decide.Decision {
	return p.Evaluate(q, now)
}

func (p plain) explain(identity id.ID, permission string, node id.ID, now decide.Instant) decide.Trace {
	return p.Explain(identity, permission, node, now)
}

func (p plain) permissions(u id.ID, now decide.Instant) ([]string, bool) { return p.Held(u, now) }

func (p plain) grants(u id.ID, now decide.Instant) (decide.GrantList, bool) { return p.Grants(u, now) }

func (p plain) nodes(identity id.ID, permission string, now decide.Instant) (decide.Reason, []id.ID, []id.ID) {
	d := p.Evaluate(decide.Question{Identity: identity, Permission: permission, Scope: decide.AppWide}, now)
	if !d.Allowed {
		return d.Reason, nil, nil
	}
	roots, nodes := p.Accessible(identity, permission, now)
	return decide.None, roots, nodes
}

func (p plain) who(node id.ID, permission string, now decide.Instant) (decide.Reason, []decide.Holder) {
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

func (p plain) impact(
	edit decide.Edit, now decide.Instant,
) (gains, losses map[oracle.Access]bool, until decide.Instant) {
	after := p.Clone()
	after.Apply(edit)
	gains, losses = p.Difference(after, now)
	until = decide.Forever
	for _, t := range p.DifferenceUntil(after, now) {
		until = min(until, t)
	}
	return gains, losses, until
}

package scenario

import (
	"maps"
	"slices"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// Offline is the decision engine of the server, without a server.
func Offline() Answers { return &offline{nodes: tree{}} }

// offline asks for lists in short pages, as callers of a server do.
type offline struct {
	snapshot *decide.Snapshot
	nodes    tree // the same as in the snapshot, to say which nodes an area means
}

// Apply implements Answers: the first changes become a world, the others edit it.
func (e *offline) Apply(edit decide.Edit) int {
	if e.snapshot == nil {
		var b decide.Builder
		e.snapshot, _ = b.Build(0)
	}
	next, problems := e.snapshot.Apply(edit)
	e.snapshot = next
	e.nodes.apply(edit)
	return len(problems)
}

// Evaluate implements Answers.
func (e *offline) Evaluate(q decide.Question, now decide.Instant) decide.Decision {
	return e.snapshot.Evaluate(q, now, nil)
}

// Explain implements Answers.
func (e *offline) Explain(identity id.ID, permission string, node id.ID, now decide.Instant) decide.Trace {
	return e.snapshot.Explain(identity, permission, node, now)
}

// Held implements Answers.
func (e *offline) Held(identity id.ID, now decide.Instant) ([]string, bool) {
	return e.snapshot.Permissions(identity, now)
}

// Grants implements Answers.
func (e *offline) Grants(identity id.ID, now decide.Instant) (decide.GrantList, bool) {
	return e.snapshot.Grants(identity, now)
}

// Where implements Answers.
func (e *offline) Where(
	identity id.ID, permission string, now decide.Instant,
) (reason decide.Reason, roots, nodes []id.ID) {
	q := decide.ReachQuery{Identity: identity, Permission: permission, Limit: 3}
	for {
		page := e.snapshot.AccessibleNodes(q, now)
		nodes = append(nodes, page.Nodes...)
		if q.After = page.Next; page.Next == nil {
			return page.Reason, page.Roots, nodes
		}
		q.Limit = 1000
	}
}

// Who implements Answers.
func (e *offline) Who(node id.ID, permission string, now decide.Instant) (decide.Reason, []decide.Holder) {
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

// Impact implements Answers.
func (e *offline) Impact(
	edit decide.Edit, now decide.Instant,
) (gains, losses map[Reached]bool, until decide.Instant) {
	gains, losses, until = map[Reached]bool{}, map[Reached]bool{}, decide.Forever
	after := maps.Clone(e.nodes)
	after.apply(edit)
	q := decide.ImpactQuery{Edit: edit, Limit: 2}
	for {
		page := e.snapshot.Impact(q, now)
		until = min(until, page.Until)
		for _, i := range page.Impacts {
			after.expand(i.Identity, i.Gains, gains)
			e.nodes.expand(i.Identity, i.Losses, losses)
		}
		if q.After = page.Next; page.Next.IsZero() {
			return gains, losses, until
		}
	}
}

// tree is the nodes of a world.
type tree map[id.ID]decide.Node

func (t tree) apply(edit decide.Edit) {
	for _, c := range edit.Changes {
		switch c := c.(type) {
		case decide.PutNode:
			t[c.ID] = c.Node
		case decide.DropNode:
			gone := maps.Clone(t)
			maps.DeleteFunc(gone, func(of id.ID, _ decide.Node) bool { return !t.under(of, c.ID) })
			for of := range gone {
				delete(t, of)
			}
		}
	}
}

// under reports whether a node is top or lies below it.
func (t tree) under(of, top id.ID) bool {
	for of != top && !of.IsZero() {
		of = t[of].Parent
	}
	return of == top
}

// live reports whether a node and all above it are active.
func (t tree) live(of id.ID) bool {
	for !of.IsZero() {
		if !t[of].Active {
			return false
		}
		of = t[of].Parent
	}
	return true
}

// expand puts the nodes that areas mean into a set.
func (t tree) expand(identity id.ID, areas []decide.Area, into map[Reached]bool) {
	for _, area := range areas {
		for of := range t {
			inside := func(top id.ID) bool { return t.under(of, top) }
			if inside(area.Node) && !slices.ContainsFunc(area.Except, inside) && t.live(of) {
				into[Reached{identity, area.Permission, of}] = true
			}
		}
	}
}

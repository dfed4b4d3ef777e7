package scenario_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/test/scenario"
)

// answerer is what the engine and the oracle have in common.
type answerer interface {
	apply(decide.Edit) (problems int)
	evaluate(decide.Question, decide.Instant) decide.Decision
	explain(identity id.ID, permission string, node id.ID, now decide.Instant) decide.Trace
	permissions(id.ID, decide.Instant) ([]string, bool)
	grants(id.ID, decide.Instant) (decide.GrantList, bool)
	nodes(identity id.ID, permission string, now decide.Instant) (reason decide.Reason, roots, nodes []id.ID)
	who(node id.ID, permission string, now decide.Instant) (decide.Reason, []decide.Holder)
	// impact also says until when it is so.
	impact(decide.Edit, decide.Instant) (gains, losses map[oracle.Access]bool, until decide.Instant)
}

// pure makes environments of an answerer.
type pure func() answerer

func (p pure) New() scenario.Environment {
	return &pureEnvironment{answerer: p(), names: map[id.ID]string{}}
}

// pureEnvironment translates between names and ids.
type pureEnvironment struct {
	answerer
	names    map[id.ID]string
	revision uint64
	filled   bool
}

// id is made of the name, so that ids stand in no order that means anything.
func (e *pureEnvironment) id(kind, name string) id.ID {
	if raw, ok := strings.CutPrefix(name, `"`); ok {
		u, _ := id.Parse[id.ID](strings.TrimSuffix(raw, `"`))
		return u // anything that is not an id is the zero id, which nobody knows
	}
	if name == "" {
		return id.ID{}
	}
	sum := sha256.Sum256([]byte(kind + " " + name))
	u := id.ID(sum[:16])
	e.names[u] = name
	return u
}

func instant(t time.Time, open decide.Instant) decide.Instant {
	if t.IsZero() {
		return open
	}
	return decide.Instant(t.UnixMicro())
}

func timeOf(t decide.Instant) time.Time {
	if t == decide.Forever {
		return time.Time{}
	}
	return time.UnixMicro(int64(t)).UTC()
}

func (e *pureEnvironment) Apply(changes []scenario.Change) error {
	if !e.filled {
		e.filled = true
		system := make([]scenario.Change, 0, len(changes)+16)
		for _, key := range scenario.SystemPermissions() {
			system = append(system, scenario.PutPermission{Key: key})
		}
		changes = append(system, changes...)
	}
	e.revision++
	if n := e.apply(e.edit(changes)); n > 0 {
		return fmt.Errorf("%d rows contradict the others", n)
	}
	return nil
}

func (e *pureEnvironment) edit(changes []scenario.Change) decide.Edit {
	edit := decide.Edit{Revision: e.revision}
	for _, c := range changes {
		edit.Changes = append(edit.Changes, e.change(c)...)
	}
	return edit
}

func (e *pureEnvironment) change(c scenario.Change) []decide.Change {
	switch c := c.(type) {
	case scenario.PutPermission:
		return []decide.Change{decide.PutPermission{Key: c.Key}}
	case scenario.DropPermission:
		return []decide.Change{decide.DropPermission{Key: c.Key}}
	case scenario.PutRole:
		u := e.id("role", c.Ref)
		e.names[u] = c.Name
		return []decide.Change{decide.PutRole{Role: decide.Role{
			ID: u, Name: c.Name, Active: c.Active, Permissions: c.Permissions,
		}}}
	case scenario.DropRole:
		return []decide.Change{decide.DropRole{ID: e.id("role", c.Ref)}}
	case scenario.PutNode:
		return []decide.Change{decide.PutNode{Node: decide.Node{
			ID: e.id("node", c.Name), Parent: e.id("node", c.Parent), Active: c.Active,
		}}}
	case scenario.DropNode:
		return []decide.Change{decide.DropNode{ID: e.id("node", c.Name)}}
	case scenario.PutIdentity:
		return []decide.Change{e.member(c.Name, c.Active, c.Member)}
	case scenario.RemoveMember:
		u := e.id("identity", c.Name)
		return []decide.Change{e.member(c.Name, c.Active, false), decide.DropAssignments{Identity: u}}
	case scenario.EraseIdentity:
		return []decide.Change{decide.DropMember{Identity: e.id("identity", c.Name)}}
	case scenario.PutAssignment:
		return []decide.Change{decide.PutAssignment{Assignment: decide.Assignment{
			ID: e.id("assignment", c.Ref), Identity: e.id("identity", c.Identity),
			Node: e.id("node", c.Node), Role: e.id("role", c.Role),
			From: instant(c.From, decide.Beginning), To: instant(c.Until, decide.Forever),
		}}}
	case scenario.DropAssignment:
		return []decide.Change{decide.DropAssignment{
			ID: e.id("assignment", c.Ref), Identity: e.id("identity", c.Identity), Node: e.id("node", c.Node),
		}}
	case scenario.Away:
		return nil // an id that no row has
	}
	panic(fmt.Sprintf("unknown change %T", c))
}

func (e *pureEnvironment) member(name string, active, member bool) decide.Change {
	return decide.PutMember{Member: decide.Member{
		Identity: e.id("identity", name), IdentityActive: active, MembershipActive: member,
	}}
}

func (e *pureEnvironment) Evaluate(q scenario.Question) scenario.Verdict {
	scope := decide.AtNode
	if q.Anywhere {
		scope = decide.AppWide
	}
	return verdict(e.evaluate(decide.Question{
		Identity: e.id("identity", q.Identity), Permission: q.Permission, Scope: scope, Node: e.id("node", q.Node),
	}, instant(q.Now, 0)))
}

func verdict(d decide.Decision) scenario.Verdict {
	return scenario.Verdict{Allowed: d.Allowed, Roles: d.GrantingRoles, Reason: d.Reason.String()}
}

func (e *pureEnvironment) Explain(q scenario.Question) scenario.Trace {
	t := e.explain(e.id("identity", q.Identity), q.Permission, e.id("node", q.Node), instant(q.Now, 0))
	trace := scenario.Trace{
		Verdict:       verdict(t.Decision),
		GrantingRoles: e.all(t.GrantingRoleIDs), GrantingNodes: e.all(t.GrantingNodeIDs),
	}
	for depth, n := range t.Lineage {
		if n.Depth != depth {
			panic(fmt.Sprintf("depth %d at place %d", n.Depth, depth))
		}
		node := scenario.TraceNode{Name: e.names[n.ID], Active: n.Active, Target: n.Target}
		for _, a := range n.Assignments {
			node.Assignments = append(node.Assignments, scenario.TraceAssignment{
				Role: a.RoleName, Active: a.Active, RoleActive: a.RoleActive, GrantsPermission: a.GrantsPermission,
			})
		}
		trace.Lineage = append(trace.Lineage, node)
	}
	return trace
}

func (e *pureEnvironment) all(ids []id.ID) []string {
	var names []string
	for _, u := range ids {
		names = append(names, e.names[u])
	}
	return names
}

func (e *pureEnvironment) Permissions(identity string, now time.Time) ([]string, bool) {
	return e.permissions(e.id("identity", identity), instant(now, 0))
}

func (e *pureEnvironment) Grants(identity string, now time.Time) (scenario.Grants, bool) {
	list, ok := e.grants(e.id("identity", identity), instant(now, 0))
	grants := scenario.Grants{Nodes: map[string][]string{}, Until: timeOf(list.Until)}
	for _, g := range list.Grants {
		grants.Nodes[g.Permission] = e.all(g.Nodes)
	}
	return grants, ok
}

func (e *pureEnvironment) Nodes(identity, permission string, now time.Time) scenario.Reach {
	reason, roots, nodes := e.nodes(e.id("identity", identity), permission, instant(now, 0))
	return scenario.Reach{Reason: reason.String(), Roots: e.all(roots), Nodes: e.all(nodes)}
}

func (e *pureEnvironment) Who(permission, node string, now time.Time) scenario.Who {
	reason, holders := e.who(e.id("node", node), permission, instant(now, 0))
	who := scenario.Who{Reason: reason.String(), Holders: map[string][]string{}}
	for _, h := range holders {
		name := e.names[h.Identity]
		for _, a := range h.Assignments {
			who.Holders[name] = append(who.Holders[name], a.RoleName+" at "+e.names[a.Node])
		}
	}
	return who
}

func (e *pureEnvironment) Impact(changes []scenario.Change, now time.Time) scenario.Impact {
	gains, losses, until := e.impact(e.edit(changes), instant(now, 0))
	return scenario.Impact{Gains: e.access(gains), Losses: e.access(losses), Until: timeOf(until)}
}

func (e *pureEnvironment) access(set map[oracle.Access]bool) map[scenario.Access][]string {
	out := map[scenario.Access][]string{}
	for x := range set {
		a := scenario.Access{Identity: e.names[x.Identity], Permission: x.Permission}
		out[a] = append(out[a], e.names[x.Node])
	}
	return out
}

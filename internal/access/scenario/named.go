package scenario

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
)

// Answers is something that decides, spoken to in ids.
type Answers interface {
	// Apply makes the changes; problems is how many of them contradict the rest.
	Apply(edit decide.Edit) (problems int)
	Evaluate(q decide.Question, now decide.Instant) decide.Decision
	Explain(identity id.ID, permission string, node id.ID, now decide.Instant) decide.Trace
	// Held and Grants are false where the answer is not found.
	Held(identity id.ID, now decide.Instant) ([]string, bool)
	Grants(identity id.ID, now decide.Instant) (decide.GrantList, bool)
	Where(identity id.ID, permission string, now decide.Instant) (reason decide.Reason, roots, nodes []id.ID)
	Who(node id.ID, permission string, now decide.Instant) (decide.Reason, []decide.Holder)
	// Impact also says until when it is so.
	Impact(edit decide.Edit, now decide.Instant) (gains, losses map[Reached]bool, until decide.Instant)
}

// Reached is a permission of an identity at a node.
type Reached struct {
	Identity   id.ID
	Permission string
	Node       id.ID
}

// Named is an Engine whose Environments are spoken to in names, and answered by what is spoken
// to in ids.
type Named func() Answers

// New implements Engine.
func (n Named) New() Environment {
	return &named{answers: n(), names: map[id.ID]string{}, ids: map[string]id.ID{}}
}

// named translates between names and ids.
type named struct {
	answers  Answers
	names    map[id.ID]string
	ids      map[string]id.ID // by kind and name, of what has an id of its own
	revision uint64
	filled   bool
}

// id is made of the name, so that ids stand in no order that means anything.
func (e *named) id(kind, name string) id.ID {
	if raw, ok := strings.CutPrefix(name, `"`); ok {
		u, _ := id.Parse[id.ID](strings.TrimSuffix(raw, `"`))
		return u // anything that is not an id is the zero id, which nobody knows
	}
	if name == "" {
		return id.ID{}
	}
	u, own := e.ids[kind+" "+name]
	if !own {
		sum := sha256.Sum256([]byte(kind + " " + name))
		u = id.ID(sum[:16])
	}
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

func (e *named) Apply(changes []Change) error {
	if !e.filled {
		e.filled = true
		system := make([]Change, 0, len(changes)+16)
		for _, key := range SystemPermissions() {
			system = append(system, PutPermission{Key: key})
		}
		changes = append(system, changes...)
	}
	e.revision++
	if n := e.answers.Apply(e.edit(changes)); n > 0 {
		return fmt.Errorf("%d rows contradict the others", n)
	}
	return nil
}

func (e *named) edit(changes []Change) decide.Edit {
	edit := decide.Edit{Revision: e.revision}
	for _, c := range changes {
		edit.Changes = append(edit.Changes, e.change(c)...)
	}
	return edit
}

func (e *named) change(c Change) []decide.Change {
	switch c := c.(type) {
	case PutPermission:
		return []decide.Change{decide.PutPermission{Key: c.Key}}
	case DropPermission:
		return []decide.Change{decide.DropPermission{Key: c.Key}}
	case PutRole:
		u := e.id("role", c.Ref)
		e.names[u] = c.Name
		return []decide.Change{decide.PutRole{Role: decide.Role{
			ID: u, Name: c.Name, Active: c.Active, Permissions: c.Permissions,
		}}}
	case DropRole:
		return []decide.Change{decide.DropRole{ID: e.id("role", c.Ref)}}
	case PutNode:
		if !c.ID.IsZero() {
			e.ids["node "+c.Name] = c.ID
		}
		return []decide.Change{decide.PutNode{Node: decide.Node{
			ID: e.id("node", c.Name), Parent: e.id("node", c.Parent), Active: c.Active,
		}}}
	case DropNode:
		return []decide.Change{decide.DropNode{ID: e.id("node", c.Name)}}
	case PutIdentity:
		return []decide.Change{e.member(c.Name, c.Active, c.Member)}
	case RemoveMember:
		u := e.id("identity", c.Name)
		return []decide.Change{e.member(c.Name, c.Active, false), decide.DropAssignments{Identity: u}}
	case EraseIdentity:
		return []decide.Change{decide.DropMember{Identity: e.id("identity", c.Name)}}
	case PutAssignment:
		return []decide.Change{decide.PutAssignment{Assignment: decide.Assignment{
			ID: e.id("assignment", c.Ref), Identity: e.id("identity", c.Identity),
			Node: e.id("node", c.Node), Role: e.id("role", c.Role),
			From: instant(c.From, decide.Beginning), To: instant(c.Until, decide.Forever),
		}}}
	case DropAssignment:
		return []decide.Change{decide.DropAssignment{
			ID: e.id("assignment", c.Ref), Identity: e.id("identity", c.Identity), Node: e.id("node", c.Node),
		}}
	case Away:
		return nil // an id that no row has
	}
	panic(fmt.Sprintf("unknown change %T", c))
}

func (e *named) member(name string, active, member bool) decide.Change {
	return decide.PutMember{Member: decide.Member{
		Identity: e.id("identity", name), IdentityActive: active, MembershipActive: member,
	}}
}

func (e *named) Evaluate(q Question) Verdict {
	scope := decide.AtNode
	if q.Anywhere {
		scope = decide.AppWide
	}
	return verdict(e.answers.Evaluate(decide.Question{
		Identity: e.id("identity", q.Identity), Permission: q.Permission, Scope: scope, Node: e.id("node", q.Node),
	}, instant(q.Now, 0)))
}

func verdict(d decide.Decision) Verdict {
	return Verdict{Allowed: d.Allowed, Roles: d.GrantingRoles, Reason: d.Reason.String()}
}

func (e *named) Explain(q Question) Trace {
	t := e.answers.Explain(e.id("identity", q.Identity), q.Permission, e.id("node", q.Node), instant(q.Now, 0))
	trace := Trace{
		Verdict:       verdict(t.Decision),
		GrantingRoles: e.all(t.GrantingRoleIDs), GrantingNodes: e.all(t.GrantingNodeIDs),
	}
	for depth, n := range t.Lineage {
		if n.Depth != depth {
			panic(fmt.Sprintf("depth %d at place %d", n.Depth, depth))
		}
		node := TraceNode{Name: e.names[n.ID], Active: n.Active, Target: n.Target}
		for _, a := range n.Assignments {
			node.Assignments = append(node.Assignments, TraceAssignment{
				Role: a.RoleName, Active: a.Active, RoleActive: a.RoleActive, GrantsPermission: a.GrantsPermission,
			})
		}
		trace.Lineage = append(trace.Lineage, node)
	}
	return trace
}

func (e *named) all(ids []id.ID) []string {
	var names []string
	for _, u := range ids {
		names = append(names, e.names[u])
	}
	return names
}

func (e *named) Permissions(identity string, now time.Time) ([]string, bool) {
	return e.answers.Held(e.id("identity", identity), instant(now, 0))
}

func (e *named) Grants(identity string, now time.Time) (Grants, bool) {
	list, ok := e.answers.Grants(e.id("identity", identity), instant(now, 0))
	grants := Grants{Nodes: map[string][]string{}, Until: timeOf(list.Until)}
	for _, g := range list.Grants {
		grants.Nodes[g.Permission] = e.all(g.Nodes)
	}
	return grants, ok
}

func (e *named) Nodes(identity, permission string, now time.Time) Reach {
	reason, roots, nodes := e.answers.Where(e.id("identity", identity), permission, instant(now, 0))
	return Reach{Reason: reason.String(), Roots: e.all(roots), Nodes: e.all(nodes)}
}

func (e *named) Who(permission, node string, now time.Time) Who {
	reason, holders := e.answers.Who(e.id("node", node), permission, instant(now, 0))
	who := Who{Reason: reason.String(), Holders: map[string][]string{}}
	for _, h := range holders {
		name := e.names[h.Identity]
		for _, a := range h.Assignments {
			who.Holders[name] = append(who.Holders[name], a.RoleName+" at "+e.names[a.Node])
		}
	}
	return who
}

func (e *named) Impact(changes []Change, now time.Time) Impact {
	gains, losses, until := e.answers.Impact(e.edit(changes), instant(now, 0))
	return Impact{Gains: e.access(gains), Losses: e.access(losses), Until: timeOf(until)}
}

func (e *named) access(set map[Reached]bool) map[Access][]string {
	out := map[Access][]string{}
	for x := range set {
		a := Access{Identity: e.names[x.Identity], Permission: x.Permission}
		out[a] = append(out[a], e.names[x.Node])
	}
	return out
}

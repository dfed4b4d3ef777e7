package decide_test

import (
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
)

// idOf makes the ids of small worlds of a kind and a number. Number 0 gives the
// zero id.
func idOf(kind byte, n int) id.ID {
	if n == 0 {
		return id.ID{}
	}
	var u id.ID
	u[0], u[14], u[15] = kind, byte(n>>8), byte(n)
	return u
}

func nodeID(n int) id.ID       { return idOf('n', n) }
func memberID(n int) id.ID     { return idOf('m', n) }
func roleID(n int) id.ID       { return idOf('r', n) }
func assignmentID(n int) id.ID { return idOf('a', n) }
func keyName(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("key.%d", n)
}

// How many ids of each kind a small world knows. They are so few that edits often
// concern the same things.
const (
	someNodes       = 9
	someMembers     = 5
	someRoles       = 4
	someKeys        = 4
	someAssignments = 12
)

// upTo draws a number from 1 to n, and 0 now and then.
func upTo(t *rapid.T, n int, what string) int {
	if rapid.IntRange(0, 60).Draw(t, what+"?") == 0 {
		return 0
	}
	return rapid.IntRange(1, n).Draw(t, what)
}

func drawInstant(t *rapid.T) decide.Instant {
	return decide.Instant(rapid.IntRange(-3, 3).Draw(t, "instant"))
}

func drawRole(t *rapid.T) decide.Role {
	r := decide.Role{ID: roleID(upTo(t, someRoles, "role")), Active: rapid.IntRange(0, 3).Draw(t, "role on") > 0}
	r.Name = fmt.Sprintf("role %d", rapid.IntRange(1, 3).Draw(t, "name"))
	for range rapid.IntRange(0, 3).Draw(t, "keys") {
		r.Permissions = append(r.Permissions, keyName(rapid.IntRange(1, someKeys).Draw(t, "key")))
	}
	return r
}

func drawNode(t *rapid.T) decide.Node {
	n := upTo(t, someNodes, "node")
	// Mostly below a node with a lower number, so that most worlds are trees.
	parent := 0
	if n > 1 {
		parent = rapid.IntRange(1, n-1).Draw(t, "parent")
	}
	if rapid.IntRange(0, 9).Draw(t, "wild") == 0 {
		parent = rapid.IntRange(0, someNodes).Draw(t, "wild parent")
	}
	return decide.Node{ID: nodeID(n), Parent: nodeID(parent), Active: rapid.IntRange(0, 4).Draw(t, "node on") > 0}
}

func drawMember(t *rapid.T) decide.Member {
	return decide.Member{
		Identity:         memberID(upTo(t, someMembers, "member")),
		IdentityActive:   rapid.IntRange(0, 5).Draw(t, "identity on") > 0,
		MembershipActive: rapid.IntRange(0, 5).Draw(t, "membership on") > 0,
	}
}

func drawAssignment(t *rapid.T) decide.Assignment {
	a := decide.Assignment{
		ID:       assignmentID(upTo(t, someAssignments, "assignment")),
		Identity: memberID(rapid.IntRange(1, someMembers).Draw(t, "member")),
		Node:     nodeID(rapid.IntRange(1, someNodes).Draw(t, "node")),
		Role:     roleID(rapid.IntRange(1, someRoles).Draw(t, "role")),
		From:     decide.Beginning,
		To:       decide.Forever,
	}
	if rapid.Bool().Draw(t, "starts") {
		a.From = drawInstant(t)
	}
	if rapid.Bool().Draw(t, "ends") {
		a.To = drawInstant(t)
	}
	return a
}

// drawRows draws rows that may contradict each other.
func drawRows(t *rapid.T) *oracle.RawRows {
	raw := &oracle.RawRows{}
	for n := range someKeys {
		if rapid.IntRange(0, 9).Draw(t, "has key") > 0 {
			raw.Permission(keyName(n + 1))
		}
	}
	for range rapid.IntRange(0, 5).Draw(t, "roles") {
		raw.Role(drawRole(t))
	}
	for range rapid.IntRange(0, 12).Draw(t, "nodes") {
		raw.Node(drawNode(t))
	}
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		raw.Member(drawMember(t))
	}
	for range rapid.IntRange(0, 14).Draw(t, "assignments") {
		raw.Assignment(drawAssignment(t))
	}
	return raw
}

// drawWorld draws a world with most of the ids, and without contradictions.
func drawWorld(t *rapid.T) *oracle.World {
	w := oracle.New()
	for n := range someKeys {
		w.Permissions[keyName(n+1)] = true
	}
	var e decide.Edit
	for n := range someNodes {
		node := drawNode(t)
		node.ID = nodeID(n + 1)
		if n == 0 {
			node.Parent = id.ID{}
		}
		e.Changes = append(e.Changes, decide.PutNode{Node: node})
	}
	for n := range someMembers {
		m := drawMember(t)
		m.Identity = memberID(n + 1)
		e.Changes = append(e.Changes, decide.PutMember{Member: m})
	}
	for n := range someRoles {
		r := drawRole(t)
		r.ID = roleID(n + 1)
		e.Changes = append(e.Changes, decide.PutRole{Role: r})
	}
	for range rapid.IntRange(0, 16).Draw(t, "assignments") {
		e.Changes = append(e.Changes, decide.PutAssignment{Assignment: drawAssignment(t)})
	}
	w.Apply(e)
	return w
}

func drawEdit(t *rapid.T, revision uint64) decide.Edit {
	e := decide.Edit{Revision: revision}
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		e.Changes = append(e.Changes, drawChange(t))
	}
	return e
}

func drawChange(t *rapid.T) decide.Change {
	switch rapid.IntRange(0, 17).Draw(t, "change") {
	case 0:
		return decide.PutPermission{Key: keyName(upTo(t, someKeys, "key"))}
	case 1:
		return decide.DropPermission{Key: keyName(upTo(t, someKeys, "key"))}
	case 2, 3:
		return decide.PutRole{Role: drawRole(t)}
	case 4:
		return decide.DropRole{ID: roleID(upTo(t, someRoles, "role"))}
	case 5, 6, 7, 8:
		return decide.PutNode{Node: drawNode(t)}
	case 9:
		return decide.DropNode{ID: nodeID(upTo(t, someNodes, "node"))}
	case 10:
		return decide.PutMember{Member: drawMember(t)}
	case 11:
		return decide.DropMember{Identity: memberID(upTo(t, someMembers, "member"))}
	case 12:
		return decide.DropAssignments{Identity: memberID(upTo(t, someMembers, "member"))}
	case 13:
		a := drawAssignment(t)
		return decide.DropAssignment{ID: a.ID, Identity: a.Identity, Node: a.Node}
	default:
		return decide.PutAssignment{Assignment: drawAssignment(t)}
	}
}

// build makes a snapshot of a world without contradictions.
func build(t interface {
	Helper()
	Fatalf(string, ...any)
}, w *oracle.World, revision uint64,
) *decide.Snapshot {
	t.Helper()
	var b decide.Builder
	w.Tell(&b)
	s, problems := b.Build(revision)
	if len(problems) > 0 {
		t.Fatalf("the builder reports problems with rows that have none: %+v", problems)
	}
	return s
}

// dump returns everything in s. Its structures must agree with each other.
func dump(t interface {
	Helper()
	Fatalf(string, ...any)
}, s *decide.Snapshot,
) string {
	t.Helper()
	text := decide.Dump(s)
	if strings.Contains(text, "WRONG") {
		t.Fatalf("the structures of the snapshot disagree:\n%s", text)
	}
	return text
}

// same reports a difference between the oracle and the engine. An empty list
// equals a nil list.
func same(t interface {
	Helper()
	Errorf(string, ...any)
}, what any, want, got any,
) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%+v: oracle (-), engine (+):\n%s", what, diff)
	}
}

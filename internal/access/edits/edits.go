// Package edits spells what happens in an Environment twice: as the change rows that a
// write keeps (package revision), and as the edits of a snapshot that decides (package
// decide). It keeps both in one place, so that who writes and who follows agree.
package edits

import (
	"errors"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
)

// The kinds of changes that decisions depend on.
const (
	permissionKind revision.Kind = "permission"
	roleKind       revision.Kind = "role"
	nodeKind       revision.Kind = "node"
	memberKind     revision.Kind = "member"
	assignmentKind revision.Kind = "assignment"
)

type (
	permissionRow struct {
		Key string `json:"key"`
	}
	roleRow struct {
		Name        string   `json:"name"`
		Active      bool     `json:"active"`
		Permissions []string `json:"permissions"`
	}
	nodeRow struct {
		Parent id.ID `json:"parent"`
		Active bool  `json:"active"`
	}
	memberRow struct {
		IdentityActive   bool `json:"identity_active"`
		MembershipActive bool `json:"membership_active"`
	}
	assignmentRow struct {
		Identity id.ID          `json:"identity"`
		Node     id.ID          `json:"node"`
		Role     id.ID          `json:"role,omitzero"` // zero: the assignment is gone
		From     decide.Instant `json:"from,omitzero"`
		To       decide.Instant `json:"to,omitzero"`
	}
	dropped struct {
		Dropped string `json:"dropped"`
	}
)

// PutPermission says that the catalogue has a key.
func PutPermission(of id.ID, key string) revision.Change {
	return revision.Change{Kind: permissionKind, Subject: of, Body: permissionRow{key}}
}

// DropPermission says that a key is gone, from every role too.
func DropPermission(of id.ID, key string) revision.Change {
	return revision.Change{Kind: permissionKind, Subject: of, Body: dropped{key}}
}

// PutRole is a role as it is now.
func PutRole(r decide.Role) revision.Change {
	return revision.Change{Kind: roleKind, Subject: r.ID, Body: roleRow{r.Name, r.Active, r.Permissions}}
}

// DropRole says that a role is gone, with its assignments.
func DropRole(of id.ID) revision.Change { return revision.Change{Kind: roleKind, Subject: of} }

// PutNode is a node as it is now.
func PutNode(n decide.Node) revision.Change {
	return revision.Change{Kind: nodeKind, Subject: n.ID, Body: nodeRow{n.Parent, n.Active}}
}

// DropNode says that a node is gone, with everything below it and the assignments there.
func DropNode(of id.ID) revision.Change { return revision.Change{Kind: nodeKind, Subject: of} }

// PutMember is a membership as it is now, with the switch of its identity.
func PutMember(m decide.Member) revision.Change {
	return revision.Change{Kind: memberKind, Subject: m.Identity, Body: memberRow{m.IdentityActive, m.MembershipActive}}
}

// DropMember says that an identity was erased, with its membership and assignments.
func DropMember(identity id.ID) revision.Change {
	return revision.Change{Kind: memberKind, Subject: identity}
}

// PutAssignment is an assignment as it is now.
func PutAssignment(a decide.Assignment) revision.Change {
	return revision.Change{
		Kind: assignmentKind, Subject: a.ID, Body: assignmentRow{a.Identity, a.Node, a.Role, a.From, a.To},
	}
}

// DropAssignment says that an assignment is gone. Those that go with their node, role or
// identity need no change of their own.
func DropAssignment(of, identity, node id.ID) revision.Change {
	return revision.Change{Kind: assignmentKind, Subject: of, Body: assignmentRow{Identity: identity, Node: node}}
}

// Of is what a kept change does to a snapshot: nil where decisions don't depend on it. An
// error says that the row can't be understood, so that the follower has to read everything again.
func Of(kind revision.Kind, subject id.ID, body []byte) (decide.Change, error) {
	switch kind {
	case permissionKind:
		var row struct {
			permissionRow
			dropped
		}
		if err := json.Unmarshal(body, &row); err != nil {
			return nil, err
		}
		if row.Dropped != "" {
			return decide.DropPermission{Key: row.Dropped}, nil
		}
		return decide.PutPermission{Key: row.Key}, nil
	case roleKind:
		if body == nil {
			return decide.DropRole{ID: subject}, nil
		}
		var row roleRow
		err := json.Unmarshal(body, &row)
		return decide.PutRole{Role: decide.Role{
			ID: subject, Name: row.Name, Active: row.Active, Permissions: row.Permissions,
		}}, err
	case nodeKind:
		if body == nil {
			return decide.DropNode{ID: subject}, nil
		}
		var row nodeRow
		err := json.Unmarshal(body, &row)
		return decide.PutNode{Node: decide.Node{ID: subject, Parent: row.Parent, Active: row.Active}}, err
	case memberKind:
		if body == nil {
			return decide.DropMember{Identity: subject}, nil
		}
		var row memberRow
		err := json.Unmarshal(body, &row)
		return decide.PutMember{Member: decide.Member{
			Identity: subject, IdentityActive: row.IdentityActive, MembershipActive: row.MembershipActive,
		}}, err
	case assignmentKind:
		var row assignmentRow
		if err := json.Unmarshal(body, &row); err != nil {
			return nil, err
		}
		if row.Role == (id.ID{}) {
			return decide.DropAssignment{ID: subject, Identity: row.Identity, Node: row.Node}, nil
		}
		return decide.PutAssignment{Assignment: decide.Assignment{
			ID: subject, Identity: row.Identity, Node: row.Node, Role: row.Role, From: row.From, To: row.To,
		}}, nil
	case revision.Nothing:
	case revision.Reload:
		return nil, errors.New("edits: too much was changed to follow")
	}
	return nil, nil //nolint:nilnil // no change is the answer
}

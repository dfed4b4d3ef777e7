// Package edits spells what happens in an Environment twice: as the change rows that a
// write keeps (package revision), and as the edits of a snapshot that decides (package
// decide). It keeps both in one place, so that who writes and who follows agree.
package edits

import (
	"errors"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/tenant/revision"
)

// The kinds of changes that decisions depend on.
const (
	permissionKind revision.Kind = "permission"
	roleKind       revision.Kind = "role"
	nodeKind       revision.Kind = "node"
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
	case revision.Nothing:
	case revision.Reload:
		return nil, errors.New("edits: too much was changed to follow")
	}
	return nil, nil //nolint:nilnil // no change is the answer
}
